# files of src/core
include src/core/headers.mk

noinst_LTLIBRARIES += libcore.la
libcore_la_SOURCES = \
	src/core/account.c src/core/account.h src/core/account_life.h \
	src/core/admin.h \
	src/core/admin_call.c src/core/admin_call.h \
	src/core/admin_commands.c \
	src/core/admin_protocol.h \
	src/core/admin_server.c src/core/admin_server.h \
	src/core/ask.c src/core/ask.h src/core/ask_life.h \
	src/core/bind.c src/core/bind.h \
	src/core/call.c src/core/call.h \
	src/core/config.c src/core/config.h \
	src/core/config_doc.c \
	src/core/config_merge.c src/core/config_merge.h \
	src/core/config_read.c src/core/config_read.h \
	src/core/config_schema.c src/core/config_schema.h \
	src/core/contact.c src/core/contact.h \
	src/core/delivery.c src/core/delivery.h \
	src/core/directory.c src/core/directory.h \
	src/core/entity.c src/core/entity.h src/core/entity_life.h \
	src/core/entity_load.c \
	src/core/errand.c src/core/errand.h \
	src/core/home.c src/core/home.h \
	src/core/hook.c src/core/hook.h \
	src/core/host.c src/core/host.h \
	src/core/host_secret.c src/core/host_secret.h \
	src/core/iq.c \
	src/core/item.c src/core/item.h \
	src/core/loader.c src/core/loader.h \
	src/core/modules.c src/core/modules.h \
	src/core/option.c src/core/option.h \
	src/core/reload.c src/core/reload.h \
	src/core/receipt.c src/core/receipt.h \
	src/core/router.c src/core/router.h \
	src/core/server.c src/core/server.h src/core/server_run.h \
	src/core/server_listen.c src/core/server_listen.h \
	src/core/server_tls.c src/core/server_tls.h \
	src/core/session.c src/core/session.h src/core/session_life.h \
	src/core/stream.c src/core/stream.h src/core/stream_life.h \
	src/core/stream_deadline.c \
	src/core/stream_input.c \
	src/core/stream_negotiate.c \
	src/core/stream_private.h \
	src/core/tell.c src/core/tell.h \
	src/core/work.c src/core/work.h src/core/work_life.h
libcore_la_CPPFLAGS = $(AM_CPPFLAGS) -DJACKDAW_MODULE_DIR='"$(moduledir)"'
libcore_la_LIBADD = $(CONFUSE_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) -ldl $(SYSTEMD_LIBS)
