# A module is a shared object in $(pkglibdir)/modules; or, with --enable-static-modules, a part of jackdawd. The
# server's own symbols resolve when it is loaded.
MODULE_LDFLAGS = -module -avoid-version -shared $(AM_LDFLAGS)
MODULES = archive auth c2s chat disco last limits offline ping presence private register roster time vcard version

archive_codec = modules/archive/codec.c modules/archive/codec.h
archive_sources = modules/archive/archive.c modules/archive/archive.h modules/archive/page.c \
	modules/archive/recent.c modules/archive/recent.h
auth_sources = modules/auth/auth.c modules/auth/auth.h modules/auth/commands.c \
	modules/auth/login.c modules/auth/mech_scram.c modules/auth/mech_simple.c modules/auth/mechanism.c \
	modules/auth/password.c modules/auth/sasl.c
presence_sources = modules/presence/presence.c modules/presence/presence.h modules/presence/directed.c \
	modules/presence/last_seen.c
roster_sources = modules/roster/roster.c modules/roster/roster.h modules/roster/owed.c \
	modules/roster/push.c modules/roster/states.c modules/roster/store.c \
	modules/roster/subscription.c

if STATIC_MODULES
noinst_LTLIBRARIES += libmodules.la
libmodules_la_SOURCES = $(archive_codec) $(archive_sources) $(auth_sources) modules/c2s.c \
	modules/chat.c modules/disco.c modules/last.c modules/limits.c \
	modules/offline.c modules/ping.c \
	modules/private.c modules/register.c modules/time.c modules/vcard.c modules/version.c $(presence_sources) $(roster_sources)
nodist_libmodules_la_SOURCES = modules/static.c
else
module_LTLIBRARIES += modules/archive.la modules/auth.la modules/c2s.la modules/chat.la modules/disco.la modules/last.la \
	modules/limits.la modules/offline.la modules/ping.la modules/presence.la modules/private.la \
	modules/register.la modules/roster.la modules/time.la modules/vcard.la modules/version.la
modules_archive_la_SOURCES = $(archive_sources) $(archive_codec)
modules_archive_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_archive_la_LIBADD = $(Z_LIBS) $(OPENSSL_LIBS)
modules_auth_la_SOURCES = $(auth_sources)
modules_auth_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_auth_la_LIBADD = $(JANSSON_LIBS) $(OPENSSL_LIBS)
modules_c2s_la_SOURCES = modules/c2s.c
modules_c2s_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_chat_la_SOURCES = modules/chat.c
modules_chat_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_disco_la_SOURCES = modules/disco.c
modules_disco_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_last_la_SOURCES = modules/last.c
modules_last_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_limits_la_SOURCES = modules/limits.c
modules_limits_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_offline_la_SOURCES = modules/offline.c $(archive_codec)
modules_offline_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_offline_la_LIBADD = $(Z_LIBS)
modules_ping_la_SOURCES = modules/ping.c
modules_ping_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_presence_la_SOURCES = $(presence_sources)
modules_presence_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_private_la_SOURCES = modules/private.c
modules_private_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_register_la_SOURCES = modules/register.c
modules_register_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_roster_la_SOURCES = $(roster_sources)
modules_roster_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_time_la_SOURCES = modules/time.c
modules_time_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_vcard_la_SOURCES = modules/vcard.c
modules_vcard_la_LDFLAGS = $(MODULE_LDFLAGS)
modules_version_la_SOURCES = modules/version.c
modules_version_la_LDFLAGS = $(MODULE_LDFLAGS)
endif

# The table of what is linked in.
BUILT_SOURCES =
modules/static.c: Makefile
	$(AM_V_GEN)$(MKDIR_P) modules && { echo '#include "core/module.h"'; \
	for m in $(MODULES); do echo "extern const struct module jackdaw_module_$$m;"; done; \
	echo 'extern const struct module *const jackdaw_static_modules[];'; \
	echo 'const struct module *const jackdaw_static_modules[] = {'; \
	for m in $(MODULES); do echo "    &jackdaw_module_$$m,"; done; \
	echo '    NULL};'; } > $@
CLEANFILES += modules/static.c
