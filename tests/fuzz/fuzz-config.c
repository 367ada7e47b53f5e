/* Fuzzer: any file either loads or is refused with a reason, and leaves nothing behind that the
 * next one would notice. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/config.h"
#include "core/module.h"

struct echo_conf {
    int64_t times, pause, size;
    const char *greeting;
    bool loud;
    struct option_list words;
};
static const struct option echo_options[] = {
    OPTION_INT_AT(struct echo_conf, times, "3", 1, 10, .required = true),
    OPTION_DURATION_AT(struct echo_conf, pause, "2ms", 0, 0),
    OPTION_SIZE_AT(struct echo_conf, size, "64KiB", 1, 1 << 30),
    OPTION_STRING_AT(struct echo_conf, greeting, "hello", .path = true),
    OPTION_BOOL_AT(struct echo_conf, loud, "no"),
    OPTION_LIST_AT(struct echo_conf, words, "one two"),
    {0},
};
static const struct module echo = {
    .abi = "", .name = "echo", .options = echo_options, .conf_size = sizeof(struct echo_conf)};
static const struct module c2s = {.abi = "", .name = "c2s", .global = true};

static const struct module *find(void *arg, const char *dir, const char *name, struct err *e)
{
    (void)arg;
    (void)dir;
    if (strcmp(name, "echo") == 0)
        return &echo;
    if (strcmp(name, "c2s") == 0)
        return &c2s;
    err_set(e, "there is no module '%s'", name);
    return NULL;
}

static struct config *load(const void *data, size_t size, struct err *e)
{
    int fd = memfd_create("config", MFD_CLOEXEC);
    INVARIANT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct config *c = config_load(path, find, NULL, e);
    close(fd);
    return c;
}

/* libconfuse 3.3 forgets a function's arguments when the call is not closed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfuse.so\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char good[] = "data_dir = \"/good\"\nmodule \"echo\" { times = 5 }\n";
    struct err e = {{0}};
    struct config *c = load(data, size, &e);
    INVARIANT(c || e.text[0]);
    INVARIANT(!c || (c->data_dir && c->n_hosts > 0 && c->n_listens > 0));
    config_free(&c);
    c = load(good, sizeof(good) - 1, &e);
    INVARIANT(c && strcmp(c->data_dir, "/good") == 0);
    INVARIANT(((const struct echo_conf *)config_module_values(c, "echo"))->times == 5);
    config_free(&c);
    return 0;
}
