/* A connection to the server under test: a socket, later TLS over it. */
#ifndef TALK_WIRE_H
#define TALK_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct wire;

/* Connects to XMPP_HOST; NULL and `e`. */
struct wire *wire_connect(const char *port, struct err *e);

/* The TLS handshake: the server's certificate must be good for `domain` and known to XMPP_CA_FILE;
 * `alpn` (as RFC 7301 says it: length and name) may be NULL. `version`: highest TLS version
 * (TLS1_2_VERSION), 0 for the highest there is. False and `e`. */
bool wire_tls(struct wire *w, const char *domain, const char *alpn, int version, int64_t patience,
              struct err *e);
bool wire_is_tls(const struct wire *w);

/* What the handshake agreed on by ALPN, "" if nothing. */
const char *wire_alpn(const struct wire *w, char buf[32]);

/* Shows the server this certificate, and its key (PEM, one file), if it asks for one. Before
 * wire_tls(); `file` must live until then. */
void wire_certificate(struct wire *w, const char *file);

#define WIRE_BINDING_MAX 64
/* Channel binding data of this type ("tls-exporter"); its length, 0 if there is none. */
size_t wire_binding(const struct wire *w, const char *type, unsigned char out[WIRE_BINDING_MAX]);

/* Writes everything, in pieces of `piece` bytes (0: at once), each given to the system by itself.
 * False if the connection broke or `patience` (µs) ended. */
bool wire_write(struct wire *w, const char *data, size_t len, size_t piece, int64_t patience);

/* Reads what is there, waiting at most `ms`: bytes, 0 if nothing came, -1 at the end. */
int wire_read(struct wire *w, char *buf, size_t size, int ms);

/* Closes without a word; with `reset`, by a TCP RST. Sets *w to NULL; accepts NULL. */
void wire_close(struct wire **w, bool reset);

#endif
