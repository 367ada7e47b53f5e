/* Resource binding (RFC 6120 section 7): from an authenticated stream to a session. */
#ifndef JACKDAW_CORE_BIND_H
#define JACKDAW_CORE_BIND_H

#include "loop/fiber.h"

struct entity;
struct item;
struct stanza;
struct stream;

/* The stream's client asks for a resource: an item goes to the account, which answers with
 * stream_bound() or stream_bind_failed(). `iq` is the request. On the account's home. */
void bind_request(struct stream *s, struct stanza *iq);

/* ITEM_BIND, in the account's fiber. */
void bind_handle(struct entity *e, struct item *item) MAY_YIELD;
void bind_refuse(struct item *item, const char *text);

#endif
