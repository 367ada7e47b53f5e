if HAVE_CHECK
XML_TEST_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
XML_TEST_LIBS = libxmpp.la libxml.la libbase.la $(CHECK_LIBS)

check_PROGRAMS += tests/unit/test-tree
tests_unit_test_tree_SOURCES = tests/unit/test-tree.c tests/unit/suite.h
tests_unit_test_tree_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_tree_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-xml-parser
tests_unit_test_xml_parser_SOURCES = tests/unit/test-xml-parser.c tests/unit/suite.h
tests_unit_test_xml_parser_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_xml_parser_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-xml-writer
tests_unit_test_xml_writer_SOURCES = tests/unit/test-xml-writer.c tests/unit/suite.h
tests_unit_test_xml_writer_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_xml_writer_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-jid
tests_unit_test_jid_SOURCES = tests/unit/test-jid.c tests/unit/suite.h
tests_unit_test_jid_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_jid_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-stanza
tests_unit_test_stanza_SOURCES = tests/unit/test-stanza.c tests/unit/suite.h
tests_unit_test_stanza_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_stanza_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-caps
tests_unit_test_caps_SOURCES = tests/unit/test-caps.c tests/unit/suite.h
tests_unit_test_caps_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_caps_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-scram
tests_unit_test_scram_SOURCES = tests/unit/test-scram.c tests/unit/suite.h
tests_unit_test_scram_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_scram_LDADD = $(XML_TEST_LIBS)

check_PROGRAMS += tests/unit/test-stream-error
tests_unit_test_stream_error_SOURCES = tests/unit/test-stream-error.c tests/unit/suite.h
tests_unit_test_stream_error_CFLAGS = $(XML_TEST_CFLAGS)
tests_unit_test_stream_error_LDADD = $(XML_TEST_LIBS)
endif
