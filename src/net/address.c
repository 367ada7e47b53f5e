#include "net/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

bool address_parse(const char *text, unsigned port, union address *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &out->in.sin_addr) == 1) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->in6.sin6_addr) != 1)
        return false;
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_port = htons((uint16_t)port);
    return true;
}

socklen_t address_len(const union address *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

void address_unmap(union address *a)
{
    if (a->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = a->in6.sin6_port};
    memcpy(&in.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
    memset(a, 0, sizeof(*a));
    a->in = in;
}

void address_of_peer(int fd, union address *out)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    memset(out, 0, sizeof(*out));
    if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0 ||
        (sa.ss_family != AF_INET && sa.ss_family != AF_INET6))
        return;
    memcpy(out, &sa, sizeof(*out));
    address_unmap(out);
}

unsigned address_port(const union address *a)
{
    switch (a->any.sa_family) {
    case AF_INET: return ntohs(a->in.sin_port);
    case AF_INET6: return ntohs(a->in6.sin6_port);
    default: return 0;
    }
}

/* The address itself, most significant byte first. */
static const unsigned char *address_bytes(const union address *a)
{
    return a->any.sa_family == AF_INET ? (const unsigned char *)&a->in.sin_addr
                                       : a->in6.sin6_addr.s6_addr;
}

void address_format(const union address *a, char out[ADDRESS_TEXT])
{
    if (a->any.sa_family == AF_UNSPEC)
        snprintf(out, ADDRESS_TEXT, "local");
    else
        inet_ntop(a->any.sa_family, address_bytes(a), out, ADDRESS_TEXT);
}

void address_format_port(const union address *a, char out[ADDRESS_TEXT])
{
    char text[ADDRESS_TEXT];
    address_format(a, text);
    if (a->any.sa_family == AF_UNSPEC)
        snprintf(out, ADDRESS_TEXT, "%.*s", INET6_ADDRSTRLEN, text);
    else if (a->any.sa_family == AF_INET6)
        snprintf(out, ADDRESS_TEXT, "[%.*s]:%u", INET6_ADDRSTRLEN, text, address_port(a));
    else
        snprintf(out, ADDRESS_TEXT, "%.*s:%u", INET6_ADDRSTRLEN, text, address_port(a));
}

/* Whether the first `bits` bits are the same. */
static bool same_prefix(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    return memcmp(a, b, bytes) == 0 && (rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0);
}

bool network_parse(const char *text, struct network *out)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (!address_parse(address, 0, &out->address))
        return false;
    unsigned max = out->address.any.sa_family == AF_INET ? 32 : 128;
    out->bits = max;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
            return false;
        out->bits = (unsigned)strtoul(slash + 1, NULL, 10);
    }
    if (out->bits > max)
        return false;
    const unsigned char *bytes = address_bytes(&out->address);
    for (unsigned bit = out->bits; bit < max; bit++) {
        if (bytes[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    }
    return true;
}

bool network_has(const struct network *n, const union address *a)
{
    return n->address.any.sa_family == a->any.sa_family && a->any.sa_family != AF_UNSPEC &&
           same_prefix(address_bytes(&n->address), address_bytes(a), n->bits);
}
