"""A small XMPP client for tests that drive many clients at once: asyncio and Python's own library only.

It speaks direct TLS, SCRAM-SHA-256 and resource binding, and hands out stanzas as ElementTree elements."""

import asyncio
import logging
import base64
import functools
import hashlib
import hmac
import os
import ssl
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

NS = {
    "c": "jabber:client",
    "stream": "http://etherx.jabber.org/streams",
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
    "mam": "urn:xmpp:mam:2",
    "rsm": "http://jabber.org/protocol/rsm",
    "fwd": "urn:xmpp:forward:0",
    "sid": "urn:xmpp:sid:0",
    "delay": "urn:xmpp:delay",
    "roster": "jabber:iq:roster",
    "ping": "urn:xmpp:ping",
}


logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # writes after the end are expected


class Gone(Exception):
    """The connection has ended."""


class Refused(Exception):
    """The server answered with an error; the text is its condition."""


@functools.lru_cache(maxsize=4096)
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def condition_of(stanza):
    """The condition in an error stanza."""
    error = stanza.find("c:error", NS)
    return error[0].tag.split("}")[1] if error is not None and len(error) else "unknown"


class Client:
    """One connection. Messages and presence go to `on_stanza`; answers to iq() go to their caller."""

    def __init__(self, user, resource="test", on_stanza=None, env=os.environ):
        self.user = user
        self.domain = env["XMPP_DOMAIN"]
        self.bare = f"{user}@{self.domain}"
        self.jid = f"{self.bare}/{resource}"
        self.resource = resource
        self.host, self.port = env["XMPP_HOST"], int(env["XMPP_PORT_TLS"])
        self.password = env["XMPP_PASSWORD"]
        self.ca_file = env["XMPP_CA_FILE"]
        self.on_stanza = on_stanza or (lambda stanza: None)
        self.writer = None
        self.waiting = {}
        self.serial = 0
        self.stanzas = None
        self.reader_task = None
        self.answers_pings = True

    # ---- bytes and elements ----

    async def _elements(self):
        """Every element at depth 1, until the connection ends."""
        parser, depth, root = None, 0, None
        while True:
            try:
                data = await self.reader.read(65536)
            except (OSError, ssl.SSLError) as e:
                raise Gone(str(e)) from e
            if not data:
                raise Gone("closed by the server")
            if self.restarted:
                self.restarted, parser = False, None
            if parser is None:
                parser, depth = ET.XMLPullParser(["start", "end"]), 0
            parser.feed(data)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1:
                    root = element
                if event == "end" and depth == 1:
                    yield element
                    root.clear()
                if event == "end" and depth == 0:
                    raise Gone("the stream was closed")

    def send(self, text):
        if self.writer is None or self.writer.is_closing():
            raise Gone("not connected")
        self.writer.write(text.encode())

    def _open_stream(self):
        self.restarted = True
        self.send(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
            f"xmlns:stream='{NS['stream']}' to='{self.domain}'>"
        )

    async def _next(self, tag):
        element = await self.stanzas.__anext__()
        if element.tag != tag:
            raise Refused(ET.tostring(element, encoding="unicode"))
        return element

    # ---- logging in ----

    async def connect(self):
        """Connects, logs in and binds the resource."""
        context = ssl.create_default_context(cafile=self.ca_file)
        self.reader, self.writer = await asyncio.open_connection(
            self.host, self.port, ssl=context, server_hostname=self.domain
        )
        self.stanzas = self._elements()
        features = f"{{{NS['stream']}}}features"
        self._open_stream()
        await self._next(features)
        await self._authenticate()
        self._open_stream()
        await self._next(features)
        self.reader_task = asyncio.create_task(self._read())
        bind = f"<bind xmlns='{NS['bind']}'><resource>{escape(self.resource)}</resource></bind>"
        answer = await self.iq("set", bind)
        self.jid = answer.findtext("bind:bind/bind:jid", namespaces=NS)

    async def _authenticate(self):
        nonce = base64.b64encode(os.urandom(18)).decode().replace(",", "")
        bare = f"n={self.user},r={nonce}"
        first = base64.b64encode(b"n,," + bare.encode()).decode()
        self.send(f"<auth xmlns='{NS['sasl']}' mechanism='SCRAM-SHA-256'>{first}</auth>")
        challenge = await self._next(f"{{{NS['sasl']}}}challenge")
        server_first = base64.b64decode(challenge.text).decode()
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = salted_password(self.password, base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={parts['r']}"
        message = f"{bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        final = base64.b64encode(f"{without_proof},p={proof}".encode()).decode()
        self.send(f"<response xmlns='{NS['sasl']}'>{final}</response>")
        success = await self._next(f"{{{NS['sasl']}}}success")
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = base64.b64encode(hmac.digest(server_key, message, "sha256")).decode()
        if base64.b64decode(success.text).decode() != f"v={expected}":
            raise Refused("the server does not know the password either")

    # ---- stanzas ----

    async def _read(self):
        try:
            async for stanza in self.stanzas:
                waiter = None
                if stanza.tag == f"{{{NS['c']}}}iq" and stanza.get("type") in ("result", "error"):
                    waiter = self.waiting.pop(stanza.get("id"), None)
                # The parser's root forgets its children: what is kept must be a copy.
                copy = ET.fromstring(ET.tostring(stanza))
                if waiter is not None:
                    if not waiter.done():
                        waiter.set_result(copy)
                elif self.answers_pings and copy.find("ping:ping", NS) is not None:
                    self.send(f"<iq type='result' id={quoteattr(copy.get('id'))} to={quoteattr(copy.get('from'))}/>")
                else:
                    self.on_stanza(copy)
        except (Gone, ET.ParseError):
            pass
        finally:
            self.close()

    def close(self):
        """Drops the connection; whoever waits for an answer gets Gone."""
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_exception(Gone("the connection has ended"))
        self.waiting.clear()

    @property
    def connected(self):
        return self.writer is not None

    async def iq(self, kind, payload, to=None):
        """Sends a request and returns its result; raises Refused with the condition of an error."""
        self.serial += 1
        iq_id = f"iq{self.serial}"
        waiter = asyncio.get_running_loop().create_future()
        self.waiting[iq_id] = waiter
        address = f" to={quoteattr(to)}" if to else ""
        try:
            self.send(f"<iq type='{kind}' id='{iq_id}'{address}>{payload}</iq>")
        except Gone:
            self.waiting.pop(iq_id, None)
            raise
        answer = await waiter
        if answer.get("type") == "error":
            raise Refused(condition_of(answer))
        return answer

    async def reach(self, account):
        """Waits until what was sent to an account before has been dealt with there: a ping takes the same way, and is
        answered behind it; a stranger's with an error."""
        try:
            await self.iq("get", "<ping xmlns='urn:xmpp:ping'/>", account)
        except Refused as refused:
            if str(refused) != "service-unavailable":
                raise

    def send_message(self, to, body, origin_id, kind="chat"):
        self.send(
            f"<message type='{kind}' to={quoteattr(to)} id={quoteattr(origin_id)}>"
            f"<body>{escape(body)}</body>"
            f"<origin-id xmlns='{NS['sid']}' id={quoteattr(origin_id)}/></message>"
        )

    async def page(self, after=None, size=100):
        """One page of the own archive: [(archive id, message element)], and whether it is the last."""
        found = []
        previous = self.on_stanza

        def collect(stanza):
            result = stanza.find("mam:result", NS)
            if result is None or result.get("queryid") != query_id:
                previous(stanza)
                return
            found.append((int(result.get("id")), result.find("fwd:forwarded/c:message", NS)))

        query_id = f"q{self.serial}"
        place = f"<after>{after}</after>" if after else ""
        self.on_stanza = collect
        try:
            fin = await self.iq(
                "set",
                f"<query xmlns='{NS['mam']}' queryid='{query_id}'>"
                f"<set xmlns='{NS['rsm']}'><max>{size}</max>{place}</set></query>",
            )
        finally:
            self.on_stanza = previous
        return found, fin.find("mam:fin", NS).get("complete") == "true"

    async def archive(self, after=None):
        """The whole archive after an id, page by page."""
        everything, complete = [], False
        while not complete:
            found, complete = await self.page(after)
            everything += found
            after = found[-1][0] if found else after
        return everything


def origin_id(message):
    element = message.find("sid:origin-id", NS)
    return element.get("id") if element is not None else None
