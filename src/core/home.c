#include "core/home.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "core/config.h"
#include "core/entity_life.h"
#include "core/session.h"
#include "loop/worker.h"

#define SESSION_SLOTS_FIRST 64

static _Thread_local struct home *self;

struct home *home_self(void)
{
    return self;
}

void home_start(struct worker *w)
{
    INVARIANT(!self);
    self = mem_new(struct home);
    self->worker = w;
    self->index = worker_index(w);
    self->session_slots = SESSION_SLOTS_FIRST;
    self->sessions = mem_zalloc(self->session_slots * sizeof(*self->sessions));
    self->scratch = mem_new(struct strbuf);
    strbuf_init(self->scratch, STANZA_WRITTEN_MAX);
    TAILQ_INIT(&self->waiting);
    TAILQ_INIT(&self->idle);
    entity_table_init(self);
}

void home_stop(void)
{
    INVARIANT(self->n_streams == 0);
    entity_table_clear(self);
    free(self->sessions);
    strbuf_free(self->scratch);
    free(self->scratch);
    mem_free(&self);
}

uint64_t home_new_id(struct home *h)
{
    return (++h->next_id << 8) | h->index;
}

static void sessions_grow(struct home *h)
{
    struct session **old = h->sessions;
    size_t old_slots = h->session_slots;
    h->session_slots *= 2;
    h->sessions = mem_zalloc(h->session_slots * sizeof(*h->sessions));
    for (size_t i = 0; i < old_slots; i++) {
        for (struct session *s = old[i], *next; s; s = next) {
            next = s->next_by_id;
            struct session **slot = &h->sessions[(s->id >> 8) & (h->session_slots - 1)];
            s->next_by_id = *slot;
            *slot = s;
        }
    }
    free(old);
}

void home_add_session(struct home *h, struct session *s)
{
    if (h->n_sessions >= h->session_slots)
        sessions_grow(h);
    struct session **slot = &h->sessions[(s->id >> 8) & (h->session_slots - 1)];
    s->next_by_id = *slot;
    *slot = s;
    h->n_sessions++;
}

void home_remove_session(struct home *h, struct session *s)
{
    struct session **at = &h->sessions[(s->id >> 8) & (h->session_slots - 1)];
    while (*at != s)
        at = &(*at)->next_by_id;
    *at = s->next_by_id;
    h->n_sessions--;
}

struct session *session_find(uint64_t id)
{
    struct session *s = self->sessions[(id >> 8) & (self->session_slots - 1)];
    while (s && s->id != id)
        s = s->next_by_id;
    return s;
}

void home_rested(struct home *h)
{
    void (*fn)(void *arg) = h->when_idle;
    if (!fn || h->n_idle < h->n_entities)
        return;
    h->when_idle = NULL;
    fn(h->when_idle_arg);
}

void home_when_idle(struct home *h, void (*fn)(void *arg), void *arg)
{
    h->when_idle = fn;
    h->when_idle_arg = arg;
    home_rested(h);
}

void home_each_entity(struct home *h, void (*fn)(struct entity *e, void *arg), void *arg)
{
    for (size_t i = 0; i < h->entity_slots; i++) {
        for (struct entity *e = h->entities[i], *next; e; e = next) {
            next = e->next;
            fn(e, arg);
        }
    }
}
