/* talk: plays dialogues with an XMPP server. See tests/talk/README.md. */
#include <locale.h>
#include <signal.h>
#include <strophe.h>
#include <unistd.h>

#include "base/clock.h"
#include "dialogue.h"

static void usage(void)
{
    fprintf(stderr, "talk [-v] [-b] [-t SECONDS] [-m MACROS] FILE.talk...   play dialogues\n"
                    "  -v   show every stanza as it goes\n"
                    "  -b   raw clients write byte by byte\n"
                    "  -t   how long an event may take (10)\n"
                    "  -m   a file of phrases made of phrases\n"
                    "talk -l                                    list the phrases\n"
                    "Run it below tests/with-server, or by tests/talk/run.\n");
    exit(64);
}

int main(int argc, char **argv)
{
    struct dialogue_options options = {.patience = 10 * CLOCK_SEC};
    unsigned failed = 0;
    for (int opt; (opt = getopt(argc, argv, "bvt:m:l")) != -1;) {
        switch (opt) {
        case 'b': options.piece = 1; break;
        case 'v': options.verbose = true; break;
        case 'm': options.macros = optarg; break;
        case 't': options.patience = strtol(optarg, NULL, 10) * CLOCK_SEC; break;
        case 'l': dialogue_help(); return 0;
        default: usage();
        }
    }
    if (optind == argc || options.patience <= 0)
        usage();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    /* The server's own certificate is trusted; libstrophe would also read the system's, at each
     * connection: that takes longer than the dialogue. */
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", "/dev/null", 1);
    xmpp_initialize();
    for (int i = optind; i < argc; i++)
        failed += !dialogue_play(argv[i], &options);
    xmpp_shutdown();
    printf("%u passed, %u failed\n", (unsigned)(argc - optind) - failed, failed);
    return failed ? 1 : 0;
}
