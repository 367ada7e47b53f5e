/* A line of the interactive shell into words. */
#include "base/mem.h"
#include "base/strbuf.h"
#include "ctl/command.h"

#define LINE_MAX_LEN 65536

static void add_word(struct words *out, struct strbuf *word)
{
    out->v = mem_realloc(out->v, (out->n + 2) * sizeof(*out->v));
    strbuf_puts(word, "");
    out->v[out->n++] = mem_strdup(strbuf_str(word));
    out->v[out->n] = NULL;
    if (word->s)
        mem_clear(word->s, word->cap);
    strbuf_reset(word);
}

bool words_split(const char *line, struct words *out, struct err *e)
{
    struct strbuf word;
    strbuf_init(&word, LINE_MAX_LEN);
    *out = (struct words){0};
    char quote = '\0';
    bool in_word = false;
    for (const char *p = line; *p; p++) {
        bool blank = *p == ' ' || *p == '\t' || *p == '\n';
        if (quote && *p == quote) {
            quote = '\0';
        } else if (!quote && (*p == '"' || *p == '\'')) {
            quote = *p;
            in_word = true;
        } else if (!quote && blank) {
            if (in_word)
                add_word(out, &word);
            in_word = false;
        } else {
            if (*p == '\\' && quote != '\'' && p[1])
                p++;
            strbuf_putc(&word, *p);
            in_word = true;
        }
    }
    if (in_word)
        add_word(out, &word);
    strbuf_free(&word);
    if (!quote)
        return true;
    words_free(out);
    err_set(e, "a %c is not closed", quote);
    return false;
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        mem_clear(w->v[i], strlen(w->v[i]));
        free(w->v[i]);
    }
    free(w->v);
    *w = (struct words){0};
}
