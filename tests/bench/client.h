/* XMPP connections by the thousand, in one thread. A `crew` is all of them and their epoll; a
 * `client` is one. Logging in is done here; then a scenario gets each stanza as bytes.
 * One read and one write per connection and wake-up. */
#ifndef JACKDAW_BENCH_CLIENT_H
#define JACKDAW_BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/strbuf.h"
#include "opts.h"
#include "sasl.h"
#include "scan.h"

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_STARTTLS_HEADER,
    CLIENT_STARTTLS_FEATURES,
    CLIENT_STARTTLS_PROCEED,
    CLIENT_HANDSHAKE,
    CLIENT_AUTH_HEADER,
    CLIENT_AUTH_FEATURES,
    CLIENT_AUTH,
    CLIENT_BIND_HEADER,
    CLIENT_BIND_FEATURES,
    CLIENT_BIND,
    CLIENT_ROSTER,
    CLIENT_PRESENCE,
    CLIENT_RELAY_HEADER,
    CLIENT_READY,
};

struct crew;

struct client {
    struct crew *crew;
    enum client_state state;
    unsigned number; /* 0 .. connections - 1 */
    unsigned user;   /* 1 .. users */
    int fd;
    SSL *ssl; /* NULL while the connection is plain */
    bool dirty, waits_to_write;
    struct scan scan;
    struct strbuf in, out; /* a stanza's beginning; what is to be sent */
    struct sasl sasl;
    char name[32];      /* user1 */
    char resource[128]; /* as the server gave it */
    uint64_t opened_at; /* ns */
    uint64_t read_at;   /* ns: when the bytes of the stanza at hand were read */
};

/* What a scenario wants to know. `stanza` is only valid during the call. */
struct crew_events {
    void (*ready)(struct client *c);
    void (*stanza)(struct client *c, struct slice stanza);
    void (*closed)(struct client *c, const char *why); /* not after client_close() */
};

struct crew {
    const struct opts *opts;
    struct crew_events events;
    void *scenario;
    struct client *clients; /* opts->connections of them */
    struct sasl_keys *keys; /* by user */
    struct client **dirty;
    unsigned dirty_count;
    unsigned busy; /* connected or logging in, not yet ready */
    int epoll;
    SSL_CTX *tls;
    struct sockaddr_storage address;
    socklen_t address_len;
    char tls_name[64]; /* version and cipher of the last handshake */
    int error_count;
    char error[256]; /* the first thing that went wrong */
};

/* Makes the clients; connects none. Ends the process if the host has no address. */
void crew_init(struct crew *crew, const struct opts *opts);

/* Closes everything. */
void crew_free(struct crew *crew);

/* Handles what is ready, waiting at most `timeout` ms for it, and sends what that made to be sent.
 */
void crew_turn(struct crew *crew, int timeout);

/* Logs the first `n` clients in, `logins_at_once` at a time. False, with `error` set, if one fails.
 */
bool crew_login(struct crew *crew, unsigned n);

/* Begins to connect and log in a closed client. `ready` or `closed` follows. */
void client_open(struct client *c);

/* Ends the stream and the connection, now. Does nothing if it is closed. */
void client_close(struct client *c);

/* Queues bytes; they go out at the end of the turn. */
void client_send(struct client *c, const char *bytes, size_t len);

/* Says that the caller has appended to c->out itself. */
void client_touched(struct client *c);

/* Answers a ping or any other <iq type='get'/>, as a client must. False if it is none. */
bool client_answer_iq(struct client *c, struct slice stanza);

#endif
