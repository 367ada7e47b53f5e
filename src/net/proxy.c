#include "net/proxy.h"

#define LINE_MAX_V1 107

static const char begin_v1[] = "PROXY ";
static const char begin_v2[] = "\r\n\r\n\0\r\nQUIT\n";

/* Version 2: what follows the beginning. */
enum { HEAD_V2 = 16, COMMAND_AT = 12, FAMILY_AT = 13, LENGTH_AT = 14 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_NONE = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };

static bool begins(const char *bytes, size_t len, const char *with, size_t with_len)
{
    return memcmp(bytes, with, len < with_len ? len : with_len) == 0;
}

/* ---- version 1: a line of text ---- */

/* A decimal number without leading zeros, at most 65535. */
static bool read_port(const char *text, unsigned *port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0' || (digits > 1 && text[0] == '0'))
        return false;
    *port = (unsigned)strtoul(text, NULL, 10);
    return *port <= 65535;
}

/* Cuts the line at single spaces. False if there are not exactly `n` words, none of them empty. */
static bool split(char *line, char *words[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        words[i] = line;
        char *space = strchr(line, ' ');
        if ((space != NULL) != (i + 1 < n) || line[0] == '\0' || line == space)
            return false;
        if (space) {
            *space = '\0';
            line = space + 1;
        }
    }
    return true;
}

/* "TCP4 192.0.2.1 192.0.2.2 4711 5222", without the line's beginning and end. */
static bool read_line(char *line, union address *source)
{
    char *words[5];
    union address target;
    unsigned port, target_port;
    if (strcmp(line, "UNKNOWN") == 0 || strncmp(line, "UNKNOWN ", 8) == 0)
        return true; /* the rest of the line is to be ignored */
    if (!split(line, words, ARRAY_LEN(words)))
        return false;
    sa_family_t family = strcmp(words[0], "TCP4") == 0   ? AF_INET
                         : strcmp(words[0], "TCP6") == 0 ? AF_INET6
                                                         : AF_UNSPEC;
    return read_port(words[3], &port) && read_port(words[4], &target_port) &&
           address_parse(words[2], target_port, &target) && target.any.sa_family == family &&
           address_parse(words[1], port, source) && source->any.sa_family == family;
}

static int parse_v1(const char *bytes, size_t len, union address *source)
{
    char line[LINE_MAX_V1];
    size_t max = len < LINE_MAX_V1 ? len : LINE_MAX_V1, begin = sizeof(begin_v1) - 1;
    const char *end = memchr(bytes, '\n', max);
    if (!end)
        return len < LINE_MAX_V1 ? PROXY_INCOMPLETE : PROXY_WRONG;
    size_t used = (size_t)(end - bytes) + 1;
    if (used < begin + 2 || end[-1] != '\r')
        return PROXY_WRONG;
    size_t text = used - begin - 2;
    memcpy(line, bytes + begin, text);
    line[text] = '\0';
    if (strlen(line) != text || !read_line(line, source))
        return PROXY_WRONG;
    return (int)used;
}

/* ---- version 2: binary ---- */

/* What each family's addresses take, source and target with their ports; -1: not of TCP. */
static int addresses_len(unsigned char family)
{
    switch (family) {
    case FAMILY_NONE: return 0;
    case FAMILY_TCP4: return 12;
    case FAMILY_TCP6: return 36;
    case FAMILY_UNIX: return 216;
    default: return -1;
    }
}

static void read_addresses(unsigned char family, const char *at, union address *source)
{
    if (family == FAMILY_TCP4) {
        source->in.sin_family = AF_INET;
        memcpy(&source->in.sin_addr, at, 4);
        memcpy(&source->in.sin_port, at + 8, 2);
    } else if (family == FAMILY_TCP6) {
        source->in6.sin6_family = AF_INET6;
        memcpy(&source->in6.sin6_addr, at, 16);
        memcpy(&source->in6.sin6_port, at + 32, 2);
    }
}

static int parse_v2(const char *bytes, size_t len, union address *source)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (len > COMMAND_AT && head[COMMAND_AT] != COMMAND_LOCAL && head[COMMAND_AT] != COMMAND_PROXY)
        return PROXY_WRONG;
    if (len < HEAD_V2)
        return PROXY_INCOMPLETE;
    size_t rest = (size_t)head[LENGTH_AT] << 8 | head[LENGTH_AT + 1];
    if (HEAD_V2 + rest > PROXY_HEADER_MAX)
        return PROXY_WRONG;
    if (head[COMMAND_AT] == COMMAND_PROXY) {
        int least = addresses_len(head[FAMILY_AT]);
        if (least < 0 || rest < (size_t)least)
            return PROXY_WRONG;
    }
    if (len < HEAD_V2 + rest)
        return PROXY_INCOMPLETE;
    if (head[COMMAND_AT] == COMMAND_PROXY)
        read_addresses(head[FAMILY_AT], bytes + HEAD_V2, source);
    return (int)(HEAD_V2 + rest);
}

int proxy_parse(const char *bytes, size_t len, union address *source)
{
    memset(source, 0, sizeof(*source));
    int used = PROXY_WRONG;
    if (len == 0)
        used = PROXY_INCOMPLETE;
    else if (begins(bytes, len, begin_v2, sizeof(begin_v2) - 1))
        used = parse_v2(bytes, len, source);
    else if (begins(bytes, len, begin_v1, sizeof(begin_v1) - 1))
        used = parse_v1(bytes, len, source);
    address_unmap(source);
    return used;
}
