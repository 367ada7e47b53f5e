"""RFC 6120 section 6: what comes of logging in, by every mechanism."""

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
DOMAINS = {"EXTERNAL": "certificate.localhost", "ANONYMOUS": "anonymous.localhost"}
CLIENTS = "{env:XMPP_DIR}/clients"

# What each certificate says, for `client-certificate make`.
CERTIFICATES = {
    "one address": "'{romeo}'",
    "two addresses": "'{romeo}' '{juliet}'",
    "one here, one elsewhere": "'{romeo}' 'romeo@example.org'",
    "no address": "",
    "an address elsewhere": "'{romeo.user}@localhost'",
    "signed by itself": "--from self '{romeo}'",
    "expired": "--days -1 '{romeo}'",
    "for servers only": "--usage serverAuth '{romeo}'",
    "a full address": "'{romeo}/balcony'",
}


def mechanism(cell):
    if cell.section.startswith("certificates"):
        return "EXTERNAL"
    return cell.column if cell.section.startswith("failures") else cell.row


def make_certificate(name, words):
    return f"run: $TALK_LIB/client-certificate make {name} {words}\n"


def setup(cell):
    text = f"set domain: {DOMAINS.get(mechanism(cell), 'localhost')}\naccounts romeo and juliet\n# {cell.row}\n"
    if cell.section.startswith("certificates"):
        if cell.row in CERTIFICATES:
            text += make_certificate("{romeo.user}", CERTIFICATES[cell.row])
    elif mechanism(cell) == "EXTERNAL":
        text += make_certificate("{romeo.user}", "'{romeo}'") + make_certificate("nobody", "nobody@{domain}")
    if "temporary-auth-failure" in (cell.row, cell.text):
        text += f"# {cell.id}: failures are remembered\n"
    return text


def connect(cell, certificate="{romeo.user}"):
    if cell.section.endswith("tls 1.2"):
        return "raw romeo is secure in tls 1.2\n"
    if mechanism(cell) == "EXTERNAL" and certificate:
        return f"raw romeo is secure with the certificate {CLIENTS}/{certificate}.pem\n"
    return "raw romeo is secure\n"


def log_in(cell, options=""):
    """Begins, answers what is asked, and waits for what the cell says."""
    name, text = mechanism(cell), ""
    if name == "ANONYMOUS":
        text = "romeo begins ANONYMOUS without a name\n"
    else:
        text = f"romeo begins {name} as romeo{' with ' + options if options else ''}\n"
    early = cell.text in ("invalid-authzid", "malformed-request", "invalid-mechanism") or "unheard-of" in options
    if name.startswith("SCRAM") and not early and options != "gs2=y":
        text += "romeo answers the challenge\n"
    if cell.text != "success":
        return text + f"romeo fails with {cell.text}"
    return text + "romeo succeeds\nromeo begins anew\nromeo binds"


def play_mechanism(cell):
    options = {"right": "", "asked for first": "initial=no", "own authzid": "authzid={romeo}",
               "another's authzid": "authzid={juliet}", "no authzid at all": "authzid=@@",
               "wrong password": "password=wrong", "nobody's": "user=nobody-{romeo.user}"}
    if cell.column == "own name prepared":
        upper = "run: printf %s '{romeo}' | tr a-z A-Z\n"
        option = "authzid={output}" if cell.row == "EXTERNAL" else "user={upper}"
        if cell.row != "EXTERNAL":
            upper = "run: printf %s '{romeo.user}' | tr a-z A-Z\nset upper: {output}\n"
        return upper + connect(cell) + log_in(cell, option)
    if cell.row == "EXTERNAL" and cell.column == "nobody's":
        return connect(cell, "nobody") + log_in(cell)
    return connect(cell) + log_in(cell, options[cell.column])


def play_binding(cell):
    kind = cell.column.removeprefix("wrong ")
    gs2 = f"gs2={kind}" if kind in ("n", "y") else f"gs2=p={kind}"
    return connect(cell) + log_in(cell, gs2 + (" cb=wrong" if cell.column != kind else ""))


def auth(cell, content, name=None):
    return f"romeo sends: <auth xmlns='{SASL}' mechanism='{name or mechanism(cell)}'>{content}</auth>\n"


def play_failure(cell):
    fails = f"romeo fails with {cell.text}"
    begin = f"romeo begins {cell.column} as romeo with"
    if cell.row == "aborted":
        challenge = f"<challenge xmlns='{SASL}'/>"
        return (connect(cell) + auth(cell, "") + f"romeo receives: {challenge}\nromeo sends: <abort xmlns='{SASL}'/>\n"
                + fails + "\n" + log_in_again(cell))
    if cell.row == "encryption-required":
        return "raw romeo begins in clear text\n" + auth(cell, "{base64:x}") + fails
    if cell.row == "incorrect-encoding":
        return connect(cell) + "".join(auth(cell, bad) + fails + "\n" for bad in ("!!!", "Zg"))
    if cell.row == "invalid-authzid":
        return connect(cell) + f"{begin} authzid={{juliet}}\n" + fails
    if cell.row == "invalid-mechanism":  # where it is not configured
        return "set domain: localhost\nraw romeo is secure\n" + auth(cell, "=") + fails + \
            f"\nset domain: {DOMAINS[cell.column]}"
    if cell.row == "malformed-request":  # a response to nothing, two exchanges at once
        late = "" if cell.column == "ANONYMOUS" else \
            f"\n{auth(cell, '')}romeo receives: <challenge xmlns='{SASL}'/>\n{auth(cell, '')}{fails}"
        return connect(cell) + f"romeo sends: <response xmlns='{SASL}'>=</response>\n{fails}" + late
    if cell.row == "not-authorized":
        if cell.column == "EXTERNAL":
            return connect(cell, "nobody") + "romeo begins EXTERNAL as romeo\n" + fails
        return connect(cell) + wrong(cell) + fails
    # temporary-auth-failure: after as many wrong passwords as are allowed, the right one is refused too, but not
    # juliet's from the same place, and as much is said to who asks for nobody.
    text = ""
    for name in ("{romeo.user}", "nobody-{romeo.user}"):
        for _ in range(4):
            text += f"raw romeo is secure\n{wrong(cell, name)}romeo fails with not-authorized\n"
        text += f"raw romeo is secure\nromeo begins {cell.column} as romeo with user={name}\n{fails}\n"
    return text + "raw juliet is secure\n" + f"juliet authenticates by {cell.column} as juliet"


def wrong(cell, user="{romeo.user}"):
    answer = "romeo answers the challenge\n" if cell.column.startswith("SCRAM") else ""
    return f"romeo begins {cell.column} as romeo with user={user} password=wrong\n{answer}"


def log_in_again(cell):
    return f"romeo authenticates by {cell.column} as romeo"


def play_certificate(cell):
    text = connect(cell, None if cell.row == "none" else "{romeo.user}")
    authzid = {"its first address": "{romeo}", "another's address": "nobody@{domain}"}.get(cell.column, "")
    if cell.column == "its second address":
        authzid = "{juliet}" if cell.row == "two addresses" else "romeo@example.org"
    return text + log_in(cell, f"authzid={authzid}" if authzid else "")


def play(cell):
    if cell.section == "mechanisms":
        return play_mechanism(cell)
    if cell.section.startswith("channel bindings"):
        return play_binding(cell)
    return (play_failure if cell.section.startswith("failures") else play_certificate)(cell)
