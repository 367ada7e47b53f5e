"""RFC 6120 section 4.9.3: each stream error, provoked by the client x, who then is refused with it."""

STREAM = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"


def header(to=" to='{domain}'", version=" version='1.0'", ns="jabber:client", stream=STREAM, more="", name="stream"):
    return f"x sends raw: <stream:{name} xmlns='{ns}' xmlns:stream='{stream}'{to}{version}{more}>"


def first_header(**wrong):
    """Our header comes first whatever is wrong with theirs."""
    return f"raw x connects\n{header(**wrong)}\nx receives a header"


def bound(sends):
    return f"raw x is bound as romeo/x\nx sends raw: {sends}"


def secure(sends):
    return f"raw x is secure\nx sends raw: {sends}"


LOGGED_IN = "raw x is secure\nx authenticates by SCRAM-SHA-256 as romeo"
MESSAGE = "<message to='{juliet}'><body>early</body></message>"

WAYS = {
    "text between stanzas": bound("hello"),
    "a header within the stream": "raw x is secure\n" + header(),
    "a root that is no stream": first_header(name="steam"),
    "a prefix nobody declared": bound("<x:message/>"),
    "a prefix taken back": bound("<message xmlns:x=''/>"),
    "the resource is bound anew": "raw x is bound as romeo/x\nraw y is bound as romeo/x",
    "no header in time": "raw x connects\nx receives a header",
    "a domain of others": first_header(to=" to='example.org'"),
    "another domain after the login": LOGGED_IN + "\n" + header(to=" to='example.org'") + "\nx receives a header",
    "a header to nobody": first_header(to=""),
    "a header to what is no address": first_header(to=" to='a b@c'"),
    "a stanza from somebody else": bound("<message from='{juliet}' to='{romeo}'/>"),
    "a header from somebody else": LOGGED_IN + "\n" + header(more=" from='{juliet}'") + "\nx receives a header",
    "a login as somebody else": "raw x connects over tls\n" + header(more=" from='{juliet}'") + """
x receives a header
x receives features
x authenticates by SCRAM-SHA-256 as romeo
x opens a stream
x receives a header""",
    "the stream's namespace": first_header(stream="http://example.org/streams"),
    "the content's namespace": first_header(ns="jabber:server"),
    "no namespace": "raw x connects\nx sends raw: <stream to='{domain}' version='1.0'>\nx receives a header",
    "a stanza before the login": secure(MESSAGE),
    "a stanza before a resource": LOGGED_IN + "\nx begins anew\nx sends: " + MESSAGE,
    "the account is removed": "account nurse\nraw x is bound as nurse\nctl: user delete {nurse}",
    "a wrong end tag": bound("<message></iq>"),
    "an attribute twice": secure("<auth a='1' a='2'/>"),
    "no XML": "raw x connects\nx sends raw: GET / HTTP/1.1{x:0d0a0d0a}\nx receives a header",
    "too large a stanza": bound("<message><body>{repeat:300000:x}</body></message>"),
    "too many elements before the login": secure("<auth>{repeat:40:<a/>}</auth>"),
    "too many failed logins": "raw x is secure" + """
x begins SCRAM-SHA-256 as romeo with password=wrong
x answers the challenge
x fails with not-authorized""" * 3,
    "too many logins at once": """only with XMPP_PG_DIR
run: "$TALK_LIB/postgres" pause "$XMPP_PG_DIR"
for I from 1 to 80:
    raw c$I is secure
    c$I begins SCRAM-SHA-256 as romeo
run: for i in $(seq 100); do grep -q "closed: resource-constraint" "$XMPP_DIR"/*.log && break; sleep 0.1; done; [ $i != 100 ]
run: "$TALK_LIB/postgres" continue "$XMPP_PG_DIR"
""",
    "a comment": bound("<!-- x -->"),
    "a processing instruction": secure("<?x?>"),
    "a document type": "raw x connects\nx sends raw: <!DOCTYPE x>\nx receives a header",
    "the server stops": "raw x is bound as romeo\nserver restarts",
    "another encoding is declared": "raw x connects\nx sends raw: <?xml version='1.0' encoding='latin-1'?>\n"
                                    + header() + "\nx receives a header",
    "UTF-16": "raw x connects\nx sends raw: {x:fffe3c00}\nx receives a header",
    "an unknown element": secure("<hello xmlns='urn:example:hello'/>"),
    "an element of another phase": bound("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"),
    "a stanza of another namespace": bound("<message xmlns='jabber:server' to='{romeo}'/>"),
    "no version": first_header(version=""),
    "an old version": first_header(version=" version='0.9'"),
    "no number": first_header(version=" version='one'"),
}


def setup(cell):
    """What hurts others has a dialogue of its own."""
    alone = f"# {cell.id}" if cell.row in ("system-shutdown", "resource-constraint") else ""
    return f"accounts romeo and juliet\n{alone}"


def play(cell):
    way = WAYS.get(cell.text, "")
    if way and cell.row != "resource-constraint":  # which of many it is, nobody knows
        way += f"\nx is refused with {cell.row}"
    return way
