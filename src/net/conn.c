#include "net/conn.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/io.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "net/address.h"
#include "net/channel.h"
#include "net/tls.h"

/* The one input buffer of all connections of a thread: an idle connection has none. */
#define SCRATCH (16 * 1024)
static _Thread_local char scratch[SCRATCH];

/* Bytes a closing connection reads and forgets per turn. */
#define DISCARD_BUDGET (64 * 1024)

enum state {
    STATE_CLEAR,
    STATE_TLS_NEXT, /* the rest of the clear text goes out, then the handshake begins */
    STATE_HANDSHAKE,
    STATE_SECURE,
};

struct conn {
    struct worker *w; /* NULL while detached */
    struct io *io;
    struct turn_end turn;
    struct channel channel;
    struct tls_context *tls;
    SSL *next; /* STATE_TLS_NEXT: what the handshake begins with */
    const struct conn_conf *conf;
    const struct conn_handler *handler;
    void *arg;
    bool *gone; /* set while a callback runs: tells the caller that `c` is not its any more */
    const char *failure; /* it broke outside of the loop's callbacks; told at the end of the turn */
    struct strbuf out;
    size_t sent;        /* bytes at the start of `out` that are written already */
    size_t clear;       /* STATE_TLS_NEXT: bytes that go out before the handshake */
    uint8_t state;      /* enum state, changed by set_state() */
    uint8_t read_wait;  /* what must be ready before it makes sense to read (or shake hands) */
    uint8_t write_wait; /* ... to write again; 0: now */
    bool paused, eof, broken;
    bool more;    /* bytes wait in the TLS object: read without waiting for the socket */
    bool closing; /* conn_close(): nobody listens any more */
    bool shut;    /* closing: close_notify and FIN are sent */
    bool dead;    /* freed at the end of this turn */
    bool linger;  /* closing: wait for the peer */
    struct timer linger_timer;
    LIST_ENTRY(conn) closing_link;
    const char *address; /* points into `peer` */
    char peer[];
};

/* What conn_close() has not finished, per worker. */
static _Thread_local LIST_HEAD(, conn) closing_conns;

static void on_turn_end(struct turn_end *t);
static void on_ready(void *arg, int ready);

/* Small helpers */

static void schedule(struct conn *c)
{
    if (!c->w)
        return; /* conn_attach() will */
    INVARIANT(c->w == worker_self());
    worker_at_turn_end(c->w, &c->turn);
}

/* Tells the callback that is running for `c`, if any, to keep its hands off. */
static void leave(struct conn *c)
{
    if (c->gone)
        *c->gone = true;
    c->gone = NULL;
}

static bool reads_data(const struct conn *c)
{
    return !c->paused && !c->eof && !c->broken && !c->closing &&
           (c->state == STATE_CLEAR || c->state == STATE_SECURE);
}

/* What the loop shall tell of. */
static int interest(const struct conn *c)
{
    if (c->broken)
        return 0;
    if (c->closing)
        return c->write_wait | (c->eof ? 0 : IO_READ);
    return c->write_wait | (reads_data(c) || c->state == STATE_HANDSHAKE ? c->read_wait : 0);
}

static void set_state(struct conn *c, enum state state)
{
    c->state = (uint8_t)state;
    c->read_wait = IO_READ;
    c->write_wait = 0;
}

/* Life and death */

static void set_socket_options(int fd)
{
    /* The last two fail on sockets that are not TCP, which need neither. */
    int on = 1;
    INVARIANT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

struct conn *conn_new(struct worker *w, int fd, const union address *peer,
                      const struct conn_conf *conf, const struct conn_handler *handler, void *arg)
{
    char address[ADDRESS_TEXT], with_port[ADDRESS_TEXT];
    address_format(peer, address);
    address_format_port(peer, with_port);
    set_socket_options(fd);
    size_t port_len = strlen(with_port) + 1, len = strlen(address) + 1;
    struct conn *c = mem_zalloc(sizeof(*c) + port_len + len);
    memcpy(c->peer, with_port, port_len);
    memcpy(c->peer + port_len, address, len);
    c->address = c->peer + port_len;
    c->channel.fd = fd;
    c->conf = conf;
    c->handler = handler;
    c->arg = arg;
    c->turn.run = on_turn_end;
    INVARIANT(conf->read_budget > 0);
    strbuf_init(&c->out, 2 * conf->output_max); /* what is sent may make up half of it */
    set_state(c, STATE_CLEAR);
    conn_attach(c, w);
    return c;
}

static void really_free(struct conn *c)
{
    channel_clear(&c->channel);
    SSL_free(c->next);
    tls_unref(&c->tls);
    strbuf_free(&c->out);
    free(c);
}

/* Stops everything at once. The memory goes at the end of the turn, when nothing on the loop can
 * point to it. */
static void destroy(struct conn *c)
{
    leave(c);
    io_free(&c->io);
    close(c->channel.fd);
    c->channel.fd = -1;
    if (!c->w) {
        really_free(c);
        return;
    }
    if (c->closing)
        LIST_REMOVE(c, closing_link);
    timer_clear(c->w, &c->linger_timer);
    c->dead = true;
    schedule(c);
}

void conn_free(struct conn **cp)
{
    struct conn *c = *cp;
    *cp = NULL;
    if (c)
        destroy(c);
}

/* Telling the handler. All three return false if `c` is not the caller's to touch any more. */

static bool tell(struct conn *c, enum conn_event event, const char *why)
{
    bool gone = false;
    c->gone = &gone;
    c->handler->event(c->arg, event, why);
    if (gone)
        return false;
    c->gone = NULL;
    return true;
}

static bool deliver(struct conn *c, const char *bytes, size_t len)
{
    bool gone = false;
    c->gone = &gone;
    c->handler->data(c->arg, bytes, len);
    if (gone)
        return false;
    c->gone = NULL;
    return true;
}

static bool broke(struct conn *c, const char *why)
{
    if (c->closing) {
        destroy(c);
        return false;
    }
    c->broken = true;
    c->failure = NULL;
    strbuf_free(&c->out);
    c->sent = 0;
    io_want(c->io, 0);
    return tell(c, CONN_BROKEN, why);
}

/* Reading. Like the three above, these return false if `c` is gone. */

static bool read_ended(struct conn *c, enum channel_result result)
{
    switch (result) {
    case CHANNEL_OK: break;
    case CHANNEL_WANT_READ: c->read_wait = IO_READ; break;
    case CHANNEL_WANT_WRITE: c->read_wait = IO_WRITE; break;
    case CHANNEL_EOF: c->eof = true; return tell(c, CONN_CLOSED, "closed by the peer");
    case CHANNEL_FAILED: return broke(c, channel_why());
    }
    return true;
}

/* Reads until nothing is left, the budget is used up or the handler wants no more. */
static bool read_data(struct conn *c)
{
    /* What the end of the turn reads is on top of the budget: no more than OpenSSL's buffer holds.
     */
    size_t budget = c->more ? SCRATCH : c->conf->read_budget;
    c->more = false;
    while (reads_data(c) && budget > 0) {
        size_t size = budget < SCRATCH ? budget : SCRATCH, len;
        enum channel_result result = channel_read(&c->channel, scratch, size, &len);
        if (result != CHANNEL_OK)
            return read_ended(c, result);
        c->read_wait = IO_READ;
        budget -= len;
        if (!deliver(c, scratch, len))
            return false;
        if (c->channel.drained && !channel_pending(&c->channel))
            return true; /* saves the read that would say so */
    }
    /* The loop will not tell of what waits in the TLS object. */
    if (reads_data(c) && channel_pending(&c->channel)) {
        c->more = true;
        schedule(c);
    }
    return true;
}

static bool shake_hands(struct conn *c)
{
    enum channel_result result = channel_handshake(&c->channel);
    if (result != CHANNEL_OK)
        return read_ended(c, result);
    set_state(c, STATE_SECURE);
    c->more = channel_pending(&c->channel); /* came right behind the handshake */
    schedule(c);
    return tell(c, CONN_SECURED, "secured");
}

/* Nobody wants what still comes; but while it is unread, close() would send a reset, which makes
 * the peer lose our last words. */
static bool read_and_forget(struct conn *c)
{
    switch (channel_discard(&c->channel, DISCARD_BUDGET)) {
    case CHANNEL_OK:
    case CHANNEL_WANT_READ:
    case CHANNEL_WANT_WRITE: return true;
    case CHANNEL_EOF:
        c->eof = true;
        schedule(c);
        return true;
    case CHANNEL_FAILED: break;
    }
    destroy(c);
    return false;
}

static bool make_input(struct conn *c)
{
    if (c->closing)
        return read_and_forget(c);
    if (c->state == STATE_HANDSHAKE)
        return shake_hands(c);
    return read_data(c);
}

/* Writing: once per turn, at its end. */

size_t conn_queued(const struct conn *c)
{
    return c->out.len - c->sent;
}

/* How much of the output may go out in this state. */
static size_t sendable(const struct conn *c)
{
    switch ((enum state)c->state) {
    case STATE_TLS_NEXT: return c->clear;
    case STATE_HANDSHAKE: return 0;
    case STATE_CLEAR:
    case STATE_SECURE: break;
    }
    return conn_queued(c);
}

static void forget_sent(struct conn *c, size_t len)
{
    c->sent += len;
    if (c->state == STATE_TLS_NEXT)
        c->clear -= len;
    if (c->sent < c->out.len)
        return;
    strbuf_free(&c->out); /* an idle connection holds no buffer */
    c->sent = 0;
}

static bool flush(struct conn *c)
{
    while (!c->write_wait && sendable(c) > 0) {
        size_t len;
        switch (channel_write(&c->channel, c->out.s + c->sent, sendable(c), &len)) {
        case CHANNEL_OK: forget_sent(c, len); break;
        case CHANNEL_WANT_READ: c->write_wait = IO_READ; break;
        case CHANNEL_WANT_WRITE: c->write_wait = IO_WRITE; break;
        case CHANNEL_EOF: return broke(c, "closed by the peer");
        case CHANNEL_FAILED: return broke(c, channel_why());
        }
    }
    return true;
}

/* The output of a connection that closes is written, or may not go out because it waits for a
 * handshake: says so to the peer, then waits for its end. */
static bool finish(struct conn *c)
{
    if (!c->shut) {
        enum channel_result result = channel_shutdown(&c->channel);
        c->shut = result == CHANNEL_OK;
        if (result == CHANNEL_WANT_WRITE && c->linger) {
            c->write_wait = IO_WRITE;
            return true;
        }
    }
    if (c->shut && c->linger && !c->eof)
        return true;
    destroy(c);
    return false;
}

static bool make_output(struct conn *c)
{
    if (!flush(c))
        return false;
    if (c->broken)
        return true;
    bool waits = c->write_wait || sendable(c) > 0;
    if (c->closing)
        return waits && c->linger ? true : finish(c);
    if (waits || c->state != STATE_TLS_NEXT)
        return true;
    channel_start_tls(&c->channel, c->next);
    c->next = NULL;
    set_state(c, STATE_HANDSHAKE);
    return shake_hands(c);
}

/* What the loop calls */

static void on_ready(void *arg, int ready)
{
    struct conn *c = arg;
    if (ready & c->write_wait) {
        c->write_wait = 0;
        schedule(c);
    }
    int read_wait = c->closing ? IO_READ : c->read_wait;
    if ((ready & read_wait) && !make_input(c))
        return;
    io_want(c->io, interest(c)); /* what was not read would be ready again at once */
}

static void on_turn_end(struct turn_end *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, turn);
    if (c->dead) {
        really_free(c);
        return;
    }
    if (c->failure) {
        broke(c, c->failure);
        return;
    }
    if (c->broken)
        return;
    if (c->more && !make_input(c))
        return;
    if (make_output(c))
        io_want(c->io, interest(c));
}

static void on_linger_end(struct timer *t)
{
    destroy(CONTAINER_OF(t, struct conn, linger_timer));
}

/* What its owner calls */

void conn_set_arg(struct conn *c, void *arg)
{
    c->arg = arg;
}

void conn_write(struct conn *c, const char *bytes, size_t len)
{
    if (c->broken || len == 0)
        return;
    if (len > c->conf->output_max - conn_queued(c)) {
        c->broken = true;
        c->failure = "too much output waits for the peer";
        schedule(c);
        return;
    }
    if (c->sent >= conn_queued(c)) { /* moving the rest costs no more than writing it did */
        strbuf_drop(&c->out, c->sent);
        c->sent = 0;
    }
    strbuf_add(&c->out, bytes, len);
    if (!c->write_wait)
        schedule(c);
}

size_t conn_waiting(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->channel.fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void conn_pause(struct conn *c)
{
    c->paused = true;
    schedule(c);
}

void conn_resume(struct conn *c)
{
    c->paused = false;
    c->more |= reads_data(c) && channel_pending(&c->channel);
    schedule(c);
}

void conn_start_tls(struct conn *c, struct tls_context *tls, const char *name)
{
    INVARIANT(c->state == STATE_CLEAR);
    if (c->broken)
        return;
    c->tls = tls_ref(tls);
    c->next = tls_server_ssl(tls, name);
    c->clear = conn_queued(c);
    c->state = STATE_TLS_NEXT; /* what the writer waits for stays */
    schedule(c);
}

void conn_detach(struct conn *c)
{
    INVARIANT(c->w == worker_self());
    leave(c);
    io_free(&c->io);
    worker_cancel_turn_end(c->w, &c->turn);
    c->w = NULL;
}

/* Everything is tried once at the end of the turn: what the old worker had learned of readiness and
 * what its end of the turn had to do is forgotten. */
void conn_attach(struct conn *c, struct worker *w)
{
    INVARIANT(!c->w && w == worker_self());
    c->w = w;
    c->io = io_new(w, c->channel.fd, on_ready, c);
    c->write_wait = 0;
    c->more = reads_data(c) && channel_pending(&c->channel);
    io_want(c->io, interest(c));
    if (c->more || c->failure || c->state == STATE_TLS_NEXT || sendable(c) > 0)
        schedule(c);
}

void conn_close(struct conn **cp, int64_t linger)
{
    struct conn *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    if (c->broken || !c->w) {
        destroy(c);
        return;
    }
    leave(c);
    c->closing = true;
    c->conf = NULL; /* they may go before the connection does */
    c->handler = NULL;
    c->linger = linger > 0;
    LIST_INSERT_HEAD(&closing_conns, c, closing_link);
    c->linger_timer.fn = on_linger_end;
    if (c->linger)
        timer_set(c->w, &c->linger_timer, linger);
    schedule(c);
}

unsigned conn_closing(void)
{
    unsigned count = 0;
    struct conn *c;
    LIST_FOREACH (c, &closing_conns, closing_link)
        count++;
    return count;
}

void conn_abort_closing(void)
{
    while (!LIST_EMPTY(&closing_conns))
        destroy(LIST_FIRST(&closing_conns));
}

/* Facts */

bool conn_is_tls(const struct conn *c)
{
    return c->state == STATE_SECURE;
}

const char *conn_peer(const struct conn *c)
{
    return c->peer;
}

const char *conn_peer_address(const struct conn *c)
{
    return c->address;
}

const char *conn_sni(const struct conn *c)
{
    const char *name =
        conn_is_tls(c) ? SSL_get_servername(c->channel.ssl, TLSEXT_NAMETYPE_host_name) : NULL;
    return name ? name : "";
}

const char *conn_alpn(const struct conn *c)
{
    const unsigned char *name;
    unsigned len = 0;
    if (conn_is_tls(c))
        SSL_get0_alpn_selected(c->channel.ssl, &name, &len);
    return len > 0 ? tls_alpn(c->tls) : ""; /* no other is ever selected */
}

const char *conn_tls_version(const struct conn *c)
{
    return conn_is_tls(c) ? SSL_get_version(c->channel.ssl) : "";
}

const char *conn_tls_cipher(const struct conn *c)
{
    return conn_is_tls(c) ? SSL_get_cipher_name(c->channel.ssl) : "";
}

SSL *conn_tls(const struct conn *c)
{
    return conn_is_tls(c) ? c->channel.ssl : NULL;
}
