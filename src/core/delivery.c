#include "core/delivery.h"

#include "core/router.h"
#include "core/work.h"

/* How it stands with whom a stanza is for. */
enum address {
    HOST,      /* a host of ours (RFC 6120 section 10.5.2, 10.5.3) */
    NOBODY,    /* there is no such account (RFC 6121 section 8.5.1) */
    BARE,      /* a bare JID, and somebody takes messages (8.5.2.1) */
    BARE_AWAY, /* a bare JID, and nobody does (8.5.2.2; negative priorities: 8.5.2.1.1) */
    FULL,      /* a full JID that is connected (8.5.3.1) */
    GONE,      /* a full JID that is not, but somebody else takes messages (8.5.3.2) */
    GONE_AWAY, /* a full JID that is not, and nobody does */
    ADDRESSES
};

/* RFC 6121 table 1 (section 8.5.4), and what stands in the text only: presence, IQ, errors. Where
 * it lets a server choose between silence and an error, an error tells the sender what has
 * happened; a headline is worth none. */
#define o DELIVER_NOWHERE
#define E DELIVER_REFUSED
#define S DELIVER_STORED
#define D DELIVER_RESOURCE
#define T DELIVER_TAKERS
#define P DELIVER_AVAILABLE
#define A DELIVER_ACCOUNT
/* clang-format off */
static const unsigned char messages[][ADDRESSES] = {
    /*                   HOST NOBODY BARE BARE_AWAY FULL GONE GONE_AWAY */
    [TYPE_NORMAL]       = {E,   E,    T,   S,        D,   E,   E},
    [TYPE_CHAT]         = {E,   E,    T,   S,        D,   T,   S},
    [TYPE_GROUPCHAT]    = {E,   E,    E,   E,        D,   E,   E},
    [TYPE_HEADLINE]     = {E,   E,    T,   o,        D,   o,   o},
    [TYPE_ERROR]        = {o,   o,    o,   o,        D,   o,   o},
};
static const unsigned char presences[][ADDRESSES] = {
    [TYPE_AVAILABLE]    = {o,   o,    P,   P,        D,   o,   o},
    [TYPE_UNAVAILABLE]  = {o,   o,    P,   P,        D,   o,   o},
    [TYPE_SUBSCRIBE]    = {o,   o,    A,   A,        A,   A,   A}, /* section 3 */
    [TYPE_SUBSCRIBED]   = {o,   o,    A,   A,        A,   A,   A},
    [TYPE_UNSUBSCRIBE]  = {o,   o,    A,   A,        A,   A,   A},
    [TYPE_UNSUBSCRIBED] = {o,   o,    A,   A,        A,   A,   A},
    [TYPE_PROBE]        = {o,   o,    A,   A,        A,   A,   A}, /* section 4.3 */
    [TYPE_ERROR]        = {o,   o,    P,   P,        D,   o,   o},
};
static const unsigned char iqs[][ADDRESSES] = {
    [TYPE_GET]          = {E,   E,    A,   A,        D,   E,   E},
    [TYPE_SET]          = {E,   E,    A,   A,        D,   E,   E},
    [TYPE_RESULT]       = {o,   o,    o,   o,        D,   o,   o},
    [TYPE_ERROR]        = {o,   o,    o,   o,        D,   o,   o},
};

/* What a client submits, by its address (RFC 6120 sections 10.3 and 10.5, RFC 6121 section 8.1). */
enum target { NONE, OWN_BARE, A_HOST, A_HOSTS_RESOURCE, ANOTHER, TARGETS };

static const unsigned char submissions[][TARGETS] = {
    /*                   NONE            OWN_BARE        A_HOST          ...S_RESOURCE   ANOTHER */
    [STANZA_MESSAGE]  = {SUBMIT_SELF,    SUBMIT_ROUTED,  SUBMIT_ROUTED,  SUBMIT_ROUTED,  SUBMIT_ROUTED},
    [STANZA_PRESENCE] = {SUBMIT_ACCOUNT, SUBMIT_ACCOUNT, SUBMIT_ACCOUNT, SUBMIT_ACCOUNT, SUBMIT_ACCOUNT},
    [STANZA_IQ]       = {SUBMIT_ACCOUNT, SUBMIT_ACCOUNT, SUBMIT_HOST,    SUBMIT_REFUSED, SUBMIT_ROUTED},
};
static const unsigned char answers[TARGETS] = /* an IQ result or error */
                        {SUBMIT_ANSWER,  SUBMIT_ANSWER,  SUBMIT_ANSWER,  SUBMIT_ANSWER,  SUBMIT_ROUTED};
/* clang-format on */
#undef o
#undef E
#undef S
#undef D
#undef T
#undef P
#undef A

static enum delivery look_up(const struct stanza *st, enum address at)
{
    static const unsigned char(*const tables[])[ADDRESSES] = {
        [STANZA_MESSAGE] = messages, [STANZA_PRESENCE] = presences, [STANZA_IQ] = iqs};
    return (enum delivery)tables[st->kind][st->type][at];
}

struct session *delivery_addressed(const struct entity *account, const struct jid *to)
{
    struct session *s = jid_is_bare(to) ? NULL : entity_session(account, jid_resource(to));
    return s && session_connected(s) ? s : NULL;
}

static bool anyone_takes_messages(const struct entity *account)
{
    const struct session *s;
    TAILQ_FOREACH (s, &account->sessions, link)
        if (session_wants_messages(s))
            return true;
    return false;
}

enum delivery delivery_for(const struct stanza *st, const struct entity *account,
                           const struct jid *to)
{
    enum address at;
    if (!account->exists)
        at = NOBODY;
    else if (jid_is_bare(to))
        at = anyone_takes_messages(account) ? BARE : BARE_AWAY;
    else if (delivery_addressed(account, to))
        at = FULL;
    else
        at = anyone_takes_messages(account) ? GONE : GONE_AWAY;
    return look_up(st, at);
}

enum delivery delivery_to_host(const struct stanza *st)
{
    return look_up(st, HOST);
}

static enum target target_of(const struct work *w)
{
    const struct jid *to = w->st->to;
    if (!to)
        return NONE;
    if (jid_equal(to, w->account->jid))
        return OWN_BARE;
    if (jid_has_node(to) || !host_find(jid_domain(to), jid_domain_len(to)))
        return ANOTHER;
    return jid_is_bare(to) ? A_HOST : A_HOSTS_RESOURCE;
}

enum submission submission_of(const struct work *w)
{
    const struct stanza *st = w->st;
    enum target t = target_of(w);
    bool answer = st->kind == STANZA_IQ && (st->type == TYPE_RESULT || st->type == TYPE_ERROR);
    return (enum submission)(answer ? answers[t] : submissions[st->kind][t]);
}
