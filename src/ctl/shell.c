#include "ctl/shell.h"

#include <editline/readline.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/complete.h"

/* libedit's completion functions get nothing of the caller's. */
static json_t *completed_from;

struct candidates {
    char **v;
    size_t n;
};

static void take(void *arg, const char *word)
{
    struct candidates *c = arg;
    c->v = mem_realloc(c->v, (c->n + 2) * sizeof(*c->v));
    c->v[c->n++] = mem_strdup(word);
    c->v[c->n] = NULL;
}

/* What all candidates begin with. */
static char *common_prefix(const struct candidates *c)
{
    size_t len = strlen(c->v[0]);
    for (size_t i = 1; i < c->n; i++) {
        size_t same = 0;
        while (same < len && c->v[i][same] == c->v[0][same])
            same++;
        len = same;
    }
    return mem_strndup(c->v[0], len);
}

/* readline's convention: the common prefix first, then the candidates, then NULL. */
static char **complete(const char *text, int start, int end)
{
    (void)end;
    rl_attempted_completion_over = 1;
    char *before = mem_strndup(rl_line_buffer, (size_t)start);
    struct words w;
    struct err ignored;
    struct candidates c = {0};
    take(&c, ""); /* the prefix's place */
    if (words_split(before, &w, &ignored)) {
        w.v = mem_realloc(w.v, (w.n + 2) * sizeof(*w.v));
        w.v[w.n++] = mem_strdup(text);
        complete_words(completed_from, &w, take, &c);
        words_free(&w);
    }
    free(before);
    free(c.v[0]);
    struct candidates found = {.v = c.v + 1, .n = c.n - 1};
    if (found.n == 0) {
        free(c.v);
        return NULL;
    }
    c.v[0] = common_prefix(&found);
    return c.v;
}

/* A line of input, malloc'ed; NULL at the end. */
static char *next_line(bool interactive)
{
    if (interactive)
        return readline("jackdaw> ");
    char *line = NULL;
    size_t size = 0;
    if (getline(&line, &size, stdin) >= 0)
        return line;
    free(line);
    return NULL;
}

static bool is_exit(const struct words *w)
{
    return w->n == 1 && (strcmp(w->v[0], "exit") == 0 || strcmp(w->v[0], "quit") == 0);
}

/* Whether to go on; *status is that of the command. */
static bool run_line(const char *line, shell_run_fn *run, void *arg, int *status)
{
    struct words w;
    struct err e;
    if (!words_split(line, &w, &e)) {
        fprintf(stderr, "jackdawctl: %s\n", e.text);
        *status = 2;
        return true;
    }
    bool go_on = !is_exit(&w);
    if (go_on && w.n > 0 && w.v[0][0] != '#')
        *status = run(arg, &w);
    words_free(&w);
    return go_on;
}

int shell(json_t *table, shell_run_fn *run, void *arg)
{
    bool interactive = isatty(0) && isatty(1), go_on = true;
    int status = 0;
    completed_from = table;
    if (interactive) {
        rl_attempted_completion_function = complete;
        using_history();
        puts("'help' lists the commands, 'exit' leaves.");
    }
    while (go_on) {
        char *line = next_line(interactive);
        if (!line)
            break;
        if (interactive && *line && !strstr(line, "--password"))
            add_history(line); /* in memory only */
        go_on = run_line(line, run, arg, &status);
        mem_clear(line, strlen(line));
        free(line);
    }
    return status;
}
