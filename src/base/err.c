#include "base/err.h"

#include <stdarg.h>

int err_set(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    struct err old = *e;
    va_list ap;
    va_start(ap, fmt);
    int used = vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    if (used < 0 || (size_t)used + 2 >= sizeof(e->text))
        return -1;
    int room = (int)sizeof(e->text) - used - 3;
    snprintf(e->text + used, sizeof(e->text) - (size_t)used, ": %.*s", room, old.text);
    return -1;
}
