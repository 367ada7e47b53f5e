/* Every statement that the core and the modules declare keeps the owner rule, prepares and runs, on
 * both databases. */
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/account.h"
#include "core/loader.h"
#include "core/module.h"
#include "store-bed.h"

static char dir[64];
static char *target[2]; /* by driver */
static const struct module *const *modules;
static unsigned n_modules;
static struct loader *loader;

static void start_servers(void)
{
    scratch_make(dir);
    target[STORE_POSTGRES] = helper("postgres start %s/pg", dir);
    target[STORE_SQLITE] = mem_alloc(128);
    snprintf(target[STORE_SQLITE], 128, "%s/statements.db", dir);
    loader = loader_new();
    n_modules = loader_all(loader, MODULE_DIR, &modules);
}

static void stop_servers(void)
{
    free(helper("postgres stop %s/pg -m immediate", dir));
    scratch_remove(dir);
    free(target[STORE_POSTGRES]);
    free(target[STORE_SQLITE]);
    loader_free(&loader);
}

static struct store *open_store(int driver)
{
    struct store_conf conf;
    struct err e;
    bed_conf(&conf, (enum store_driver)driver, target[driver]);
    struct store *s = store_new(&conf);
    store_declare(s, "core", account_stmts, account_n_stmts, account_migrations,
                  account_n_migrations, NULL);
    for (unsigned i = 0; i < n_modules; i++)
        store_declare(s, modules[i]->name, modules[i]->stmts, modules[i]->n_stmts,
                      modules[i]->migrations, modules[i]->n_migrations, modules[i]->partitioned);
    ck_assert_msg(store_open(s, &e) == 0, "%s", e.text);
    return s;
}

START_TEST(they_keep_the_owner_rule)
{
    struct err e;
    ck_assert_uint_ge(n_modules, 9);
    struct store *s = open_store(_i);
    ck_assert_msg(store_check_statements(s, &e) == 0, "%s", e.text);
    store_free(&s);
}
END_TEST

/* Some value of each type: an id of now for integers, so that there is a partition for it. */
static void run(const struct store_stmt *stmt)
{
    struct store_value v[32];
    struct store_rows *rows = NULL;
    static int64_t owners[] = {1, 2};
    int64_t now = clock_wall();
    size_t n = strlen(stmt->params);
    for (size_t i = 0; i < n; i++) {
        switch (stmt->params[i]) {
        case 'i': v[i] = SV_INT(i == 0 ? 1 : now); break;
        case 't': v[i] = SV_TEXT("text"); break;
        case 'b': v[i] = SV_BLOB("bytes", 5); break;
        default: v[i] = SV_INTS(owners, 2); break;
        }
    }
    bool read = stmt->kind == STORE_READ || stmt->kind == STORE_DIRECTORY_READ;
    struct store_args args = {v, n};
    int result = read ? store_query(stmt, args, &rows) : store_write_wait(stmt, 1, args, &rows);
    ck_assert_msg(result == STORE_OK, "%s: %d", stmt->name, result);
    store_rows_free(&rows);
}

static void run_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < account_n_stmts; i++)
        run(&account_stmts[i]);
    for (unsigned m = 0; m < n_modules; m++) {
        for (size_t i = 0; i < modules[m]->n_stmts; i++)
            run(&modules[m]->stmts[i]);
    }
}

static void attach(void *arg)
{
    store_attach(arg, worker_self());
}

START_TEST(they_run)
{
    struct bed bed = {.store = open_store(_i), .crew = test_crew(1, NULL)};
    on_worker(bed.crew, 0, attach, bed.store);
    in_fiber_long(&bed, 0, run_all, NULL);
    bed_close(&bed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("statements");
    TCase *t = tcase_create("both drivers");
    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, start_servers, stop_servers);
    tcase_add_loop_test(t, they_keep_the_owner_rule, STORE_SQLITE, STORE_POSTGRES + 1);
    tcase_add_loop_test(t, they_run, STORE_SQLITE, STORE_POSTGRES + 1);
    suite_add_tcase(s, t);
    return run_suite(s);
}
