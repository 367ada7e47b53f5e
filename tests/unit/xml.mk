if HAVE_CHECK
XML_TEST_LIBS = libxmpp.la libxml.la libbase.la $(CHECK_LIBS)

check_PROGRAMS += tests/unit/test-xml-parser
tests_unit_test_xml_parser_SOURCES = tests/unit/test-xml-parser.c
tests_unit_test_xml_parser_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_xml_parser_LDADD = $(XML_TEST_LIBS)
endif
