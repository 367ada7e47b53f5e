#include "core/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"
#include "core/module.h"

#define NAME_LEN_MAX 40

struct loaded {
    STAILQ_ENTRY(loaded) link;
    const struct module *module;
};

struct loader {
    STAILQ_HEAD(, loaded) loaded;
    const struct module **all; /* what loader_all() gave last */
};

/* The modules linked in, sorted by name and ended by NULL; only the build with
 * --enable-static-modules defines it. */
extern const struct module *const jackdaw_static_modules[] __attribute__((weak));

struct loader *loader_new(void)
{
    struct loader *l = mem_new(struct loader);
    STAILQ_INIT(&l->loaded);
    return l;
}

void loader_free(struct loader **lp)
{
    struct loader *l = *lp;
    if (!l)
        return;
    while (!STAILQ_EMPTY(&l->loaded)) {
        struct loaded *first = STAILQ_FIRST(&l->loaded);
        STAILQ_REMOVE_HEAD(&l->loaded, link);
        free(first);
    }
    free(l->all);
    mem_free(lp);
}

static const char *module_dir(const char *configured)
{
    const char *dir = getenv("JACKDAW_MODULE_DIR");
    if (dir && *dir)
        return dir;
    return configured ? configured : JACKDAW_MODULE_DIR;
}

/* A name becomes part of a path and of a symbol. */
static bool is_module_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_LEN_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static const struct module *find_static(const char *name)
{
    if (!jackdaw_static_modules)
        return NULL;
    for (const struct module *const *m = jackdaw_static_modules; *m; m++) {
        if (strcmp((*m)->name, name) == 0)
            return *m;
    }
    return NULL;
}

/* Whether a file of the folder is a module object; its name without ".so" goes to `name`. */
static bool module_file(const struct dirent *file, char name[NAME_LEN_MAX + 1])
{
    size_t len = strlen(file->d_name);
    if (len <= 3 || len - 3 > NAME_LEN_MAX || strcmp(file->d_name + len - 3, ".so") != 0)
        return false;
    memcpy(name, file->d_name, len - 3);
    name[len - 3] = '\0';
    return is_module_name(name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls `each` with the name of every module object in the folder, sorted. */
static void each_file(const char *dir, void (*each)(void *arg, const char *name), void *arg)
{
    struct dirent **files;
    int n = scandir(dir, &files, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char name[NAME_LEN_MAX + 1];
        if (module_file(files[i], name))
            each(arg, name);
        free(files[i]);
    }
    if (n >= 0)
        free(files);
}

struct nearest {
    struct suggest near;
    char best[NAME_LEN_MAX + 1];
};

static void offer_file(void *arg, const char *name)
{
    struct nearest *n = arg;
    suggest_offer(&n->near, name);
    if (n->near.best == name)
        snprintf(n->best, sizeof(n->best), "%s", name);
    n->near.best = n->best;
}

static int no_such_module(const char *dir, const char *name, struct err *e)
{
    struct nearest n = {.best = ""};
    suggest_init(&n.near, name);
    each_file(dir, offer_file, &n);
    for (const struct module *const *m = jackdaw_static_modules; m && *m; m++)
        offer_file(&n, (*m)->name);
    return err_set(e, "there is no module '%.60s' in %s%s%s%s", name, dir,
                   n.best[0] ? "; did you mean '" : "", n.best, n.best[0] ? "'?" : "");
}

/* Only the ABI, the first member for ever, may be read of a module that was built against other
 * headers. */
static int check_module(const struct module *module, const char *path, const char *name,
                        struct err *e)
{
    if (!module->abi || strcmp(module->abi, JACKDAW_MODULE_ABI) != 0)
        return err_set(e,
                       "%s was built for another version of this server (ABI %.40s, this is %s): "
                       "build it again",
                       path, module->abi ? module->abi : "unknown", JACKDAW_MODULE_ABI);
    if (!module->name || strcmp(module->name, name) != 0)
        return err_set(e, "%s declares a module with another name: '%.60s'", path,
                       module->name ? module->name : "");
    return 0;
}

static const struct module *load_object(const char *dir, const char *name, struct err *e)
{
    struct strbuf path;
    strbuf_init(&path, 4096);
    strbuf_printf(&path, "%s/%s.so", dir, name);
    char symbol[NAME_LEN_MAX + 32];
    snprintf(symbol, sizeof(symbol), "jackdaw_module_%s", name);
    const struct module *module = NULL;
    void *object = NULL;
    if (access(strbuf_str(&path), F_OK) != 0)
        no_such_module(dir, name, e);
    else if (!(object = dlopen(strbuf_str(&path), RTLD_NOW | RTLD_LOCAL)))
        err_set(e, "cannot load the module: %s", dlerror());
    else if (!(module = dlsym(object, symbol)))
        err_set(e, "%s is no module of this server: it has no symbol %s", strbuf_str(&path),
                symbol);
    else if (check_module(module, strbuf_str(&path), name, e) < 0)
        module = NULL;
    if (!module && object)
        dlclose(object); /* nothing of it has run or is referred to yet */
    strbuf_free(&path);
    return module;
}

const struct module *loader_find(struct loader *l, const char *dir, const char *name, struct err *e)
{
    struct loaded *known;
    STAILQ_FOREACH (known, &l->loaded, link) {
        if (strcmp(known->module->name, name) == 0)
            return known->module;
    }
    if (!is_module_name(name)) {
        err_set(e, "'%.60s' is no module name (small letters, digits and _)", name);
        return NULL;
    }
    const struct module *module = find_static(name);
    if (!module)
        module = load_object(module_dir(dir), name, e);
    if (!module)
        return NULL;
    known = mem_new(struct loaded);
    known->module = module;
    STAILQ_INSERT_TAIL(&l->loaded, known, link);
    return module;
}

struct load_all {
    struct loader *loader;
    const char *dir;
    unsigned n;
};

static void load_one(void *arg, const char *name)
{
    struct load_all *all = arg;
    struct loader *l = all->loader;
    struct err e;
    const struct module *module = loader_find(l, all->dir, name, &e);
    if (!module) {
        log_warn("modules", NULL, "passed over: %s", e.text);
        return;
    }
    for (unsigned i = 0; i < all->n; i++) {
        if (l->all[i] == module) /* linked in, and there as an object too */
            return;
    }
    l->all = mem_realloc(l->all, (all->n + 1) * sizeof(*l->all));
    l->all[all->n++] = module;
}

unsigned loader_all(struct loader *l, const char *dir, const struct module *const **out)
{
    struct load_all all = {.loader = l, .dir = dir};
    for (const struct module *const *m = jackdaw_static_modules; m && *m; m++)
        load_one(&all, (*m)->name);
    each_file(module_dir(dir), load_one, &all);
    *out = l->all;
    return all.n;
}
