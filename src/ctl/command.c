#include "ctl/command.h"

#include <ctype.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/suggest.h"
#include "ctl/secret.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static bool is_set(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- which command ---- */

/* How many words of `w` are the words of `name`, 0 if they differ. */
static size_t match(const char *name, const struct words *w)
{
    size_t used = 0;
    while (*name) {
        size_t len = strcspn(name, " ");
        if (used == w->n || strlen(w->v[used]) != len || memcmp(w->v[used], name, len) != 0)
            return 0;
        used++;
        name += len;
        name += strspn(name, " ");
    }
    return used;
}

json_t *command_find(json_t *table, const struct words *w, size_t *used)
{
    json_t *best = NULL, *command;
    size_t i;
    *used = 0;
    json_array_foreach(table, i, command)
    {
        size_t n = match(text_of(command, "name"), w);
        if (n > *used) {
            *used = n;
            best = command;
        }
    }
    return best;
}

/* The commands that begin with `word`: "user add, user delete". False if there are none. */
static bool list_group(json_t *table, const char *word, struct strbuf *out)
{
    size_t i, len = strlen(word);
    json_t *command;
    json_array_foreach(table, i, command)
    {
        const char *name = text_of(command, "name");
        if (strncmp(name, word, len) == 0 && name[len] == ' ')
            strbuf_printf(out, "%s%s", out->len ? ", " : "", name);
    }
    return out->len > 0;
}

/* The nearest of what is known to what was typed: a whole command, or the word that a group of them
 * begins with. `buf` (100 bytes) may hold it. NULL if nothing is near. */
static const char *nearest(json_t *table, const struct words *w, char *buf)
{
    char typed[100];
    snprintf(typed, sizeof(typed), "%.40s %.40s", w->v[0], w->n > 1 ? w->v[1] : "");
    struct suggest two, one, group;
    suggest_init(&two, typed);
    suggest_init(&one, w->v[0]);
    suggest_init(&group, w->v[0]);
    size_t i;
    json_t *command;
    json_array_foreach(table, i, command)
    {
        const char *name = text_of(command, "name");
        char first[50];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, " "), name);
        suggest_offer(&two, name);
        suggest_offer(&one, name);
        suggest_offer(&group, first);
        if (group.best == first) {
            snprintf(buf, 100, "%s", first);
            group.best = buf;
        }
    }
    if (two.best || one.best)
        return two.best ? two.best : one.best;
    return group.best;
}

void command_explain(json_t *table, const struct words *w, struct err *e)
{
    struct strbuf group;
    strbuf_init(&group, 300);
    char buf[100];
    bool alone = list_group(table, w->v[0], &group);
    const char *best = alone && w->n == 1 ? NULL : nearest(table, w, buf);
    if (best)
        err_set(e, "there is no command '%.60s%s%.60s'; did you mean '%s'?", w->v[0],
                alone && w->n > 1 ? " " : "", alone && w->n > 1 ? w->v[1] : "", best);
    else if (alone)
        err_set(e, "'%.60s' what? There are: %s", w->v[0], strbuf_str(&group));
    else
        err_set(e, "there is no command '%.60s': see 'jackdawctl help'", w->v[0]);
    strbuf_free(&group);
}

/* ---- its arguments ---- */

static const json_t *find_arg(const json_t *command, const char *name, size_t len)
{
    size_t i;
    json_t *arg;
    json_array_foreach(json_object_get(command, "args"), i, arg)
    {
        const char *known = text_of(arg, "name");
        if (strncmp(known, name, len) == 0 && known[len] == '\0')
            return arg;
    }
    return NULL;
}

static int unknown_option(const json_t *command, const char *word, struct err *e)
{
    struct suggest s;
    suggest_init(&s, word);
    size_t i;
    json_t *arg;
    json_array_foreach(json_object_get(command, "args"), i, arg)
        suggest_offer(&s, text_of(arg, "name"));
    return err_set(e, "'%s' has no option %.60s%s%s%s", text_of(command, "name"), word,
                   s.best ? "; did you mean " : "", s.best ? s.best : "", s.best ? "?" : "");
}

static int set_text(json_t *args, const char *name, const char *value, struct err *e)
{
    json_t *text = json_string(value);
    if (!text)
        return err_set(e, "%s is not valid UTF-8", name);
    json_object_set_new(args, name, text);
    return 0;
}

static int set_secret(json_t *args, const char *name, char *secret, struct err *e)
{
    if (!secret)
        return -1;
    int result = set_text(args, name, secret, e);
    secret_free(&secret);
    return result;
}

/* "--name", "--name=value", "--name value" or "--name-stdin"; *next is the word to go on with. */
static int take_option(const json_t *command, const struct words *w, size_t *next, json_t *args,
                       struct err *e)
{
    static const char stdin_suffix[] = "-stdin";
    const char *word = w->v[(*next)++], *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const json_t *arg = find_arg(command, word, len);
    if (!arg && !equals && len > sizeof(stdin_suffix) &&
        strcmp(word + len - (sizeof(stdin_suffix) - 1), stdin_suffix) == 0) {
        arg = find_arg(command, word, len - (sizeof(stdin_suffix) - 1));
        if (arg && is_set(arg, "secret"))
            return set_secret(args, text_of(arg, "name"),
                              secret_from_stdin(text_of(arg, "name"), e), e);
        arg = NULL;
    }
    if (!arg)
        return unknown_option(command, word, e);
    const char *name = text_of(arg, "name");
    if (is_set(arg, "flag")) {
        json_object_set_new(args, name, json_true());
        return equals ? err_set(e, "%s takes no value", name) : 0;
    }
    if (!equals && *next == w->n)
        return err_set(e, "%s needs a value", name);
    return set_text(args, name, equals ? equals + 1 : w->v[(*next)++], e);
}

/* The next argument without "--" that is still free. */
static const json_t *next_positional(const json_t *command, const json_t *args)
{
    size_t i;
    json_t *arg;
    json_array_foreach(json_object_get(command, "args"), i, arg)
    {
        const char *name = text_of(arg, "name");
        if (name[0] != '-' && (is_set(arg, "many") || !json_object_get(args, name)))
            return arg;
    }
    return NULL;
}

static int take_word(const json_t *command, const char *word, json_t *args, struct err *e)
{
    const json_t *arg = next_positional(command, args);
    if (!arg)
        return err_set(e, "'%s' is one word too many", word);
    const char *name = text_of(arg, "name");
    if (!is_set(arg, "many"))
        return set_text(args, name, word, e);
    json_t *list = json_object_get(args, name), *text = json_string(word);
    if (!text)
        return err_set(e, "%s is not valid UTF-8", name);
    if (!list) {
        list = json_array();
        json_object_set_new(args, name, list);
    }
    json_array_append_new(list, text);
    return 0;
}

/* Asks for secrets that are needed and missing; complains of anything else that is. */
static int complete(const json_t *command, json_t *args, struct err *e)
{
    size_t i;
    json_t *arg;
    json_array_foreach(json_object_get(command, "args"), i, arg)
    {
        const char *name = text_of(arg, "name");
        if (!is_set(arg, "required") || json_object_get(args, name) || is_set(arg, "secret"))
            continue;
        return err_set(e, "'%s' needs %s: see 'jackdawctl help %s'", text_of(command, "name"), name,
                       text_of(command, "name"));
    }
    json_array_foreach(json_object_get(command, "args"), i, arg)
    {
        const char *name = text_of(arg, "name");
        if (is_set(arg, "required") && is_set(arg, "secret") && !json_object_get(args, name) &&
            set_secret(args, name, secret_ask(name, true, e), e) < 0)
            return -1;
    }
    return 0;
}

json_t *command_args(const json_t *command, const struct words *w, struct err *e)
{
    json_t *args = json_object();
    bool options = true;
    int result = 0;
    for (size_t next = 0; next < w->n && result == 0;) {
        const char *word = w->v[next];
        if (options && strcmp(word, "--") == 0) {
            options = false;
            next++;
        } else if (options && strncmp(word, "--", 2) == 0) {
            result = take_option(command, w, &next, args, e);
        } else {
            result = take_word(command, word, args, e);
            next++;
        }
    }
    if (result == 0)
        result = complete(command, args, e);
    if (result == 0)
        return args;
    json_decref(args);
    return NULL;
}

/* ---- help ---- */

static void print_upper(const char *s)
{
    for (; *s; s++)
        putchar(toupper((unsigned char)*s));
}

static void print_arg(const json_t *arg)
{
    const char *name = text_of(arg, "name");
    bool option = name[0] == '-', need = is_set(arg, "required") && !is_set(arg, "secret");
    fputs(need ? " " : " [", stdout);
    if (option)
        fputs(name, stdout);
    if (option && !is_set(arg, "flag"))
        putchar(' ');
    if (!is_set(arg, "flag"))
        print_upper(name + strspn(name, "-"));
    if (is_set(arg, "many"))
        fputs("...", stdout);
    if (is_set(arg, "secret"))
        printf(" | %s-stdin", name);
    fputs(need ? "" : "]", stdout);
}

void command_usage(const json_t *command)
{
    fputs(text_of(command, "name"), stdout);
    size_t i;
    json_t *arg;
    json_array_foreach(json_object_get(command, "args"), i, arg) print_arg(arg);
    putchar('\n');
}

void command_help(json_t *table, const json_t *command)
{
    size_t i;
    json_t *item;
    if (!command) {
        json_array_foreach(table, i, item)
            printf("  %-16s %s\n", text_of(item, "name"), text_of(item, "help"));
        return;
    }
    command_usage(command);
    printf("\n  %s.\n", text_of(command, "help"));
    json_array_foreach(json_object_get(command, "args"), i, item)
        printf("%s  %-16s %s\n", i == 0 ? "\n" : "", text_of(item, "name"), text_of(item, "help"));
}
