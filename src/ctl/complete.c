#include "ctl/complete.h"

#include "base/mem.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static bool begins(const char *word, const char *with)
{
    return strncmp(word, with, strlen(with)) == 0;
}

/* The word of `name` that comes after those typed, if the typed ones fit: "user ad" → "add". */
static bool next_word(const char *name, const struct words *w, char *out, size_t size)
{
    for (size_t i = 0; *name; i++) {
        size_t len = strcspn(name, " ");
        if (i + 1 == w->n) {
            snprintf(out, size, "%.*s", (int)len, name);
            return begins(out, w->v[i]);
        }
        if (strlen(w->v[i]) != len || memcmp(w->v[i], name, len) != 0)
            return false;
        name += len;
        name += strspn(name, " ");
    }
    return false;
}

static void offer_options(const json_t *command, const char *typed,
                          void (*offer)(void *arg, const char *word), void *arg)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(command, "args"), i, item)
    {
        const char *name = text_of(item, "name");
        char from_stdin[100];
        snprintf(from_stdin, sizeof(from_stdin), "%s-stdin", name);
        if (name[0] == '-' && begins(name, typed))
            offer(arg, name);
        if (json_is_true(json_object_get(item, "secret")) && begins(from_stdin, typed))
            offer(arg, from_stdin);
    }
}

/* Whether the commands before `at` lead to the same word: it is offered once. */
static bool offered_before(json_t *table, size_t at, const struct words *w, const char *word)
{
    char other[64];
    for (size_t i = 0; i < at; i++) {
        if (next_word(text_of(json_array_get(table, i), "name"), w, other, sizeof(other)) &&
            strcmp(other, word) == 0)
            return true;
    }
    return false;
}

static void complete_command(json_t *table, const struct words *w,
                             void (*offer)(void *arg, const char *word), void *arg)
{
    struct words before = {.v = w->v, .n = w->n - 1};
    size_t used, i;
    json_t *command = command_find(table, &before, &used), *item;
    if (command)
        offer_options(command, w->v[w->n - 1], offer, arg);
    json_array_foreach(table, i, item)
    {
        char word[64];
        if (next_word(text_of(item, "name"), w, word, sizeof(word)) &&
            !offered_before(table, i, w, word))
            offer(arg, word);
    }
}

void complete_words(json_t *table, const struct words *w,
                    void (*offer)(void *arg, const char *word), void *arg)
{
    struct words about = {.v = w->v + 1, .n = w->n - 1};
    if (w->n == 1 && begins("help", w->v[0]))
        offer(arg, "help");
    if (w->n > 1 && strcmp(w->v[0], "help") == 0)
        complete_command(table, &about, offer, arg);
    else if (w->n > 0)
        complete_command(table, w, offer, arg);
}
