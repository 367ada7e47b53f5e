#include "loop/timer.h"

#include "base/clock.h"
#include "loop/internal.h"
#include "loop/wheel.h"

/* A timer is kept in the level of the highest group of six bits in which its tick differs from the
 * wheel's. So everything in a level is due before anything in the next, the slots in use of a level
 * are all ahead, and each timer comes down at most once per level. */

static const int64_t MAX_AFTER = 10LL * 365 * 86400 * CLOCK_SEC;

static unsigned level_of(int64_t now, int64_t due)
{
    uint64_t differs = (uint64_t)(now ^ due) | 1;
    return (unsigned)(63 - __builtin_clzll(differs)) / WHEEL_BITS;
}

void wheel_init(struct wheel *wheel, int64_t now)
{
    *wheel = (struct wheel){.tick = now / CLOCK_MS};
}

void wheel_add(struct wheel *wheel, struct timer *t)
{
    int64_t tick = t->due / CLOCK_MS;
    unsigned level = level_of(wheel->tick, tick);
    unsigned slot = (unsigned)(tick >> (level * WHEEL_BITS)) % WHEEL_SLOTS;
    INVARIANT(level < WHEEL_LEVELS);
    wheel->used[level] |= 1ULL << slot;
    LIST_INSERT_HEAD(&wheel->slots[level * WHEEL_SLOTS + slot], t, link);
}

void wheel_remove(struct wheel *wheel, struct timer *t)
{
    struct timer **prev = t->link.le_prev;
    LIST_REMOVE(t, link);
    t->due = 0;
    /* If it was the last of its slot, what pointed to it is the slot itself. (While its slot is
     * being run it is on a list of wheel_run()'s, and the slot is already marked empty.) */
    uintptr_t offset = (uintptr_t)prev - (uintptr_t)wheel->slots;
    if (!*prev && offset < sizeof(wheel->slots)) {
        size_t index = offset / sizeof(wheel->slots[0]);
        wheel->used[index / WHEEL_SLOTS] &= ~(1ULL << (index % WHEEL_SLOTS));
    }
}

/* The level with the earliest slot, and that slot's first tick. */
static bool earliest(const struct wheel *wheel, unsigned *level, unsigned *slot, int64_t *tick)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        if (!wheel->used[l])
            continue;
        unsigned shift = l * WHEEL_BITS;
        *level = l;
        *slot = (unsigned)__builtin_ctzll(wheel->used[l]);
        *tick = (wheel->tick >> shift >> WHEEL_BITS << WHEEL_BITS | *slot) << shift;
        return true;
    }
    return false;
}

int64_t wheel_next(const struct wheel *wheel)
{
    unsigned level, slot;
    int64_t tick;
    return earliest(wheel, &level, &slot, &tick) ? tick * CLOCK_MS : INT64_MAX;
}

/* Runs or moves down what is in a slot; the wheel stands at the slot's first tick. */
static void wheel_empty_slot(struct wheel *wheel, unsigned level, unsigned slot)
{
    struct timer_list *from = &wheel->slots[level * WHEEL_SLOTS + slot];
    struct timer_list list = *from;
    LIST_INIT(from);
    wheel->used[level] &= ~(1ULL << slot);
    struct timer *t = LIST_FIRST(&list);
    if (t)
        t->link.le_prev = &LIST_FIRST(&list);
    while ((t = LIST_FIRST(&list))) { /* a callback may clear any other of them */
        if (t->due / CLOCK_MS > wheel->tick) {
            LIST_REMOVE(t, link);
            wheel_add(wheel, t);
            continue;
        }
        wheel_remove(wheel, t);
        t->fn(t);
    }
}

void wheel_run(struct wheel *wheel, int64_t now)
{
    unsigned level, slot;
    int64_t tick, until = now / CLOCK_MS;
    while (earliest(wheel, &level, &slot, &tick) && tick <= until) {
        wheel->tick = tick;
        wheel_empty_slot(wheel, level, slot);
    }
    wheel->tick = until;
}

void timer_set(struct worker *w, struct timer *t, int64_t after)
{
    INVARIANT(worker_self() == w);
    if (t->due)
        wheel_remove(&w->wheel, t);
    if (after < CLOCK_MS)
        after = CLOCK_MS;
    if (after > MAX_AFTER)
        after = MAX_AFTER;
    t->due = (worker_now(w) + after + CLOCK_MS - 1) / CLOCK_MS * CLOCK_MS;
    wheel_add(&w->wheel, t);
}

void timer_clear(struct worker *w, struct timer *t)
{
    if (!t->due)
        return;
    INVARIANT(worker_self() == w);
    wheel_remove(&w->wheel, t);
}
