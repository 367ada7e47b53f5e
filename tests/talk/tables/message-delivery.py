"""RFC 6121 section 8.5: a message of each type to each kind of address."""

# Who is there in which section: juliet's resources and their priorities.
RESOURCES = {
    "account does not exist": {},
    "account exists, but no active resources": {},
    "1+ negative resources but zero non-negative resources": {"attic": -1, "cellar": -128},
    "1 non-negative resource": {"attic": -1, "balcony": 0},
    "1+ non-negative resources": {"attic": -1, "balcony": 0, "chamber": 5, "garden": 5},
}

UNAVAILABLE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
GONE = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def setup(cell):
    clients = [f"""
{name} connects as juliet/{name}
{name} sends: <presence><priority>{priority}</priority></presence>
{name} receives among others: <presence from='{{{name}.full}}'/>
{name} ignores presence""" for name, priority in RESOURCES[cell.section].items()]
    return "accounts romeo and juliet\nromeo connects\n" + "".join(clients)


def address(cell, there):
    """(the address, the resource that is addressed)"""
    bare = "nobody-{romeo.user}@{domain}" if cell.section == "account does not exist" else "{juliet}"
    if cell.row == "bare":
        return bare, None
    if cell.row == "full match":
        return bare + "/" + list(there)[-1], list(there)[-1]
    return bare + "/nowhere", None


def stored(message):
    """What was stored is given to who comes, once."""
    return f"""
romeo knows that juliet has it
late connects as juliet/late
late ignores presence
late sends: <presence/>
late receives: {message}
late receives nothing
late disconnects"""


def play(cell):
    there = RESOURCES[cell.section]
    to, addressed = address(cell, there)
    what = cell.text.rsplit("=", 1)[-1].strip()
    content = GONE if cell.column == "error" else f"<body>{cell.row}</body>"
    message = f"<message to='{to}' type='{cell.column}' id='{{id:{cell.id}}}'>{content}</message>"
    positive = [name for name, priority in there.items() if priority >= 0]
    to_whom = {"D": [addressed] if addressed else positive, "A": positive, "S": [], "E": [], "O": []}[what]
    lines = [f"romeo sends: {message}"]
    lines += [f"{name} receives: {message[:9]}from='{{romeo.full}}' {message[9:]}" for name in to_whom]
    if what == "E":
        lines.append(f"romeo receives: <message type='error' from='{to}' to='{{romeo.full}}' "
                     f"id='{{id:{cell.id}}}'>{UNAVAILABLE}</message>")
    lines += [f"{name} receives nothing" for name in ["romeo", *there]]
    return "\n".join(lines) + (stored(message) if what == "O" else "")
