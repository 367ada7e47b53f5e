noinst_LTLIBRARIES += libxml.la
libxml_la_SOURCES = \
	src/xml/engine.c src/xml/engine.h \
	src/xml/parser.c src/xml/parser.h \
	src/xml/tree.c src/xml/tree.h \
	src/xml/writer.c src/xml/writer.h
libxml_la_LIBADD = $(EXPAT_LIBS)
