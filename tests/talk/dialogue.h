/* One dialogue being played: its accounts, clients, variables, and what went wrong. */
#ifndef TALK_DIALOGUE_H
#define TALK_DIALOGUE_H

#include <stdbool.h>
#include <stdint.h>
#include <strophe.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "node.h"

struct client;
struct macro;

struct var {
    struct var *next;
    const char *name, *value;
};

struct dialogue_options {
    const char *macros; /* file of phrases that all dialogues share; NULL: none */
    int64_t patience;   /* µs that an event may take */
    size_t piece;       /* bytes in a write of raw clients; 0: all that there is */
    bool verbose;       /* print every stanza as it goes */
};

struct dialogue {
    struct arena *arena;
    const char *file, *title;
    unsigned line; /* of the statement being played */
    struct var *vars;
    struct client *clients;
    xmpp_ctx_t *strophe;
    struct strbuf failure;    /* empty as long as all is well */
    struct strbuf transcript; /* who sent and received what */
    unsigned serial;          /* for ids that nobody else uses */
    unsigned depth;           /* of macros within macros */
    struct macro *macros;
    const char *skipped; /* why the rest is not played; NULL: it is */
    const struct dialogue_options *options;
    char run[12]; /* makes names of this run differ from those of others */
};

/* Says what went wrong (printf format) where the first failure counts; returns false. */
bool fail(struct dialogue *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A line for the transcript: who, "->" or "<-" or "--", what. */
void note(struct dialogue *d, const char *who, const char *arrow, const char *what);

/* Plays a whole file. True if all went as it says; otherwise the failure is printed. */
bool dialogue_play(const char *file, const struct dialogue_options *options);

/* Plays statements that stand in `text`, whose first line has number `line`. */
bool dialogue_statements(struct dialogue *d, const char *text, unsigned line);

/* A phrase of the language. `form` is words: lower case is literal, UPPER CASE takes a word, "..."
 * takes the rest of the line, a colon at the end takes what follows it (and the indented lines
 * below). */
struct phrase {
    const char *form;
    bool (*play)(struct dialogue *d, char *const *args, const char *body);
    const char *help;
};

/* The tables of phrases, each ended by a NULL form. */
extern const struct phrase phrases_world[], phrases_client[], phrases_raw[];

/* Prints all phrases. */
void dialogue_help(void);

#endif
