#include "core/admin_server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "core/admin_call.h"
#include "core/admin_protocol.h"
#include "core/server.h"
#include "loop/fiber.h"
#include "loop/io.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define READ_CHUNK 16384

struct client {
    LIST_ENTRY(client) link;
    struct admin_server *server;
    int fd; /* -1: gone, but its command still runs */
    struct io *io;
    struct strbuf in, out;
    size_t sent;           /* bytes of `out` that are written already */
    bool running;          /* a command of its: further requests wait */
    bool closing;          /* when everything is written */
    struct timer patience; /* set while output waits */
    json_t *request;       /* the one that runs */
};

/* Lives on the crew's first worker, `w`; made and freed on the main thread. */
struct admin_server {
    struct worker *w;
    struct admin_table *table;
    char *path;
    int fd;
    struct io *io;
    LIST_HEAD(, client) clients;
    unsigned n_clients;
    struct timer pause; /* set while there are no descriptors for new clients */
    struct post begin, end;
    bool stopping, stopped;
    pthread_mutex_t lock; /* of `stopped` */
    pthread_cond_t cond;
};

static void client_go_on(struct client *c);

/* ---- clients ---- */

static void tell_stopped(struct admin_server *a)
{
    if (!a->stopping || a->n_clients > 0)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopped = true;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->lock);
}

/* Its connection goes at once; itself as soon as no command of its runs any more. */
static void client_close(struct client *c)
{
    struct admin_server *a = c->server;
    if (c->fd >= 0) {
        io_free(&c->io);
        close(c->fd);
        c->fd = -1;
        timer_clear(a->w, &c->patience);
        if (c->in.s)
            mem_clear(c->in.s, c->in.cap);
        strbuf_free(&c->in);
        strbuf_free(&c->out);
    }
    if (c->running)
        return;
    LIST_REMOVE(c, link);
    a->n_clients--;
    free(c);
    tell_stopped(a);
}

static void out_of_patience(struct timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, patience);
    log_warn("admin", NULL, "a client does not read its answer: closed");
    client_close(c);
}

static size_t client_waiting(const struct client *c)
{
    return c->out.len - c->sent;
}

/* Writes what it can. False if the connection is broken. */
static bool client_flush(struct client *c)
{
    size_t before = c->sent;
    while (client_waiting(c) > 0) {
        ssize_t n = send(c->fd, c->out.s + c->sent, client_waiting(c), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        c->sent += (size_t)n;
    }
    bool moved = c->sent > before;
    if (client_waiting(c) == 0) {
        strbuf_reset(&c->out);
        c->sent = 0;
        timer_clear(c->server->w, &c->patience);
    } else if (moved || !timer_is_set(&c->patience)) {
        timer_set(c->server->w, &c->patience, ADMIN_PATIENCE_SECONDS * CLOCK_SEC);
    }
    return true;
}

/* What to wait for; closes a client that is done. Freed after this, perhaps. */
static void client_settle(struct client *c)
{
    if (c->fd < 0 || !client_flush(c) || (c->closing && !c->running && client_waiting(c) == 0)) {
        client_close(c);
        return;
    }
    bool full = c->in.len > ADMIN_REQUEST_MAX;
    io_want(c->io, (c->running || c->closing || full ? 0 : IO_READ) |
                       (client_waiting(c) > 0 ? IO_WRITE : 0));
}

static int append(const char *bytes, size_t len, void *out)
{
    strbuf_add(out, bytes, len);
    return ((struct strbuf *)out)->overflow ? -1 : 0;
}

/* admin_reply_fn: a line of an answer. An answer that is too long becomes an error. */
static void client_reply(void *arg, const json_t *line)
{
    struct client *c = arg;
    if (c->fd < 0)
        return;
    size_t before = c->out.len;
    if (json_dump_callback(line, append, &c->out, JSON_COMPACT) == 0) {
        strbuf_putc(&c->out, '\n');
    } else {
        c->out.len = before; /* back to before this line */
        c->out.overflow = false;
        strbuf_puts(&c->out, "{\"error\":\"the answer is too long\"}\n");
    }
    if (c->fd >= 0 && !client_flush(c))
        c->closing = true;
    else if (client_waiting(c) > 0)
        io_want(c->io, io_wanted(c->io) | IO_WRITE);
}

/* The fiber of one command. */
static void client_run(void *arg)
{
    struct client *c = arg;
    admin_call_run(c->server->table, c->request, client_reply, c);
    json_decref(c->request);
    c->request = NULL;
    c->running = false;
    client_go_on(c);
}

/* A line that is no request ends the connection: what follows cannot be understood either. */
static void client_refuse(struct client *c, const char *why)
{
    json_t *line = json_pack("{s:s}", "error", why);
    client_reply(c, line);
    json_decref(line);
    c->closing = true;
}

static json_t *parse_line(const char *line, size_t len)
{
    json_error_t ignored;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &ignored);
    if (json_is_object(request))
        return request;
    json_decref(request);
    return NULL;
}

/* Takes the next line, if there is one, and begins to run it. */
static bool client_next(struct client *c)
{
    char *newline = c->in.len ? memchr(c->in.s, '\n', c->in.len) : NULL;
    if (!newline && c->in.len > ADMIN_REQUEST_MAX)
        client_refuse(c, "the request is too long");
    if (!newline || c->closing)
        return false;
    size_t len = (size_t)(newline - c->in.s);
    c->request = parse_line(c->in.s, len);
    size_t left = c->in.len - len - 1;
    strbuf_drop(&c->in, len + 1);
    mem_clear(c->in.s + left, len + 1); /* it may have held a password */
    if (!c->request) {
        client_refuse(c, "not a request: a JSON object is expected");
        return false;
    }
    c->running = true;
    io_want(c->io, io_wanted(c->io) & ~IO_READ);
    if (fiber_spawn(c->server->w, FIBER_CONTROL, client_run, c))
        return true;
    c->running = false;
    json_decref(c->request);
    c->request = NULL;
    client_refuse(c, "the server is too busy: try again");
    return false;
}

/* Runs what waits, one after the other. A command that does not park has ended, and gone on with
 * the next itself, when client_next() returns. Freed after this, perhaps. */
static void client_go_on(struct client *c)
{
    if (c->fd >= 0 && !c->running && client_next(c))
        return;
    client_settle(c);
}

/* False if the connection has ended. */
static bool client_read(struct client *c)
{
    size_t room = ADMIN_REQUEST_MAX + 1 - c->in.len;
    size_t want = room < READ_CHUNK ? room : READ_CHUNK;
    char *to = strbuf_room(&c->in, want);
    ssize_t n = read(c->fd, to, want);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    strbuf_claim(&c->in, (size_t)n);
    return true;
}

static void client_ready(void *arg, int ready)
{
    struct client *c = arg;
    if ((ready & IO_READ) && !c->running && !client_read(c))
        c->closing = true; /* what was asked before is still answered */
    if (!c->running)
        client_go_on(c);
    else
        client_settle(c);
}

/* Only root and the user the server runs as. The socket's mode says the same; this is the lock
 * behind the door. */
static bool peer_may(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return false;
    return cred.uid == 0 || cred.uid == geteuid();
}

static void client_new(struct admin_server *a, int fd)
{
    struct client *c = mem_new(struct client);
    c->server = a;
    c->fd = fd;
    c->patience.fn = out_of_patience;
    strbuf_init(&c->in, ADMIN_REQUEST_MAX + 1);
    strbuf_init(&c->out, ADMIN_REPLY_MAX);
    c->io = io_new(a->w, fd, client_ready, c);
    LIST_INSERT_HEAD(&a->clients, c, link);
    a->n_clients++;
    if (!peer_may(fd))
        client_refuse(c, "only root and the server's own user may control it");
    else if (a->n_clients > ADMIN_CLIENTS_MAX)
        client_refuse(c, "too many control connections");
    client_settle(c);
}

static void listener_ready(void *arg, int ready)
{
    struct admin_server *a = arg;
    (void)ready;
    int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        client_new(a, fd);
    if (fd >= 0 || errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    log_warn("admin", NULL, "accept: %s", strerror(errno));
    io_want(a->io, 0); /* out of descriptors, probably: not at once again */
    timer_set(a->w, &a->pause, CLOCK_SEC);
}

static void pause_over(struct timer *t)
{
    struct admin_server *a = CONTAINER_OF(t, struct admin_server, pause);
    io_want(a->io, IO_READ);
}

/* ---- the socket ---- */

static void address(struct sockaddr_un *sun, const char *path)
{
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    INVARIANT(strlen(path) < sizeof(sun->sun_path)); /* config.c has checked it */
    memcpy(sun->sun_path, path, strlen(path) + 1);
}

/* Removes what a dead server left at `path`. */
static int remove_stale(const char *path, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(e, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, "%s is in the way: it is no socket", path);
    struct sockaddr_un sun;
    address(&sun, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive =
        fd >= 0 && (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno == EAGAIN);
    close(fd);
    if (alive)
        return err_set(e, "another server is running: it answers at %s", path);
    return unlink(path) == 0 ? 0 : err_set(e, "%s: %s", path, strerror(errno));
}

static int listen_at(const char *path, struct err *e)
{
    if (remove_stale(path, e) < 0)
        return -1;
    struct sockaddr_un sun;
    address(&sun, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode of the descriptor is that of the file from its first moment on. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
        listen(fd, 16) == 0)
        return fd;
    err_set(e, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- begin and end ---- */

static void begin(struct post *post)
{
    struct admin_server *a = CONTAINER_OF(post, struct admin_server, begin);
    a->io = io_new(a->w, a->fd, listener_ready, a);
    io_want(a->io, IO_READ);
}

static void end(struct post *post)
{
    struct admin_server *a = CONTAINER_OF(post, struct admin_server, end);
    io_free(&a->io);
    timer_clear(a->w, &a->pause);
    struct client *c, *next;
    for (c = LIST_FIRST(&a->clients); c; c = next) {
        next = LIST_NEXT(c, link);
        client_close(c);
    }
    a->stopping = true;
    tell_stopped(a);
}

struct admin_server *admin_server_start(struct modules *m, struct err *e)
{
    const char *path = server.config->control_socket;
    int fd = listen_at(path, e);
    if (fd < 0)
        return NULL;
    struct admin_server *a = mem_new(struct admin_server);
    a->w = crew_worker(server.crew, 0);
    a->fd = fd;
    a->path = mem_strdup(path);
    a->table = admin_table_new(m);
    a->begin.run = begin;
    a->end.run = end;
    a->pause.fn = pause_over;
    LIST_INIT(&a->clients);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->cond, NULL);
    worker_post(a->w, &a->begin);
    return a;
}

void admin_server_stop(struct admin_server **ap)
{
    struct admin_server *a = *ap;
    if (!a)
        return;
    unlink(a->path);
    worker_post(a->w, &a->end);
    pthread_mutex_lock(&a->lock);
    while (!a->stopped)
        pthread_cond_wait(&a->cond, &a->lock);
    pthread_mutex_unlock(&a->lock);
    close(a->fd);
    pthread_cond_destroy(&a->cond);
    pthread_mutex_destroy(&a->lock);
    admin_table_free(&a->table);
    free(a->path);
    mem_free(ap);
}
