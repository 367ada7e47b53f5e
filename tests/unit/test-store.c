/* The store's contract, the same on both drivers: each test runs on SQLite and on a real Postgres.
 */
#include <unistd.h>

#include "base/clock.h"
#include "store-bed.h"

static char dir[64];
static char *target[2]; /* by driver */
static struct bed bed;
static struct store_conf conf;

/* In the process that forks the tests. */
static void start_servers(void)
{
    scratch_make(dir);
    target[STORE_POSTGRES] = helper("postgres start %s/pg", dir);
}

static void stop_servers(void)
{
    free(helper("postgres stop %s/pg -m immediate", dir));
    scratch_remove(dir);
}

/* Test number i runs on driver i, each on an empty database. */
static void fresh(int driver)
{
    static char path[128];
    char command[512];
    snprintf(path, sizeof(path), "%s/%d.db", dir, (int)getpid());
    target[STORE_SQLITE] = path;
    bed_conf(&conf, (enum store_driver)driver, target[driver]);
    if (driver == STORE_SQLITE)
        return;
    snprintf(command, sizeof(command),
             "psql -qX '%s' -c 'DROP SCHEMA public CASCADE' -c 'CREATE SCHEMA public' 2>/dev/null",
             target[driver]);
    ck_assert_int_eq(system(command), 0);
}

static void fresh_bed(int driver, unsigned workers)
{
    fresh(driver);
    bed_open(&bed, &conf, workers);
}

/* ---- what callbacks saw ---- */

#define MAX_RESULTS 4096

static struct {
    unsigned n;
    int result[MAX_RESULTS]; /* in the order of the calls back */
    intptr_t what[MAX_RESULTS];
} seen;

static void note_result(void *arg, int result)
{
    ck_assert_uint_lt(seen.n, MAX_RESULTS);
    ck_assert_ptr_null(fiber_self());
    seen.result[seen.n] = result;
    seen.what[seen.n++] = (intptr_t)arg;
}

static void wait_results(unsigned n)
{
    while (seen.n < n)
        fiber_sleep(CLOCK_MS);
}

static void add_note(int64_t owner, int64_t id, const char *body, intptr_t what)
{
    store_write(&note_stmts[NOTE_ADD], (uint64_t)owner,
                STORE_ARGS(SV_INT(owner), SV_INT(id), SV_TEXT(body), SV_NULL), note_result,
                (void *)what);
}

/* ---- tests ---- */

static void all_types(void *arg)
{
    (void)arg;
    static const char raw[] = {0, 1, (char)0xff, '\'', 0};
    struct store_rows *rows = NULL;
    struct store_args args =
        STORE_ARGS(SV_INT(INT64_MIN), SV_INT(INT64_MAX), SV_TEXT("zwölf 'Boxkämpfer'; --"),
                   SV_BLOB(raw, sizeof(raw)));
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], (uint64_t)INT64_MIN, args, NULL), 0);
    args = STORE_ARGS(SV_INT(INT64_MIN), SV_INT(1), SV_NULL, SV_BLOB("", 0));
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_ADD], (uint64_t)INT64_MIN, args, NULL), 0);
    args = STORE_ARGS(SV_INT(INT64_MIN), SV_INT(0), SV_INT(10));
    ck_assert_int_eq(store_query(&note_stmts[NOTE_PAGE], args, &rows), STORE_OK);
    size_t len;
    ck_assert_uint_eq(store_rows_count(rows), 2);
    ck_assert(store_is_null(rows, 0, 1));
    ck_assert_ptr_null(store_str(rows, 0, 1));
    ck_assert(!store_is_null(rows, 0, 2));
    ck_assert_ptr_nonnull(store_blob(rows, 0, 2, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(store_int(rows, 1, 0), INT64_MAX);
    ck_assert_str_eq(store_str(rows, 1, 1), "zwölf 'Boxkämpfer'; --");
    const void *back = store_blob(rows, 1, 2, &len);
    ck_assert_mem_eq(back, raw, sizeof(raw));
    ck_assert_uint_eq(len, sizeof(raw));
    store_rows_free(&rows);
}

START_TEST(every_type_comes_back)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, all_types, NULL);
    bed_close(&bed);
}
END_TEST

static void arrays(void *arg)
{
    (void)arg;
    struct store_rows *rows = NULL;
    int64_t owners[] = {-7, 1, 3, 1LL << 60};
    for (int64_t owner = 0; owner < 5; owner++)
        add_note(owner, 1, "x", 0);
    add_note(-7, 1, "x", 0);
    /* The writes are in flight: the read waits for those of its owners. */
    ck_assert_int_eq(store_query(&note_stmts[NOTE_COUNT], STORE_ARGS(SV_INTS(owners, 4)), &rows),
                     STORE_OK);
    ck_assert_int_eq(store_int(rows, 0, 0), 3);
    store_rows_free(&rows);
    ck_assert_int_eq(store_query(&note_stmts[NOTE_COUNT], STORE_ARGS(SV_INTS(NULL, 0)), &rows),
                     STORE_OK);
    ck_assert_int_eq(store_int(rows, 0, 0), 0);
    store_rows_free(&rows);
    wait_results(6);
}

START_TEST(arrays_of_owners)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, arrays, NULL);
    bed_close(&bed);
}
END_TEST

enum { OWNERS = 7, EACH = 300 };

static void many_writes(void *arg)
{
    (void)arg;
    struct store_stats stats;
    for (int64_t id = 1; id <= EACH; id++) {
        for (int64_t owner = 1; owner <= OWNERS; owner++)
            add_note(owner, id, "x", (intptr_t)(owner * 1000 + id));
        if (id % 50 == 0)
            fiber_sleep(CLOCK_MS);
    }
    wait_results(OWNERS * EACH);
    int64_t last[OWNERS + 1] = {0};
    for (unsigned i = 0; i < seen.n; i++) {
        ck_assert_int_eq(seen.result[i], STORE_OK);
        int64_t owner = seen.what[i] / 1000, id = seen.what[i] % 1000;
        ck_assert_int_eq(id, last[owner] + 1);
        last[owner] = id;
    }
    store_stats(worker_self(), &stats);
    ck_assert_uint_eq(stats.writes, OWNERS * EACH);
    ck_assert_uint_lt(stats.batches * 4, stats.writes);
    ck_assert_uint_eq(stats.queued, 0);
    int64_t ids[EACH + 1];
    for (int64_t owner = 1; owner <= OWNERS; owner++)
        ck_assert_uint_eq(read_ids(owner, ids, EACH), EACH);
}

START_TEST(writes_travel_in_batches_and_in_order)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, many_writes, NULL);
    bed_close(&bed);
}
END_TEST

static void duplicates(void *arg)
{
    (void)arg;
    add_note(1, 1, "first", 0);
    add_note(1, 1, "second in the same batch", 0);
    wait_results(2);
    add_note(1, 1, "third", 0);
    wait_results(3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(seen.result[i], STORE_OK);
    struct store_rows *rows = NULL;
    ck_assert_int_eq(
        store_query(&note_stmts[NOTE_PAGE], STORE_ARGS(SV_INT(1), SV_INT(0), SV_INT(10)), &rows),
        STORE_OK);
    ck_assert_uint_eq(store_rows_count(rows), 1);
    ck_assert_str_eq(store_str(rows, 0, 1), "first");
    store_rows_free(&rows);
}

START_TEST(a_duplicate_append_changes_nothing)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, duplicates, NULL);
    bed_close(&bed);
}
END_TEST

static void one_bad(void *arg)
{
    (void)arg;
    enum { N = 60 };
    for (int64_t id = 1; id <= N; id++)
        add_note(1 + id % 3, id, id == 17 || id == 40 ? "bad" : "good", (intptr_t)id);
    wait_results(N);
    for (unsigned i = 0; i < N; i++) {
        bool bad = seen.what[i] == 17 || seen.what[i] == 40;
        ck_assert_int_eq(seen.result[i], bad ? STORE_FAILED : STORE_OK);
    }
    int64_t owners[] = {1, 2, 3}, ids[N];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(owners); i++)
        n += read_ids(owners[i], ids, N);
    ck_assert_uint_eq(n, N - 2);
}

START_TEST(one_bad_row_is_refused_alone)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, one_bad, NULL);
    bed_close(&bed);
}
END_TEST

/* Appends and other writes of one owner in one batch: appends are merged, but never past another
 * statement of their owner. */
static void mixed(void *arg)
{
    (void)arg;
    for (int64_t owner = 1; owner <= 3; owner++) {
        add_note(owner, 1, "a", 0);
        store_write(&note_stmts[NOTE_PUT], (uint64_t)owner,
                    STORE_ARGS(SV_INT(owner), SV_INT(1), SV_TEXT("b")), note_result, NULL);
        store_write(&note_stmts[NOTE_ERASE], (uint64_t)owner, STORE_ARGS(SV_INT(owner), SV_INT(2)),
                    note_result, NULL);
        add_note(owner, 2, "c", 0); /* would be erased if it were merged with the first */
        add_note(owner, 1, "not this", 0);
    }
    for (int64_t owner = 1; owner <= 3; owner++) {
        struct store_rows *rows = NULL;
        ck_assert_int_eq(store_query(&note_stmts[NOTE_PAGE],
                                     STORE_ARGS(SV_INT(owner), SV_INT(0), SV_INT(10)), &rows),
                         STORE_OK);
        ck_assert_uint_eq(store_rows_count(rows), 2);
        ck_assert_str_eq(store_str(rows, 0, 1), "b");
        ck_assert_str_eq(store_str(rows, 1, 1), "c");
        store_rows_free(&rows);
    }
    wait_results(15);
}

START_TEST(statements_of_an_owner_keep_their_order)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, mixed, NULL);
    bed_close(&bed);
}
END_TEST

static void own_writes(void *arg)
{
    (void)arg;
    for (int64_t id = 1; id <= 200; id++) {
        add_note(5, id, "x", 0);
        if (id % 20 == 0)
            ck_assert_int_eq(count_notes(5), id);
    }
    wait_results(200);
}

START_TEST(a_read_sees_the_writes_before_it)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, own_writes, NULL);
    bed_close(&bed);
}
END_TEST

static void directory(void *arg)
{
    (void)arg;
    struct store_rows *rows = NULL;
    for (int64_t owner = 100; owner < 102; owner++) {
        ck_assert_int_eq(store_write_wait(&note_stmts[NAME_CLAIM], 0,
                                          STORE_ARGS(SV_TEXT("ann@example.org"), SV_INT(owner)),
                                          &rows),
                         STORE_OK);
        ck_assert_uint_eq(store_rows_count(rows), owner == 100 ? 1 : 0);
        store_rows_free(&rows);
    }
    ck_assert_int_eq(
        store_query(&note_stmts[NAME_FIND], STORE_ARGS(SV_TEXT("ann@example.org")), &rows),
        STORE_OK);
    ck_assert_int_eq(store_int(rows, 0, 0), 100);
    store_rows_free(&rows);
    ck_assert_int_eq(store_query(&note_stmts[NAME_FIND], STORE_ARGS(SV_TEXT("nobody")), &rows),
                     STORE_OK);
    ck_assert_uint_eq(store_rows_count(rows), 0);
    store_rows_free(&rows);
}

START_TEST(a_name_is_given_once)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, directory, NULL);
    bed_close(&bed);
}
END_TEST

static void too_many(void *arg)
{
    (void)arg;
    for (int64_t id = 1; id <= 50; id++)
        add_note(2, id, "x", (intptr_t)id);
    ck_assert_uint_eq(seen.n, 0); /* nothing is answered inside the call */
    wait_results(50);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(seen.result[i], seen.what[i] <= 10 ? STORE_OK : STORE_FULL);
    ck_assert_int_eq(count_notes(2), 10);
}

START_TEST(a_full_queue_refuses)
{
    fresh(_i);
    conf.queue_max = 10;
    bed_open(&bed, &conf, 1);
    bed_wait_up(&bed);
    in_fiber(bed.crew, 0, too_many, NULL);
    bed_close(&bed);
}
END_TEST

static void late_reader(void *arg)
{
    (void)arg;
    struct store_rows *rows = NULL;
    fiber_set_deadline(clock_mono() + CLOCK_MS);
    fiber_sleep(2 * CLOCK_MS);
    struct store_args args = STORE_ARGS(SV_INT(1), SV_INT(0), SV_INT(1));
    ck_assert_int_eq(store_query(&note_stmts[NOTE_PAGE], args, &rows), WAIT_TIMEOUT);
    ck_assert_ptr_null(rows);
    /* A write goes on although nobody waits any more. */
    ck_assert_int_eq(store_write_wait(&note_stmts[NOTE_PUT], 1,
                                      STORE_ARGS(SV_INT(1), SV_INT(1), SV_TEXT("x")), &rows),
                     WAIT_TIMEOUT);
    fiber_set_deadline(0);
    ck_assert_int_eq(count_notes(1), 1);
}

START_TEST(an_abandoned_wait_abandons_no_work)
{
    fresh_bed(_i, 1);
    in_fiber(bed.crew, 0, late_reader, NULL);
    bed_close(&bed);
}
END_TEST

static void write_and_leave(void *arg)
{
    (void)arg;
    for (int64_t id = 1; id <= 500; id++)
        add_note(3, id, "x", 0);
}

static void count_500(void *arg)
{
    (void)arg;
    ck_assert_int_eq(count_notes(3), 500);
}

START_TEST(detaching_commits_what_is_queued)
{
    fresh_bed(_i, 1);
    bed_wait_up(&bed);
    on_worker(bed.crew, 0, write_and_leave, NULL);
    bed_close(&bed);
    ck_assert_uint_eq(seen.n, 500);
    for (unsigned i = 0; i < 500; i++)
        ck_assert_int_eq(seen.result[i], STORE_OK);
    bed_open(&bed, &conf, 1);
    in_fiber(bed.crew, 0, count_500, NULL);
    bed_close(&bed);
}
END_TEST

/* ---- several workers ---- */

enum { WRITERS = 3, PAGED = 400 };
static int writers_left;

static void write_slowly(void *arg)
{
    int64_t owner = (intptr_t)arg;
    for (int64_t id = 1; id <= PAGED; id++) {
        ck_assert_int_eq(
            store_write_wait(&note_stmts[NOTE_ADD], (uint64_t)owner,
                             STORE_ARGS(SV_INT(owner), SV_INT(id), SV_TEXT("x"), SV_NULL), NULL),
            STORE_OK);
    }
    __atomic_sub_fetch(&writers_left, 1, __ATOMIC_ACQ_REL);
}

static void spawn_writer(void *arg)
{
    ck_assert(fiber_spawn(worker_self(), FIBER_NORMAL, write_slowly, arg));
}

/* Pages forward while others write: the union of the pages must be the table. */
static void page_along(void *arg)
{
    (void)arg;
    int64_t after[WRITERS + 1] = {0};
    bool last_round = false;
    do {
        last_round = __atomic_load_n(&writers_left, __ATOMIC_ACQUIRE) == 0;
        for (int64_t owner = 1; owner <= WRITERS; owner++) {
            struct store_rows *rows = NULL;
            ck_assert_int_eq(
                store_query(&note_stmts[NOTE_PAGE],
                            STORE_ARGS(SV_INT(owner), SV_INT(after[owner]), SV_INT(1000)), &rows),
                STORE_OK);
            for (size_t i = 0; i < store_rows_count(rows); i++) {
                ck_assert_int_eq(store_int(rows, i, 0), after[owner] + 1);
                after[owner]++;
            }
            store_rows_free(&rows);
        }
    } while (!last_round);
    for (int64_t owner = 1; owner <= WRITERS; owner++)
        ck_assert_int_eq(after[owner], PAGED);
}

START_TEST(a_reader_on_another_worker_misses_nothing)
{
    fresh_bed(_i, 1 + WRITERS);
    writers_left = WRITERS;
    for (unsigned i = 1; i <= WRITERS; i++)
        on_worker(bed.crew, i, spawn_writer, (void *)(intptr_t)i);
    in_fiber_long(&bed, 0, page_along, NULL);
    bed_close(&bed);
}
END_TEST

/* ---- the schema ---- */

static int open_with(const struct store_migration *migrations, size_t n, struct err *e)
{
    struct store *s = store_new(&conf);
    store_declare(s, "note", note_stmts, NOTE_STMTS, migrations, n, NULL);
    int result = store_open(s, e);
    if (result == 0)
        result = store_check_statements(s, e);
    store_free(&s);
    return result;
}

START_TEST(migrations_run_once)
{
    struct err e;
    fresh(_i);
    ck_assert_msg(open_with(note_migrations, 2, &e) == 0, "%s", e.text);
    ck_assert_msg(open_with(note_migrations, 2, &e) == 0, "%s", e.text);
    /* A step that fails takes the steps before it back. */
    struct store_migration more[] = {
        note_migrations[0],
        note_migrations[1],
        {.number = 3, .sql = "CREATE TABLE third (owner {int} PRIMARY KEY) {strict}"},
        {.number = 4, .sql = "CREATE TABEL fourth (owner {int})"},
    };
    ck_assert_int_lt(open_with(more, 4, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "migration 4 of module note"));
    ck_assert_msg(open_with(more, 3, &e) == 0, "%s", e.text);
}
END_TEST

START_TEST(a_newer_schema_is_refused_in_words)
{
    struct err e;
    fresh(_i);
    ck_assert_msg(open_with(note_migrations, 2, &e) == 0, "%s", e.text);
    ck_assert_int_lt(open_with(note_migrations, 1, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "newer Jackdaw"));
}
END_TEST

static int check_one(const struct store_stmt *stmt, const char *ddl, struct err *e)
{
    struct store_migration step = {.number = 1, .sql = ddl};
    struct store *s = store_new(&conf);
    store_declare(s, "wrong", stmt, 1, &step, 1, NULL);
    int result = store_open(s, e);
    ck_assert_msg(result == 0, "%s", e->text);
    result = store_check_statements(s, e);
    store_free(&s);
    return result;
}

START_TEST(the_owner_rule_is_checked)
{
    static const struct {
        struct store_stmt stmt;
        const char *says;
    } wrong[] = {
        {{"a", STORE_READ, "i", "i", "SELECT id FROM t WHERE id = $1", NULL, NULL, NULL},
         "does not begin with owner"},
        {{"b", STORE_READ, "", "i", "SELECT id FROM t", NULL, NULL, NULL}, "has no WHERE"},
        {{"c", STORE_READ, "ii", "i", "SELECT id FROM t WHERE owner = $2 AND id = $1", NULL, NULL,
          NULL},
         "does not begin with owner"},
        {{"d", STORE_WRITE, "i", "", "DELETE FROM t WHERE id = $1", NULL, NULL, NULL},
         "does not begin with owner"},
        {{"e", STORE_WRITE, "ii", "",
          "INSERT INTO t (id, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING", NULL, NULL, NULL},
         "before owner"},
        {{"f", STORE_WRITE, "ii", "", "INSERT INTO t (owner, id) VALUES ($1, $2)", NULL, NULL,
          NULL},
         "without ON CONFLICT"},
        {{"g", STORE_READ, "i", "i",
          "SELECT id FROM t WHERE owner = $1 AND id IN (SELECT id FROM t WHERE id > 3)", NULL, NULL,
          NULL},
         "does not begin with owner"},
        {{"h", STORE_APPEND, "ii", "", "id, owner", NULL, NULL, "t"}, "begin with owner"},
        {{"i", STORE_READ, "i", "ii", "SELECT id FROM t WHERE owner = $1", NULL, NULL, NULL},
         "columns"},
        {{"j", STORE_READ, "ii", "i", "SELECT id FROM t WHERE owner = $1", NULL, NULL, NULL},
         "parameters"},
        {{"k", STORE_READ, "i", "i", "SELECT nothing FROM t WHERE owner = $1", NULL, NULL, NULL},
         "nothing"},
    };
    struct err e;
    const char *ddl = "CREATE TABLE t (owner {int} NOT NULL, id {int} NOT NULL,"
                      " PRIMARY KEY (owner, id)) {strict}";
    fresh(_i);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_msg(check_one(&wrong[i].stmt, ddl, &e) < 0, "%s passed", wrong[i].stmt.sql);
        ck_assert_msg(strstr(e.text, wrong[i].says) != NULL, "%s: %s", wrong[i].stmt.name, e.text);
    }
}
END_TEST

START_TEST(keys_begin_with_owner)
{
    static const char *const wrong[] = {
        "CREATE TABLE t (owner {int} NOT NULL, id {int} PRIMARY KEY) {strict}",
        "CREATE TABLE t (owner {int} NOT NULL, id {int} NOT NULL) {strict}",
        ("CREATE TABLE t (owner {int} NOT NULL, id {int} NOT NULL, PRIMARY KEY (owner, id)) "
         "{strict}; CREATE INDEX t_id ON t (id)"),
    };
    static const struct store_stmt fine = {
        "fine", STORE_READ, "i", "i", "SELECT a.id FROM t a WHERE a.owner = $1", NULL, NULL, NULL};
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        fresh(_i);
        unlink(target[STORE_SQLITE]);
        ck_assert_msg(check_one(&fine, wrong[i], &e) < 0, "%s passed", wrong[i]);
        ck_assert_msg(strstr(e.text, "not with owner") != NULL, "%s", e.text);
    }
}
END_TEST

START_TEST(an_unusable_target_is_said)
{
    struct err e;
    fresh(_i);
    conf.target = _i == STORE_SQLITE ? "/nonexistent/x.db" : "host=/nonexistent dbname=x";
    ck_assert_int_lt(open_with(note_migrations, 2, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_type_comes_back,
        arrays_of_owners,
        writes_travel_in_batches_and_in_order,
        a_duplicate_append_changes_nothing,
        one_bad_row_is_refused_alone,
        statements_of_an_owner_keep_their_order,
        a_read_sees_the_writes_before_it,
        a_name_is_given_once,
        a_full_queue_refuses,
        an_abandoned_wait_abandons_no_work,
        detaching_commits_what_is_queued,
        a_reader_on_another_worker_misses_nothing,
        migrations_run_once,
        a_newer_schema_is_refused_in_words,
        the_owner_rule_is_checked,
        keys_begin_with_owner,
        an_unusable_target_is_said,
    };
    Suite *s = suite_create("store");
    TCase *t = tcase_create("both drivers");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, start_servers, stop_servers);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_loop_test(t, tests[i], STORE_SQLITE, STORE_POSTGRES + 1);
    suite_add_tcase(s, t);
    return run_suite(s);
}
