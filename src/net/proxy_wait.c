#include "net/proxy_wait.h"

#include <errno.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/io.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "net/proxy.h"

struct proxied {
    struct worker *w;
    int fd; /* -1: handed on */
    struct io *io;
    struct timer limit;
    union address peer;
    listener_fn *fn;
    void *arg;
    LIST_ENTRY(proxied) link;
    size_t len;
    char head[PROXY_HEADER_MAX];
};

static _Thread_local LIST_HEAD(, proxied) waiting;

static void proxied_free(struct proxied *p)
{
    LIST_REMOVE(p, link);
    timer_clear(p->w, &p->limit);
    io_free(&p->io);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

/* Only who is trusted gets here: it is a fault of the configuration, and worth a line. */
static void refuse(struct proxied *p, const char *why)
{
    char peer[ADDRESS_TEXT];
    address_format_port(&p->peer, peer);
    log_warn("listener", peer, "closed: %s (it is in proxy_trusted)", why);
    proxied_free(p);
}

static void hand_on(struct proxied *p, const union address *source)
{
    struct worker *w = p->w;
    int fd = p->fd;
    listener_fn *fn = p->fn;
    void *arg = p->arg;
    union address peer = source->any.sa_family == AF_UNSPEC ? p->peer : *source;
    p->fd = -1;
    proxied_free(p);
    fn(arg, w, fd, &peer);
}

/* What follows the header is left in the socket: it may be the beginning of TLS. So the bytes are
 * looked at first and only those of the header taken. */
static void on_ready(void *arg, int ready)
{
    (void)ready;
    struct proxied *p = arg;
    union address source;
    char *end = p->head + p->len;
    ssize_t n = recv(p->fd, end, sizeof(p->head) - p->len, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        proxied_free(p); /* some balancers look in this way whether somebody listens */
        return;
    }
    int used = proxy_parse(p->head, p->len + (size_t)n, &source);
    if (used == PROXY_WRONG) {
        refuse(p, "it did not begin with a PROXY header");
        return;
    }
    size_t take = used > 0 ? (size_t)used - p->len : (size_t)n;
    if (recv(p->fd, end, take, 0) != (ssize_t)take)
        refuse(p, "its PROXY header could not be read");
    else if (used > 0)
        hand_on(p, &source);
    else
        p->len += take;
}

static void on_limit(struct timer *t)
{
    refuse(CONTAINER_OF(t, struct proxied, limit), "it sent no PROXY header in time");
}

void proxy_wait(struct worker *w, int fd, const union address *peer, int64_t limit, listener_fn *fn,
                void *arg)
{
    struct proxied *p = mem_new(struct proxied);
    p->w = w;
    p->fd = fd;
    p->peer = *peer;
    p->fn = fn;
    p->arg = arg;
    p->limit.fn = on_limit;
    timer_set(w, &p->limit, limit);
    LIST_INSERT_HEAD(&waiting, p, link);
    p->io = io_new(w, fd, on_ready, p);
    io_want(p->io, IO_READ);
}

void proxy_wait_abort(void)
{
    while (!LIST_EMPTY(&waiting))
        proxied_free(LIST_FIRST(&waiting));
}
