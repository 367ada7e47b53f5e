"""RFC 6121 appendix A: every stanza in every state, from the user and from the contact.

Juliet is the user; each cell has a contact of its own. How the two stand is written into the store while the server is
down: Juliet in the cell's state, her contact in one from which the stanza is routed, or in which it shows that it has
come, even where no two servers that agree would ever come to that. No contact has presence to broadcast, so nothing is
mended before it has been seen."""

TO, FROM = 1, 2
STATES = {  # subscription, ask, pending_in: as they are stored
    "None": (0, 0, 0),
    "None + Pending Out": (0, 1, 0),
    "None + Pending In": (0, 0, 1),
    "None + Pending Out+In": (0, 1, 1),
    "To": (TO, 0, 0),
    "To + Pending In": (TO, 0, 1),
    "From": (FROM, 0, 0),
    "From + Pending Out": (FROM, 1, 0),
    "Both": (TO | FROM, 0, 0),
}
NAMES = {0: "none", TO: "to", FROM: "from", TO | FROM: "both"}
TYPES = ("subscribe", "unsubscribe", "subscribed", "unsubscribed", "when it changes", "by a probe")
SEES = "who sees her presence"

# The contact's state in which it shows that Juliet's stanza has come / in which the contact's own is routed to her.
SHOWS = {"subscribe": "None", "unsubscribe": "None + Pending In",
         "subscribed": "None + Pending Out", "unsubscribed": "None + Pending Out"}
ROUTES = {"subscribe": "None", "unsubscribe": "None",
          "subscribed": "None + Pending In", "unsubscribed": "None + Pending In"}

SECTIONS = {  # (is it Juliet who sends, is the contact pre-approved)
    "A.2 outbound": (True, False),
    "A.3 inbound": (False, False),
    "3.4 pre-approved, outbound": (True, True),
    "3.4 pre-approved, inbound": (False, True),
    SEES: (True, False),
}


def contact_name(out, approved, state, kind):
    return f"{'o' if out else 'i'}{'a' if approved else 'n'}{list(STATES).index(state)}{TYPES.index(kind)}"


def turned(state):
    """A state as the contact has it."""
    subscription, ask, pending = STATES[state]
    return (subscription & TO) << 1 | (subscription & FROM) >> 1, pending, ask


def in_roster(state, approved):
    return approved or state not in ("None", "None + Pending In")


def setup(cell):
    every = [(out, approved, state, kind) for out in (True, False) for approved in (True, False) for state in STATES
             for kind in (TYPES if out and not approved else TYPES[:4])]
    names = [contact_name(*c) for c in every]
    hers, theirs = [], []
    for name, (out, approved, state, kind) in zip(names, every):
        values = ", ".join(map(str, STATES[state]))
        hers.append(f"('{{{name}}}', {values}, {int(approved)}, {int(in_roster(state, approved))})")
        other = turned(state) if kind in TYPES[4:] else STATES[(SHOWS if out else ROUTES)[kind]]
        values = ", ".join(map(str, other))
        theirs.append(f"('{{{name}.user}}', {values})")
    columns = "owner, jid, subscription, ask, pending_in, approved, in_roster, ver, owed"
    accounts = "\n".join("account " + name for name in ["juliet", *names])
    return f"""
{accounts}
server stops
run: "$TALK_LIB/sql" "
    WITH v (jid, s, a, p, approved, shown) AS (VALUES {', '.join(hers)})
    INSERT INTO roster ({columns}) SELECT account.owner, v.jid, s, a, p, approved, shown, 1, 0
    FROM account, v WHERE account.name = '{{juliet.user}}'"
run: "$TALK_LIB/sql" "
    WITH v (name, s, a, p) AS (VALUES {', '.join(theirs)})
    INSERT INTO roster ({columns}) SELECT account.owner, '{{juliet}}', s, a, p, 0, 1, 1, 0
    FROM account, v WHERE account.name = v.name"
server starts
juliet logs in
juliet catches up
"""


def push(contact, state, approved):
    subscription, ask, _ = STATES[state]
    return (f"juliet receives: <iq type='set'><query xmlns='jabber:iq:roster'><item jid='{{{contact}}}' "
            f"subscription='{NAMES[subscription]}' ask='{'subscribe' if ask else '{none}'}' "
            f"approved='{'true' if approved else '{none}'}'/></query></iq>")


def sees(cell):
    """The contact comes, and is there when Juliet's presence changes, or asks for it."""
    contact = contact_name(True, False, cell.row, cell.column)
    shown = cell.text == "yes"
    lines = [f"{contact} connects", f"{contact} sends: <presence/>", f"{contact} catches up", "juliet catches up"]
    if cell.column == "by a probe":
        lines.append(f"{contact} sends: <presence to='{{juliet}}' type='probe'/>")
        seen = "<presence from='{juliet.full}' type='{none}'/>"
    else:
        lines.append(f"juliet sends: <presence><status>{contact}</status></presence>")
        lines.append("juliet receives: <presence from='{juliet.full}'/>")
        seen = f"<presence from='{{juliet.full}}' type='{{none}}'><status>{contact}</status></presence>"
    if shown:
        lines.append(f"{contact} receives: {seen}")
    return "\n".join([*lines, f"{contact} receives nothing", f"{contact} disconnects", "juliet catches up"])


def play(cell):
    if cell.section == SEES:
        return sees(cell)
    out, approved_before = SECTIONS[cell.section]
    kind, before = cell.column, cell.row
    passed, result = cell.text.split(": ")
    after, *marks = result.split(", ")
    contact = contact_name(out, approved_before, before, kind)
    lines = [f"{contact} connects",
             f"{contact} sends: <iq type='get' id='{{id:r}}'><query xmlns='jabber:iq:roster'/></iq>",
             f"{contact} receives: <iq type='result'/>"]
    if out and kind == "subscribe":
        lines += [f"{contact} sends: <presence/>", f"{contact} receives: <presence/>"]
    sender, receiver = ("juliet", contact) if out else (contact, "juliet")
    lines.append(f"{sender} sends: <presence to='{{{receiver}}}' type='{kind}'/>")
    shown = f"<presence from='{{{sender}}}' type='{kind}'/>"
    if passed == "MUST" and not out:
        lines.append(f"juliet receives: {shown}")
    approved = "approved" in marks
    now_shown = in_roster(before, approved_before) or approved or (out and kind in ("subscribe", "subscribed"))
    seen = [(*STATES[s][:2], a, there) for s, a, there in
            ((before, approved_before, in_roster(before, approved_before)), (after, approved, now_shown))]
    if now_shown and seen[0] != seen[1]:
        lines.append(push(contact, after, approved))
    if passed == "MUST" and out:
        lines.append(f"{contact} receives among others: {shown}")
    if "answered" in marks:
        lines.append(f"{contact} receives among others: <presence from='{{juliet}}' type='subscribed'/>")
    lines.append("juliet receives nothing")
    lines.append(f"{contact} receives nothing" if out and passed != "MUST" else f"{contact} catches up")
    columns = " || ' ' || ".join(f"coalesce(max({c}), 0)" for c in ("subscription", "ask", "pending_in", "approved"))
    lines.append(f"""run: "$TALK_LIB/sql" "SELECT 'it is ' || {columns} FROM roster WHERE jid = '{{{contact}}}'
    AND owner = (SELECT owner FROM account WHERE name = '{{juliet.user}}')\"""")
    lines.append("output contains: it is " + " ".join(map(str, [*STATES[after], int(approved)])))
    lines.append(f"{contact} disconnects")
    return "\n".join(lines)
