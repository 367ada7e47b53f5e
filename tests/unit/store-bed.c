#include "store-bed.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#ifndef TESTS_LIB
#error "TESTS_LIB is the folder of the test helpers"
#endif

char *helper(const char *fmt, ...)
{
    char command[512] = TESTS_LIB "/", line[512], *last = mem_strdup("");
    size_t used = strlen(command);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command + used, sizeof(command) - used, fmt, ap);
    va_end(ap);
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof(line), out)) {
        line[strcspn(line, "\n")] = '\0';
        free(last);
        last = mem_strdup(line);
    }
    ck_assert_msg(pclose(out) == 0, "failed: %s", command);
    return last;
}

const struct store_stmt note_stmts[NOTE_STMTS] = {
    [NOTE_ADD] = {.name = "note_add",
                  .kind = STORE_APPEND,
                  .params = "iitb",
                  .columns = "",
                  .table = "note",
                  .sql = "owner, id, body, raw"},
    [NOTE_PUT] = {.name = "note_put",
                  .kind = STORE_WRITE,
                  .params = "iit",
                  .columns = "i",
                  .sql = "INSERT INTO note (owner, id, body) VALUES ($1, $2, $3) ON CONFLICT "
                         "(owner, id) DO UPDATE SET body = excluded.body RETURNING id"},
    [NOTE_ERASE] = {.name = "note_erase",
                    .kind = STORE_WRITE,
                    .params = "ii",
                    .columns = "",
                    .sql = "DELETE FROM note WHERE owner = $1 AND id = $2"},
    [NOTE_PAGE] = {.name = "note_page",
                   .kind = STORE_READ,
                   .params = "iii",
                   .columns = "itb",
                   .sql = "SELECT id, body, raw FROM note WHERE owner = $1 AND id > $2 "
                          "ORDER BY id LIMIT $3"},
    [NOTE_COUNT] = {.name = "note_count",
                    .kind = STORE_READ,
                    .params = "I",
                    .columns = "i",
                    .sql_postgres = "SELECT count(*) FROM note WHERE owner = ANY($1)",
                    .sql_sqlite = "SELECT count(*) FROM note WHERE owner IN "
                                  "(SELECT value FROM json_each($1))"},
    [NAME_CLAIM] = {.name = "name_claim",
                    .kind = STORE_DIRECTORY_WRITE,
                    .params = "ti",
                    .columns = "i",
                    .sql = "INSERT INTO name (name, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING "
                           "RETURNING owner"},
    [NAME_FIND] = {.name = "name_find",
                   .kind = STORE_DIRECTORY_READ,
                   .params = "t",
                   .columns = "i",
                   .sql = "SELECT owner FROM name WHERE name = $1"},
};

const struct store_migration note_migrations[2] = {
    {.number = 1,
     .sql = "CREATE TABLE note (owner {int} NOT NULL, id {int} NOT NULL, body {text} "
            "CHECK (body <> 'bad'), raw {blob}, PRIMARY KEY (owner, id)) {strict}"},
    {.number = 2,
     .sql = "CREATE TABLE name (name {text} PRIMARY KEY, owner {int} NOT NULL) {strict}"},
};

void bed_conf(struct store_conf *conf, enum store_driver driver, const char *target)
{
    store_conf_defaults(conf);
    conf->driver = driver;
    conf->target = target;
}

static void attach(void *arg)
{
    struct bed *bed = arg;
    store_attach(bed->store, worker_self());
}

void bed_open(struct bed *bed, const struct store_conf *conf, unsigned workers)
{
    struct err e;
    bed->store = store_new(conf);
    store_declare(bed->store, "note", note_stmts, NOTE_STMTS, note_migrations,
                  ARRAY_LEN(note_migrations), NULL);
    ck_assert_msg(store_open(bed->store, &e) == 0, "%s", e.text);
    bed->crew = test_crew(workers, NULL);
    for (unsigned i = 0; i < workers; i++)
        on_worker(bed->crew, i, attach, bed);
}

static void raise_it(void *arg)
{
    flag_raise(arg);
}

static void detach(void *arg)
{
    store_detach(worker_self(), raise_it, arg);
}

void bed_close(struct bed *bed)
{
    for (unsigned i = 0; i < crew_size(bed->crew); i++) {
        struct flag detached = {0};
        on_worker(bed->crew, i, detach, &detached);
        flag_wait(&detached, 1);
    }
    store_free(&bed->store);
    crew_stop(&bed->crew);
}

struct long_call {
    fiber_fn *fn;
    void *arg;
    int ended;
};

static void long_fiber(void *arg)
{
    struct long_call *call = arg;
    call->fn(call->arg);
    __atomic_store_n(&call->ended, 1, __ATOMIC_RELEASE);
}

static void spawn_long(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, long_fiber, arg));
}

void in_fiber_long(struct bed *bed, unsigned worker, fiber_fn *fn, void *arg)
{
    struct long_call call = {fn, arg, 0};
    on_worker(bed->crew, worker, spawn_long, &call);
    int64_t until = clock_mono() + 120 * CLOCK_SEC;
    while (!__atomic_load_n(&call.ended, __ATOMIC_ACQUIRE)) {
        INVARIANT(clock_mono() < until);
        usleep(1000);
    }
}

static void wait_up(void *arg)
{
    (void)arg;
    struct store_stats stats;
    for (store_stats(worker_self(), &stats); !stats.up; store_stats(worker_self(), &stats))
        fiber_sleep(2 * CLOCK_MS);
}

void bed_wait_up(struct bed *bed)
{
    for (unsigned i = 0; i < crew_size(bed->crew); i++)
        in_fiber_long(bed, i, wait_up, NULL);
}

size_t read_ids(int64_t owner, int64_t *ids, size_t max)
{
    size_t n = 0, got;
    do {
        struct store_rows *rows = NULL;
        int64_t after = n ? ids[n - 1] : 0;
        int result = store_query(&note_stmts[NOTE_PAGE],
                                 STORE_ARGS(SV_INT(owner), SV_INT(after), SV_INT(50)), &rows);
        ck_assert_int_eq(result, STORE_OK);
        got = store_rows_count(rows);
        for (size_t i = 0; i < got; i++) {
            ck_assert_uint_lt(n, max);
            ids[n++] = store_int(rows, i, 0);
        }
        store_rows_free(&rows);
    } while (got == 50);
    return n;
}

int64_t count_notes(int64_t owner)
{
    struct store_rows *rows = NULL;
    int result = store_query(&note_stmts[NOTE_COUNT], STORE_ARGS(SV_INTS(&owner, 1)), &rows);
    ck_assert_int_eq(result, STORE_OK);
    int64_t count = store_int(rows, 0, 0);
    store_rows_free(&rows);
    return count;
}
