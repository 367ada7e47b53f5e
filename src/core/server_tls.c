#include "core/server_tls.h"

#include "base/arena.h"
#include "base/log.h"

struct tls_context *server_tls_new(const struct config *c, struct tls_context *old,
                                   tls_report_fn *refused, void *arg, struct err *e)
{
    struct tls_conf conf = {
        .alpn = "xmpp-client",
        .ciphers = c->tls.ciphers,
        .only_13 = c->tls.min_version == TLS_MIN_1_3,
    };
    struct arena *a = arena_new(1024);
    struct tls_host *hosts = arena_zalloc(a, c->n_hosts * sizeof(*hosts));
    int result = 0;
    for (size_t i = 0; i < c->n_hosts && result == 0; i++) {
        const struct config_host *h = &c->hosts[i];
        hosts[i] = (struct tls_host){h->ascii, h->certificate, h->key, h->client_ca};
        if (h->certificate)
            continue;
        hosts[i].cert_file = arena_printf(a, "%s/%s.crt", c->data_dir, h->name);
        hosts[i].key_file = arena_printf(a, "%s/%s.key", c->data_dir, h->name);
        result = tls_self_signed(h->name, h->ascii, hosts[i].cert_file, hosts[i].key_file, e);
    }
    struct tls_context *t = NULL;
    if (result == 0)
        t = tls_server_renew(old, hosts, (unsigned)c->n_hosts, &conf, refused, arg, e);
    arena_free(&a);
    return t;
}

static void warn(void *arg, const char *host, const char *text)
{
    (void)arg;
    log_warn("tls", host, "%s", text);
}

void server_tls_warn(const struct tls_context *t)
{
    tls_inspect(t, warn, NULL);
}
