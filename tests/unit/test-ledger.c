/* Unit tests of the ledger: stored, then shown, in order, once. */
#include <check.h>
#include <signal.h>

#include "base/mem.h"
#include "loop-crew.h"
#include "loop/ledger.h"

enum { ALICE = 1, BOB = 2 };

static struct ledger ledger;
static char shown[128]; /* the names of the effects that ran; "!" after those of a refusal */
static unsigned emptied;

static void on_empty(struct ledger *l)
{
    ck_assert_ptr_eq(l, &ledger);
    ck_assert(ledger_empty(l));
    emptied++;
}

static void setup(void)
{
    ledger_init(&ledger);
    ledger.on_empty = on_empty;
    shown[0] = '\0';
    emptied = 0;
}

/* Each test ends with nothing left: whatever was not freed is found by the leak sanitizer. */
static void teardown(void)
{
    ck_assert(ledger_empty(&ledger));
    ck_assert_uint_gt(emptied, 0);
}

struct showing {
    struct effect effect;
    char name;
    void (*also)(struct showing *s);
    struct ledger_entry *entry;
};

static void show(struct effect *effect, int result)
{
    struct showing *s = CONTAINER_OF(effect, struct showing, effect);
    size_t len = strlen(shown);
    ck_assert_uint_lt(len + 3, sizeof(shown));
    shown[len++] = s->name;
    if (result < 0)
        shown[len++] = '!';
    shown[len] = '\0';
    if (s->also)
        s->also(s);
    free(s);
}

static struct showing *effect(struct ledger_entry *e, char name)
{
    struct showing *s = mem_new(struct showing);
    s->effect.run = show;
    s->name = name;
    s->entry = e;
    return s;
}

static void add(struct ledger_entry *e, char name)
{
    ledger_effect(e, &effect(e, name)->effect);
}

/* An item that is handled without a pause: its writes are begun, its effects wait or pass. */
static struct ledger_entry *item(uint64_t peer, unsigned writes, char name)
{
    struct ledger_entry *e = ledger_open(&ledger, peer);
    while (writes-- > 0)
        ledger_write_begin(e);
    add(e, name);
    ledger_close(e);
    return e;
}

START_TEST(what_writes_nothing_passes_at_once)
{
    struct ledger_entry *e = ledger_open(&ledger, ALICE);
    ck_assert(ledger_may_pass(e));
    add(e, 'a');
    ck_assert_str_eq(shown, "a");
    add(e, 'b');
    ck_assert_str_eq(shown, "ab");
    ck_assert_uint_eq(emptied, 0);
    ledger_close(e);
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

START_TEST(effects_wait_for_every_write_of_their_item)
{
    struct ledger_entry *e = item(ALICE, 2, 'a');
    ledger_write_done(e, 0);
    ck_assert_str_eq(shown, "");
    ledger_write_done(e, 0);
    ck_assert_str_eq(shown, "a");
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

START_TEST(effects_wait_until_the_handler_can_write_no_more)
{
    struct ledger_entry *e = ledger_open(&ledger, ALICE);
    ledger_write_begin(e);
    add(e, 'a');
    ledger_write_done(e, 0);
    ck_assert(!ledger_may_pass(e));
    add(e, 'b');
    ck_assert_str_eq(shown, "");
    ledger_write_begin(e);
    ledger_close(e);
    ck_assert_str_eq(shown, "");
    ledger_write_done(e, 0);
    ck_assert_str_eq(shown, "ab");
}
END_TEST

START_TEST(writes_are_shown_in_the_order_of_their_items)
{
    struct ledger_entry *a = item(ALICE, 1, 'a'), *b = item(BOB, 1, 'b'), *c = item(ALICE, 1, 'c');
    ledger_write_done(c, 0);
    ledger_write_done(b, 0);
    ck_assert_str_eq(shown, "");
    ledger_write_done(a, 0);
    ck_assert_str_eq(shown, "abc");
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

START_TEST(the_order_is_that_of_opening_not_of_writing)
{
    struct ledger_entry *a = ledger_open(&ledger, ALICE), *b = ledger_open(&ledger, BOB);
    ledger_write_begin(b);
    ledger_write_begin(a);
    add(b, 'b');
    add(a, 'a');
    ledger_close(b);
    ledger_write_done(b, 0);
    ck_assert_str_eq(shown, "");
    ledger_close(a);
    ledger_write_done(a, 0);
    ck_assert_str_eq(shown, "ab");
}
END_TEST

START_TEST(the_same_peer_waits_and_others_pass)
{
    struct ledger_entry *w = item(ALICE, 1, 'w');
    struct ledger_entry *e = ledger_open(&ledger, ALICE);
    ck_assert(!ledger_may_pass(e));
    add(e, 'x');
    add(e, 'y');
    ledger_close(e);
    item(BOB, 0, 'o');
    ck_assert_str_eq(shown, "o");
    item(ALICE, 0, 'z');
    ledger_write_done(w, 0);
    ck_assert_str_eq(shown, "owxyz");
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

START_TEST(those_between_two_writes_of_a_peer_stay_between)
{
    struct ledger_entry *v = item(BOB, 1, 'v'), *w = item(ALICE, 1, 'w');
    item(ALICE, 0, 'x');
    struct ledger_entry *y = item(ALICE, 1, 'y');
    item(ALICE, 0, 'z');
    item(BOB, 0, 'u');
    ledger_write_done(y, 0);
    ledger_write_done(w, 0);
    ck_assert_str_eq(shown, "");
    ledger_write_done(v, 0);
    ck_assert_str_eq(shown, "vuwxyz"); /* u waits for nothing but v */
}
END_TEST

START_TEST(a_refusal_reaches_the_effects_of_its_item_only)
{
    struct ledger_entry *a = item(ALICE, 3, 'a');
    item(ALICE, 0, 'b');
    struct ledger_entry *c = item(ALICE, 1, 'c');
    ledger_write_done(a, 0);
    ledger_write_done(a, -7);
    ck_assert_str_eq(shown, ""); /* the third may still be on its way to the disk */
    ledger_write_done(a, 0);
    ck_assert_str_eq(shown, "a!b");
    ledger_write_done(c, 0);
    ck_assert_str_eq(shown, "a!bc");
}
END_TEST

static struct ledger_entry *open_behind;

static void open_another(struct showing *s)
{
    s->also = NULL;
    /* Comes behind its own item, which is being shown: it must not overtake the next effect. */
    open_behind = item(ALICE, 0, '3');
}

START_TEST(an_effect_may_bring_about_others)
{
    struct ledger_entry *e = ledger_open(&ledger, ALICE);
    ledger_write_begin(e);
    struct showing *first = effect(e, '1');
    first->also = open_another;
    ledger_effect(e, &first->effect);
    add(e, '2');
    ledger_close(e);
    ledger_write_done(e, 0);
    ck_assert_str_eq(shown, "123");
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

static void finish_other(struct showing *s)
{
    ledger_write_done(s->entry, 0);
}

START_TEST(a_write_may_come_back_while_another_is_shown)
{
    struct ledger_entry *a = ledger_open(&ledger, ALICE), *b = item(BOB, 1, 'b');
    ledger_write_begin(a);
    struct showing *first = effect(b, 'a');
    first->also = finish_other;
    ledger_effect(a, &first->effect);
    add(a, 'A');
    ledger_close(a);
    ledger_write_done(a, 0);
    ck_assert_str_eq(shown, "aAb");
    ck_assert_uint_eq(emptied, 1);
}
END_TEST

static void add_to_same(struct showing *s)
{
    add(s->entry, 'z');
}

START_TEST(an_effect_may_add_to_its_own_entry)
{
    struct ledger_entry *w = item(ALICE, 1, 'w'), *e = ledger_open(&ledger, ALICE);
    struct showing *first = effect(e, 'x');
    first->also = add_to_same;
    ledger_effect(e, &first->effect);
    add(e, 'y');
    ledger_write_done(w, 0);
    ck_assert_str_eq(shown, "wxyz");
    ledger_close(e);
}
END_TEST

static void close_entry(struct showing *s)
{
    ledger_close(s->entry);
}

START_TEST(an_effect_may_close_its_entry)
{
    struct ledger_entry *w = item(ALICE, 1, 'w'), *e = ledger_open(&ledger, ALICE);
    struct showing *first = effect(e, 'x');
    first->also = close_entry;
    ledger_effect(e, &first->effect);
    ledger_write_done(w, 0);
    ck_assert_str_eq(shown, "wx");
    ck_assert(ledger_empty(&ledger));

    e = ledger_open(&ledger, ALICE);
    first = effect(e, 'y');
    first->also = close_entry;
    ledger_effect(e, &first->effect);
    ck_assert_str_eq(shown, "wxy");
    ck_assert_uint_eq(emptied, 2);
}
END_TEST

START_TEST(writing_after_something_was_shown_is_a_bug)
{
    struct ledger_entry *e = ledger_open(&ledger, ALICE);
    ck_assert(ledger_may_pass(e));
    ledger_passed(e);
    ledger_write_begin(e); /* aborts */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ledger");
    TCase *tc = tcase_create("ledger");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_writes_nothing_passes_at_once);
    tcase_add_test(tc, effects_wait_for_every_write_of_their_item);
    tcase_add_test(tc, effects_wait_until_the_handler_can_write_no_more);
    tcase_add_test(tc, writes_are_shown_in_the_order_of_their_items);
    tcase_add_test(tc, the_order_is_that_of_opening_not_of_writing);
    tcase_add_test(tc, the_same_peer_waits_and_others_pass);
    tcase_add_test(tc, those_between_two_writes_of_a_peer_stay_between);
    tcase_add_test(tc, a_refusal_reaches_the_effects_of_its_item_only);
    tcase_add_test(tc, an_effect_may_bring_about_others);
    tcase_add_test(tc, a_write_may_come_back_while_another_is_shown);
    tcase_add_test(tc, an_effect_may_add_to_its_own_entry);
    tcase_add_test(tc, an_effect_may_close_its_entry);
    tcase_add_test_raise_signal(tc, writing_after_something_was_shown_is_a_bug, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
