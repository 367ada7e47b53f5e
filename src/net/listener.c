#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/io.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define BACKLOG 1024
#define ACCEPTS_PER_TURN 64
#define REST (100 * CLOCK_MS)           /* when not even shedding a connection works */
#define COMPLAIN_AGAIN (60 * CLOCK_SEC) /* without trouble for so long, the next is news */

struct listener {
    struct worker *w;
    int fd;
    int reserve;          /* a descriptor to give up for accepting and closing; -1 if it is lost */
    struct io *io;        /* NULL until the worker has seen it */
    struct timer rest;    /* while it does not listen */
    int64_t last_trouble; /* when it last was out of descriptors; 0: never */
    listener_fn *fn;
    void *arg;
    bool *closed; /* set while `fn` runs */
    struct post start;
};

/* Binding */

/* False if `text` is not an address. "*" is the IPv6 wildcard, which also takes IPv4. */
static bool parse_address(const char *text, unsigned port, union address *a)
{
    return address_parse(strcmp(text, "*") == 0 ? "::" : text, port, a);
}

/* A bound socket, -1 with errno set. `shared`: others of ours bind the same. */
static int bind_socket(const union address *a, bool both, bool shared)
{
    int on = 1, only6 = !both;
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        (a->any.sa_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6)) == 0) &&
        bind(fd, &a->any, address_len(a)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* SO_REUSEPORT would let a second server of the same user share our port, each getting half of the
 * connections. So before the first worker binds, binding without it must succeed. */
static int open_socket(const char *address, unsigned port, bool first)
{
    union address a;
    bool both = strcmp(address, "*") == 0;
    errno = EINVAL;
    if (!parse_address(address, port, &a))
        return -1;
    if (first && port != 0) {
        int probe = bind_socket(&a, both, false);
        if (probe < 0)
            return -1;
        close(probe);
    }
    int fd = bind_socket(&a, both, true);
    if (fd >= 0 && listen(fd, BACKLOG) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static unsigned bound_port(int fd)
{
    union address a = {0};
    socklen_t len = sizeof(a);
    INVARIANT(getsockname(fd, &a.any, &len) == 0);
    return address_port(&a);
}

static int open_or_explain(const char *address, unsigned port, bool first, struct err *e)
{
    int fd = open_socket(address, port, first);
    if (fd < 0 && errno == EAFNOSUPPORT && strcmp(address, "*") == 0)
        fd = open_socket("0.0.0.0", port, first); /* a machine without IPv6 */
    if (fd >= 0)
        return fd;
    switch (errno) {
    case EADDRINUSE: return err_set(e, "port %u is in use by another process", port);
    case EINVAL: return err_set(e, "\"%s\" is not an IPv4 or IPv6 address", address);
    case EACCES: return err_set(e, "no permission to listen on port %u", port);
    default: return err_set(e, "cannot listen on %s port %u: %s", address, port, strerror(errno));
    }
}

/* Accepting */

static void rest(struct listener *l)
{
    io_want(l->io, 0);
    timer_set(l->w, &l->rest, REST);
}

static void on_rested(struct timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, rest);
    io_want(l->io, IO_READ);
}

static void complain(struct listener *l, int error)
{
    int64_t now = worker_now(l->w);
    if (l->last_trouble == 0 || now - l->last_trouble > COMPLAIN_AGAIN)
        log_warn("listener", NULL, "connections are turned away: %s%s", strerror(error),
                 error == EMFILE ? "; raise LimitNOFILE= of the service, or ulimit -n" : "");
    l->last_trouble = now;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: a connection that is not accepted would wake the loop for ever. */
static void shed(struct listener *l, int error)
{
    complain(l, error);
    int fd = -1;
    if (l->reserve >= 0) {
        close(l->reserve);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
    }
    l->reserve = open_reserve();
    if (fd < 0)
        rest(l);
}

/* Whether to go on accepting after accept4() failed. */
static bool goes_on(struct listener *l, int error)
{
    switch (error) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: shed(l, error); return false;
    default: return true; /* an error of that one connection: accept(2) */
    }
}

static void on_ready(void *arg, int ready)
{
    (void)ready;
    struct listener *l = arg;
    bool closed = false;
    l->closed = &closed;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        union address peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        address_unmap(&peer);
        if (fd >= 0)
            l->fn(l->arg, l->w, fd, &peer);
        else if (!goes_on(l, errno))
            break;
        if (closed)
            return;
    }
    l->closed = NULL;
}

/* Opening and closing */

static void on_start(struct post *post)
{
    struct listener *l = CONTAINER_OF(post, struct listener, start);
    l->io = io_new(l->w, l->fd, on_ready, l);
    io_want(l->io, IO_READ);
}

struct listener *listener_open(struct worker *w, const char *address, unsigned *port,
                               listener_fn *fn, void *arg, struct err *e)
{
    int fd = open_or_explain(address, *port, worker_index(w) == 0, e);
    if (fd < 0)
        return NULL;
    *port = bound_port(fd);
    struct listener *l = mem_new(struct listener);
    l->w = w;
    l->fd = fd;
    l->reserve = open_reserve();
    l->rest.fn = on_rested;
    l->fn = fn;
    l->arg = arg;
    l->start.run = on_start;
    if (worker_self() == w)
        on_start(&l->start);
    else
        worker_post(w, &l->start);
    return l;
}

void listener_close(struct listener **lp)
{
    struct listener *l = *lp;
    *lp = NULL;
    if (!l)
        return;
    if (l->closed)
        *l->closed = true;
    timer_clear(l->w, &l->rest);
    io_free(&l->io);
    close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    free(l);
}
