/* Requests of the server to a session's client: an IQ is sent, its answer comes back as an item of
 * the account, in order. An answer of any kind, error or not, proves that the client has received
 * what it was sent before. */
#ifndef JACKDAW_CORE_ASK_H
#define JACKDAW_CORE_ASK_H

#include <stdint.h>

#include "loop/fiber.h"

struct module_inst;
struct session;
struct stanza;
struct work;

enum ask_outcome {
    ASK_ANSWERED, /* w->st is the result or error */
    ASK_TIMEOUT,  /* the session is still there */
    ASK_GONE,     /* the session has ended, or is about to */
};

/* How a request ended, in an item of the account; w->session is the session, `tag` what was given
 * to work_ask(). May write and send. */
typedef void ask_fn(struct module_inst *inst, struct work *w, enum ask_outcome outcome,
                    int64_t tag) MAY_YIELD;

/* Sends `request` (an iq get or set; gets an id, and the host and the session as its addresses;
 * stays the caller's) to a session of w's account, like work_send(). `fn` is called exactly once:
 * when the answer is here, after `timeout` µs, or when the session ends. The caller sees to it that
 * a session is not asked without bound. */
void work_ask(struct work *w, struct session *s, struct stanza *request, int64_t timeout,
              struct module_inst *inst, ask_fn *fn, int64_t tag);

#endif
