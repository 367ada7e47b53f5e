/* Loaded before a client of others (LD_PRELOAD): every name is XMPP_HOST, every port XMPP_PORT, and
 * no name server is asked. For clients that cannot be told where their server is, or that want its
 * certificate to bear the name they connect to. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    (void)node, (void)service;
    return real(getenv("XMPP_HOST"), getenv("XMPP_PORT"), hints, result);
}

/* xmppc sleeps ten seconds before it sends. */
unsigned sleep(unsigned seconds)
{
    (void)seconds;
    usleep(10000);
    return 0;
}

/* The C library's, of <resolv.h>. */
int res_query(const char *name, int class, int type, unsigned char *answer, int size);
int res_query(const char *name, int class, int type, unsigned char *answer, int size)
{
    (void)name, (void)class, (void)type, (void)answer, (void)size;
    h_errno = HOST_NOT_FOUND;
    return -1;
}
