# Manual pages (scdoc), the sample configuration, completion.
man_sources = etc/man/jackdawctl.1.scd etc/man/jackdawd.8.scd etc/man/jackdaw.conf.5.scd
EXTRA_DIST += $(man_sources) etc/man/jackdaw.conf.5.head.scd
if HAVE_SCDOC
man1_MANS = etc/man/jackdawctl.1
man5_MANS = etc/man/jackdaw.conf.5
man8_MANS = etc/man/jackdawd.8
CLEANFILES += $(man1_MANS) $(man5_MANS) $(man8_MANS)
SUFFIXES = .scd
.scd:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SCDOC) <$< >$@.tmp && mv $@.tmp $@
endif

# An administrator's configuration is never overwritten: the sample goes to the documentation.
dist_doc_DATA = etc/jackdaw.conf

bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
EXTRA_DIST += etc/completion/jackdawctl.bash
dist_zshcompletion_DATA = etc/completion/_jackdawctl
install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(bashcompletiondir)"
	$(INSTALL_DATA) $(srcdir)/etc/completion/jackdawctl.bash "$(DESTDIR)$(bashcompletiondir)/jackdawctl"
uninstall-hook:
	rm -f "$(DESTDIR)$(bashcompletiondir)/jackdawctl"
