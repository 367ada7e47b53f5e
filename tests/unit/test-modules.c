/* Unit tests of the module loader, of which modules a host gets, and of hooks and registries. */
#include <check.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/host_secret.h"
#include "core/loader.h"
#include "core/module.h"
#include "core/modules.h"
#include "core/server.h"
#include "scratch.h"

struct server server; /* the process's own, without the process around it */

/* ---- modules linked in ---- */

static char order[200]; /* of starts and stops */

static int note_start(struct module_inst *inst, struct err *e)
{
    (void)e;
    size_t len = strlen(order);
    snprintf(order + len, sizeof(order) - len, "+%s", inst->module->name);
    return 0;
}

static void note_stop(struct module_inst *inst)
{
    size_t len = strlen(order);
    snprintf(order + len, sizeof(order) - len, "-%s", inst->module->name);
}

static int refuse_start(struct module_inst *inst, struct err *e)
{
    (void)inst;
    return err_set(e, "not today");
}

static enum hook_result on_message(struct module_inst *inst, struct work *w)
{
    (void)inst;
    (void)w;
    return HOOK_CONTINUE;
}

static void on_iq(struct module_inst *inst, struct work *w, struct xml_el *child)
{
    (void)inst;
    (void)w;
    (void)child;
}

static void on_accepted(struct module_inst *inst, struct worker *w,
                        const struct config_listen *listen, int fd, const union address *peer)
{
    (void)inst;
    (void)w;
    (void)listen;
    (void)peer;
    close(fd);
}

struct alpha_conf {
    int64_t size;
};
static const struct option alpha_options[] = {
    OPTION_INT_AT(struct alpha_conf, size, "7", 1, 100, .help = "The size."),
    {0},
};
static const struct hook_entry alpha_hooks[] = {
    HOOK_AT(message_in, PHASE_MAIN, on_message, .after = "beta"),
    HOOK_AT(message_in, PHASE_GUARD, on_message),
    HOOK_END,
};
static const struct iq_entry alpha_iqs[] = {
    {"urn:x", "x", TYPE_GET, IQ_ACCOUNT, IQ_OWN, IQ_ORDERED, on_iq},
    {"urn:x", "x", TYPE_GET, IQ_HOST, IQ_OWN, IQ_ASIDE, on_iq},
    {0},
};
static const struct module alpha = {
    JACKDAW_MODULE_HEAD,      .name = "alpha",
    .standard = true,         .requires = (const char *const[]){"gamma", NULL},
    .options = alpha_options, .conf_size = sizeof(struct alpha_conf),
    .hooks = alpha_hooks,     .iqs = alpha_iqs,
    .start = note_start,      .stop = note_stop,
};
static const struct hook_entry beta_hooks[] = {
    HOOK_AT(message_in, PHASE_MAIN, on_message, .after = "nobody"),
    HOOK_AT(message_in, PHASE_DELIVER, on_message),
    HOOK_END,
};
static const struct module beta = {JACKDAW_MODULE_HEAD, .name = "beta",      .standard = true,
                                   .hooks = beta_hooks, .start = note_start, .stop = note_stop};
static const struct module gamma_ = {JACKDAW_MODULE_HEAD, .name = "gamma", .start = note_start,
                                     .stop = note_stop};

/* A listener, and what it wants on every host. */
static const struct module porter = {
    JACKDAW_MODULE_HEAD, .name = "porter",        .global = true,
    .start = note_start, .stop = note_stop,       .requires = (const char *const[]){"delta", NULL},
    .hooks = beta_hooks, .accepted = on_accepted,
};
static const struct module delta = {JACKDAW_MODULE_HEAD, .name = "delta", .iqs = NULL};

/* What cannot be. */
static const struct module egg = {JACKDAW_MODULE_HEAD, .name = "egg",
                                  .requires = (const char *const[]){"hen", NULL}};
static const struct module hen = {JACKDAW_MODULE_HEAD, .name = "hen",
                                  .requires = (const char *const[]){"egg", NULL}};
static const struct module thief = {JACKDAW_MODULE_HEAD, .name = "thief", .iqs = alpha_iqs};
static const struct hook_entry first_hooks[] = {
    HOOK_AT(message_in, PHASE_MAIN, on_message, .after = "second"), HOOK_END};
static const struct hook_entry second_hooks[] = {
    HOOK_AT(message_in, PHASE_MAIN, on_message, .after = "first"), HOOK_END};
static const struct module first = {JACKDAW_MODULE_HEAD, .name = "first", .hooks = first_hooks};
static const struct module second = {JACKDAW_MODULE_HEAD, .name = "second", .hooks = second_hooks};
static const struct module lonely = {JACKDAW_MODULE_HEAD, .name = "lonely",
                                     .requires = (const char *const[]){"nobody", NULL}};
static const struct option needy_options[] = {
    OPTION_INT_AT(struct alpha_conf, size, NULL, 1, 100, .required = true), {0}};
static const struct module needy = {JACKDAW_MODULE_HEAD, .name = "needy", .options = needy_options,
                                    .conf_size = sizeof(struct alpha_conf)};
static const struct module tired = {JACKDAW_MODULE_HEAD, .name = "tired", .start = refuse_start};

extern const struct module *const jackdaw_static_modules[];
const struct module *const jackdaw_static_modules[] = {&alpha,  &beta,   &delta,  &egg,   &first,
                                                       &gamma_, &hen,    &lonely, &needy, &tired,
                                                       &porter, &second, &thief,  NULL};

/* ---- a configuration in a folder of the test's own ---- */

static char folder[SCRATCH_MAX];
static struct modules *modules;
static struct config *config;
static struct err err;

static void setup(void)
{
    scratch_make(folder);
    log_threshold = LOG_ERROR;
    setenv("JACKDAW_MODULE_DIR", folder, 1); /* nothing but what is linked in */
    modules = modules_new();
    order[0] = '\0';
}

static void teardown(void)
{
    config_free(&config);
    modules_free(&modules);
    scratch_remove(folder);
}

static int instantiate(const char *text)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/conf", folder);
    FILE *fp = fopen(path, "w");
    ck_assert_ptr_nonnull(fp);
    fprintf(fp, "data_dir = \"%s\"\nlisten \"in\" { module = \"porter\" }\n%s", folder, text);
    ck_assert_int_eq(fclose(fp), 0);
    config = config_load(path, modules_find, modules, &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    return modules_instantiate(modules, config, &err);
}

static void refused(const char *text, const char *words)
{
    ck_assert_int_eq(instantiate(text), -1);
    ck_assert_str_eq(err.text, words);
}

static void ck_modules(const struct host *h, const char *names)
{
    char got[200] = "";
    for (unsigned i = 0; i < h->n_insts; i++) {
        size_t len = strlen(got);
        snprintf(got + len, sizeof(got) - len, "%s%s", len ? " " : "", h->insts[i]->module->name);
    }
    ck_assert_str_eq(got, names);
}

START_TEST(a_host_gets_the_standard_modules_and_what_they_require)
{
    ck_assert_int_eq(instantiate("host a { }\nhost b { modules = {beta} }\n"), 0);
    ck_assert_uint_eq(server.n_hosts, 2);
    ck_modules(server.hosts[0], "delta gamma alpha beta");
    ck_modules(server.hosts[1], "delta beta");
    ck_assert_uint_eq(server.n_globals, 1);
    ck_assert_str_eq(server.globals[0]->module->name, "porter");
    ck_assert_ptr_null(server.globals[0]->host);
    ck_assert_uint_eq(server.n_slots, 7);
    for (unsigned i = 0; i < server.n_slots; i++)
        ck_assert_uint_eq(server.insts[i]->slot, i);
    const struct module *const *all;
    ck_assert_uint_eq(modules_all(modules, &all), 5);
    ck_assert_str_eq(server.hosts[1]->jid->s, "b");
    ck_assert_ptr_nonnull(host_module(server.hosts[0], "alpha"));
    ck_assert_ptr_null(host_module(server.hosts[1], "alpha"));
}
END_TEST

START_TEST(options_come_from_the_file_or_are_defaults)
{
    ck_assert_int_eq(instantiate("host a { }\n"), 0);
    const struct alpha_conf *conf = host_module(server.hosts[0], "alpha")->conf;
    ck_assert_int_eq(conf->size, 7);
    ck_assert_ptr_null(host_module(server.hosts[0], "beta")->conf);
    config_free(&config);
    modules_free(&modules);
    modules = modules_new();
    ck_assert_int_eq(instantiate("host a { }\nmodule alpha { size = 9 }\n"), 0);
    conf = host_module(server.hosts[0], "alpha")->conf;
    ck_assert_int_eq(conf->size, 9);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"host a { modules = {egg} }", "host \"a\": modules egg and hen require each other"},
        {"host a { modules = {alpha, thief} }",
         "host a: modules alpha and thief both answer <x xmlns='urn:x'/>"},
        {"host a { modules = {first, second} }",
         "host a: hook message_in, phase main: first wants to come after second and the other way "
         "round"},
        {"listen \"x\" { module = beta }", "listen \"x\": the module beta serves no connections"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        refused(cases[i].text, cases[i].words);
        config_free(&config);
        modules_free(&modules);
        modules = modules_new();
    }
    ck_assert_int_eq(instantiate("host a { modules = {lonely} }"), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "module lonely requires nobody: there is no module"));
    config_free(&config);
    modules_free(&modules);
    modules = modules_new();
    ck_assert_int_eq(instantiate("host a { modules = {needy} }"), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "module \"needy\" { size = ... } is missing"));
}
END_TEST

/* The globals' entries count on every host, before the host's own. */
START_TEST(hooks_are_in_order_of_phase_and_after)
{
    ck_assert_int_eq(instantiate("host a { }\n"), 0);
    const struct hook_list *l = &server.hosts[0]->hooks[HOOK_message_in];
    static const char *const expected[] = {"alpha guard", "porter main",    "beta main",
                                           "alpha main",  "porter deliver", "beta deliver"};
    ck_assert_uint_eq(l->n, ARRAY_LEN(expected));
    for (unsigned i = 0; i < l->n; i++) {
        char got[100];
        snprintf(got, sizeof(got), "%s %s", l->slots[i].inst->module->name,
                 hook_phase_name(l->slots[i].entry->phase));
        ck_assert_str_eq(got, expected[i]);
        ck_assert_str_eq(l->slots[i].entry->fn_name, "on_message");
    }
    ck_assert_uint_eq(server.hosts[0]->hooks[HOOK_session_bound].n, 0);
    ck_assert_str_eq(hook_name(HOOK_session_bound), "session_bound");
}
END_TEST

START_TEST(iqs_are_found_by_element_type_and_scope)
{
    ck_assert_int_eq(instantiate("host a { }\n"), 0);
    const struct host *h = server.hosts[0];
    struct module_inst *inst = NULL;
    const struct iq_entry *iq = host_iq(h, "urn:x", "x", TYPE_GET, IQ_ACCOUNT, &inst);
    ck_assert_ptr_eq(iq, &alpha_iqs[0]);
    ck_assert_ptr_eq(inst, host_module(h, "alpha"));
    ck_assert_ptr_eq(host_iq(h, "urn:x", "x", TYPE_GET, IQ_HOST, NULL), &alpha_iqs[1]);
    ck_assert_ptr_null(host_iq(h, "urn:x", "x", TYPE_SET, IQ_HOST, NULL));
    ck_assert_ptr_null(host_iq(h, "urn:x", "y", TYPE_GET, IQ_HOST, NULL));
    ck_assert_ptr_null(host_iq(h, "urn:y", "x", TYPE_GET, IQ_HOST, NULL));
    ck_assert_ptr_null(host_nonza(h, "urn:x", "x", NULL));
}
END_TEST

START_TEST(instances_start_in_order_and_stop_backwards)
{
    ck_assert_int_eq(instantiate("host a { }\n"), 0);
    ck_assert_int_eq(modules_start(modules, &err), 0);
    modules_stop(modules);
    ck_assert_str_eq(order, "+gamma+alpha+beta+porter-porter-beta-alpha-gamma");
    modules_stop(modules); /* nothing is left to stop */
    ck_assert_str_eq(order, "+gamma+alpha+beta+porter-porter-beta-alpha-gamma");
}
END_TEST

START_TEST(a_module_that_does_not_start_stops_the_others)
{
    ck_assert_int_eq(instantiate("host a { modules = {beta, tired} }\n"), 0);
    ck_assert_int_eq(modules_start(modules, &err), -1);
    ck_assert_str_eq(err.text, "module tired: not today");
    ck_assert_str_eq(order, "+beta-beta");
}
END_TEST

START_TEST(secrets_are_the_same_at_the_next_start)
{
    unsigned char once[HOST_SECRET_LEN], again[HOST_SECRET_LEN];
    ck_assert_int_eq(instantiate("host a { }\nhost b { }\n"), 0);
    ck_assert_int_eq(modules_start(modules, &err), 0);
    ck_assert_mem_ne(server.hosts[0]->secret, server.hosts[1]->secret, HOST_SECRET_LEN);
    memcpy(once, server.hosts[0]->secret, HOST_SECRET_LEN);
    modules_stop(modules);
    ck_assert_int_eq(host_secret_load(folder, again, &err), 0);
    host_secret_derive(again, "a", again);
    ck_assert_mem_eq(once, again, HOST_SECRET_LEN);
    char path[100];
    struct stat st;
    snprintf(path, sizeof(path), "%s/secret", folder);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(truncate(path, 5), 0);
    ck_assert_int_eq(host_secret_load(folder, again, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "is damaged"));
}
END_TEST

/* ---- objects ---- */

static void object_refused(struct loader *l, const char *name, const char *words)
{
    ck_assert_ptr_null(loader_find(l, NULL, name, &err));
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' is not in '%s'", words, err.text);
}

START_TEST(objects_are_checked_before_they_are_believed)
{
    setenv("JACKDAW_MODULE_DIR", TEST_MODULE_DIR, 1);
    struct loader *l = loader_new();
    const struct module *good = loader_find(l, NULL, "good", &err);
    ck_assert_msg(good != NULL, "%s", err.text);
    ck_assert_str_eq(good->summary, "Is as it should be");
    ck_assert_ptr_eq(loader_find(l, NULL, "good", &err), good);
    ck_assert_ptr_eq(loader_find(l, NULL, "alpha", &err), &alpha);
    object_refused(l, "foreign", "was built for another version of this server (ABI another");
    object_refused(l, "misnamed", "declares a module with another name: 'other'");
    object_refused(l, "empty", "it has no symbol jackdaw_module_empty");
    object_refused(l, "goood", "did you mean 'good'?");
    object_refused(l, "../good", "is no module name");
    object_refused(l, "", "is no module name");
    const struct module *const *all;
    unsigned n = loader_all(l, NULL, &all);
    bool found = false;
    for (unsigned i = 0; i < n; i++)
        found = found || all[i] == good;
    ck_assert(found);
    ck_assert_uint_eq(n,
                      ARRAY_LEN(jackdaw_static_modules) - 1 + 1); /* the others are passed over */
    loader_free(&l);
    ck_assert_ptr_null(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("modules");
    TCase *t = tcase_create("modules");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_host_gets_the_standard_modules_and_what_they_require);
    tcase_add_test(t, options_come_from_the_file_or_are_defaults);
    tcase_add_test(t, what_cannot_be_is_refused);
    tcase_add_test(t, hooks_are_in_order_of_phase_and_after);
    tcase_add_test(t, iqs_are_found_by_element_type_and_scope);
    tcase_add_test(t, instances_start_in_order_and_stop_backwards);
    tcase_add_test(t, a_module_that_does_not_start_stops_the_others);
    tcase_add_test(t, secrets_are_the_same_at_the_next_start);
    tcase_add_test(t, objects_are_checked_before_they_are_believed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
