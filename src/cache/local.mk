# files of src/cache
noinst_LTLIBRARIES += libcache.la
libcache_la_SOURCES = src/cache/placeholder.c src/cache/presence_cache.h
