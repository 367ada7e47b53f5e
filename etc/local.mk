# configuration files

# The systemd unit with the paths of this build, and the user it runs as.
EXTRA_DIST += etc/jackdaw.service.in
CLEANFILES += etc/jackdaw.service
systemdsystemunit_DATA = etc/jackdaw.service
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = etc/sysusers.d/jackdaw.conf
etc/jackdaw.service: etc/jackdaw.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && sed -e 's|@sbindir[@]|$(sbindir)|' \
	    -e 's|@sysconfdir[@]|$(sysconfdir)|' $(srcdir)/etc/jackdaw.service.in >$@.tmp && mv $@.tmp $@

include etc/man/local.mk
