/* RFC 6121 appendix A: the states of a subscription, and what the stanzas do to them. */
#include "roster.h"

static const struct {
    unsigned subscription;
    bool ask, pending_in;
} states[STATES] = {
    [NONE] = {0, false, false},
    [NONE_OUT] = {0, true, false},
    [NONE_IN] = {0, false, true},
    [NONE_OUT_IN] = {0, true, true},
    [TO] = {SUBSCRIBED_TO, false, false},
    [TO_IN] = {SUBSCRIBED_TO, false, true},
    [FROM] = {SUBSCRIBED_FROM, false, false},
    [FROM_OUT] = {SUBSCRIBED_FROM, true, false},
    [BOTH] = {SUBSCRIBED_TO | SUBSCRIBED_FROM, false, false},
};

#define ROW(type) [TYPE_##type - TYPE_SUBSCRIBE]

/* clang-format off */
/* What the user's stanza does, and whether it is routed to the contact (A.2). */
static const unsigned char outbound[][STATES] = {
    /*                  None       None+Out  None+In       None+Out+In  To    To+In    From      From+Out  Both */
    ROW(SUBSCRIBE)    = {NONE_OUT, STAY,     NONE_OUT_IN,  STAY,        STAY, STAY,    FROM_OUT, STAY,     STAY},
    ROW(SUBSCRIBED)   = {STOP,     STOP,     FROM,         FROM_OUT,    STOP, BOTH,    STOP,     STOP,     STOP},
    ROW(UNSUBSCRIBE)  = {STAY,     NONE,     STAY,         NONE_IN,     NONE, NONE_IN, STAY,     FROM,     FROM},
    ROW(UNSUBSCRIBED) = {STOP,     STOP,     NONE,         NONE_OUT,    STOP, TO,      NONE,     NONE_OUT, TO},
};

/* What the contact's stanza does, and whether it is delivered to the user (A.3). */
static const unsigned char inbound[][STATES] = {
    /*                  None       None+Out     None+In  None+Out+In  To     To+In    From  From+Out  Both */
    ROW(SUBSCRIBE)    = {NONE_IN,  NONE_OUT_IN, STOP,    STOP,        TO_IN, STOP,    STOP, STOP,     STOP},
    ROW(SUBSCRIBED)   = {STOP,     TO,          STOP,    TO_IN,       STOP,  STOP,    STOP, BOTH,     STOP},
    ROW(UNSUBSCRIBE)  = {STOP,     STOP,        NONE,    NONE_OUT,    STOP,  TO,      NONE, NONE_OUT, TO},
    ROW(UNSUBSCRIBED) = {STOP,     NONE,        STOP,    NONE_IN,     NONE,  NONE_IN, STOP, FROM,     FROM},
};
/* clang-format on */

enum roster_state roster_outbound(enum stanza_type type, enum roster_state state)
{
    return (enum roster_state)outbound[type - TYPE_SUBSCRIBE][state];
}

enum roster_state roster_inbound(enum stanza_type type, enum roster_state state)
{
    return (enum roster_state)inbound[type - TYPE_SUBSCRIBE][state];
}

enum roster_state roster_state(const struct contact *c)
{
    for (unsigned s = 0; c && s < STATES; s++)
        if (states[s].subscription == c->subscription && states[s].ask == c->ask &&
            states[s].pending_in == c->pending_in)
            return (enum roster_state)s;
    return NONE;
}

void roster_set_state(struct contact *c, enum roster_state s)
{
    c->subscription = states[s].subscription;
    c->ask = states[s].ask;
    c->pending_in = states[s].pending_in;
}
