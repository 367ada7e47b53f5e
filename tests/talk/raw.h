/* Raw clients: every byte is the dialogue's own. */
#ifndef TALK_RAW_H
#define TALK_RAW_H

#include "client.h"
#include "sasl.h"
#include "wire.h"

struct stream_reader;

struct raw {
    struct wire *wire;
    struct stream_reader *reader;
    struct sasl sasl;
    const char *offer; /* of the last features: see struct sasl_conf */
    size_t piece;      /* bytes in a write; 0: all that there is */
    bool gathering;    /* keep in `gathered` what is sent */
    char input[16384];
    struct strbuf gathered; /* sent by raw_flush() in one write */
};

/* A raw client, connected to the port that this variable of the environment names. NULL after
 * fail(). */
struct client *raw_connect(struct dialogue *d, const char *name, const char *port_variable);

/* The raw side of a client; NULL after fail() if it is an ordinary one. */
struct raw *raw_of(struct client *c);

/* Sends what was gathered. */
bool raw_flush(struct client *c);

/* The TLS handshake, then a new stream is expected. `alpn` as for wire_tls(). */
bool raw_tls(struct client *c, const char *alpn, int version);

/* Sends a stream header to `domain` (NULL: the server's). */
bool raw_open(struct client *c, const char *domain);

/* Waits for the server's stream header, and for its features. */
const struct node *raw_header(struct client *c);
const struct node *raw_features(struct client *c);

/* STARTTLS, as far as the handshake. */
bool raw_starttls(struct client *c);

/* Begins SASL; members of `conf` that are NULL are filled in from the account. */
bool raw_auth(struct client *c, const char *mechanism, struct sasl_conf *conf);
/* Waits for the challenge and answers it; sets the variables NAME.salt and NAME.iterations. */
bool raw_answer(struct client *c);
/* Waits for <success/>, checks the server's proof. */
bool raw_success(struct client *c);

/* Binds a resource (NULL: the server chooses one), and takes the bound JID. */
bool raw_send_bind(struct client *c, const char *resource);
bool raw_take_bind(struct client *c);

#endif
