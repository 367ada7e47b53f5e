#include "core/host_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

/* 1 if the file was read, 0 if there is none, -1 and `e`. */
static int read_secret(const char *path, unsigned char out[HOST_SECRET_LEN], struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, "%s: %s", path, strerror(errno));
    ssize_t got = read(fd, out, HOST_SECRET_LEN);
    close(fd);
    if (got != HOST_SECRET_LEN)
        return err_set(e, "%s: is damaged (%d bytes are missing)", path,
                       HOST_SECRET_LEN - (int)(got < 0 ? 0 : got));
    return 1;
}

/* Written whole under another name first, so that a crash leaves no half of it. */
static int make_secret(const char *path, unsigned char out[HOST_SECRET_LEN], struct err *e)
{
    struct strbuf tmp;
    strbuf_init(&tmp, 4096);
    strbuf_printf(&tmp, "%s.new", path);
    mem_random(out, HOST_SECRET_LEN);
    int fd = open(strbuf_str(&tmp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, out, HOST_SECRET_LEN) == HOST_SECRET_LEN && fsync(fd) == 0 &&
                rename(strbuf_str(&tmp), path) == 0;
    if (!good)
        err_set(e, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    strbuf_free(&tmp);
    return good ? 0 : -1;
}

int host_secret_load(const char *data_dir, unsigned char out[HOST_SECRET_LEN], struct err *e)
{
    struct strbuf path;
    strbuf_init(&path, 4096);
    strbuf_printf(&path, "%s/secret", data_dir);
    int result = read_secret(strbuf_str(&path), out, e);
    if (result == 0)
        result = make_secret(strbuf_str(&path), out, e);
    strbuf_free(&path);
    return result < 0 ? -1 : 0;
}

void host_secret_derive(const unsigned char master[HOST_SECRET_LEN], const char *host,
                        unsigned char out[HOST_SECRET_LEN])
{
    unsigned len = 0;
    unsigned char *done = HMAC(EVP_sha256(), master, HOST_SECRET_LEN, (const unsigned char *)host,
                               strlen(host), out, &len);
    INVARIANT(done && len == HOST_SECRET_LEN);
}
