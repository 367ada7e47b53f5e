#include "core-bed.h"

#include <check.h>
#include <pthread.h>
#include <unistd.h>

#include "core/server.h"
#include "core/server_run.h"
#include "loop/worker.h"
#include "scratch.h"

#define PARKED_MAX 256
#define WORKERS 2

struct probe probe;

static char directory[SCRATCH_MAX];

/* ---- the module ---- */

/* The answerer's halves of what handlers wait for, per worker. */
static struct promise *waiting[WORKERS][PARKED_MAX];
static int n_waiting[WORKERS];

static bool is_park(const struct stanza *st)
{
    struct xml_el *body = st_child(st, NS_CONTENT, A_body);
    return body && strcmp(xml_text_of(st->arena, body), "park") == 0;
}

static int wait_for_release(void)
{
    struct promise *p = promise_new(NULL);
    unsigned home = home_of_self();
    ck_assert_int_lt(n_waiting[home], PARKED_MAX);
    waiting[home][n_waiting[home]++] = p;
    atomic_fetch_add(&probe.parked, 1);
    int result = promise_wait(&p, NULL);
    atomic_fetch_sub(&probe.parked, 1);
    return result;
}

static enum hook_result probe_message_in(struct module_inst *inst, struct work *w)
{
    (void)inst;
    if (home_of(w->account->jid->bare_hash) != home_of_self())
        atomic_fetch_add(&probe.strayed, 1);
    if (w->st->type == TYPE_ERROR) {
        if (atomic_load(&probe.park_errors))
            (void)!wait_for_release();
        atomic_fetch_add(&probe.errors[stanza_error_of(w->st)], 1);
        return HOOK_HANDLED;
    }
    if (atomic_load(&probe.park) && is_park(w->st) && wait_for_release() == WAIT_TIMEOUT) {
        atomic_fetch_add(&probe.timeouts, 1);
        return work_reject(w, SE_REMOTE_SERVER_TIMEOUT, "waited too long");
    }
    atomic_fetch_add(&probe.handled, 1);
    return HOOK_HANDLED;
}

static enum hook_result probe_message_out(struct module_inst *inst, struct work *w)
{
    (void)inst;
    w->want_copy = true;
    return HOOK_CONTINUE;
}

static void probe_message_kept(struct module_inst *inst, struct work *w)
{
    (void)inst;
    (void)w;
    atomic_fetch_add(&probe.kept, 1);
}

static void loaded(struct module_inst *inst, struct entity *account, struct store_rows *rows)
{
    (void)inst;
    (void)account;
    (void)rows;
    atomic_fetch_add(&probe.loads, 1);
}

static const struct store_stmt stmts[] = {{
    .name = "probe_load",
    .kind = STORE_READ,
    .params = "i",
    .columns = "i",
    .sql = "SELECT owner FROM probe WHERE owner = $1",
}};

static const struct store_migration migrations[] = {
    {.number = 1,
     .sql = "CREATE TABLE probe (owner {int} NOT NULL, PRIMARY KEY (owner)) {strict}"}};

JACKDAW_MODULE(probe) = {
    JACKDAW_MODULE_HEAD,
    .name = "probe",
    .summary = "Does what a test tells it",
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(message_in, PHASE_MAIN, probe_message_in),
            HOOK_AT(message_out, PHASE_MAIN, probe_message_out),
            HOOK_AT(message_kept, PHASE_MAIN, probe_message_kept),
            HOOK_END,
        },
    .loads = (const struct account_load[]){{&stmts[0], loaded}, {0}},
    .stmts = stmts,
    .n_stmts = 1,
    .migrations = migrations,
    .n_migrations = 1,
};

/* A configuration has a listener; nobody connects to this one. */
static void ear_accepted(struct module_inst *inst, struct worker *w,
                         const struct config_listen *listen, int fd, const union address *peer)
{
    (void)inst;
    (void)w;
    (void)listen;
    (void)peer;
    close(fd);
}

JACKDAW_MODULE(ear) = {
    JACKDAW_MODULE_HEAD,      .name = "ear", .summary = "Listens and hangs up", .global = true,
    .accepted = ear_accepted,
};

extern const struct module *const jackdaw_static_modules[];
const struct module *const jackdaw_static_modules[] = {&jackdaw_module_ear, &jackdaw_module_probe,
                                                       NULL};

/* ---- errands ---- */

struct errand {
    struct post post;
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool fiber, done;
};

static void finish(struct errand *e)
{
    pthread_mutex_lock(&e->lock);
    e->done = true;
    pthread_cond_signal(&e->cond);
    pthread_mutex_unlock(&e->lock);
}

static void in_fiber(void *arg)
{
    struct errand *e = arg;
    e->fn(e->arg);
    finish(e);
}

static void run(struct post *post)
{
    struct errand *e = CONTAINER_OF(post, struct errand, post);
    if (e->fiber) {
        ck_assert(fiber_spawn(worker_self(), FIBER_CONTROL, in_fiber, e));
        return;
    }
    e->fn(e->arg);
    finish(e);
}

static void errand(unsigned worker, bool fiber, void (*fn)(void *arg), void *arg)
{
    struct errand e = {.post.run = run,
                       .fn = fn,
                       .arg = arg,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .cond = PTHREAD_COND_INITIALIZER,
                       .fiber = fiber};
    worker_post(crew_worker(server.crew, worker), &e.post);
    pthread_mutex_lock(&e.lock);
    while (!e.done)
        pthread_cond_wait(&e.cond, &e.lock);
    pthread_mutex_unlock(&e.lock);
}

void bed_fiber(void (*fn)(void *arg), void *arg)
{
    errand(0, true, fn, arg);
}

void bed_on(unsigned worker, void (*fn)(void *arg), void *arg)
{
    errand(worker, false, fn, arg);
}

/* ---- accounts and messages ---- */

static int create(struct work *w, void *arg)
{
    (void)arg;
    return account_create(w);
}

static void create_account(void *arg)
{
    ck_assert_int_eq(account_do(arg, create, NULL), 0);
}

struct jid *bed_account(unsigned home)
{
    static int serial;
    struct jid *j = NULL;
    do {
        char name[64];
        jid_free(&j);
        snprintf(name, sizeof(name), "account%d@localhost", serial++);
        j = jid_parse_new(name, strlen(name));
    } while (home_of(j->bare_hash) != home);
    bed_fiber(create_account, j);
    return j;
}

static void route_it(void *arg)
{
    route(arg, NULL);
}

void bed_send(const struct jid *from, const struct jid *to, const char *body)
{
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_CHAT, from, to, "m");
    xml_text(st->arena, st_add(st, NS_CONTENT, A_body), body);
    bed_on(home_of(from->bare_hash), route_it, st);
    stanza_unref(&st);
}

static void release_here(void *arg)
{
    (void)arg;
    unsigned home = home_of_self();
    for (int i = 0; i < n_waiting[home]; i++)
        promise_answer(&waiting[home][i], NULL);
    n_waiting[home] = 0;
}

void bed_release(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        bed_on(i, release_here, NULL);
}

void bed_until(atomic_int *counter, int value)
{
    for (int i = 0; i < 30000 && atomic_load(counter) != value; i++)
        usleep(1000);
    ck_assert_int_eq(atomic_load(counter), value);
}

/* ---- the server ---- */

void bed_start(const char *config)
{
    scratch_make(directory);
    char file[128];
    snprintf(file, sizeof(file), "%s/jackdaw.conf", directory);
    FILE *f = fopen(file, "w");
    fprintf(f, "data_dir = \"%s\"\nworkers = %d\nlog { level = \"warn\" }\n%s\n", directory,
            WORKERS, config);
    fprintf(f, "listen \"ear\" { module = \"ear\" address = \"127.0.0.1\" port = 0 }\n");
    fprintf(f, "host \"localhost\" { modules = {\"probe\"} }\n");
    fclose(f);
    struct err e = {""};
    struct server_args args = {.config_file = file, .ready_fd = -1};
    if (server_begin(&args, &e) < 0)
        ck_abort_msg("%s", e.text);
}

void bed_stop(void)
{
    server_end();
    scratch_remove(directory);
}
