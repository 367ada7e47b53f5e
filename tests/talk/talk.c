/* talk: plays dialogues with an XMPP server. See tests/talk/README.md. */
#include <signal.h>
#include <strophe.h>
#include <unistd.h>

#include "base/clock.h"
#include "dialogue.h"

static void usage(void)
{
    fprintf(stderr, "talk [-v] [-t SECONDS] FILE.talk...   play dialogues (-v: show every stanza)\n"
                    "talk -l                               list the phrases\n"
                    "Run it below tests/with-server, or by tests/talk/run.\n");
    exit(64);
}

int main(int argc, char **argv)
{
    int64_t patience = 10 * CLOCK_SEC;
    bool verbose = false;
    unsigned failed = 0;
    for (int opt; (opt = getopt(argc, argv, "vt:l")) != -1;) {
        if (opt == 'v') {
            verbose = true;
        } else if (opt == 't') {
            patience = strtol(optarg, NULL, 10) * CLOCK_SEC;
        } else if (opt == 'l') {
            dialogue_help();
            return 0;
        } else {
            usage();
        }
    }
    if (optind == argc || patience <= 0)
        usage();
    signal(SIGPIPE, SIG_IGN);
    xmpp_initialize();
    for (int i = optind; i < argc; i++)
        failed += !dialogue_play(argv[i], patience, verbose);
    xmpp_shutdown();
    printf("%u passed, %u failed\n", (unsigned)(argc - optind) - failed, failed);
    return failed ? 1 : 0;
}
