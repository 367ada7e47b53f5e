# What modules are built against: installed, and hashed into the module ABI by configure. All that
# core/module.h includes, directly or not (tests/unit/test-headers checks it).
basehdrdir = $(pkgincludedir)/base
basehdr_HEADERS = \
	src/base/arena.h \
	src/base/atoms.def \
	src/base/atoms.h \
	src/base/banned.h \
	src/base/clock.h \
	src/base/err.h \
	src/base/hash.h \
	src/base/log.h \
	src/base/macros.h \
	src/base/mem.h \
	src/base/quota.h \
	src/base/strbuf.h \
	src/base/throttle.h
loophdrdir = $(pkgincludedir)/loop
loophdr_HEADERS = \
	src/loop/fiber.h \
	src/loop/ledger.h \
	src/loop/mailbox.h \
	src/loop/offload.h \
	src/loop/timer.h \
	src/loop/worker.h
xmlhdrdir = $(pkgincludedir)/xml
xmlhdr_HEADERS = \
	src/xml/parser.h \
	src/xml/tree.h \
	src/xml/writer.h
xmpphdrdir = $(pkgincludedir)/xmpp
xmpphdr_HEADERS = \
	src/xmpp/base64.h \
	src/xmpp/caps.h \
	src/xmpp/form.h \
	src/xmpp/jid.h \
	src/xmpp/plain.h \
	src/xmpp/scram.h \
	src/xmpp/stanza.h \
	src/xmpp/stream_error.h
nethdrdir = $(pkgincludedir)/net
nethdr_HEADERS = \
	src/net/conn.h \
	src/net/tls_peer.h
storehdrdir = $(pkgincludedir)/store
storehdr_HEADERS = \
	src/store/store.h
corehdrdir = $(pkgincludedir)/core
corehdr_HEADERS = \
	src/core/account.h \
	src/core/admin.h \
	src/core/ask.h \
	src/core/config.h \
	src/core/contact.h \
	src/core/delivery.h \
	src/core/directory.h \
	src/core/entity.h \
	src/core/hook.h \
	src/core/host.h \
	src/core/module.h \
	src/core/option.h \
	src/core/router.h \
	src/core/session.h \
	src/core/stream.h \
	src/core/work.h
