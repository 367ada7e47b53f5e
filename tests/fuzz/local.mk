# Fuzzers: fuzz-NAME.c, NAME.dict, corpus/NAME/. tests/fuzz/run runs them.
FUZZ_CORPUS = tests/fuzz/corpus
EXTRA_DIST += tests/fuzz/run tests/fuzz/stream.dict tests/fuzz/writer.dict tests/fuzz/jid.dict \
	tests/fuzz/sasl.dict tests/fuzz/config.dict tests/fuzz/proxy.dict $(FUZZ_CORPUS)

if FUZZERS
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
FUZZ_WITH = libxmpp.la libxml.la libbase.la

noinst_PROGRAMS += tests/fuzz/fuzz-stream
tests_fuzz_fuzz_stream_SOURCES = tests/fuzz/fuzz-stream.c
tests_fuzz_fuzz_stream_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_stream_LDADD = $(FUZZ_WITH)

noinst_PROGRAMS += tests/fuzz/fuzz-writer
tests_fuzz_fuzz_writer_SOURCES = tests/fuzz/fuzz-writer.c
tests_fuzz_fuzz_writer_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_writer_LDADD = $(FUZZ_WITH)

noinst_PROGRAMS += tests/fuzz/fuzz-jid
tests_fuzz_fuzz_jid_SOURCES = tests/fuzz/fuzz-jid.c
tests_fuzz_fuzz_jid_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_jid_LDADD = $(FUZZ_WITH)

noinst_PROGRAMS += tests/fuzz/fuzz-sasl
tests_fuzz_fuzz_sasl_SOURCES = tests/fuzz/fuzz-sasl.c
tests_fuzz_fuzz_sasl_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_sasl_LDADD = $(FUZZ_WITH)

noinst_PROGRAMS += tests/fuzz/fuzz-proxy
tests_fuzz_fuzz_proxy_SOURCES = tests/fuzz/fuzz-proxy.c
tests_fuzz_fuzz_proxy_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_proxy_LDADD = libnet.la libloop.la libbase.la

noinst_PROGRAMS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_config_LDADD = libcore.la libnet.la libloop.la $(FUZZ_WITH)
endif
