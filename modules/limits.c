/* limits: how much a client may send. Whoever sends more than that is slowed down: its connection
 * is not read for a while, nobody else notices. Whoever goes on for long, without waiting for
 * anything, is sent away (RFC 6120 section 4.9.3.14). */
#include "core/module.h"

#define PAUSE_MIN (20 * CLOCK_MS) /* shorter ones would be many */

/* Whoever waits for answers has a few stanzas under way. Of someone who does not the kernel's
 * buffer holds at least so many bytes. */
#define BACKLOG 16384

struct limits_conf {
    int64_t stanzas, bytes;                 /* per second and connection */
    int64_t account_stanzas, account_bytes; /* per second and account */
    int64_t burst, patience;                /* µs */
};

/* What was sent takes time, at the rate that is allowed: for each of the two, until when
 * (monotonic µs). Who sends less than that lags behind the clock, by no more than a burst. */
struct spent {
    int64_t stanzas, bytes;
};

struct limits_session {
    struct spent spent;
    bool slowed;           /* and has not kept within half a burst since */
    int64_t pushing_since; /* when it was first seen to send without waiting meanwhile; 0: never */
};

/* Adds `n` at `rate` per second to *spent. Returns how far that is ahead of the clock. */
static int64_t spend(int64_t *spent, int64_t n, int64_t rate, int64_t now, int64_t burst)
{
    if (*spent < now - burst)
        *spent = now - burst;
    *spent += n * CLOCK_SEC / rate;
    return *spent - now;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t spend_both(struct spent *s, int64_t stanzas, int64_t stanza_rate, int64_t bytes,
                          int64_t byte_rate, int64_t now, int64_t burst)
{
    return larger(spend(&s->stanzas, stanzas, stanza_rate, now, burst),
                  spend(&s->bytes, bytes, byte_rate, now, burst));
}

/* Whether it pushes, and has done so for too long. */
static bool out_of_patience(struct limits_session *ls, struct stream *s, int64_t now,
                            int64_t patience)
{
    if (conn_waiting(stream_conn(s)) < BACKLOG)
        return false;
    if (!ls->pushing_since)
        ls->pushing_since = now;
    return now - ls->pushing_since > patience;
}

static void slow_down(const struct limits_conf *conf, struct limits_session *ls, struct stream *s,
                      int64_t ahead, int64_t now)
{
    if (!ls->slowed)
        log_info("limits", stream_label(s),
                 "sends more than it may and is read more slowly; "
                 "if that is wanted, see module \"limits\" in the configuration");
    ls->slowed = true;
    if (out_of_patience(ls, s, now, conf->patience))
        stream_close(s, STREAM_POLICY_VIOLATION, "more was sent than is allowed, for too long");
    else
        stream_slow(s, larger(ahead, PAUSE_MIN));
}

static void limits_input(struct module_inst *inst, struct stream *s, size_t bytes,
                         unsigned elements)
{
    const struct limits_conf *conf = inst->conf;
    struct session *session = stream_session(s);
    struct limits_session *ls = session_slot(session, inst);
    struct spent *as = account_slot(session->account, inst);
    int64_t now = clock_mono();
    int64_t ahead = larger(spend_both(&ls->spent, elements, conf->stanzas, (int64_t)bytes,
                                      conf->bytes, now, conf->burst),
                           spend_both(as, elements, conf->account_stanzas, (int64_t)bytes,
                                      conf->account_bytes, now, conf->burst));
    if (ahead > 0) {
        slow_down(conf, ls, s, ahead, now);
    } else if (ls->slowed && ahead < -conf->burst / 2) {
        ls->slowed = false;
        ls->pushing_since = 0;
    }
}

#define RATE_MAX 1000000000

static const struct option limits_options[] = {
    OPTION_INT_AT(struct limits_conf, stanzas, "10000", 1, RATE_MAX, .reloadable = true,
                  .help = "Stanzas per second that a connection may send. One that sends more is "
                          "read more slowly."),
    OPTION_SIZE_AT(struct limits_conf, bytes, "8MiB", 1024, RATE_MAX, .reloadable = true,
                   .help = "Bytes per second that a connection may send."),
    OPTION_INT_AT(struct limits_conf, account_stanzas, "20000", 1, RATE_MAX, .reloadable = true,
                  .help = "Stanzas per second from all connections of an account."),
    OPTION_SIZE_AT(struct limits_conf, account_bytes, "16MiB", 1024, RATE_MAX, .reloadable = true,
                   .help = "Bytes per second from all connections of an account."),
    OPTION_DURATION_AT(struct limits_conf, burst, "5s", CLOCK_SEC, 3600 * CLOCK_SEC,
                       .reloadable = true,
                       .help = "Who was silent for so long may send at once what is allowed for so "
                               "long. More is not saved up."),
    OPTION_DURATION_AT(
        struct limits_conf, patience, "60s", 0, 86400 * CLOCK_SEC, .reloadable = true,
        .help = "A connection that is read slowly and sends on all the same, without "
                "waiting, is closed (policy-violation) after so long."),
    {0},
};

JACKDAW_MODULE(limits) = {
    JACKDAW_MODULE_HEAD,
    .name = "limits",
    .summary = "Slows down who sends too much, and ends it if that goes on",
    .standard = true,
    .options = limits_options,
    .conf_size = sizeof(struct limits_conf),
    .session_size = sizeof(struct limits_session),
    .account_size = sizeof(struct spent),
    .hooks =
        (const struct hook_entry[]){
            HOOK_AT(stream_input, PHASE_POLICY, limits_input),
            HOOK_END,
        },
};
