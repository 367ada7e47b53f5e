"""RFC 6120: every kind of element in every phase of a stream. The client x comes to the phase and sends it."""

STREAM = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

PHASES = {
    "clear text": "raw x begins in clear text",
    "TLS": "raw x is secure",
    "logged in": "raw x is secure\nx authenticates by SCRAM-SHA-256 as romeo\nx begins anew",
    "bound": "raw x is bound as romeo/x",
}

ELEMENTS = {
    "white space": " {lf} ",
    "text": "hello",
    "CDATA": "<![CDATA[ ]]>",
    "header": f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAM}' to='{{domain}}' version='1.0'>",
    "starttls": f"<starttls xmlns='{TLS}'/>",
    "auth": f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{{base64:n,,n={{romeo.user}},r=nonce}}</auth>",
    "response": f"<response xmlns='{SASL}'>AAAA</response>",
    "abort": f"<abort xmlns='{SASL}'/>",
    "bind": f"<iq type='set' id='q'><bind xmlns='{BIND}'/></iq>",
    "bind without a type": f"<iq id='q'><bind xmlns='{BIND}'/></iq>",
    "session": "<iq type='set' id='q'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
    "iq": "<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>",
    "iq result": "<iq type='result' id='q'/>",
    "message": "<message to='{juliet}' type='headline'/>",
    "presence": "<presence to='{juliet}/nobody'/>",
    "stanza of servers": "<message xmlns='jabber:server' to='{juliet}'/>",
    "stanza without namespace": "<message xmlns='' to='{juliet}'/>",
    "unknown element": "<hello xmlns='urn:example:hello'/>",
    "features": "<stream:features/>",
    "stream error": "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "end of the stream": "</stream:stream>",
}

# What works in a phase, to see that it still is this phase.
NEXT = {
    "clear text": "x starts tls",
    "TLS": "x authenticates by SCRAM-SHA-256 as romeo",
    "logged in": "x binds",
    "bound": "x sends: <iq type='get' id='n'><ping xmlns='urn:xmpp:ping'/></iq>\nx receives: <iq type='result' id='n'/>",
}
END = "x receives the end of the stream\nx is disconnected"


def expected(cell):
    what, _, condition = cell.text.partition(" ")
    if cell.text == "tls failure":
        return f"x receives: <failure xmlns='{TLS}'/>\n{END}"
    table = {
        "goes": NEXT[cell.column],
        "proceed": f"x receives: <proceed xmlns='{TLS}'/>\nx shakes hands",
        "challenge": f"x receives: <challenge xmlns='{SASL}'/>",
        "sasl": f"x fails with {condition}\n{NEXT[cell.column]}",
        "iq": f"x receives: <iq type='error' id='q'><error><{condition} xmlns='{STANZAS}'/></error></iq>\n" + NEXT[cell.column],
        "result": "x receives: <iq type='result' id='q'/>",
        "end": END,
    }
    return table.get(what, f"x is refused with {cell.text}")


def setup(cell):
    return "accounts romeo and juliet"


def play(cell):
    return f"{PHASES[cell.column]}\nx sends raw: {ELEMENTS[cell.row]}\n{expected(cell)}"
