/* Unit tests of the mailbox: order, bounds, replacing. */
#include <check.h>

#include "base/macros.h"
#include "loop-crew.h"
#include "loop/mailbox.h"

static struct mailbox box;
static struct mail items[64];
static unsigned used;

static struct mail *mail(uint64_t source, uint64_t replace, bool keep)
{
    ck_assert_uint_lt(used, ARRAY_LEN(items));
    items[used] = (struct mail){.source = source, .replace = replace, .keep = keep};
    return &items[used++];
}

/* Puts what replaces nothing. */
static enum mailbox_put put(struct mail *item)
{
    struct mail *replaced = item;
    enum mailbox_put result = mailbox_put(&box, item, &replaced);
    ck_assert_ptr_null(replaced);
    return result;
}

static void setup(void)
{
    mailbox_init(&box, 8, 3);
    used = 0;
}

static void teardown(void)
{
    while (mailbox_take(&box))
        ;
    ck_assert(mailbox_empty(&box));
    ck_assert_uint_eq(box.bounded, 0);
    ck_assert_uint_eq(box.replaceable, 0);
    mailbox_clear(&box);
}

START_TEST(items_come_in_order)
{
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(put(mail(i + 1, 0, false)), MAILBOX_PUT);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_ptr_eq(mailbox_take(&box), &items[i]);
    ck_assert_ptr_null(mailbox_take(&box));
}
END_TEST

START_TEST(a_source_has_its_share_only)
{
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_SOURCE_FULL);
    ck_assert_int_eq(put(mail(8, 0, false)), MAILBOX_PUT);
    ck_assert_ptr_eq(mailbox_take(&box), &items[0]);
    ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_PUT); /* there is room again */
    ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_SOURCE_FULL);
}
END_TEST

START_TEST(shares_are_counted_whatever_came_before)
{
    ck_assert_int_eq(put(mail(1, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(3, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_SOURCE_FULL);
    while (mailbox_take(&box))
        ; /* the counts are forgotten ... */
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(2, 0, false)), MAILBOX_SOURCE_FULL); /* ... and kept anew */
}
END_TEST

START_TEST(all_together_have_a_bound)
{
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(put(mail(i + 1, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(99, 0, false)), MAILBOX_FULL);
    ck_assert_uint_eq(box.count, 8);
}
END_TEST

START_TEST(own_and_kept_items_always_have_room_and_take_none)
{
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(put(mail(0, 0, false)), MAILBOX_PUT);
        ck_assert_int_eq(put(mail(7, 0, true)), MAILBOX_PUT);
    }
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(7, 0, false)), MAILBOX_SOURCE_FULL);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(put(mail(i + 10, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(20, 0, false)), MAILBOX_FULL);
    ck_assert_int_eq(put(mail(20, 0, true)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(0, 0, false)), MAILBOX_PUT);
    ck_assert_uint_eq(box.count, 50);
}
END_TEST

START_TEST(a_newer_item_replaces_the_older_at_the_end)
{
    struct mail *replaced;
    struct mail *old = mail(7, 42, false), *other = mail(8, 42, false), *new = mail(7, 42, false);
    ck_assert_int_eq(put(old), MAILBOX_PUT);
    ck_assert_int_eq(put(other), MAILBOX_PUT); /* the same value of another source */
    ck_assert_int_eq(put(mail(7, 43, false)), MAILBOX_PUT);
    ck_assert_int_eq(mailbox_put(&box, new, &replaced), MAILBOX_PUT);
    ck_assert_ptr_eq(replaced, old);
    ck_assert_uint_eq(box.count, 3);
    ck_assert_ptr_eq(mailbox_take(&box), other);
    ck_assert_uint_eq(mailbox_take(&box)->replace, 43);
    ck_assert_ptr_eq(mailbox_take(&box), new);
    ck_assert_int_eq(put(mail(7, 42, false)), MAILBOX_PUT); /* nothing waits any more */
}
END_TEST

START_TEST(replacing_needs_no_room)
{
    struct mail *replaced, *old = mail(1, 5, false);
    ck_assert_int_eq(put(old), MAILBOX_PUT);
    for (unsigned i = 1; i < 8; i++)
        ck_assert_int_eq(put(mail(i < 3 ? 1 : i + 1, 0, false)), MAILBOX_PUT);
    ck_assert_int_eq(put(mail(99, 0, false)), MAILBOX_FULL);
    ck_assert_int_eq(mailbox_put(&box, mail(1, 5, false), &replaced), MAILBOX_PUT);
    ck_assert_ptr_eq(replaced, old);
    ck_assert_int_eq(put(mail(99, 0, false)), MAILBOX_FULL);
    /* One that is kept gives its room back. */
    ck_assert_int_eq(mailbox_put(&box, mail(1, 5, true), &replaced), MAILBOX_PUT);
    ck_assert_ptr_nonnull(replaced);
    ck_assert_int_eq(put(mail(99, 0, false)), MAILBOX_PUT);
    /* What had no room leaves the one it would have replaced where it is. */
    ck_assert_int_eq(put(mail(1, 5, false)), MAILBOX_FULL);
    ck_assert_uint_eq(box.count, 9);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mailbox");
    TCase *tc = tcase_create("mailbox");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, items_come_in_order);
    tcase_add_test(tc, a_source_has_its_share_only);
    tcase_add_test(tc, shares_are_counted_whatever_came_before);
    tcase_add_test(tc, all_together_have_a_bound);
    tcase_add_test(tc, own_and_kept_items_always_have_room_and_take_none);
    tcase_add_test(tc, a_newer_item_replaces_the_older_at_the_end);
    tcase_add_test(tc, replacing_needs_no_room);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
