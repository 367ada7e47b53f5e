"""RFC 6121 section 8.5: presence and IQ of each type to each kind of address."""

# Who is there in which section: juliet's resources and their priorities (None: not available).
RESOURCES = {
    "connected, but not available": {"hall": None},
    "1+ available resources": {"attic": -1, "hall": None, "balcony": 0},
}
MATCH = {"connected, but not available": "hall", "1+ available resources": "balcony"}

UNAVAILABLE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
GONE = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
CONTENT = {"available": "<show>chat</show>", "error": GONE, "iq error": GONE,
           "iq get": "<vCard xmlns='vcard-temp'/>", "iq set": "<x xmlns='urn:example:x'/>"}
PING = "<ping xmlns='urn:xmpp:ping'/>"


def resources(cell):
    return RESOURCES.get(cell.section, {})


def setup(cell):
    text = """
accounts romeo and juliet
romeo connects
owner connects as juliet/owner
owner sends: <iq type='set' id='{id:card}'><vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard></iq>
owner receives: <iq type='result' id='{id:card}'/>
owner disconnects
"""
    for name, priority in resources(cell).items():
        text += f"{name} connects as juliet/{name}\n"
        if priority is not None:
            text += f"""
{name} sends: <presence><priority>{priority}</priority></presence>
{name} receives among others: <presence from='{{{name}.full}}'/>
{name} ignores: <presence from='{{juliet}}/*'/>
"""
    return text


def address(cell):
    if cell.section == "host":
        return "{domain}" + ("/x" if cell.row == "resource" else "")
    bare = "nobody-{romeo.user}@{domain}" if cell.section == "account does not exist" else "{juliet}"
    if cell.row == "bare":
        return bare
    return f"{bare}/{MATCH[cell.section]}" if cell.row == "full match" else f"{bare}/nowhere"


def stanza(cell, sender=""):
    kind, stanza_type = ("iq", cell.column[3:]) if cell.column.startswith("iq ") else ("presence", cell.column)
    type_attribute = "" if stanza_type == "available" else f" type='{stanza_type}'"
    content = PING if cell.section == "host" and cell.column == "iq get" else CONTENT.get(cell.column, "")
    # A subscription is between accounts: it loses its resource on the way (section 3.1.2).
    to = "{juliet}" if sender and stanza_type == "subscribe" else address(cell)
    return (f"<{kind} to='{to}'{type_attribute} id='{{id:{cell.id}}}'{sender}>"
            f"{content}</{kind}>")


def kept(cell):
    """Who comes is asked; the cell leaves nothing behind."""
    received = stanza(cell, " from='{romeo}'")
    return f"""
romeo knows that juliet has it
late connects as juliet/late
late sends: <presence/>
late receives among others: {received}
late disconnects"""


def play(cell):
    there = resources(cell)
    available = [name for name, priority in there.items() if priority is not None]
    sender = " from='{romeo}'" if cell.column == "subscribe" else " from='{romeo.full}'"
    lines = [f"romeo sends: {stanza(cell)}"]
    for name in {"D": [MATCH.get(cell.section)], "P": available}.get(cell.text, []):
        lines.append(f"{name} receives: {stanza(cell, sender)}")
    if cell.text == "E":
        lines.append(f"romeo receives: <iq type='error' from='{address(cell)}' to='{{romeo.full}}' "
                     f"id='{{id:{cell.id}}}'>{UNAVAILABLE}</iq>")
    if cell.text == "R":
        lines.append(f"romeo receives: <iq type='result' from='{address(cell)}' to='{{romeo.full}}' "
                     f"id='{{id:{cell.id}}}'/>")
    lines += [f"{name} receives nothing" for name in ["romeo", *there]]
    if cell.text == "K":
        lines.append(kept(cell))
    if cell.column == "subscribe":
        lines.append(f"romeo sends: <presence to='{address(cell)}' type='unsubscribe'/>")
    if cell.text == "D" and cell.column == "available":
        lines += [f"romeo sends: <presence to='{address(cell)}' type='unavailable'/>",
                  f"{MATCH[cell.section]} receives: <presence type='unavailable' from='{{romeo.full}}'/>"]
    return "\n".join(lines)
