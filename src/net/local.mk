noinst_LTLIBRARIES += libnet.la
libnet_la_SOURCES = \
	src/net/address.c src/net/address.h \
	src/net/channel.c src/net/channel.h \
	src/net/conn.c src/net/conn.h \
	src/net/listener.c src/net/listener.h \
	src/net/proxy.c src/net/proxy.h \
	src/net/proxy_wait.c src/net/proxy_wait.h \
	src/net/tls.c src/net/tls.h \
	src/net/tls_cert.c \
	src/net/tls_peer.c src/net/tls_peer.h
libnet_la_LIBADD = $(OPENSSL_LIBS)
