#include "ctl/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

#define SECRET_MAX 1024

void secret_free(char **secret)
{
    if (!*secret)
        return;
    mem_clear(*secret, strlen(*secret));
    mem_free(secret);
}

/* One line, byte by byte: what follows on standard input is not ours. NULL at the end of the file
 * or if it is too long. */
static char *read_line(int fd)
{
    char line[SECRET_MAX];
    size_t len = 0;
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != 1 && len == 0)
            return NULL;
        if (n != 1 || c == '\n')
            break;
        if (len == sizeof(line))
            return NULL;
        line[len++] = c;
    }
    char *secret = mem_strndup(line, len);
    mem_clear(line, sizeof(line));
    return secret;
}

static char *ask_once(int tty, const char *prompt)
{
    struct termios old, quiet;
    if (tcgetattr(tty, &old) < 0)
        return NULL;
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)!write(tty, prompt, strlen(prompt));
    tcsetattr(tty, TCSAFLUSH, &quiet);
    char *secret = read_line(tty);
    tcsetattr(tty, TCSAFLUSH, &old);
    (void)!write(tty, "\n", 1);
    return secret;
}

char *secret_ask(const char *name, bool twice, struct err *e)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (tty < 0) {
        err_set(e, "%s is missing and there is no terminal to ask on: use %s-stdin", name, name);
        return NULL;
    }
    char prompt[100];
    snprintf(prompt, sizeof(prompt), "%s: ", name + strspn(name, "-"));
    char *secret = ask_once(tty, prompt);
    char *again = secret && *secret && twice ? ask_once(tty, "again: ") : NULL;
    close(tty);
    bool good = secret && *secret && (!twice || (again && strcmp(again, secret) == 0));
    if (!good) {
        err_set(e, secret && *secret ? "the two are not the same" : "nothing was typed");
        secret_free(&secret);
    }
    secret_free(&again);
    return secret;
}

char *secret_from_stdin(const char *name, struct err *e)
{
    char *secret = read_line(0);
    if (!secret || !*secret) {
        err_set(e, "%s-stdin: standard input has no line, or a line that is too long", name);
        secret_free(&secret);
    }
    return secret;
}
