noinst_LTLIBRARIES += libcache.la
libcache_la_SOURCES = \
	src/cache/entry.c src/cache/entry.h \
	src/cache/memcache.c src/cache/memcache.h \
	src/cache/presence_cache.c src/cache/presence_cache.h
libcache_la_LIBADD = $(MEMCACHED_LIBS) -lpthread
