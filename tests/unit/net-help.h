/* What the tests of src/net share: a crew, the server's side of a connection that records what it
 * is told, and a client that is a plain blocking socket or OpenSSL. Everything waits for events;
 * nothing sleeps. */
#ifndef JACKDAW_TESTS_NET_HELP_H
#define JACKDAW_TESTS_NET_HELP_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/strbuf.h"
#include "loop/worker.h"
#include "net/conn.h"
#include "net/tls.h"

#define MIB (1024 * 1024)

/* Starts a crew; stopped by crew_stop(). */
struct crew *help_crew(unsigned workers);

/* Runs `fn(arg)` on the worker and waits until it has. */
void help_run(struct worker *w, void (*fn)(void *arg), void *arg);

/* Waits until `fn(arg)`, called on the worker once per turn, is true. */
void help_until(struct worker *w, bool (*fn)(void *arg), void *arg);

/* A connected pair of TCP sockets on the loopback; fd[0] is the client's, with a time limit. */
void help_tcp_pair(int fd[2]);

/* The server's side. What happens to it is under the lock. */
struct side {
    struct worker *w;
    struct conn *c;
    struct conn_conf conf;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct strbuf got;
    unsigned events[3]; /* how often, by enum conn_event */
    char why[200];      /* of the last event */
    void (*on_data)(struct side *s, const char *bytes, size_t len); /* NULL: only record */
    void (*on_event)(struct side *s, enum conn_event ev);
    const char *host; /* for help_start_tls(): whose certificate, if the client names none */
    void *extra;
};

/* A connection on `fd` on the worker. help_side_end() frees it (if there is one) and the rest. */
void help_side_start(struct side *s, struct worker *w, int fd);
void help_side_end(struct side *s);

/* Waits for the event to have happened once. */
void help_wait_event(struct side *s, enum conn_event ev);

/* How often it has happened so far. */
unsigned help_events(struct side *s, enum conn_event ev);

/* Waits until `len` bytes have been recorded. */
void help_wait_got(struct side *s, size_t len);

/* Conn functions called on the side's worker. */
void help_write(struct side *s, const char *bytes, size_t len);
void help_start_tls(struct side *s, struct tls_context *tls);
void help_close(struct side *s, int64_t linger);
void help_free(struct side *s);

/* A data handler that echoes. */
void help_echo(struct side *s, const char *bytes, size_t len);

/* A directory for certificates, removed by help_files_end(), and a context for hosts named there.
 */
void help_files_start(void);
void help_files_end(void);
const char *help_file(const char *name);
struct tls_context *help_tls(const char *alpn, const char *host, ...) __attribute__((sentinel));
struct tls_host
help_host(const char *host); /* its certificate and key, made when first asked for */

/* The client's context: TLS 1.2 and later, trusts what help_tls() has made. */
SSL_CTX *help_client_ctx(void);

/* A client on `fd`, which it closes in help_client_end(); the handshake is the caller's. */
SSL *help_client(SSL_CTX *ctx, int fd, const char *sni);
void help_client_end(SSL **ssl);

/* A connection of the side on `fd[1]` and a client on `fd[0]` that have shaken hands. */
SSL *help_secured(struct side *s, struct worker *w, const int fd[2], SSL_CTX *ctx);

/* Reads and writes all of it or fails the test. */
void help_ssl_write(SSL *ssl, const char *bytes, size_t len);
void help_ssl_read(SSL *ssl, char *buf, size_t len);
void help_send(int fd, const char *bytes, size_t len);
void help_recv(int fd, char *buf, size_t len);

/* Bytes that show loss, doubling and order: never the same within 64 KiB. */
void help_pattern(char *buf, size_t len);

#endif
