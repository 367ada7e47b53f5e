# What stands around the server: scripts, documents, examples.
EXTRA_DIST += .clang-format .ci contrib

# The layers are checked with every make check; the other lints by contrib/test.
check-local:
	$(srcdir)/contrib/ci/lint/layers

# What a server needs to run, without the tests' programs.
.PHONY: server
server: $(bin_PROGRAMS) $(sbin_PROGRAMS) $(module_LTLIBRARIES)

# Builds what make check would run, without running it.
.PHONY: test-programs
test-programs: $(check_PROGRAMS) $(check_SCRIPTS)
