noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	src/store/check.c \
	src/store/internal.h \
	src/store/lane.c src/store/lane.h \
	src/store/migrate.c \
	src/store/op.c src/store/op.h \
	src/store/pgconn.c src/store/pgconn.h \
	src/store/pgpartition.c \
	src/store/pgreader.c \
	src/store/pgtarget.c src/store/pgtarget.h \
	src/store/pgwire.c src/store/pgwire.h \
	src/store/pgwriter.c \
	src/store/postgres.c src/store/postgres.h \
	src/store/rows.c src/store/rows.h \
	src/store/sqlite.c \
	src/store/sqlite_conn.c src/store/sqlite_conn.h \
	src/store/statement.c src/store/statement.h \
	src/store/store.c src/store/store.h
libstore_la_LIBADD = $(SQLITE_LIBS) $(PQ_LIBS) -lpthread
