/* The store while its database is killed, restarted, paused, away, full or slow. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store-bed.h"

static char dir[64];
static char *target, *target_tcp;
static struct bed bed;
static struct store_conf conf;

static void start_server(void)
{
    scratch_make(dir);
    target = helper("postgres start %s/pg", dir);
    target_tcp = mem_strdup(strstr(target, " port="));
}

static void stop_server(void)
{
    free(helper("postgres stop %s/pg -m immediate", dir));
    free(target);
    free(target_tcp);
    scratch_remove(dir);
}

static void psql(const char *sql)
{
    char command[1024];
    snprintf(command, sizeof(command), "psql -qX '%s' -c \"%s\" >/dev/null 2>&1", target, sql);
    ck_assert_int_eq(system(command), 0);
}

/* A running Postgres with nothing in it, whatever the test before has left. */
static void fresh(void)
{
    char command[2048];
    snprintf(command, sizeof(command),
             TESTS_LIB "/postgres continue %s/pg 2>/dev/null; " TESTS_LIB
                       "/postgres start %s/pg >/dev/null 2>&1; true",
             dir, dir);
    ck_assert_int_eq(system(command), 0);
    psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    bed_conf(&conf, STORE_POSTGRES, target);
}

/* ---- writers that keep a book of what they were told ---- */

enum { WRITERS = 6, ROWS_MAX = 20000, WINDOW = 40 };

struct writer {
    int64_t owner;
    int64_t next;        /* id */
    unsigned waiting;    /* without an answer */
    unsigned char *told; /* by id: 0 no answer, 'k' kept, 'f' full, 'r' refused */
    int64_t kept_last;   /* answers come in order */
    bool ended;
};

struct note_ref {
    struct writer *w;
    int64_t id;
};

static struct writer writers[WRITERS];
static int stop_writing;

static void told(void *arg, int result)
{
    struct note_ref *ref = arg;
    struct writer *w = ref->w;
    w->told[ref->id] = result == STORE_OK ? 'k' : result == STORE_FULL ? 'f' : 'r';
    if (result == STORE_OK) {
        ck_assert_int_gt(ref->id, w->kept_last);
        w->kept_last = ref->id;
    }
    w->waiting--;
    free(ref);
}

static void write_on(void *arg)
{
    struct writer *w = arg;
    while (!__atomic_load_n(&stop_writing, __ATOMIC_ACQUIRE) && w->next < ROWS_MAX) {
        while (w->waiting < WINDOW && w->next < ROWS_MAX) {
            struct note_ref *ref = mem_new(struct note_ref);
            *ref = (struct note_ref){w, w->next++};
            w->waiting++;
            store_write(&note_stmts[NOTE_ADD], (uint64_t)w->owner,
                        STORE_ARGS(SV_INT(w->owner), SV_INT(ref->id), SV_TEXT("x"), SV_NULL), told,
                        ref);
        }
        fiber_sleep(CLOCK_MS);
    }
    while (w->waiting > 0)
        fiber_sleep(CLOCK_MS);
    __atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
}

static void spawn_writer(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, write_on, arg));
}

static void start_writers(void)
{
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.owner = i + 1, .next = 1, .told = mem_zalloc(ROWS_MAX)};
        on_worker(bed.crew, (unsigned)i % crew_size(bed.crew), spawn_writer, &writers[i]);
    }
}

static void end_writers(void)
{
    __atomic_store_n(&stop_writing, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < WRITERS; i++) {
        while (!__atomic_load_n(&writers[i].ended, __ATOMIC_ACQUIRE))
            usleep(1000);
    }
}

/* What the table holds is exactly what was said to be kept. */
static void check_books(void *arg)
{
    (void)arg;
    unsigned kept = 0, full = 0;
    for (int i = 0; i < WRITERS; i++) {
        struct writer *w = &writers[i];
        int64_t *ids = mem_zalloc(ROWS_MAX * sizeof(*ids));
        size_t n = read_ids(w->owner, ids, ROWS_MAX), at = 0;
        for (int64_t id = 1; id < w->next; id++) {
            bool there = at < n && ids[at] == id;
            at += there;
            ck_assert_msg(w->told[id] == (there ? 'k' : 'f'), "owner %d id %d: there %d, told %c",
                          (int)w->owner, (int)id, there, w->told[id]);
            kept += there;
            full += !there;
        }
        ck_assert_uint_eq(at, n);
        free(ids);
        mem_free(&w->told);
    }
    fprintf(stderr, "%u kept, %u refused\n", kept, full);
    ck_assert_uint_gt(kept, 1000);
}

/* ---- a reader who pages on meanwhile ---- */

static struct {
    int64_t after[WRITERS + 1];
    size_t rows;
    bool ended;
    int stop;
} pager;

static void page_once(int64_t owner)
{
    struct store_rows *rows = NULL;
    int result =
        store_query(&note_stmts[NOTE_PAGE],
                    STORE_ARGS(SV_INT(owner), SV_INT(pager.after[owner]), SV_INT(100)), &rows);
    if (result == STORE_FULL)
        return; /* it is away: the same page again */
    ck_assert_int_eq(result, STORE_OK);
    for (size_t i = 0; i < store_rows_count(rows); i++) {
        ck_assert_int_gt(store_int(rows, i, 0), pager.after[owner]);
        pager.after[owner] = store_int(rows, i, 0);
        pager.rows++;
    }
    store_rows_free(&rows);
}

static void page_on(void *arg)
{
    (void)arg;
    size_t before;
    do {
        bool last = __atomic_load_n(&pager.stop, __ATOMIC_ACQUIRE);
        before = last ? pager.rows : SIZE_MAX;
        for (int64_t owner = 1; owner <= WRITERS; owner++)
            page_once(owner);
        fiber_sleep(CLOCK_MS);
    } while (before != pager.rows);
    __atomic_store_n(&pager.ended, true, __ATOMIC_RELEASE);
}

static void spawn_pager(void *arg)
{
    (void)arg;
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, page_on, NULL));
}

static void end_pager(void)
{
    __atomic_store_n(&pager.stop, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&pager.ended, __ATOMIC_ACQUIRE))
        usleep(1000);
}

static void check_pages(void *arg)
{
    (void)arg;
    int64_t rows = 0;
    for (int64_t owner = 1; owner <= WRITERS; owner++)
        rows += count_notes(owner);
    ck_assert_int_eq((int64_t)pager.rows, rows); /* in ascending order, so none was seen twice */
}

/* ---- what the workers counted ---- */

static uint64_t retries;

static void add_retries(void *arg)
{
    (void)arg;
    struct store_stats stats;
    store_stats(worker_self(), &stats);
    retries += stats.retries;
}

static uint64_t count_retries(void)
{
    retries = 0;
    for (unsigned i = 0; i < crew_size(bed.crew); i++)
        on_worker(bed.crew, i, add_retries, NULL);
    return retries;
}

/* ---- the log ---- */

static char log_path[128];

static void log_to_file(void)
{
    snprintf(log_path, sizeof(log_path), "%s/log.%d", dir, (int)getpid());
    log_open(open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600), false);
}

static int count_in_log(const char *text)
{
    char line[2000];
    int n = 0;
    FILE *f = fopen(log_path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        n += strstr(line, text) != NULL;
    fclose(f);
    return n;
}

/* ---- Postgres ---- */

START_TEST(backends_are_killed_in_flight)
{
    fresh();
    conf.patience = 60 * CLOCK_SEC;
    bed_open(&bed, &conf, 2);
    bed_wait_up(&bed);
    start_writers();
    on_worker(bed.crew, 1, spawn_pager, NULL);
    for (int i = 0; i < 10 || (i < 200 && count_retries() == 0); i++) {
        usleep(30000); /* some traffic between two kills */
        psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
             "pg_backend_pid() AND application_name = 'jackdaw'");
    }
    end_writers();
    end_pager();
    in_fiber_long(&bed, 0, check_books, NULL);
    in_fiber_long(&bed, 0, check_pages, NULL);
    ck_assert_uint_gt(count_retries(), 0);
    bed_close(&bed);
}
END_TEST

START_TEST(the_server_crashes_and_comes_back)
{
    fresh();
    log_to_file();
    conf.patience = 60 * CLOCK_SEC;
    bed_open(&bed, &conf, 2);
    bed_wait_up(&bed);
    start_writers();
    on_worker(bed.crew, 1, spawn_pager, NULL);
    for (int i = 0; i < 3; i++) {
        free(helper("postgres restart %s/pg -m immediate", dir));
        bed_wait_up(&bed);
        usleep(50000);
    }
    end_writers();
    end_pager();
    in_fiber_long(&bed, 0, check_books, NULL);
    in_fiber_long(&bed, 0, check_pages, NULL);
    bed_close(&bed);
    ck_assert_int_eq(count_in_log("Postgres is away"), 3);
    ck_assert_int_eq(count_in_log("Postgres is back"), 3);
}
END_TEST

START_TEST(a_paused_server_loses_nothing)
{
    fresh();
    conf.patience = 60 * CLOCK_SEC;
    conf.statement_timeout = 500 * CLOCK_MS; /* the client gives up after 2.5 s */
    bed_open(&bed, &conf, 2);
    bed_wait_up(&bed);
    start_writers();
    usleep(100000);
    free(helper("postgres pause %s/pg", dir));
    usleep(4000000); /* longer than the client waits for an answer */
    free(helper("postgres continue %s/pg", dir));
    end_writers();
    in_fiber_long(&bed, 0, check_books, NULL);
    ck_assert_uint_gt(count_retries(), 0);
    bed_close(&bed);
}
END_TEST

static void write_and_read_in_vain(void *arg)
{
    (void)arg;
    struct store_rows *rows = NULL;
    int64_t began = clock_mono();
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], 1,
                                      STORE_ARGS(SV_INT(1), SV_INT(1), SV_TEXT("x"), SV_NULL),
                                      NULL),
                     STORE_FULL);
    ck_assert_int_eq(store_query(&note_stmts[NAME_FIND], STORE_ARGS(SV_TEXT("nobody")), &rows),
                     STORE_FULL);
    ck_assert_int_ge(clock_mono() - began, 500 * CLOCK_MS);
    ck_assert_int_lt(clock_mono() - began, 3 * CLOCK_SEC);
}

static void write_one(void *arg)
{
    int64_t id = (intptr_t)arg;
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], 1,
                                      STORE_ARGS(SV_INT(1), SV_INT(id), SV_TEXT("x"), SV_NULL),
                                      NULL),
                     STORE_OK);
    ck_assert_int_eq(count_notes(1), 1);
}

START_TEST(away_longer_than_its_patience)
{
    fresh();
    log_to_file();
    conf.patience = 300 * CLOCK_MS;
    bed_open(&bed, &conf, 2);
    bed_wait_up(&bed);
    free(helper("postgres stop %s/pg", dir));
    in_fiber_long(&bed, 0, write_and_read_in_vain, NULL);
    free(helper("postgres start %s/pg", dir));
    bed_wait_up(&bed);
    in_fiber_long(&bed, 0, write_one, (void *)2);
    bed_close(&bed);
    ck_assert_int_eq(count_in_log("Postgres is away"), 1);
    ck_assert_int_eq(count_in_log("Postgres is back"), 1);
}
END_TEST

static unsigned answered;

static void count_full(void *arg, int result)
{
    (void)arg;
    ck_assert_int_eq(result, STORE_FULL);
    answered++;
}

static void leave_writes(void *arg)
{
    (void)arg;
    for (int64_t id = 1; id <= 100; id++)
        store_write(&note_stmts[NOTE_ADD], 1,
                    STORE_ARGS(SV_INT(1), SV_INT(id), SV_TEXT("x"), SV_NULL), count_full, NULL);
}

START_TEST(detaching_while_it_is_away)
{
    fresh();
    conf.patience = 300 * CLOCK_MS;
    bed_open(&bed, &conf, 1);
    bed_wait_up(&bed);
    free(helper("postgres stop %s/pg", dir));
    on_worker(bed.crew, 0, leave_writes, NULL);
    bed_close(&bed);
    ck_assert_uint_eq(answered, 100);
}
END_TEST

START_TEST(a_host_is_called_by_name)
{
    char by_name[256];
    struct err e;
    fresh();
    snprintf(by_name, sizeof(by_name), "host=localhost%s", target_tcp);
    conf.target = by_name;
    bed_open(&bed, &conf, 1);
    bed_wait_up(&bed);
    in_fiber_long(&bed, 0, write_one, (void *)7);
    free(helper("postgres restart %s/pg", dir));
    bed_wait_up(&bed);
    bed_close(&bed);
    conf.target = "host=no-such-host.invalid dbname=jackdaw";
    struct store *s = store_new(&conf);
    ck_assert_int_lt(store_open(s, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "no-such-host.invalid"));
    store_free(&s);
}
END_TEST

/* ---- slow and partitioned ---- */

static const struct store_stmt slow_stmts[] = {
    {.name = "slow",
     .kind = STORE_WRITE,
     .params = "i",
     .columns = "",
     .sql = "DELETE FROM log WHERE owner = $1 AND (SELECT true FROM pg_sleep(20))"},
    {.name = "add",
     .kind = STORE_APPEND,
     .params = "ii",
     .columns = "",
     .table = "log",
     .sql = "owner, id"},
    {.name = "slow_read",
     .kind = STORE_READ,
     .params = "i",
     .columns = "i",
     .sql = "SELECT count(*) FROM log WHERE owner = $1 AND (SELECT true FROM pg_sleep(20))"},
    {.name = "count",
     .kind = STORE_READ,
     .params = "i",
     .columns = "i",
     .sql = "SELECT count(*) FROM log WHERE owner = $1"},
};
static const struct store_migration slow_migrations[] = {
    {.number = 1,
     .sql_postgres = "CREATE TABLE log (owner bigint NOT NULL, id bigint NOT NULL, "
                     "PRIMARY KEY (owner, id)) PARTITION BY RANGE (id)"},
};

static void open_log(unsigned months)
{
    struct err e;
    static struct store_partitioned partitioned = {.table = "log"};
    partitioned.months = months;
    bed.store = store_new(&conf);
    store_declare(bed.store, "log", slow_stmts, ARRAY_LEN(slow_stmts), slow_migrations, 1,
                  &partitioned);
    ck_assert_msg(store_open(bed.store, &e) == 0, "%s", e.text);
}

static void attach(void *arg)
{
    (void)arg;
    store_attach(bed.store, worker_self());
}

static int results[8];

static void keep_result(void *arg, int result)
{
    *(int *)arg = result;
    answered++;
}

static void write_slowly(void *arg)
{
    (void)arg;
    struct store_rows *rows = NULL;
    int64_t now = clock_wall();
    for (int64_t i = 0; i < 6; i++) {
        if (i == 3)
            store_write(&slow_stmts[0], 2, STORE_ARGS(SV_INT(2)), keep_result, &results[6]);
        store_write(&slow_stmts[1], 2, STORE_ARGS(SV_INT(2), SV_INT(now + i)), keep_result,
                    &results[i]);
    }
    /* A slow read beside others of the same turn: they go again without it. */
    struct promise *slow = store_query_start(&slow_stmts[2], STORE_ARGS(SV_INT(4)));
    struct promise *fast = store_query_start(&slow_stmts[3], STORE_ARGS(SV_INT(4)));
    while (answered < 7)
        fiber_sleep(CLOCK_MS);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(results[i], STORE_OK);
    ck_assert_int_eq(results[6], STORE_FULL);
    ck_assert_int_eq(store_query_wait(&slow, &rows), STORE_FULL);
    ck_assert_int_eq(store_query_wait(&fast, &rows), STORE_OK);
    store_rows_free(&rows);
    ck_assert_int_eq(store_query(&slow_stmts[3], STORE_ARGS(SV_INT(2)), &rows), STORE_OK);
    ck_assert_int_eq(store_int(rows, 0, 0), 6);
    store_rows_free(&rows);
}

START_TEST(a_slow_statement_is_refused_alone)
{
    fresh();
    conf.statement_timeout = 300 * CLOCK_MS;
    open_log(1);
    bed.crew = test_crew(1, NULL);
    on_worker(bed.crew, 0, attach, NULL);
    in_fiber_long(&bed, 0, write_slowly, NULL);
    bed_close(&bed);
}
END_TEST

START_TEST(partitions_are_made_ahead)
{
    fresh();
    open_log(1);
    store_free(&bed.store);
    /* This month and two ahead; the same again makes none; another length goes on where they end.
     */
    psql("SELECT 1 / (count(*) = 3)::int FROM pg_inherits WHERE inhparent = 'log'::regclass");
    psql("SELECT 1 / (to_regclass('log_p' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')) IS NOT "
         "NULL)::int");
    psql("INSERT INTO log VALUES (1, (extract(epoch FROM now()) * 1000000)::bigint)");
    psql("INSERT INTO log VALUES (1, (extract(epoch FROM now() + interval '58 days') * "
         "1000000)::bigint)");
    open_log(1);
    store_free(&bed.store);
    psql("SELECT 1 / (count(*) = 3)::int FROM pg_inherits WHERE inhparent = 'log'::regclass");
    open_log(6);
    store_free(&bed.store);
    psql("INSERT INTO log VALUES (1, (extract(epoch FROM now() + interval '360 days') * "
         "1000000)::bigint)");
}
END_TEST

START_TEST(partitions_are_made_while_it_runs)
{
    char command[600];
    fresh();
    conf.partition_every = 50 * CLOCK_MS;
    open_log(1);
    bed.crew = test_crew(1, NULL);
    psql(
        "DO \\$\\$ DECLARE t text; BEGIN FOR t IN SELECT inhrelid::regclass::text FROM pg_inherits "
        "WHERE inhparent = 'log'::regclass LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END \\$\\$");
    on_worker(bed.crew, 0, attach, NULL);
    snprintf(command, sizeof(command),
             "psql -qAtX '%s' -c \"SELECT count(*) FROM pg_inherits WHERE inhparent = "
             "'log'::regclass\" | grep -qx 3",
             target);
    while (system(command) != 0)
        usleep(20000);
    bed_close(&bed);
}
END_TEST

/* ---- SQLite ---- */

static void fresh_sqlite(void)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%d.db", dir, (int)getpid());
    bed_conf(&conf, STORE_SQLITE, path);
    log_to_file();
    bed_open(&bed, &conf, 1);
}

/* No file of this process may grow: a full disk for one process. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fill_the_disk(void *arg)
{
    (void)arg;
    char *body = mem_zalloc(100000);
    memset(body, 'x', 99999);
    limit_files(200000);
    int refused = 0;
    for (int64_t id = 1; id <= 20; id++) {
        int result =
            store_write_wait(&note_stmts[NOTE_ADD], 1,
                             STORE_ARGS(SV_INT(1), SV_INT(id), SV_TEXT(body), SV_NULL), NULL);
        ck_assert(result == STORE_OK || result == STORE_FULL);
        refused += result == STORE_FULL;
        ck_assert_int_eq(count_notes(1), id - refused);
    }
    ck_assert_int_gt(refused, 10);
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], 1,
                                      STORE_ARGS(SV_INT(1), SV_INT(99), SV_TEXT(body), SV_NULL),
                                      NULL),
                     STORE_OK);
    free(body);
}

START_TEST(a_full_disk_refuses)
{
    fresh_sqlite();
    in_fiber_long(&bed, 0, fill_the_disk, NULL);
    bed_close(&bed);
    ck_assert_int_eq(count_in_log("refuses writes"), 1);
    ck_assert_int_eq(count_in_log("SQLite takes writes again"), 1);
}
END_TEST

static void write_against_a_lock(void *arg)
{
    (void)arg;
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], 1,
                                      STORE_ARGS(SV_INT(1), SV_INT(1), SV_TEXT("x"), SV_NULL),
                                      NULL),
                     STORE_FULL);
    ck_assert_int_eq(count_notes(1), 0); /* reading goes on */
}

START_TEST(a_locked_file_refuses)
{
    sqlite3 *other = NULL;
    fresh_sqlite();
    ck_assert_int_eq(sqlite3_open(conf.target, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    in_fiber_long(&bed, 0, write_against_a_lock, NULL);
    sqlite3_close(other);
    in_fiber_long(&bed, 0, write_one, (void *)1);
    bed_close(&bed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store faults");
    TCase *t = tcase_create("faults");
    tcase_set_timeout(t, 180);
    tcase_add_unchecked_fixture(t, start_server, stop_server);
    tcase_add_test(t, backends_are_killed_in_flight);
    tcase_add_test(t, the_server_crashes_and_comes_back);
    tcase_add_test(t, a_paused_server_loses_nothing);
    tcase_add_test(t, away_longer_than_its_patience);
    tcase_add_test(t, detaching_while_it_is_away);
    tcase_add_test(t, a_host_is_called_by_name);
    tcase_add_test(t, a_slow_statement_is_refused_alone);
    tcase_add_test(t, partitions_are_made_ahead);
    tcase_add_test(t, partitions_are_made_while_it_runs);
    tcase_add_test(t, a_full_disk_refuses);
    tcase_add_test(t, a_locked_file_refuses);
    suite_add_tcase(s, t);
    return run_suite(s);
}
