/* Entities, mailboxes, receipts and homes, where it is hard: handlers that wait too long, entities
 * that go while something comes, full mailboxes, moved homes. Each test runs with both kinds of
 * bus. */
#include <unistd.h>

#include "core-bed.h"
#include "core/session_life.h"
#include "suite.h"

static const char *const buses[] = {"bus = \"local\"\n", "bus = \"loopback\"\n"};

static void start(int bus, const char *config)
{
    char text[512];
    snprintf(text, sizeof(text), "%s%s", buses[bus], config);
    bed_start(text);
}

START_TEST(a_parked_handler_ends_with_its_deadline)
{
    start(_i, "limits { stanza_deadline = \"300ms\" }");
    struct jid *a = bed_account(0), *b = bed_account(1);
    probe.park = true;
    bed_send(a, b, "park");
    bed_send(a, b, "next");
    bed_until(&probe.timeouts, 1);
    bed_until(&probe.errors[SE_REMOTE_SERVER_TIMEOUT], 1); /* its sender is told */
    bed_until(&probe.handled, 1);                          /* and the next message handled */
    bed_release(); /* an answer after the deadline harms nobody */
    bed_send(a, b, "again");
    bed_until(&probe.handled, 2);
    bed_stop();
    jid_free(&a);
    jid_free(&b);
}
END_TEST

START_TEST(a_stop_cancels_parked_handlers)
{
    start(_i, "limits { stop_timeout = 1 }");
    struct jid *a = bed_account(0), *b = bed_account(1);
    probe.park = true;
    bed_send(a, b, "park");
    bed_until(&probe.parked, 1);
    bed_stop(); /* ends although nobody answers */
    jid_free(&a);
    jid_free(&b);
}
END_TEST

/* A worker that has nothing left to do when the server stops gets something from another that has:
 * here an error for an account that must be loaded first. */
START_TEST(a_stop_waits_for_what_crosses)
{
    start(_i, "limits { stanza_deadline = \"100ms\" }");
    struct jid *a = bed_account(0), *b = bed_account(1);
    probe.park = probe.park_errors = true;
    bed_send(a, b, "park");
    bed_until(&probe.parked, 1);
    bed_stop();
    ck_assert_int_eq(probe.errors[SE_REMOTE_SERVER_TIMEOUT], 1);
    jid_free(&a);
    jid_free(&b);
}
END_TEST

START_TEST(an_entity_may_go_while_something_comes)
{
    start(_i, "limits { entity_idle = \"1ms\" }");
    struct jid *a = bed_account(0), *b = bed_account(1);
    for (int i = 0; i < 300; i++) {
        bed_send(a, b, "hello");
        usleep((useconds_t)(i * 37 %
                            2500)); /* sometimes before, sometimes after it has been evicted */
    }
    bed_until(&probe.handled, 300);
    ck_assert_int_gt(probe.loads, 3); /* it did go */
    bed_stop();
    jid_free(&a);
    jid_free(&b);
}
END_TEST

/* Two accounts whose handlers are parked flood each other: both mailboxes fill up, what is too much
 * is refused, nobody waits for anybody, and what was taken is handled once they go on. */
START_TEST(mailboxes_may_be_full_in_both_directions)
{
    enum { MAX = 16, SENT = 50 };
    start(_i, "limits { mailbox_max = 16 mailbox_per_source = 16 }");
    struct jid *a = bed_account(0), *b = bed_account(1), *c = bed_account(0);
    probe.park = true;
    bed_send(a, b, "park");
    bed_send(b, a, "park");
    bed_until(&probe.parked, 2);
    for (int i = 0; i < SENT; i++) {
        bed_send(a, b, "hello");
        bed_send(b, a, "hello");
    }
    bed_send(c, b,
             "hello"); /* full for a third one too: told at once, since it is not parked itself */
    bed_until(&probe.errors[SE_RESOURCE_CONSTRAINT], 1);
    bed_release();
    bed_until(&probe.handled, 2 + 2 * MAX);
    bed_send(a, b, "hello");
    bed_until(&probe.handled, 3 + 2 * MAX);
    bed_stop();
    jid_free(&a);
    jid_free(&b);
    jid_free(&c);
}
END_TEST

START_TEST(one_source_does_not_fill_a_mailbox)
{
    start(_i, "limits { mailbox_max = 32 mailbox_per_source = 8 }");
    struct jid *a = bed_account(0), *b = bed_account(1), *c = bed_account(0);
    probe.park = true;
    bed_send(a, b, "park");
    bed_until(&probe.parked, 1);
    for (int i = 0; i < 32; i++)
        bed_send(a, b, "hello");
    bed_until(&probe.errors[SE_RESOURCE_CONSTRAINT], 24);
    bed_send(c, b, "hello"); /* there is room for others */
    bed_release();
    bed_until(&probe.handled, 1 + 8 + 1);
    ck_assert_int_eq(probe.errors[SE_RESOURCE_CONSTRAINT], 24);
    bed_stop();
    jid_free(&a);
    jid_free(&b);
    jid_free(&c);
}
END_TEST

static void misdeliver(void *arg)
{
    route_to_worker_for_test(arg, 0); /* its home is 1 */
}

START_TEST(what_comes_to_a_former_home_goes_on_to_the_new_one)
{
    start(_i, "");
    struct jid *a = bed_account(0), *b = bed_account(1);
    struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_CHAT, a, b, "m");
    xml_text(st->arena, st_add(st, NS_CONTENT, A_body), "hello");
    bed_on(1, misdeliver, st);
    bed_until(&probe.handled, 1);
    ck_assert_int_eq(probe.strayed, 0);
    stanza_unref(&st);
    bed_stop();
    jid_free(&a);
    jid_free(&b);
}
END_TEST

START_TEST(nobody_and_nowhere_are_answered)
{
    start(_i, "");
    struct jid *a = bed_account(0);
    struct jid *nobody = jid_parse_new("nobody@localhost", 16);
    struct jid *nowhere = jid_parse_new("somebody@example.org", 20);
    bed_send(a, nobody, "hello");
    bed_send(a, nobody, "hello"); /* the second time from what is remembered */
    bed_until(&probe.errors[SE_SERVICE_UNAVAILABLE], 2);
    bed_send(a, nowhere, "hello");
    bed_until(&probe.errors[SE_REMOTE_SERVER_NOT_FOUND], 1);
    bed_stop();
    jid_free(&a);
    jid_free(&nobody);
    jid_free(&nowhere);
}
END_TEST

/* More handlers wait than there are fibers: the others' items wait in their mailboxes and are
 * handled later. */
START_TEST(items_wait_for_a_fiber)
{
    enum { ACCOUNTS = 24 };
    start(_i, "limits { fibers_max = 16 }");
    struct jid *sender = bed_account(0), *to[ACCOUNTS];
    for (int i = 0; i < ACCOUNTS; i++)
        to[i] = bed_account(1);
    probe.park = true;
    for (int i = 0; i < ACCOUNTS; i++)
        bed_send(sender, to[i], "park");
    bed_until(&probe.parked, 16);
    while (probe.handled < ACCOUNTS)
        bed_release();
    ck_assert_int_eq(probe.handled, ACCOUNTS);
    bed_stop();
    for (int i = 0; i < ACCOUNTS; i++)
        jid_free(&to[i]);
    jid_free(&sender);
}
END_TEST

/* ---- receipts ---- */

struct sending {
    uint64_t session;
    struct jid *from, *to[3];
    atomic_int handled; /* what the session counts */
};

static int bind_session(struct work *w, void *arg)
{
    struct sending *s = arg;
    s->session = session_new(w->account, NULL, "r")->id;
    return 0;
}

static int end_session(struct work *w, void *arg)
{
    struct sending *s = arg;
    session_end(w->account, session_find(s->session));
    return 0;
}

static void bind_it(void *arg)
{
    ck_assert_int_eq(account_do(((struct sending *)arg)->from, bind_session, arg), 0);
}

static void end_it(void *arg)
{
    ck_assert_int_eq(account_do(((struct sending *)arg)->from, end_session, arg), 0);
}

static void receive_all(void *arg)
{
    struct sending *s = arg;
    for (int i = 0; i < 3; i++) {
        struct stanza *st = stanza_new(STANZA_MESSAGE, TYPE_CHAT, NULL, s->to[i], "m");
        xml_text(st->arena, st_add(st, NS_CONTENT, A_body), "park");
        session_receive(session_find(s->session), st);
    }
}

static void count(void *arg)
{
    struct sending *s = arg;
    s->handled = (int)session_find(s->session)->handled;
}

static void until_handled(struct sending *s, int value)
{
    for (int i = 0; i < 10000 && s->handled != value; i++) {
        bed_on(0, count, s);
        usleep(1000);
    }
    ck_assert_int_eq(s->handled, value);
}

/* The first stanza's recipient takes its time, the second does not exist, the third is elsewhere:
 * nothing counts before the first has been answered, then all do. */
START_TEST(a_stream_counts_what_all_homes_have_answered)
{
    start(_i, "");
    struct sending s = {.from = bed_account(0)};
    s.to[0] = bed_account(1);
    s.to[1] = jid_parse_new("nobody@localhost", 16);
    s.to[2] = jid_parse_new("somebody@example.org", 20);
    probe.park = true;
    bed_fiber(bind_it, &s);
    bed_on(0, receive_all, &s);
    bed_until(&probe.parked, 1);
    bed_on(0, count, &s);
    ck_assert_int_eq(s.handled, 0);
    bed_release();
    until_handled(&s, 3);
    ck_assert_int_eq(probe.kept, 1);
    bed_fiber(end_it, &s);
    bed_stop();
    jid_free(&s.from);
    for (int i = 0; i < 3; i++)
        jid_free(&s.to[i]);
}
END_TEST

/* A session that ends with something outstanding is kept until that has been answered. */
START_TEST(answers_may_come_after_the_session_has_ended)
{
    start(_i, "limits { entity_idle = \"1ms\" }");
    struct sending s = {.from = bed_account(0)};
    for (int i = 0; i < 3; i++)
        s.to[i] = bed_account(1);
    probe.park = true;
    bed_fiber(bind_it, &s);
    bed_on(0, receive_all, &s);
    bed_until(&probe.parked, 3);
    bed_fiber(end_it, &s);
    bed_release();
    bed_until(&probe.kept, 3); /* the sender's copies are still made */
    bed_stop();
    jid_free(&s.from);
    for (int i = 0; i < 3; i++)
        jid_free(&s.to[i]);
}
END_TEST

static int delete_account(struct work *w, void *arg)
{
    (void)arg;
    return account_delete(w);
}

static void delete_it(void *arg)
{
    ck_assert_int_eq(account_do(((struct sending *)arg)->from, delete_account, NULL), 0);
}

static int create_again(struct work *w, void *arg)
{
    (void)arg;
    return account_create(w);
}

static void create_it(void *arg)
{
    ck_assert_int_eq(account_do(((struct sending *)arg)->from, create_again, NULL), 0);
}

/* An account that has been removed keeps no copies of what is still under way, nor does one that
 * is made anew under its name. */
START_TEST(a_removed_account_keeps_no_copies)
{
    start(_i % 2, "");
    struct sending s = {.from = bed_account(0)};
    for (int i = 0; i < 3; i++)
        s.to[i] = bed_account(1);
    probe.park = true;
    bed_fiber(bind_it, &s);
    bed_on(0, receive_all, &s);
    bed_until(&probe.parked, 3);
    bed_fiber(delete_it, &s);
    if (_i >= 2)
        bed_fiber(create_it, &s);
    bed_release();
    bed_until(&probe.handled, 3);
    bed_stop();
    ck_assert_int_eq(probe.kept, 0);
    jid_free(&s.from);
    for (int i = 0; i < 3; i++)
        jid_free(&s.to[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_parked_handler_ends_with_its_deadline,
        a_stop_cancels_parked_handlers,
        a_stop_waits_for_what_crosses,
        an_entity_may_go_while_something_comes,
        mailboxes_may_be_full_in_both_directions,
        one_source_does_not_fill_a_mailbox,
        what_comes_to_a_former_home_goes_on_to_the_new_one,
        nobody_and_nowhere_are_answered,
        items_wait_for_a_fiber,
        a_stream_counts_what_all_homes_have_answered,
        answers_may_come_after_the_session_has_ended,
    };
    Suite *s = suite_create("core");
    TCase *t = tcase_create("core");
    tcase_set_timeout(t, 120);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_loop_test(t, tests[i], 0, (int)ARRAY_LEN(buses));
    tcase_add_loop_test(t, a_removed_account_keeps_no_copies, 0, 2 * (int)ARRAY_LEN(buses));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
