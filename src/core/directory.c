#include "core/directory.h"

#include "base/mem.h"
#include "cache/presence_cache.h"
#include "core/home.h"
#include "core/server.h"
#include "core/session.h"
#include "loop/worker.h"

#define ENTRIES_MAX 64 /* resources of one account that are told */

/* One of those of RFC 6121 section 4.7.2.1, "" for any other: clients may say what they like, but
 * what reads the directory need not expect it. */
static const char *show_of(const struct session *s)
{
    static const char *const known[] = {"away", "chat", "dnd", "xa"};
    const struct xml_el *show = st_child(s->presence, NS_CONTENT, A_show);
    const char *text = show && show->first && show->first->text ? show->first->text : "";
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(text, known[i]) == 0)
            return known[i];
    return "";
}

void directory_publish(const struct entity *account)
{
    struct presence_entry entries[ENTRIES_MAX];
    size_t n = 0;
    struct session *s;
    if (!server.cache)
        return;
    TAILQ_FOREACH (s, &account->sessions, link) {
        if (!session_available(s) || n == ENTRIES_MAX)
            continue;
        entries[n++] = (struct presence_entry){
            .resource = jid_resource(s->jid),
            .show = show_of(s),
            .priority = s->priority,
            .since = s->since,
        };
    }
    presence_cache_set(server.cache, account->jid->s, entries, n);
}

static void publish_if_online(struct entity *e, void *arg)
{
    (void)arg;
    if (e->n_sessions)
        directory_publish(e);
}

static void publish_home(struct post *post)
{
    home_each_entity(home_self(), publish_if_online, NULL);
    free(post);
}

void directory_rebuild(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < crew_size(server.crew); i++) {
        struct post *post = mem_new(struct post);
        post->run = publish_home;
        worker_post(crew_worker(server.crew, i), post);
    }
}
