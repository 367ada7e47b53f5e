#include "xmpp/plain.h"

#include <string.h>

/* [authzid] NUL authcid NUL passwd. */
bool plain_parse(const char *msg, size_t len, struct plain *out)
{
    const char *end = msg + len, *first = memchr(msg, '\0', len);
    const char *second = first ? memchr(first + 1, '\0', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return false;
    *out = (struct plain){
        .authzid = msg,
        .user = first + 1,
        .password = second + 1,
        .password_len = (size_t)(end - second - 1),
    };
    return *out->user && out->password_len > 0 && !memchr(out->password, '\0', out->password_len);
}
