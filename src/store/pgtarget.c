#include "store/pgtarget.h"

#include <netdb.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define LIST_MAX 4096
#define KEYWORDS_MAX 64

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    }
    return NULL;
}

/* A socket's folder, or an address in numbers, needs no resolving. */
static bool is_name(const char *host, size_t len)
{
    char text[256];
    struct addrinfo *found = NULL, hints = {.ai_flags = AI_NUMERICHOST};
    if (len == 0 || *host == '/' || *host == '@' || len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    bool numeric = getaddrinfo(text, NULL, &hints, &found) == 0;
    if (numeric)
        freeaddrinfo(found);
    return !numeric;
}

/* Takes the next entry of a list divided by commas. False at its end. */
static bool next_entry(const char **list, const char **entry, size_t *len)
{
    if (!*list)
        return false;
    *entry = *list;
    *len = strcspn(*list, ",");
    *list = (*list)[*len] ? *list + *len + 1 : NULL;
    return true;
}

int pgtarget_parse(struct pgtarget *t, const char *conninfo, struct err *e)
{
    char *message = NULL;
    *t = (struct pgtarget){.options = PQconninfoParse(conninfo, &message)};
    if (!t->options) {
        err_set(e, "%.*s", (int)strcspn(message ? message : "", "\n"), message ? message : "");
        PQfreemem(message);
        return -1;
    }
    t->host = option(t->options, "host");
    t->port = option(t->options, "port");
    const char *host = t->host ? t->host : getenv("PGHOST"), *entry;
    if (option(t->options, "hostaddr") || getenv("PGHOSTADDR"))
        return 0;
    t->host = host;
    for (size_t len; next_entry(&host, &entry, &len);)
        t->named |= is_name(entry, len);
    return 0;
}

void pgtarget_clear(struct pgtarget *t)
{
    PQconninfoFree(t->options);
    *t = (struct pgtarget){0};
}

/* ---- in the offload pool ---- */

struct lists {
    struct strbuf hosts, addresses, ports;
};

static void add_to(struct strbuf *list, bool first, const char *s, size_t len)
{
    if (!first)
        strbuf_putc(list, ',');
    strbuf_add(list, s, len);
}

static void add_address(struct lists *l, bool *first, const char *host, size_t len,
                        const char *address, const char *port, size_t port_len)
{
    add_to(&l->hosts, *first, host, len);
    add_to(&l->addresses, *first, address, strlen(address));
    add_to(&l->ports, *first, port, port_len);
    *first = false;
}

static int add_resolved(struct lists *l, bool *first, const char *host, size_t len,
                        const char *port, size_t port_len, struct err *e)
{
    char *name = mem_strndup(host, len), address[64];
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error)
        err_set(e, "%s: %s", name, gai_strerror(error));
    for (struct addrinfo *a = found; a; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0,
                        NI_NUMERICHOST) == 0)
            add_address(l, first, host, len, address, port, port_len);
    }
    if (found)
        freeaddrinfo(found);
    free(name);
    return error ? -1 : 0;
}

static void resolve_all(struct pgtarget_job *j, struct lists *l)
{
    const char *hosts = j->host, *ports = j->port, *host, *port = "";
    size_t len, port_len = 0;
    bool first = true;
    while (next_entry(&hosts, &host, &len)) {
        (void)next_entry(&ports, &port, &port_len); /* a single port is everybody's */
        if (is_name(host, len))
            (void)add_resolved(l, &first, host, len, port, port_len, &j->err);
        else
            add_address(l, &first, host, len, "", port, port_len);
    }
}

static void resolve_work(struct job *job)
{
    struct pgtarget_job *j = CONTAINER_OF(job, struct pgtarget_job, job);
    struct lists l;
    strbuf_init(&l.hosts, LIST_MAX);
    strbuf_init(&l.addresses, LIST_MAX);
    strbuf_init(&l.ports, LIST_MAX);
    resolve_all(j, &l);
    bool found = l.hosts.len > 0 && !l.hosts.overflow && !l.addresses.overflow && !l.ports.overflow;
    j->hosts = found ? mem_strdup(strbuf_str(&l.hosts)) : NULL;
    j->addresses = found ? mem_strdup(strbuf_str(&l.addresses)) : NULL;
    j->ports = found ? mem_strdup(strbuf_str(&l.ports)) : NULL;
    strbuf_free(&l.hosts);
    strbuf_free(&l.addresses);
    strbuf_free(&l.ports);
}

struct pgtarget_job *pgtarget_resolve(const struct pgtarget *t, struct worker *w,
                                      void (*done)(struct job *job), void *user)
{
    struct pgtarget_job *j = mem_new(struct pgtarget_job);
    j->job.work = resolve_work;
    j->job.done = done;
    j->user = user;
    j->host = mem_strdup(t->host);
    j->port = t->port ? mem_strdup(t->port) : NULL;
    if (!offload_submit(w, &j->job))
        pgtarget_job_free(&j);
    return j;
}

void pgtarget_job_free(struct pgtarget_job **job)
{
    struct pgtarget_job *j = *job;
    *job = NULL;
    if (!j)
        return;
    free(j->host);
    free(j->port);
    free(j->hosts);
    free(j->addresses);
    free(j->ports);
    free(j);
}

/* ---- connecting ---- */

struct keywords {
    const char *name[KEYWORDS_MAX + 1], *value[KEYWORDS_MAX + 1];
    unsigned n;
};

/* A later value of the same keyword wins in libpq. */
static void add_keyword(struct keywords *k, const char *name, const char *value)
{
    if (!value || k->n == KEYWORDS_MAX)
        return;
    k->name[k->n] = name;
    k->value[k->n++] = value;
}

PGconn *pgtarget_connect(const struct pgtarget *t, const struct pgtarget_job *resolved,
                         int64_t timeout)
{
    struct keywords k = {.n = 0};
    char unacknowledged[32];
    snprintf(unacknowledged, sizeof(unacknowledged), "%lld", (long long)(timeout / CLOCK_MS));
    add_keyword(&k, "fallback_application_name", "jackdaw");
    add_keyword(&k, "tcp_user_timeout", unacknowledged);
    for (const PQconninfoOption *o = t->options; o->keyword; o++)
        add_keyword(&k, o->keyword, o->val);
    add_keyword(&k, "client_encoding", "UTF8");
    if (resolved) {
        add_keyword(&k, "host", resolved->hosts);
        add_keyword(&k, "hostaddr", resolved->addresses);
        add_keyword(&k, "port",
                    strspn(resolved->ports, ",") == strlen(resolved->ports) ? NULL
                                                                            : resolved->ports);
    }
    return PQconnectStartParams(k.name, k.value, 0);
}
