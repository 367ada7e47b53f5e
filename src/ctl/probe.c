#include "ctl/probe.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <strings.h>
#include <strophe.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/client.h"

#define PATIENCE (15 * CLOCK_SEC) /* for the login and for the message, each */
#define TOKEN_LEN 24

enum stage { CONNECTING, WAITING, CAME_BACK, FAILED };

struct probe {
    const char *user, *password, *ca;
    char host[256];
    int port;
    bool direct_tls;
    char fingerprint[65]; /* of the server's own certificate, "" if not known */
    enum stage stage;
    char token[TOKEN_LEN + 1];
    char jid[3072];
    int64_t begun, logged_in, came_back;
    bool distrusted; /* a certificate was refused */
    struct err *err;
};

/* libstrophe gives the certificate handler nothing of the caller's. */
static struct probe *probing;

/* ---- where ---- */

static const char *str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* An address that stands for all is reached at the machine's own. */
static const char *reachable(const char *address)
{
    if (strcmp(address, "::") == 0)
        return "::1";
    return strcmp(address, "*") == 0 || strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1" : address;
}

static void use_listener(struct probe *p, const json_t *listener)
{
    snprintf(p->host, sizeof(p->host), "%s", reachable(str(listener, "address")));
    p->port = (int)json_integer_value(json_object_get(listener, "port"));
    p->direct_tls = strcmp(str(listener, "tls"), "direct") == 0;
}

/* The first listener for clients, and the fingerprint of the certificate of the user's host. */
static int ask_server(struct probe *p, struct client *c, struct err *e)
{
    json_t *status = client_call(c, "status", NULL, NULL, e);
    if (!status)
        return -1;
    size_t i;
    json_t *item;
    const char *at = strchr(p->user, '@');
    json_array_foreach(json_object_get(status, "listeners"), i, item)
    {
        if (strcmp(str(item, "module"), "c2s") == 0 && p->host[0] == '\0')
            use_listener(p, item);
    }
    bool ours = false;
    json_array_foreach(json_object_get(status, "hosts"), i, item)
    {
        if (strcasecmp(str(item, "name"), at + 1) != 0)
            continue;
        ours = true;
        snprintf(p->fingerprint, sizeof(p->fingerprint), "%s", str(item, "fingerprint"));
    }
    if (!ours)
        err_set(e, "this server does not serve %.200s", at + 1);
    else if (p->host[0] == '\0')
        err_set(e, "the server listens for no clients: see 'jackdawctl status'");
    json_decref(status);
    return ours && p->host[0] ? 0 : -1;
}

static int read_args(struct probe *p, const json_t *args, struct err *e)
{
    p->user = str(args, "user");
    p->password = str(args, "--password");
    p->ca = json_string_value(json_object_get(args, "--ca"));
    snprintf(p->host, sizeof(p->host), "%s", str(args, "--host"));
    const char *at = strchr(p->user, '@');
    if (!at || at == p->user || !at[1])
        return err_set(e, "'%.200s' is no account: user@host is expected", p->user);
    const char *port = json_string_value(json_object_get(args, "--port"));
    char *end;
    long n = port ? strtol(port, &end, 10) : 5222;
    if (port && (*end || n < 1 || n > 65535))
        return err_set(e, "'%.20s' is no port", port);
    if (port && !p->host[0])
        return err_set(e, "--port goes with --host");
    p->port = (int)n;
    p->direct_tls = json_is_true(json_object_get(args, "--direct-tls"));
    return 0;
}

/* ---- what libstrophe calls ---- */

static void fail(struct probe *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(struct probe *p, const char *fmt, ...)
{
    if (p->stage == FAILED || p->stage == CAME_BACK)
        return;
    char why[sizeof(p->err->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    err_set(p->err, "%s", why);
    p->stage = FAILED;
}

/* The same hexadecimal digits, whatever stands between them. */
static bool same_digits(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a && !isxdigit((unsigned char)*a))
            a++;
        while (*b && !isxdigit((unsigned char)*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

/* The certificate is not signed by anybody known: good enough if it is the one that the server
 * itself, asked over the control socket, says is its own. */
static int on_bad_certificate(const xmpp_tlscert_t *cert, const char *const message)
{
    (void)message;
    const char *shown = xmpp_tlscert_get_string(cert, XMPP_CERT_FINGERPRINT_SHA256);
    if (probing->fingerprint[0] && shown && same_digits(shown, probing->fingerprint))
        return 1;
    probing->distrusted = true;
    return 0;
}

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct probe *p = arg;
    xmpp_stanza_t *body = xmpp_stanza_get_child_by_name(stanza, "body");
    char *text = body ? xmpp_stanza_get_text(body) : NULL;
    const char *type = xmpp_stanza_get_type(stanza);
    if (type && strcmp(type, "error") == 0) {
        fail(p, "logged in, but the message to itself was refused");
    } else if (text && strcmp(text, p->token) == 0) {
        p->came_back = clock_mono();
        p->stage = CAME_BACK;
        xmpp_disconnect(conn);
    }
    if (text)
        xmpp_free(xmpp_conn_get_context(conn), text);
    return 1;
}

static void send_message(struct probe *p, xmpp_conn_t *conn)
{
    xmpp_ctx_t *ctx = xmpp_conn_get_context(conn);
    snprintf(p->jid, sizeof(p->jid), "%s", xmpp_conn_get_bound_jid(conn));
    xmpp_stanza_t *message = xmpp_message_new(ctx, "chat", p->jid, p->token);
    xmpp_message_set_body(message, p->token);
    xmpp_send(conn, message);
    xmpp_stanza_release(message);
}

static void on_connected(struct probe *p, xmpp_conn_t *conn)
{
    p->logged_in = clock_mono();
    p->stage = WAITING;
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, p);
    send_message(p, conn);
}

static void on_disconnected(struct probe *p, int error, const xmpp_stream_error_t *se)
{
    if (p->distrusted)
        fail(p, "the server's certificate is not trusted: --ca FILE names who signed it");
    else if (se && se->text)
        fail(p, "the server ended the stream: %.200s", se->text);
    else if (p->stage == WAITING)
        fail(p, "logged in, but the connection was lost before the message came back");
    else if (error)
        fail(p, "cannot connect to %s port %d: %s", p->host, p->port, strerror(error));
    else
        fail(p, "the login failed: is the password right? (the server's log says more)");
}

static void on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                     xmpp_stream_error_t *stream_error, void *arg)
{
    struct probe *p = arg;
    if (event == XMPP_CONN_CONNECT)
        on_connected(p, conn);
    else
        on_disconnected(p, error, stream_error);
}

/* ---- the run ---- */

/* Whether anybody listens there at all: libstrophe does not tell that from a failed login. */
static int check_port(const struct probe *p)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    snprintf(port, sizeof(port), "%d", p->port);
    int error = getaddrinfo(p->host, port, &hints, &found);
    if (error != 0)
        return err_set(p->err, "cannot find the address of %s: %s", p->host, gai_strerror(error));
    bool reached = false;
    errno = 0;
    for (struct addrinfo *a = found; a && !reached; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        reached = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        error = reached ? 0 : errno;
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    if (reached)
        return 0;
    return err_set(p->err, "cannot connect to %s port %d: %s", p->host, p->port, strerror(error));
}

static int64_t deadline(const struct probe *p)
{
    return (p->stage == WAITING ? p->logged_in : p->begun) + PATIENCE;
}

static void run_until_done(struct probe *p, xmpp_ctx_t *ctx)
{
    while (p->stage == CONNECTING || p->stage == WAITING) {
        if (clock_mono() > deadline(p))
            fail(p, p->stage == WAITING ? "logged in, but the message does not come back"
                                        : "the login takes too long");
        else
            xmpp_run_once(ctx, 20);
    }
}

static void connect_and_run(struct probe *p)
{
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    xmpp_conn_t *conn = xmpp_conn_new(ctx);
    long tls = p->direct_tls ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS;
    xmpp_conn_set_flags(conn, tls);
    xmpp_conn_set_jid(conn, p->user);
    xmpp_conn_set_pass(conn, p->password);
    if (p->ca)
        xmpp_conn_set_cafile(conn, p->ca);
    xmpp_conn_set_certfail_handler(conn, on_bad_certificate);
    mem_random_token(p->token, TOKEN_LEN);
    p->begun = clock_mono();
    if (xmpp_connect_client(conn, p->host, (unsigned short)p->port, on_event, p) != XMPP_EOK)
        on_disconnected(p, errno, NULL);
    run_until_done(p, ctx);
    xmpp_conn_release(conn);
    xmpp_ctx_free(ctx);
}

/* The result, NULL and p->err. */
static json_t *run_probe(struct probe *p, struct client *c, const json_t *args)
{
    if (read_args(p, args, p->err) < 0 || (c && ask_server(p, c, p->err) < 0) || check_port(p) < 0)
        return NULL;
    probing = p;
    xmpp_initialize();
    connect_and_run(p);
    xmpp_shutdown();
    probing = NULL;
    if (p->stage != CAME_BACK)
        return NULL;
    char address[300];
    snprintf(address, sizeof(address), "%s port %d", p->host, p->port);
    return json_pack("{s:s, s:s, s:f, s:f}", "jid", p->jid, "address", address, "login_ms",
                     (double)(p->logged_in - p->begun) / CLOCK_MS, "message_ms",
                     (double)(p->came_back - p->logged_in) / CLOCK_MS);
}

json_t *probe_run(struct client *c, const json_t *args, struct err *e)
{
    struct probe *p = mem_new(struct probe);
    p->err = e;
    json_t *result = run_probe(p, c, args);
    free(p);
    return result;
}

static json_t *arg(const char *name, const char *help, bool required, bool secret, bool flag)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "name", name, "help", help, "required",
                     required, "many", 0, "secret", secret, "flag", flag);
}

json_t *probe_command(void)
{
    json_t *args = json_array();
    json_array_append_new(args, arg("user", "the account, user@host", true, false, false));
    json_array_append_new(args, arg("--password", "its password", true, true, false));
    json_array_append_new(args, arg("--host",
                                    "the address to connect to, instead of the server's "
                                    "first listener",
                                    false, false, false));
    json_array_append_new(args, arg("--port", "the port there (5222)", false, false, false));
    json_array_append_new(args, arg("--direct-tls", "begin with TLS", false, false, true));
    json_array_append_new(args, arg("--ca",
                                    "a PEM file with the authority that signed the "
                                    "server's certificate",
                                    false, false, false));
    return json_pack("{s:s, s:s, s:s, s:o, s:[]}", "name", "probe", "help",
                     "Logs in through the front door and sends itself a message", "module",
                     "jackdawctl", "args", args, "columns");
}
