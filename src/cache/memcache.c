#include "cache/memcache.h"

#include <libmemcached/memcached.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define WAIT_MS 200          /* for a server to connect, to take or to answer */
#define VALUE_MAX (1u << 20) /* of what others may have stored */

struct memcache {
    char *servers;
    memcached_st *st; /* NULL until the next round */
    uint64_t state;   /* hash of the servers' process ids and flush counts; 0: not known */
    uint64_t seen;    /* of the current round */
    unsigned lines;   /* that the servers answered in it */
    bool forgot;
};

struct memcache *memcache_new(const char *servers, struct err *e)
{
    char why[200] = "";
    /* libmemcached takes no space at either end. */
    size_t skip = strspn(servers, " \t"), len = strlen(servers + skip);
    while (len > 0 && strchr(" \t", servers[skip + len - 1]))
        len--;
    if (len == 0 || libmemcached_check_configuration(servers + skip, len, why, sizeof(why)) !=
                        MEMCACHED_SUCCESS) {
        err_set(e, "cache servers \"%s\": %s", servers, *why ? why : "not understood");
        return NULL;
    }
    struct memcache *m = mem_new(struct memcache);
    m->servers = mem_strndup(servers + skip, len);
    return m;
}

static void disconnect(struct memcache *m)
{
    if (m->st)
        memcached_free(m->st);
    m->st = NULL;
}

void memcache_free(struct memcache **m)
{
    if (!*m)
        return;
    disconnect(*m);
    free((*m)->servers);
    mem_free(m);
}

static int connect_lazily(struct memcache *m, struct err *e)
{
    static const struct {
        memcached_behavior_t what;
        uint64_t value;
    } settings[] = {
        {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
        {MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1},
        {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, WAIT_MS},
        {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, WAIT_MS},
        {MEMCACHED_BEHAVIOR_SND_TIMEOUT, WAIT_MS * 1000},
        {MEMCACHED_BEHAVIOR_RCV_TIMEOUT, WAIT_MS * 1000},
    };
    if (m->st)
        return 0;
    m->st = memcached(m->servers, strlen(m->servers));
    if (!m->st)
        return err_set(e, "libmemcached does not take \"%s\"", m->servers);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        memcached_behavior_set(m->st, settings[i].what, settings[i].value);
    return 0;
}

static int failed(struct memcache *m, const char *what, memcached_return_t code, struct err *e)
{
    const char *why = memcached_last_error_message(m->st);
    const char *text = why && *why == '(' ? strchr(why, ' ') : NULL; /* behind an address of its */
    if (text)
        why = text + 1;
    return err_set(e, "%s: %s", what, why && *why ? why : memcached_strerror(m->st, code));
}

static int write_each(struct memcache *m, const struct memcache_item *items, size_t n,
                      struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct memcache_item *it = &items[i];
        memcached_return_t code = it->value
                                      ? memcached_set(m->st, it->key, strlen(it->key), it->value,
                                                      it->len, (time_t)it->expires, 0)
                                      : memcached_delete(m->st, it->key, strlen(it->key), 0);
        if (memcached_failed(code) && code != MEMCACHED_NOTFOUND)
            return failed(m, "write", code, e);
    }
    memcached_return_t code = n > 0 ? memcached_flush_buffers(m->st) : MEMCACHED_SUCCESS;
    return memcached_failed(code) ? failed(m, "write", code, e) : 0;
}

static void keep_result(struct memcache_item *items, size_t n, const memcached_result_st *r)
{
    const char *key = memcached_result_key_value(r);
    size_t len = memcached_result_key_length(r), size = memcached_result_length(r);
    for (size_t i = 0; i < n; i++) {
        bool same = strlen(items[i].key) == len && memcmp(items[i].key, key, len) == 0;
        if (!same || items[i].value || size > VALUE_MAX)
            continue;
        items[i].value = mem_strndup(memcached_result_value(r), size);
        items[i].len = size;
    }
}

static int read_all(struct memcache *m, struct memcache_item *items, size_t n, struct err *e)
{
    if (n == 0)
        return 0;
    const char **keys = mem_zalloc(n * sizeof(*keys));
    size_t *lens = mem_zalloc(n * sizeof(*lens));
    for (size_t i = 0; i < n; i++) {
        keys[i] = items[i].key;
        lens[i] = strlen(items[i].key);
    }
    memcached_return_t code = memcached_mget(m->st, keys, lens, n);
    int result = memcached_failed(code) ? failed(m, "read", code, e) : 0;
    memcached_result_st *r;
    while (result == 0 && (r = memcached_fetch_result(m->st, NULL, &code))) {
        keep_result(items, n, r);
        memcached_result_free(r);
    }
    if (result == 0 && code != MEMCACHED_END && code != MEMCACHED_NOTFOUND &&
        memcached_failed(code))
        result = failed(m, "read", code, e);
    free(keys);
    free(lens);
    return result;
}

/* Only writes go without a reply: with that setting libmemcached 1.1 does not wait for the answer
 * of "stats" either, and takes it for the next one's. */
static int write_all(struct memcache *m, const struct memcache_item *items, size_t n, struct err *e)
{
    memcached_behavior_set(m->st, MEMCACHED_BEHAVIOR_NOREPLY, 1);
    int result = write_each(m, items, n, e);
    memcached_behavior_set(m->st, MEMCACHED_BEHAVIOR_NOREPLY, 0);
    return result;
}

/* Adds a server's process id and number of flushes to the round's hash. */
static memcached_return_t see_stat(const memcached_instance_st *server, const char *key,
                                   size_t key_len, const char *value, size_t value_len, void *arg)
{
    static const char *const telling[] = {"pid", "cmd_flush"};
    struct memcache *m = arg;
    m->lines++;
    for (size_t i = 0; i < ARRAY_LEN(telling); i++) {
        if (key_len != strlen(telling[i]) || memcmp(key, telling[i], key_len) != 0)
            continue;
        struct strbuf b;
        strbuf_init(&b, 1024);
        strbuf_printf(&b, "%s:%u %.*s %.*s", memcached_server_name(server),
                      (unsigned)memcached_server_port(server), (int)key_len, key, (int)value_len,
                      value);
        m->seen += hash_bytes(strbuf_str(&b), b.len);
        strbuf_free(&b);
    }
    return MEMCACHED_SUCCESS;
}

/* Writes are not answered; what a server answers after them says that it took them, and whether it
 * is still the one that it was. */
static int confirm(struct memcache *m, struct err *e)
{
    m->seen = 0;
    m->lines = 0;
    memcached_return_t code = memcached_stat_execute(m->st, NULL, see_stat, m);
    if (memcached_failed(code))
        return failed(m, "stats", code, e);
    if (m->lines == 0) /* it calls that a success, too */
        return err_set(e, "no answer");
    if (m->state != 0 && m->state != m->seen)
        m->forgot = true;
    m->state = m->seen;
    return 0;
}

int memcache_round(struct memcache *m, const struct memcache_item *writes, size_t n_writes,
                   struct memcache_item *reads, size_t n_reads, struct err *e)
{
    if (connect_lazily(m, e) < 0)
        return -1;
    if (write_all(m, writes, n_writes, e) == 0 && read_all(m, reads, n_reads, e) == 0 &&
        confirm(m, e) == 0)
        return 0;
    disconnect(m);
    return -1;
}

bool memcache_forgot(struct memcache *m)
{
    bool forgot = m->forgot;
    m->forgot = false;
    return forgot;
}
