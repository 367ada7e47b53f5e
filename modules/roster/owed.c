/* What a crash, a full mailbox or stanzas that cross have torn apart is mended here: what a contact
 * has not confirmed is said again at the next login, and who sends us presence or a probe as if we
 * had agreed is told that we have not (RFC 6121 sections 3.1.2, 3.1.3 and 4.3.2). */
#include "roster.h"

/* What we last said to the contact about this. */
static enum stanza_type last_said(const struct contact *c, enum contact_owed about)
{
    if (about == OWED_TO)
        return c->ask ? TYPE_SUBSCRIBE : TYPE_UNSUBSCRIBE;
    return c->subscription & SUBSCRIBED_FROM ? TYPE_SUBSCRIBED : TYPE_UNSUBSCRIBED;
}

enum contact_owed roster_about(enum stanza_type type)
{
    return type == TYPE_SUBSCRIBE || type == TYPE_UNSUBSCRIBE ? OWED_TO : OWED_FROM;
}

void roster_say(struct work *w, struct contact *c, enum contact_owed about)
{
    struct stanza *st =
        stanza_new(STANZA_PRESENCE, last_said(c, about), w->account->jid, c->jid, NULL);
    contact_tell(w, c, about, st);
    stanza_unref(&st);
}

void roster_say_owed(struct work *w, struct contact *c)
{
    if (c->owed & OWED_TO)
        roster_say(w, c, OWED_TO);
    if (c->owed & OWED_FROM)
        roster_say(w, c, OWED_FROM);
}

/* Said again what nobody has answered; to whom we granted our presence, with it. */
void roster_say_again(struct work *w)
{
    struct contact *c;
    STAILQ_FOREACH (c, &w->account->contacts, link) {
        if ((c->owed & OWED_TO) && !c->flight[0])
            roster_say(w, c, OWED_TO);
        if ((c->owed & OWED_FROM) && !c->flight[1]) {
            roster_say(w, c, OWED_FROM);
            if (c->subscription & SUBSCRIBED_FROM)
                roster_greet(w, c->jid);
        }
    }
}

/* ---- answers ---- */

/* Refused for now: it is said again at the next login. */
static bool comes_again(const struct work *w)
{
    return w->rejected && strcmp(stanza_error_type(w->error), "wait") == 0;
}

void roster_contact_told(struct module_inst *inst, struct work *w)
{
    struct contact *c = w->contact;
    if (roster_is_stale(inst, w->account))
        return; /* what is owed is read again with everything else */
    if (c->owed & w->about && !comes_again(w)) {
        c->owed &= ~(unsigned)w->about;
        roster_write(inst, w, c, NULL);
    }
    roster_forget_if_empty(w, c);
}

/* ---- presence from those who are not what they think they are ---- */

static void answer(struct work *w, enum stanza_type type)
{
    const struct jid *bare = jid_bare(w->st->arena, w->st->from);
    struct stanza *st = stanza_new(STANZA_PRESENCE, type, w->account->jid, bare, NULL);
    work_route(w, st);
    stanza_unref(&st);
}

/* A server's own broadcast goes to those only who it thinks are subscribed, or have subscribed it.
 * A client's own presence or probe, which anyone may send to anyone, says nothing of that. */
static bool is_broadcast(const struct work *w)
{
    return !w->st->to && w->st->from && !jid_equal_bare(w->st->from, w->account->jid);
}

enum hook_result roster_check_broadcast(struct module_inst *inst, struct work *w)
{
    if (!is_broadcast(w) || roster_is_stale(inst, w->account))
        return HOOK_CONTINUE;
    const struct contact *c = contact_find(w->account, w->st->from);
    if (w->st->type == TYPE_PROBE) {
        if (c && c->subscription & SUBSCRIBED_FROM)
            return HOOK_CONTINUE;
        answer(w, TYPE_UNSUBSCRIBED);
        return HOOK_HANDLED;
    }
    if (c && c->subscription & SUBSCRIBED_TO)
        return HOOK_CONTINUE;
    if (w->st->type == TYPE_AVAILABLE) /* we asked, and lost the answer; or we did not ask */
        answer(w, c && c->ask ? TYPE_SUBSCRIBE : TYPE_UNSUBSCRIBE);
    return HOOK_HANDLED;
}
