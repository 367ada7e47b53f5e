"""What the attacks share: connections whose bytes are all ours, blocking, one thread each.

A test begins with `main(checks)`: it starts a throwaway server for itself unless one is there (tests/with-server), runs
every check, says what was tried and what came of it, and exits with 1 if anything went wrong."""

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import select
import shlex
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PATIENCE = 30  # seconds for anything that must come; a sanitizer is slow
HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='localhost'>"
)
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


class Failed(Exception):
    """What must be is not."""


class Gone(Exception):
    """The server has ended the connection."""


def expect(truth, words):
    if not truth:
        raise Failed(words)


@functools.lru_cache(maxsize=None)
def salted(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


@functools.lru_cache(maxsize=None)
def tls_context(host):
    return ssl.create_default_context(cafile=os.path.join(os.environ["XMPP_DIR"], f"{host}.crt"))


class Raw:
    """A connection, from the address `source` if that is given. What was received and not yet asked for waits in
    `got`."""

    def __init__(self, direct=True, source=None, host="localhost"):
        port = os.environ["XMPP_PORT_TLS" if direct else "XMPP_PORT"]
        address = (os.environ["XMPP_HOST"], int(port))
        self.sock = socket.create_connection(address, PATIENCE, source and (source, 0))
        self.host = host
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = ""
        if direct:
            self.secure()

    def secure(self):
        self.sock = tls_context(self.host).wrap_socket(self.sock, server_hostname=self.host)

    def send(self, text):
        try:
            self.sock.sendall(text if isinstance(text, bytes) else text.encode())
        except (OSError, ssl.SSLError) as e:
            raise Gone(str(e)) from e

    def pump(self, text):
        """Sends what is too much for the buffers on the way, and takes meanwhile what comes. (Not with two threads: an
        SSL object serves one at a time.)"""
        data = text.encode()
        self.sock.setblocking(False)
        try:
            while data:
                moved = False
                try:
                    sent = self.sock.send(data[:16384])
                    data, moved = data[sent:], True
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    pass
                try:
                    self.more()
                    moved = True
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    pass
                if not moved:
                    ready = select.select([self.sock], [self.sock], [], PATIENCE)
                    expect(ready[0] or ready[1], "nothing can be sent and nothing comes")
        except OSError as e:
            raise Gone(str(e)) from e
        finally:
            self.sock.settimeout(PATIENCE)

    def more(self):
        try:
            data = self.sock.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            raise
        except socket.timeout as e:
            raise Failed(f"nothing came; the last was {self.got[-300:]!r}") from e
        except (OSError, ssl.SSLError) as e:
            raise Gone(f"{e}; the last was {self.got[-300:]!r}") from e
        if not data:
            raise Gone(f"closed; the last was {self.got[-300:]!r}")
        self.got += data.decode(errors="replace")

    def until(self, pattern, longest=None):
        """Takes everything up to the end of the first match, and returns the match; `before` is what came before it.
        `longest`: no match is longer than this, so that much text need not be looked through again and again."""
        compiled, start = re.compile(pattern, re.S), 0
        while True:
            match = compiled.search(self.got, start)
            if match:
                self.before, self.got = self.got[: match.start()], self.got[match.end() :]
                return match
            start = max(0, len(self.got) - longest) if longest else 0
            self.more()

    def to_end(self):
        """Everything until the server hangs up."""
        try:
            while True:
                self.more()
        except Gone:
            return self.got

    def close(self, how="fin"):
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.to_end()
        self.sock.close()

    # ---- logging in ----

    def header(self):
        self.send(HEADER.replace("localhost", self.host))
        return self.until("</stream:features>|<stream:features/>")

    def begin_scram(self, user, password="secret"):
        """Sends the first message, takes the challenge, and returns what the last message must be."""
        self.send(self.scram_first_message(user))
        answer = self.until("<challenge[^>]*>([^<]*)</challenge>|<failure").group(1)
        if answer is None:
            raise Gone("the login was refused at once")
        return self.scram_final_message(answer, password)

    def scram_first_message(self, user, mechanism="SCRAM-SHA-256"):
        self.scram_bare = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        first = base64.b64encode(f"n,,{self.scram_bare}".encode()).decode()
        return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"

    def scram_final_message(self, answer, password):
        """For SCRAM-SHA-256."""
        challenge = base64.b64decode(answer).decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        key = salted(password, base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(key, b"Client Key", "sha256")
        last = f"c=biws,r={parts['r']}"
        message = f"{self.scram_bare},{challenge},{last}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        final = base64.b64encode(f"{last},p={proof}".encode()).decode()
        return f"<response xmlns='{SASL}'>{final}</response>"

    def log_in(self, user, password="secret"):
        self.header()
        self.send(self.begin_scram(user, password))
        if self.until("<(success|failure)[^>]*>").group(1) == "failure":
            raise Gone("the login failed")
        self.header()

    def bind(self, resource=None):
        wanted = f"<resource>{resource}</resource>" if resource else ""
        self.send(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{wanted}</bind></iq>")
        self.jid = self.until("<jid>([^<]*)</jid>").group(1)
        return self

    def ping(self, name="ping"):
        """Sends a ping and takes everything up to its answer."""
        self.send(f"<iq type='get' id='{name}'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.until(f"<iq [^>]*id='{name}'[^>]*>", 500)
        return self.before


def session(user, resource=None, password="secret", present=False):
    c = Raw()
    c.log_in(user, password)
    c.bind(resource)
    if present:
        c.send("<presence/>")
        c.until(f"<presence [^>]*from='{re.escape(c.jid)}'")
        c.ping("here")
    return c


# ---- a login, step by step ----

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(40)  # the beginning of a ClientHello


def half_open(c):
    c.sock.sendall(HELLO)


def bare_steps():
    """One after the other, what a client does until it is bound: (what it is, how)."""
    last = []
    return [
        ("connect", lambda c: None),
        ("half a header", lambda c: c.send(HEADER[:40])),
        ("the other half", lambda c: (c.send(HEADER[40:]), c.until("</stream:features>"))),
        ("starttls", lambda c: c.send(STARTTLS)),
        ("proceed", lambda c: c.until("<proceed[^>]*/>")),
        ("TLS", lambda c: c.secure()),
        ("header", lambda c: c.header()),
        ("first message", lambda c: last.append(c.begin_scram("user1"))),
        ("last message", lambda c: c.send(last[-1])),
        ("success", lambda c: c.until("<success[^>]*>[^<]*</success>")),
        ("header again, not read", lambda c: c.send(HEADER)),
        ("features", lambda c: c.until("</stream:features>")),
        ("bind, not read", lambda c: c.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")),
        ("bound", lambda c: c.until("</iq>")),
        ("presence, not read", lambda c: c.send("<presence/>")),
    ]


STEPS = len(bare_steps())


def until_step(n):
    """A connection that has gone the first n steps."""
    c = Raw(direct=False)
    for _, step in bare_steps()[:n]:
        step(c)
    return c


# ---- the server ----


def ctl(*words, check=True):
    done = subprocess.run(shlex.split(os.environ["XMPP_CTL"]) + list(words), capture_output=True, text=True, check=False)
    expect(not check or done.returncode == 0, f"jackdawctl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def status():
    return json.loads(ctl("--json", "status"))


def wait_until(read, value, what):
    end = time.monotonic() + PATIENCE
    while (now := read()) != value:
        expect(time.monotonic() < end, f"{what}: {now} instead of {value}")
        time.sleep(0.02)


def wait_for(what, value):
    """Waits until `jackdawctl status` says so."""
    wait_until(lambda: status()[what], value, what)


def rows(sql):
    """What SQLite answers; the server's own connection goes on beside it."""
    file = os.path.join(os.environ["XMPP_DIR"], "jackdaw.db")
    return subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 10000", file], input=sql + ";\n", capture_output=True,
                          text=True, check=True).stdout.split()


def wait_for_rows(sql, count):
    """Waits until this query of one number gives it."""
    wait_until(lambda: rows(sql), [str(count)], sql)


def together(n, work):
    """Runs work(0) to work(n - 1) at once; the results, or the first exception."""
    results, errors = [None] * n, []

    def run(i):
        try:
            results[i] = work(i)
        except Exception as e:  # noqa: BLE001 whatever it is, it is told
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results


def main(checks, config="", options=()):
    if "XMPP_PID" not in os.environ:
        with_server = [os.path.join(TOP, "tests", "with-server"), "--workers", os.environ.get("WORKERS", "4"), *options]
        fragment = f"/tmp/jackdaw-attack-{os.getpid()}.conf"
        if config:
            with open(fragment, "w", encoding="utf-8") as f:
                f.write(config)
            with_server += ["--config", fragment]
        done = subprocess.run(with_server + ["--", sys.executable, *sys.argv], check=False)
        if config:
            os.unlink(fragment)
        sys.exit(1 if done.returncode else 0)
    passed = failed = 0
    wanted = sys.argv[1:]
    for check in checks:
        if wanted and check.__name__ not in wanted:
            continue
        words, began = check.__doc__.strip().rstrip("."), time.monotonic()
        try:
            check()
            passed += 1
            print(f"ok - {words} ({time.monotonic() - began:.1f} s)", flush=True)
        except (Failed, Gone, ET.ParseError, subprocess.CalledProcessError) as e:
            failed += 1
            print(f"not ok - {words}: {e}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
