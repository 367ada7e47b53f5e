#include "core/bind.h"

#include "base/mem.h"
#include "core/entity_life.h"
#include "core/home.h"
#include "core/host.h"
#include "core/item.h"
#include "core/module.h"
#include "core/server.h"
#include "core/session_life.h"
#include "core/stream.h"
#include "core/stream_life.h"

#define GENERATED_RESOURCE 12 /* characters of 6 bits: not guessable (RFC 6120 section 7.6) */

/* The resource that is asked for, prepared; NULL for "make one". False if it is not valid. */
static bool wanted_resource(const struct stanza *iq, char **resource)
{
    *resource = NULL;
    struct xml_el *el = xml_child(st_child(iq, NS_BIND, A_bind), NS_BIND, A_resource);
    if (!el)
        return true;
    const char *text = xml_text_of(iq->arena, el);
    if (!*text)
        return true;
    char prepared[JID_MAX + 1];
    if (!jid_prep_resource(text, strlen(text), prepared))
        return false;
    *resource = mem_strdup(prepared);
    return true;
}

/* Whether the request is from its own account, if it says, to that or to its host. */
static bool addresses_right(const struct stream *s, const struct stanza *iq)
{
    const struct jid *account = stream_account(s);
    bool from = iq->from ? jid_equal(iq->from, account) : !st_attr(iq, A_from);
    bool to = iq->to ? jid_equal(iq->to, account) || jid_equal(iq->to, stream_host(s)->jid)
                     : !st_attr(iq, A_to);
    return from && to;
}

void bind_request(struct stream *s, struct stanza *iq)
{
    char *resource;
    if (!iq->id || !addresses_right(s, iq)) {
        stream_bind_failed(s, iq, SE_BAD_REQUEST, "it must have an id, and no other addresses");
        return;
    }
    if (!wanted_resource(iq, &resource)) {
        stream_bind_failed(s, iq, SE_BAD_REQUEST, "this is not a valid resource");
        return;
    }
    struct item *item = item_new(ITEM_BIND);
    item->mail.keep = true;
    item->stream = stream_id(s);
    item->st = stanza_ref(iq);
    item->resource = resource;
    entity_post(entity_wake(home_self(), stream_account(s)), item);
}

void bind_refuse(struct item *item, const char *text)
{
    struct stream *s = stream_find(item->stream);
    if (s)
        stream_bind_failed(s, item->st, SE_RESOURCE_CONSTRAINT, text);
}

static void replace(struct entity *e, struct session *old)
{
    struct stream *stream = old->stream;
    old->stream = NULL; /* so that its end is not reported once more */
    if (stream)
        stream_close(stream, STREAM_CONFLICT, "replaced by a new connection");
    session_end(e, old);
}

/* The resource that the stream gets (RFC 6120 section 7.7.2.2): the one that is wanted, or a
 * generated one in `made`; NULL if another session has it and stays. */
static const char *choose_resource(struct entity *e, const char *wanted,
                                   char made[GENERATED_RESOURCE + 1]) MAY_YIELD
{
    int policy = server.config->limits.resource_conflict;
    struct session *old = wanted ? entity_session(e, wanted) : NULL;
    bool stays = old && session_connected(old) && policy != CONFLICT_REPLACE;
    if (stays && policy == CONFLICT_REFUSE)
        return NULL;
    if (!wanted || stays) {
        mem_random_token(made, GENERATED_RESOURCE);
        return made;
    }
    if (old)
        replace(e, old);
    return wanted;
}

void bind_handle(struct entity *e, struct item *item)
{
    struct stream *s = stream_find(item->stream);
    if (!s)
        return;
    bool temporary = stream_is_temporary(s);
    if (e->exists == temporary) {
        stream_close(s, STREAM_NOT_AUTHORIZED,
                     temporary ? "log in again" : "the account has been removed");
        return;
    }
    if (stream_since(s) <= e->revoked) { /* perhaps by what is no longer its password */
        stream_close(s, STREAM_NOT_AUTHORIZED, "the account has been changed, log in again");
        return;
    }
    char made[GENERATED_RESOURCE + 1];
    const char *resource = choose_resource(e, item->resource, made);
    s = stream_find(item->stream); /* a hook may have waited: it may have gone */
    if (!s)
        return;
    if (!resource) {
        stream_bind_failed(s, item->st, SE_CONFLICT, "another session has this resource");
        return;
    }
    if (e->n_sessions >=
        server.config->limits.sessions_per_account) { /* RFC 6120 section 7.6.2.1 */
        stream_bind_failed(s, item->st, SE_RESOURCE_CONSTRAINT, "too many resources are bound");
        return;
    }
    if (temporary)
        account_make_temporary(e);
    struct session *session = session_new(e, s, resource);
    stream_bound(s, session, item->st);
    struct work w = work_own(e, session);
    HOST_NOTIFY(w.host, session_bound, &w);
    work_own_end(&w);
}
