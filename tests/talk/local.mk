# The dialogue runner and the dialogues, and what every test that needs a server starts from.
EXTRA_DIST += tests/with-server tests/lib/server tests/talk/run tests/talk/README.md \
	tests/talk/macros tests/talk/dialogues tests/talk/faults tests/talk/configured \
	tests/talk/small.conf tests/talk/selftest tests/talk/tables

noinst_PROGRAMS += tests/talk/talk
tests_talk_talk_SOURCES = \
	tests/talk/client.c tests/talk/client.h \
	tests/talk/dialogue.c tests/talk/dialogue.h \
	tests/talk/match.c tests/talk/match.h \
	tests/talk/node.c tests/talk/node.h \
	tests/talk/ordinary.c \
	tests/talk/phrases_client.c tests/talk/phrases_raw.c tests/talk/phrases_world.c \
	tests/talk/raw.c tests/talk/raw.h \
	tests/talk/sasl.c tests/talk/sasl.h \
	tests/talk/stream.c tests/talk/stream.h \
	tests/talk/talk.c \
	tests/talk/vars.c tests/talk/vars.h \
	tests/talk/wire.c tests/talk/wire.h
tests_talk_talk_CFLAGS = $(AM_CFLAGS) $(STROPHE_CFLAGS)
tests_talk_talk_LDADD = libbase.la $(STROPHE_LIBS) $(OPENSSL_LIBS) $(EXPAT_LIBS)
