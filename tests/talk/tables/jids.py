"""RFC 7622 section 3.5: examples of legal and illegal JIDs, here with this server's domain for example.com."""

import re

ERROR = "<error><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def address(text):
    text = re.sub(r"(\w)\*(\d+)", lambda m: m.group(1) * int(m.group(2)), text)
    return re.sub(r"(?<!\.)example\.com", "{domain}", text)


def setup(cell):
    return "account romeo\nromeo connects"


def account(cell):
    jid = address(cell.row)
    if cell.text == "refused":
        return f"ctl fails: user add '{jid}' --password secret"
    return f"ctl: user add '{jid}' --password secret\nctl: user delete '{jid}'"


def play(cell):
    if cell.column == "account":
        return account(cell)
    # A groupchat message is always refused, whoever is there.
    lines = [f"romeo sends: <message to='{address(cell.row)}' type='groupchat' id='{{id:{cell.id}}}'/>"]
    if "=" not in cell.text:
        lines.append(f"romeo receives: <message type='error' id='{{id:{cell.id}}}'>{ERROR.format('jid-malformed')}</message>")
        return "\n".join(lines)
    prepared = address(cell.text.split("=")[1].strip())
    condition = "service-unavailable" if re.search(r"(^|@)\{domain\}", prepared) else "remote-server-not-found"
    lines.append(f"romeo receives: <message type='error' from='{prepared}' id='{{id:{cell.id}}}'>"
                 f"{ERROR.format(condition)}</message>")
    return "\n".join(lines)
