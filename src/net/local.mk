noinst_LTLIBRARIES += libnet.la
libnet_la_SOURCES = \
	src/net/channel.c src/net/channel.h \
	src/net/conn.c src/net/conn.h \
	src/net/listener.c src/net/listener.h \
	src/net/tls.c src/net/tls.h \
	src/net/tls_cert.c \
	src/net/tls_peer.c src/net/tls_peer.h
libnet_la_LIBADD = $(OPENSSL_LIBS)
