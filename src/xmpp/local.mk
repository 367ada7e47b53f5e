noinst_LTLIBRARIES += libxmpp.la
libxmpp_la_SOURCES = \
	src/xmpp/base64.c src/xmpp/base64.h \
	src/xmpp/caps.c src/xmpp/caps.h \
	src/xmpp/form.c src/xmpp/form.h \
	src/xmpp/jid.c src/xmpp/jid.h \
	src/xmpp/jid_precis.c \
	src/xmpp/jid_prep.c src/xmpp/jid_prep.h \
	src/xmpp/plain.c src/xmpp/plain.h \
	src/xmpp/scram.c src/xmpp/scram.h \
	src/xmpp/stanza.c src/xmpp/stanza.h \
	src/xmpp/stream_error.c src/xmpp/stream_error.h
libxmpp_la_LIBADD = $(ICU_LIBS) $(OPENSSL_LIBS)
