# files of src/ctl
bin_PROGRAMS += jackdawctl
jackdawctl_SOURCES = \
	src/ctl/client.c src/ctl/client.h \
	src/ctl/command.c src/ctl/command.h \
	src/ctl/complete.c src/ctl/complete.h \
	src/ctl/main.c \
	src/ctl/print.c src/ctl/print.h \
	src/ctl/probe.c src/ctl/probe.h \
	src/ctl/secret.c src/ctl/secret.h \
	src/ctl/shell.c src/ctl/shell.h \
	src/ctl/words.c
jackdawctl_CPPFLAGS = $(AM_CPPFLAGS) \
	-DJACKDAW_SOCKET_DEFAULT='"/var/lib/jackdaw/jackdaw.sock"'
jackdawctl_CFLAGS = $(AM_CFLAGS) $(STROPHE_CFLAGS) $(EDIT_CFLAGS)
jackdawctl_LDADD = libbase.la $(JANSSON_LIBS) $(STROPHE_LIBS) $(EDIT_LIBS)
