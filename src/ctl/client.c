#include "ctl/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "core/admin_protocol.h"

#define SILENCE_SECONDS 60 /* without a line of an answer: the server hangs */
#define READ_CHUNK 65536

struct client {
    int fd;
    json_int_t last_id;
    struct strbuf in;
    size_t taken; /* bytes of `in` that are done with */
};

static void cannot_reach(const char *path, int error, struct err *e)
{
    if (error == EACCES || error == EPERM)
        err_set(e, "may not use %s: run this as root (sudo) or as the user that the server runs as",
                path);
    else if (error == ENOENT || error == ECONNREFUSED)
        err_set(e,
                "cannot reach the server at %s: is jackdawd running? (systemctl status jackdaw; "
                "for another socket: --socket PATH)",
                path);
    else
        err_set(e, "cannot reach the server at %s: %s", path, strerror(error));
}

struct client *client_connect(const char *path, struct err *e)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(sun.sun_path)) {
        err_set(e, "the socket's name is too long: %s", path);
        return NULL;
    }
    memcpy(sun.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
        cannot_reach(path, errno, e);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct timeval silence = {.tv_sec = SILENCE_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    struct client *c = mem_new(struct client);
    c->fd = fd;
    strbuf_init(&c->in, ADMIN_REPLY_MAX + READ_CHUNK);
    return c;
}

void client_close(struct client **c)
{
    if (!*c)
        return;
    close((*c)->fd);
    strbuf_free(&(*c)->in);
    mem_free(c);
}

static int send_all(struct client *c, const char *bytes, size_t len, struct err *e)
{
    while (len > 0) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, "the connection to the server is lost: %s", strerror(errno));
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_request(struct client *c, const char *command, json_t *args, struct err *e)
{
    json_t *request = json_pack("{s:I, s:s}", "id", ++c->last_id, "command", command);
    if (!request)
        return err_set(e, "the command is not valid UTF-8");
    if (args)
        json_object_set(request, "args", args);
    char *line = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!line)
        return err_set(e, "the arguments are not valid UTF-8");
    size_t len = strlen(line);
    int result = len > ADMIN_REQUEST_MAX ? err_set(e, "the arguments are too long")
                                         : send_all(c, line, len, e);
    if (result == 0)
        result = send_all(c, "\n", 1, e);
    mem_clear(line, len); /* may hold a password */
    free(line);
    return result;
}

/* Reads until there is a whole line; its length without the newline, -1 and `e`. */
static ssize_t read_line(struct client *c, struct err *e)
{
    strbuf_drop(&c->in, c->taken);
    c->taken = 0;
    size_t searched = 0;
    for (;;) {
        char *newline =
            c->in.len > searched ? memchr(c->in.s + searched, '\n', c->in.len - searched) : NULL;
        if (newline) {
            c->taken = (size_t)(newline - c->in.s) + 1;
            return newline - c->in.s;
        }
        searched = c->in.len;
        char *room = strbuf_room(&c->in, READ_CHUNK);
        if (!room)
            return err_set(e, "the server's answer is too long");
        ssize_t n = read(c->fd, room, READ_CHUNK);
        if (n > 0)
            strbuf_claim(&c->in, (size_t)n);
        else if (n == 0)
            return err_set(e, "the server has closed the connection: see its log");
        else if (errno == EAGAIN)
            return err_set(e, "the server does not answer for %d seconds: it hangs or is very busy",
                           SILENCE_SECONDS);
        else if (errno != EINTR)
            return err_set(e, "the connection to the server is lost: %s", strerror(errno));
    }
}

static void show_progress(const json_t *progress)
{
    const char *what = json_string_value(json_object_get(progress, "what"));
    if (!isatty(2) || !what)
        return;
    fprintf(stderr, "\r%s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "\033[K", what,
            json_integer_value(json_object_get(progress, "done")),
            json_integer_value(json_object_get(progress, "total")));
    fflush(stderr);
}

json_t *client_call(struct client *c, const char *command, json_t *args, bool *lost, struct err *e)
{
    bool ignored;
    lost = lost ? lost : &ignored;
    *lost = true;
    struct err sending;
    bool sent = send_request(c, command, args, &sending) == 0;
    json_t *result = NULL, *line = NULL;
    bool progress = false;
    for (;;) {
        ssize_t len = read_line(c, e);
        json_error_t wrong;
        line = len < 0 ? NULL : json_loadb(c->in.s, (size_t)len, JSON_DECODE_ANY, &wrong);
        if (!line && len >= 0)
            err_set(e, "the server's answer is no JSON: %s", wrong.text);
        if (!line) {
            if (!sent) /* nor did the server say why before it closed */
                *e = sending;
            return NULL;
        }
        const json_t *shown = json_object_get(line, "progress");
        if (!shown)
            break;
        show_progress(shown);
        progress = true;
        json_decref(line);
    }
    if (progress && isatty(2))
        fputs("\r\033[K", stderr);
    *lost = !sent;
    const char *error = json_string_value(json_object_get(line, "error"));
    if (error)
        err_set(e, "%s", error);
    else if ((result = json_object_get(line, "result")))
        json_incref(result);
    else
        err_set(e, "the server's answer has neither result nor error");
    json_decref(line);
    return result;
}
