#include "loop/io.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/mem.h"
#include "loop/internal.h"

/* Two events rather than one with two conditions: changing what is wanted is then one epoll_ctl().
 * The second is made when it is first needed, which for most connections is never. */
struct io {
    struct worker *worker;
    io_fn *fn;
    void *arg;
    int fd, wanted;
    struct event read;
    struct event *write;
};

static void ready(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    io->fn(io->arg, what & EV_WRITE ? IO_WRITE : IO_READ);
}

struct io *io_new(struct worker *w, int fd, io_fn *fn, void *arg)
{
    INVARIANT(worker_self() == w);
    struct io *io = mem_new(struct io);
    io->worker = w;
    io->fn = fn;
    io->arg = arg;
    io->fd = fd;
    INVARIANT(event_assign(&io->read, w->base, fd, EV_READ | EV_PERSIST, ready, io) == 0);
    return io;
}

static void want_write(struct io *io, bool on)
{
    if (!io->write) {
        io->write = mem_new(struct event);
        INVARIANT(event_assign(io->write, io->worker->base, io->fd, EV_WRITE | EV_PERSIST, ready,
                               io) == 0);
    }
    INVARIANT((on ? event_add(io->write, NULL) : event_del(io->write)) == 0);
}

void io_want(struct io *io, int events)
{
    int changed = io->wanted ^ events;
    if (!changed)
        return;
    INVARIANT(worker_self() == io->worker);
    io->wanted = events;
    if (changed & IO_READ)
        INVARIANT((events & IO_READ ? event_add(&io->read, NULL) : event_del(&io->read)) == 0);
    if (changed & IO_WRITE)
        want_write(io, events & IO_WRITE);
}

int io_wanted(const struct io *io)
{
    return io->wanted;
}

void io_free(struct io **io)
{
    if (!*io)
        return;
    io_want(*io, 0);
    free((*io)->write);
    mem_free(io);
}
