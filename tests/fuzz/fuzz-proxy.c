/* Fuzzer: the header of the PROXY protocol has one length, however much of it has come; before that
 * it is incomplete, and what is wrong stays wrong. */
#include <stdint.h>

#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union address whole, part;
    char text[ADDRESS_TEXT];
    int used = proxy_parse((const char *)data, size, &whole);
    INVARIANT(used >= PROXY_WRONG && used <= PROXY_HEADER_MAX && used <= (int)size);
    INVARIANT(used != PROXY_INCOMPLETE || size < PROXY_HEADER_MAX);
    address_format_port(&whole, text);
    bool wrong = false;
    for (size_t len = 0; len <= size && len <= PROXY_HEADER_MAX; len++) {
        char *copy = malloc(len + 1); /* so that reading beyond is seen */
        memcpy(copy, data, len);
        int now = proxy_parse(copy, len, &part);
        free(copy);
        wrong = wrong || now == PROXY_WRONG;
        INVARIANT(!wrong || now == PROXY_WRONG);
        INVARIANT(now <= 0 || (now == used && memcmp(&part, &whole, sizeof(part)) == 0));
        INVARIANT(used <= 0 || now == ((int)len < used ? PROXY_INCOMPLETE : used));
    }
    return 0;
}
