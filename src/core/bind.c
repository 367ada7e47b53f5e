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

void bind_request(struct stream *s, struct stanza *iq)
{
    char *resource;
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

/* RFC 6120 section 7.7.2.2: a session that already has this resource is ended. */
static void end_conflicting(struct entity *e, const char *resource)
{
    struct session *old = entity_session(e, resource);
    if (!old)
        return;
    struct stream *stream = old->stream;
    old->stream = NULL; /* so that its end is not reported once more */
    if (stream)
        stream_close(stream, STREAM_CONFLICT, "replaced by a new connection");
    session_end(e, old);
}

void bind_handle(struct entity *e, struct item *item)
{
    struct stream *s = stream_find(item->stream);
    if (!s)
        return;
    if (!e->exists) {
        stream_close(s, STREAM_NOT_AUTHORIZED, "the account has been removed");
        return;
    }
    if (stream_since(s) <= e->revoked) { /* perhaps by what is no longer its password */
        stream_close(s, STREAM_NOT_AUTHORIZED, "the account has been changed, log in again");
        return;
    }
    char generated[GENERATED_RESOURCE + 1];
    const char *resource = item->resource;
    if (!resource) {
        mem_random_token(generated, GENERATED_RESOURCE);
        resource = generated;
    }
    end_conflicting(e, resource);
    s = stream_find(item->stream); /* a hook may have waited: it may have gone */
    if (!s)
        return;
    if (e->n_sessions >=
        server.config->limits.sessions_per_account) { /* RFC 6120 section 7.6.2.1 */
        stream_bind_failed(s, item->st, SE_RESOURCE_CONSTRAINT, "too many resources are bound");
        return;
    }
    struct session *session = session_new(e, s, resource);
    stream_bound(s, session, item->st);
    struct work w = {
        .account = e,
        .host = e->host,
        .session = session,
        .entry = ledger_open(&e->ledger, e->jid->bare_hash),
    };
    HOST_NOTIFY(w.host, session_bound, &w);
    ledger_close(w.entry);
}
