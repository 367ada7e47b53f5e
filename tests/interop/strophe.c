/* A chatting client made of libstrophe, for tests/interop/test-clients.
 *   strophe JID PASSWORD
 * connects to XMPP_HOST and XMPP_PORT and says on its output what happens, a line each:
 *   ready JID                logged in as this, and its presence has come back
 *   received FROM BODY       a message
 *   refused WHY              the server's certificate is not to be trusted
 * It takes orders on its input: "send TO BODY"; at the end of the input it logs out.
 * XMPP_TLS=direct begins with TLS, XMPP_TRUST=any takes every certificate, XMPP_CERT and XMPP_KEY
 * are a certificate to log in with; without a password it logs in as nobody. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <unistd.h>

#include "base/macros.h"

struct bot {
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;
    bool connected, gone, leaving;
    char input[2048];
    size_t len;
};

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static int on_presence(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    const char *from = xmpp_stanza_get_from(stanza);
    (void)arg;
    if (from && !strcmp(from, xmpp_conn_get_bound_jid(conn))) {
        printf("ready %s\n", from);
        return 0; /* once */
    }
    return 1;
}

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct bot *b = arg;
    char *body = xmpp_message_get_body(stanza);
    const char *from = xmpp_stanza_get_from(stanza);
    (void)conn;
    if (body && from)
        printf("received %s %s\n", from, body);
    if (body)
        xmpp_free(b->ctx, body);
    return 1;
}

static int on_distrust(const xmpp_tlscert_t *cert, const char *why)
{
    (void)cert;
    printf("refused %s\n", why);
    return 0;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *arg)
{
    struct bot *b = arg;
    (void)stream_error;
    if (event != XMPP_CONN_CONNECT) {
        b->gone = true;
        if (!b->leaving)
            fprintf(stderr, "strophe: disconnected, error %d\n", error);
        return;
    }
    b->connected = true;
    xmpp_handler_add(conn, on_presence, NULL, "presence", NULL, b);
    xmpp_handler_add(conn, on_message, NULL, "message", NULL, b);
    xmpp_stanza_t *presence = xmpp_presence_new(b->ctx);
    xmpp_send(conn, presence);
    xmpp_stanza_release(presence);
}

/* "send TO BODY" */
static void obey(struct bot *b, char *order)
{
    char *to = strchr(order, ' '), *body = to ? strchr(to + 1, ' ') : NULL;
    if (!body || strncmp(order, "send ", 5)) {
        fprintf(stderr, "strophe: what is \"%s\"?\n", order);
        return;
    }
    *body++ = '\0';
    xmpp_stanza_t *message = xmpp_message_new(b->ctx, "chat", to + 1, NULL);
    xmpp_message_set_body(message, body);
    xmpp_send(b->conn, message);
    xmpp_stanza_release(message);
}

static void read_orders(struct bot *b)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    if (b->leaving || poll(&p, 1, 0) <= 0)
        return;
    ssize_t n = read(0, b->input + b->len, sizeof(b->input) - b->len - 1);
    if (n <= 0) {
        b->leaving = true;
        xmpp_disconnect(b->conn);
        return;
    }
    b->len += (size_t)n;
    b->input[b->len] = '\0';
    char *line = b->input;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        obey(b, line);
    }
    b->len = strlen(line);
    memmove(b->input, line, b->len + 1);
}

static void configure(struct bot *b, const char *jid, const char *password)
{
    long flags = strcmp(env("XMPP_TLS"), "direct") ? XMPP_CONN_FLAG_MANDATORY_TLS
                                                   : XMPP_CONN_FLAG_LEGACY_SSL;
    if (!strcmp(env("XMPP_TRUST"), "any"))
        flags |= XMPP_CONN_FLAG_TRUST_TLS;
    xmpp_conn_set_flags(b->conn, flags);
    xmpp_conn_set_jid(b->conn, jid);
    if (password[0])
        xmpp_conn_set_pass(b->conn, password);
    xmpp_conn_set_cafile(b->conn, env("XMPP_CA_FILE"));
    xmpp_conn_set_certfail_handler(b->conn, on_distrust);
    if (env("XMPP_CERT")[0])
        xmpp_conn_set_client_cert(b->conn, env("XMPP_CERT"), env("XMPP_KEY"));
}

int main(int argc, char **argv)
{
    struct bot b = {.ctx = NULL};
    if (argc != 3) {
        fprintf(stderr, "strophe JID PASSWORD\n");
        return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    xmpp_initialize();
    b.ctx = xmpp_ctx_new(NULL, NULL);
    b.conn = xmpp_conn_new(b.ctx);
    configure(&b, argv[1], argv[2]);
    unsigned short port = (unsigned short)strtoul(env("XMPP_PORT"), NULL, 10);
    if (xmpp_connect_client(b.conn, env("XMPP_HOST"), port, on_connection, &b) != XMPP_EOK)
        b.gone = true;
    while (!b.gone) {
        xmpp_run_once(b.ctx, 20);
        if (b.connected)
            read_orders(&b);
    }
    xmpp_conn_release(b.conn);
    xmpp_ctx_free(b.ctx);
    xmpp_shutdown();
    return b.leaving ? 0 : 1;
}
