# unit tests of store and cache: against real servers
if HAVE_CHECK
store_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) -DTESTS_LIB='"$(abs_top_srcdir)/tests/lib"'
store_test_libs = libstore.la libloop.la libbase.la $(CHECK_LIBS)
store_test_bed = tests/unit/store-bed.c tests/unit/store-bed.h tests/unit/scratch.h $(loop_test_crew)

check_PROGRAMS += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c $(store_test_bed)
tests_unit_test_store_CFLAGS = $(store_test_cflags)
tests_unit_test_store_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-store-faults
tests_unit_test_store_faults_SOURCES = tests/unit/test-store-faults.c $(store_test_bed)
tests_unit_test_store_faults_CFLAGS = $(store_test_cflags)
tests_unit_test_store_faults_LDADD = $(store_test_libs)

check_PROGRAMS += tests/unit/test-cache
tests_unit_test_cache_SOURCES = tests/unit/test-cache.c $(store_test_bed)
tests_unit_test_cache_CFLAGS = $(store_test_cflags)
tests_unit_test_cache_LDADD = libcache.la $(store_test_libs)

# With the modules: linked as the server is.
check_PROGRAMS += tests/unit/test-statements
tests_unit_test_statements_SOURCES = tests/unit/test-statements.c $(store_test_bed)
tests_unit_test_statements_CPPFLAGS = $(AM_CPPFLAGS) -DMODULE_DIR='"$(abs_builddir)/modules/.libs"'
tests_unit_test_statements_CFLAGS = $(store_test_cflags) -pthread
tests_unit_test_statements_LDFLAGS = $(jackdawd_LDFLAGS)
tests_unit_test_statements_LDADD = $(jackdawd_LDADD) $(CHECK_LIBS)
tests_unit_test_statements_DEPENDENCIES = $(jackdawd_DEPENDENCIES) $(module_LTLIBRARIES)
endif
