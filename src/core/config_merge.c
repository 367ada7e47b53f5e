#include "core/config_merge.h"

#include "base/arena.h"
#include "core/config_schema.h"

#define NAME_MAX_SHOWN 300

static const char gone[] = "it is not in the configuration any more";
static const char is_new[] = "it is new in the configuration";

static void tell_section(change_fn *tell, void *arg, const char *kind, const char *title,
                         const char *why)
{
    char name[NAME_MAX_SHOWN];
    snprintf(name, sizeof(name), "%s \"%.200s\"", kind, title);
    tell(arg, CHANGE_RESTART, name, why);
}

void config_merge_section(const struct option *table, void *fresh, const void *running,
                          struct arena *a, const char *prefix, change_fn *tell, void *arg)
{
    for (const struct option *o = table; o && o->name; o++) {
        if (option_equal(o, fresh, running))
            continue;
        char name[NAME_MAX_SHOWN];
        snprintf(name, sizeof(name), "%s%s", prefix, o->name);
        tell(arg, o->reloadable ? CHANGE_APPLIED : CHANGE_RESTART, name, "");
        if (!o->reloadable)
            option_copy(o, fresh, running, a);
    }
}

static const struct config_host *find_host(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (strcmp(c->hosts[i].name, name) == 0)
            return &c->hosts[i];
    }
    return NULL;
}

static void keep_hosts(struct config *fresh, const struct config *running, change_fn *tell,
                       void *arg)
{
    struct config_host *hosts = arena_zalloc(fresh->arena, running->n_hosts * sizeof(*hosts));
    for (size_t i = 0; i < fresh->n_hosts; i++) {
        if (!find_host(running, fresh->hosts[i].name))
            tell_section(tell, arg, "host", fresh->hosts[i].name, is_new);
    }
    for (size_t i = 0; i < running->n_hosts; i++) {
        const struct config_host *now = &running->hosts[i], *then = find_host(fresh, now->name);
        if (then) {
            hosts[i] = *then;
            continue;
        }
        tell_section(tell, arg, "host", now->name, gone);
        hosts[i].name = arena_strdup(fresh->arena, now->name);
        hosts[i].ascii = arena_strdup(fresh->arena, now->ascii);
        for (const struct option *o = config_sections[CONFIG_HOST].options; o->name; o++)
            option_copy(o, &hosts[i], now, fresh->arena);
    }
    fresh->hosts = hosts;
    fresh->n_hosts = running->n_hosts;
}

static struct config_listen *find_listen(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_listens; i++) {
        if (strcmp(c->listens[i].name, name) == 0)
            return &c->listens[i];
    }
    return NULL;
}

/* Nothing of a listener changes: connections name the one that they came through. */
static void keep_listens(struct config *fresh, const struct config *boot, change_fn *tell,
                         void *arg)
{
    for (size_t i = 0; i < fresh->n_listens; i++) {
        if (!find_listen(boot, fresh->listens[i].name))
            tell_section(tell, arg, "listen", fresh->listens[i].name, is_new);
    }
    for (size_t i = 0; i < boot->n_listens; i++) {
        struct config_listen *then = find_listen(fresh, boot->listens[i].name);
        char prefix[NAME_MAX_SHOWN];
        snprintf(prefix, sizeof(prefix), "listen \"%.200s\".", boot->listens[i].name);
        if (!then)
            tell_section(tell, arg, "listen", boot->listens[i].name, gone);
        else
            config_merge_section(config_sections[CONFIG_LISTEN].options, then, &boot->listens[i],
                                 fresh->arena, prefix, tell, arg);
    }
    fresh->listens = boot->listens;
    fresh->n_listens = boot->n_listens;
}

void config_keep_shape(struct config *fresh, const struct config *running,
                       const struct config *boot, change_fn *tell, void *arg)
{
    keep_hosts(fresh, running, tell, arg);
    keep_listens(fresh, boot, tell, arg);
}

void config_merge(struct config *fresh, const struct config *running, change_fn *tell, void *arg)
{
    char prefix[NAME_MAX_SHOWN];
    for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
        const struct config_section *s = &config_sections[i];
        if (s->title)
            continue;
        snprintf(prefix, sizeof(prefix), "%s%s", s->name ? s->name : "", s->name ? "." : "");
        config_merge_section(s->options, (char *)fresh + s->offset,
                             (const char *)running + s->offset, fresh->arena, prefix, tell, arg);
    }
    for (size_t i = 0; i < fresh->n_hosts; i++) {
        snprintf(prefix, sizeof(prefix), "host \"%.200s\".", fresh->hosts[i].name);
        config_merge_section(config_sections[CONFIG_HOST].options, &fresh->hosts[i],
                             &running->hosts[i], fresh->arena, prefix, tell, arg);
    }
}
