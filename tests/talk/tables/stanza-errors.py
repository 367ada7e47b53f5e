"""RFC 6120 section 8.3.3: each condition is provoked; section 8.3.1: no error is answered by one."""

# What provokes which condition: (what comes before, kind, its address, its type, its content).
PROVOCATIONS = {
    "bad-request": ("", "iq", "{domain}", "get", ""),
    "feature-not-implemented": ("", "iq", "{romeo}", "set", "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data'/></query>"),
    "forbidden": ("", "iq", "{juliet}", "get", "<query xmlns='jabber:iq:last'/>"),
    "item-not-found": ("", "iq", "{domain}", "get",
                       "<query xmlns='http://jabber.org/protocol/disco#info' node='nowhere'/>"),
    "jid-malformed": ("", "message", "@{domain}", "chat", "<body>x</body>"),
    "not-acceptable": ("", "iq", "{romeo}", "set", "<query xmlns='jabber:iq:private'/>"),
    "not-allowed": ("", "presence", "{romeo}", "subscribe", ""),
    "policy-violation": ("<presence to='one@{domain}' type='subscribe'/>", "presence", "two@{domain}", "subscribe", ""),
    "remote-server-not-found": ("", "message", "juliet@example.org", "chat", "<body>x</body>"),
    "resource-constraint": ("<presence to='one@{domain}'/>", "presence", "two@{domain}", "", ""),
    "service-unavailable": ("", "iq", "{domain}", "get", "<x xmlns='urn:example:x'/>"),
}

ADDRESSES = {
    "host": "{domain}", "host's resource": "{domain}/x", "no such user": "nobody-{romeo.user}@{domain}",
    "no such user/r": "nobody-{romeo.user}@{domain}/r", "user": "{juliet}", "user/gone": "{juliet}/gone",
    "oneself": "{romeo}", "another server": "juliet@example.org", "malformed": "@{domain}",
}

GONE = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def setup(cell):
    if cell.section == "8.3.3":
        return f"# {cell.id}\naccounts romeo and juliet\nromeo connects\n"
    return "accounts romeo and juliet\nromeo connects\njuliet connects\n"


def error(condition, error_type):
    return f"<error type='{error_type}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def conflict(cell, error_type):
    return f"""
raw newcomer is secure
newcomer authenticates by SCRAM-SHA-256 as romeo
newcomer begins anew
newcomer sends:
    <iq type='set' id='{{id:{cell.id}}}'>
        <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{{romeo.resource}}</resource></bind>
    </iq>
newcomer receives: <iq type='error' id='{{id:{cell.id}}}'>{error("conflict", error_type)}</iq>"""


def provoke(cell):
    error_type = cell.text.split(":")[0]
    if cell.row == "conflict":
        return conflict(cell, error_type)
    before, kind, to, stanza_type, content = PROVOCATIONS[cell.row]
    # An address that is none cannot be sent back as it was; a subscription is between accounts.
    sender = "" if cell.row == "jid-malformed" else f"from='{to}' "
    recipient = "{romeo}" if stanza_type == "subscribe" else "{romeo.full}"
    type_attribute = f"type='{stanza_type}' " if stanza_type else ""
    return f"""
romeo sends: {before}<{kind} to='{to}' {type_attribute}id='{{id:{cell.id}}}'>{content}</{kind}>
romeo receives: <{kind} type='error' {sender}id='{{id:{cell.id}}}' to='{recipient}'>{error(cell.row, error_type)}</{kind}>
romeo receives nothing"""


def play(cell):
    if cell.section == "8.3.3":
        return provoke(cell) if cell.row in PROVOCATIONS or cell.row == "conflict" else None
    kind, stanza_type = cell.column.split()
    to = "" if cell.row == "no to" else f"to='{ADDRESSES[cell.row]}' "
    content = GONE if stanza_type == "error" else ""
    return f"""
romeo sends: <{kind} {to}type='{stanza_type}' id='{{id:{cell.id}}}'>{content}</{kind}>
romeo receives nothing
juliet receives nothing"""
