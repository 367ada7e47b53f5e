# unit tests of core
if HAVE_CHECK
core_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c tests/unit/scratch.h
tests_unit_test_config_CFLAGS = $(core_test_cflags)
tests_unit_test_config_LDADD = libjackdaw.la $(CHECK_LIBS)

check_PROGRAMS += tests/unit/test-core
tests_unit_test_core_SOURCES = tests/unit/test-core.c tests/unit/core-bed.c tests/unit/core-bed.h \
	tests/unit/scratch.h
tests_unit_test_core_CFLAGS = $(core_test_cflags) -pthread
tests_unit_test_core_LDADD = libjackdaw.la $(CHECK_LIBS)

# Objects for the loader: one that is good, and one for each way of being none.
core_test_objects = tests/modules/good.la tests/modules/foreign.la \
	tests/modules/misnamed.la tests/modules/empty.la
check_LTLIBRARIES += $(core_test_objects)
core_test_object_ldflags = -module -avoid-version -shared -rpath /nowhere
tests_modules_good_la_SOURCES = tests/modules/good.c
tests_modules_good_la_LDFLAGS = $(core_test_object_ldflags)
tests_modules_foreign_la_SOURCES = tests/modules/foreign.c
tests_modules_foreign_la_LDFLAGS = $(core_test_object_ldflags)
tests_modules_misnamed_la_SOURCES = tests/modules/misnamed.c
tests_modules_misnamed_la_LDFLAGS = $(core_test_object_ldflags)
tests_modules_empty_la_SOURCES = tests/modules/empty.c
tests_modules_empty_la_LDFLAGS = $(core_test_object_ldflags)

check_PROGRAMS += tests/unit/test-modules
tests_unit_test_modules_SOURCES = tests/unit/test-modules.c
tests_unit_test_modules_CPPFLAGS = $(AM_CPPFLAGS) \
	-DTEST_MODULE_DIR='"$(abs_builddir)/tests/modules/.libs"'
tests_unit_test_modules_CFLAGS = $(core_test_cflags)
tests_unit_test_modules_LDADD = libjackdaw.la $(CHECK_LIBS)
tests_unit_test_modules_DEPENDENCIES = $(core_test_objects) libjackdaw.la

check_PROGRAMS += tests/unit/test-admin
tests_unit_test_admin_SOURCES = tests/unit/test-admin.c
tests_unit_test_admin_CFLAGS = $(core_test_cflags) -pthread
tests_unit_test_admin_LDADD = libjackdaw.la $(jackdawd_LDADD) $(CHECK_LIBS)
endif

# What is installed for modules is what they include.
check_SCRIPTS += tests/unit/test-headers
EXTRA_DIST += tests/unit/test-headers

# What etc/ holds of the option tables.
noinst_PROGRAMS += tests/unit/print-config
tests_unit_print_config_SOURCES = tests/unit/print-config.c
tests_unit_print_config_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_print_config_LDFLAGS = $(jackdawd_LDFLAGS)
tests_unit_print_config_LDADD = $(jackdawd_LDADD)
tests_unit_print_config_DEPENDENCIES = $(jackdawd_DEPENDENCIES)
check_SCRIPTS += tests/unit/test-docs
EXTRA_DIST += tests/unit/test-docs tests/ctl
update-docs: all
	srcdir=$(srcdir) $(srcdir)/tests/unit/test-docs --update
.PHONY: update-docs
