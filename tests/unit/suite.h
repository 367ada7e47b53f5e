/* Runs one list of tests as a program. */
#ifndef JACKDAW_TESTS_SUITE_H
#define JACKDAW_TESTS_SUITE_H

#include <check.h>

#include "base/macros.h"

/* Returns what main() returns. `setup` and `teardown` run around each test and may be NULL. */
static inline int suite_run(const char *name, const TTest *const *tests, size_t count,
                            void (*setup)(void), void (*teardown)(void))
{
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

#endif
