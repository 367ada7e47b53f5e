#include "xmpp/stream_error.h"

#include "xml/writer.h"

static const char *const names[STREAM_ERRORS] = {
    [STREAM_NO_ERROR] = "",
    [STREAM_BAD_FORMAT] = "bad-format",
    [STREAM_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
    [STREAM_CONFLICT] = "conflict",
    [STREAM_CONNECTION_TIMEOUT] = "connection-timeout",
    [STREAM_HOST_GONE] = "host-gone",
    [STREAM_HOST_UNKNOWN] = "host-unknown",
    [STREAM_IMPROPER_ADDRESSING] = "improper-addressing",
    [STREAM_INTERNAL_SERVER_ERROR] = "internal-server-error",
    [STREAM_INVALID_FROM] = "invalid-from",
    [STREAM_INVALID_NAMESPACE] = "invalid-namespace",
    [STREAM_INVALID_XML] = "invalid-xml",
    [STREAM_NOT_AUTHORIZED] = "not-authorized",
    [STREAM_NOT_WELL_FORMED] = "not-well-formed",
    [STREAM_POLICY_VIOLATION] = "policy-violation",
    [STREAM_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
    [STREAM_RESET] = "reset",
    [STREAM_RESOURCE_CONSTRAINT] = "resource-constraint",
    [STREAM_RESTRICTED_XML] = "restricted-xml",
    [STREAM_SEE_OTHER_HOST] = "see-other-host",
    [STREAM_SYSTEM_SHUTDOWN] = "system-shutdown",
    [STREAM_UNDEFINED_CONDITION] = "undefined-condition",
    [STREAM_UNSUPPORTED_ENCODING] = "unsupported-encoding",
    [STREAM_UNSUPPORTED_FEATURE] = "unsupported-feature",
    [STREAM_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
    [STREAM_UNSUPPORTED_VERSION] = "unsupported-version",
};

static const enum stream_error of_xml_error[] = {
    [XML_OK] = STREAM_NO_ERROR,
    [XML_NOT_WELL_FORMED] = STREAM_NOT_WELL_FORMED,
    [XML_RESTRICTED] = STREAM_RESTRICTED_XML,
    [XML_UNSUPPORTED_ENCODING] = STREAM_UNSUPPORTED_ENCODING,
    [XML_TOO_BIG] = STREAM_POLICY_VIOLATION,
    [XML_BAD_NAMESPACE_PREFIX] = STREAM_BAD_NAMESPACE_PREFIX,
    [XML_BAD_FORMAT] = STREAM_BAD_FORMAT,
};

const char *stream_error_name(enum stream_error e)
{
    return names[e];
}

enum stream_error stream_error_of_xml(enum xml_error e)
{
    return of_xml_error[e];
}

void stream_error_write(struct strbuf *out, enum stream_error e, const char *text)
{
    strbuf_printf(out, "<stream:error><%s", names[e]);
    xml_write_attr(out, "xmlns", NS_STREAM_ERRORS);
    strbuf_puts(out, "/>");
    if (text) {
        strbuf_puts(out, "<text");
        xml_write_attr(out, "xmlns", NS_STREAM_ERRORS);
        strbuf_puts(out, " xml:lang='en'>");
        xml_escape(out, text, strlen(text));
        strbuf_puts(out, "</text>");
    }
    strbuf_puts(out, "</stream:error>");
}

void stream_header_write(struct strbuf *out, const char *content_ns, const char *from,
                         const char *to, const char *id)
{
    strbuf_puts(out, "<?xml version='1.0'?><stream:stream");
    xml_write_attr(out, "xmlns", content_ns);
    xml_write_attr(out, "xmlns:stream", NS_STREAM);
    if (id)
        xml_write_attr(out, "id", id);
    if (from)
        xml_write_attr(out, "from", from);
    if (to)
        xml_write_attr(out, "to", to);
    strbuf_puts(out, " version='1.0' xml:lang='en'>");
}
