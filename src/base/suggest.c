#include "base/suggest.h"

#include <ctype.h>
#include <limits.h>

#define NAME_MAX_LEN 64

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment, three rows of its table at a time. */
unsigned suggest_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la >= NAME_MAX_LEN || lb >= NAME_MAX_LEN)
        return UINT_MAX;
    unsigned rows[3][NAME_MAX_LEN];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= lb; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = min2(min2(last[j], row[j - 1]) + 1, last[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        unsigned *reuse = before;
        before = last;
        last = row;
        row = reuse;
    }
    return last[lb];
}

void suggest_init(struct suggest *s, const char *typo)
{
    *s = (struct suggest){.typo = typo, .distance = UINT_MAX};
}

/* Near enough is a third of the letters: "prot" means "port", but "x" means nothing. */
void suggest_offer(struct suggest *s, const char *name)
{
    unsigned distance = suggest_distance(s->typo, name);
    size_t len = strlen(s->typo);
    if (distance < s->distance && distance <= (len < 3 ? 1 : (len + 2) / 3) &&
        distance < strlen(name)) {
        s->distance = distance;
        s->best = name;
    }
}
