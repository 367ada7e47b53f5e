/* Stream errors (RFC 6120 section 4.9.3) and the pieces of a stream's beginning. Pure. */
#ifndef JACKDAW_XMPP_STREAM_ERROR_H
#define JACKDAW_XMPP_STREAM_ERROR_H

#include "base/strbuf.h"
#include "xml/parser.h"

enum stream_error {
    STREAM_NO_ERROR,
    STREAM_BAD_FORMAT,
    STREAM_BAD_NAMESPACE_PREFIX,
    STREAM_CONFLICT,
    STREAM_CONNECTION_TIMEOUT,
    STREAM_HOST_GONE,
    STREAM_HOST_UNKNOWN,
    STREAM_IMPROPER_ADDRESSING,
    STREAM_INTERNAL_SERVER_ERROR,
    STREAM_INVALID_FROM,
    STREAM_INVALID_NAMESPACE,
    STREAM_INVALID_XML,
    STREAM_NOT_AUTHORIZED,
    STREAM_NOT_WELL_FORMED,
    STREAM_POLICY_VIOLATION,
    STREAM_REMOTE_CONNECTION_FAILED,
    STREAM_RESET,
    STREAM_RESOURCE_CONSTRAINT,
    STREAM_RESTRICTED_XML,
    STREAM_SEE_OTHER_HOST,
    STREAM_SYSTEM_SHUTDOWN,
    STREAM_UNDEFINED_CONDITION,
    STREAM_UNSUPPORTED_ENCODING,
    STREAM_UNSUPPORTED_FEATURE,
    STREAM_UNSUPPORTED_STANZA_TYPE,
    STREAM_UNSUPPORTED_VERSION,
    STREAM_ERRORS
};

/* The element of RFC 6120, section 4.9.3: "not-well-formed" and so on. */
const char *stream_error_name(enum stream_error e);

/* What the parser's refusal is called on the wire. */
enum stream_error stream_error_of_xml(enum xml_error e);

/* Writes `<stream:error>...</stream:error>`; `text` (English) may be NULL. */
void stream_error_write(struct strbuf *out, enum stream_error e, const char *text);

/* Writes the XML declaration and our stream header. `content_ns` as on the wire; `from`,
 * `to` and `id` may be NULL. */
void stream_header_write(struct strbuf *out, const char *content_ns, const char *from,
                         const char *to, const char *id);

#endif
