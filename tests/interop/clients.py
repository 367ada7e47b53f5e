"""The clients of others, each behind the same few words: ready, send, heard, refusal.

What one of them cannot do stands here once, with the reason: test-clients prints it."""

import asyncio
import dataclasses
import os
import re
from xml.sax.saxutils import escape

from process import Failed, Process

HERE = os.path.dirname(os.path.abspath(__file__))
PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS")
MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", *PLUS, "PLAIN", "EXTERNAL", "ANONYMOUS")


def nothing_but(known, why):
    """Reasons for all mechanisms but these."""
    return {mechanism: why for mechanism in MECHANISMS if mechanism not in known}


@dataclasses.dataclass
class Login:
    """Who logs in, where and how. `mechanism`: the only one that is offered there, if that matters."""

    user: str
    domain: str
    home: str  # a directory of its own
    tls: str = "starttls"  # or "direct"
    mechanism: str = ""
    certificate: tuple = ("", "")  # for EXTERNAL: its file and its key's
    trust: str = ""  # "any": whatever the certificate
    password: str = "secret"
    resource: str = "orchard"

    @property
    def bare(self):
        return f"{self.user}@{self.domain}" if self.user else self.domain

    @property
    def full(self):
        return f"{self.bare}/{self.resource}"

    @property
    def port(self):
        return os.environ["XMPP_PORT_TLS" if self.tls == "direct" else "XMPP_PORT"]

    def path(self, *names):
        path = os.path.join(self.home, *names)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        return path

    def write(self, *names, text):
        path = self.path(*names)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def environment(self, ca_file):
        inherited = {key: os.environ[key] for key in ("PATH", "XMPP_HOST") if key in os.environ}
        return inherited | {
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.path("config", ""),
            "XDG_DATA_HOME": self.path("data", ""),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            "XMPP_PORT": self.port,
            "XMPP_TLS": self.tls,
            "XMPP_TRUST": self.trust,
            "XMPP_MECHANISM": self.mechanism,
            "XMPP_CERT": self.certificate[0],
            "XMPP_KEY": self.certificate[1],
            "XMPP_CA_FILE": ca_file,
            "SSL_CERT_FILE": ca_file,
            "SSL_CERT_DIR": "/nonexistent",
        }


class Client:
    """One that stays: a process that takes lines and says what it hears. `unknown` names each mechanism that it does not
    know, and why; `deaf`, `no_direct_tls` and `no_server_name` (in TLS from the start) are reasons too."""

    name = version_of = ""
    unknown = {}
    deaf = no_direct_tls = no_server_name = ""
    stays = True
    terminal = False
    files = ()
    refusal = r"^refused (.*)"

    def __init__(self, login, ca_file, build):
        self.login, self.ca_file, self.build = login, ca_file, build
        self.processes = []
        self.alone = asyncio.Lock()

    async def run(self, argv, preload=False):
        env = self.login.environment(self.ca_file)
        if preload:
            env["LD_PRELOAD"] = os.path.join(self.build, "tests/interop/.libs/redirect.so")
        files = [os.path.join(self.login.home, pattern) for pattern in self.files]
        process = Process(argv, env, files, self.login.path("tmux") if self.terminal else None)
        self.processes.append(process)
        return await process.start()

    async def __aenter__(self):
        self.main = await self.start()
        return self

    async def __aexit__(self, *_):
        for process in self.processes:
            await process.kill()

    async def start(self):
        raise NotImplementedError

    def said_when_ready(self):
        return r"^ready "

    def said_on_hearing(self, text):
        return rf"^received (\S+) {re.escape(text)}$"

    def order_to_send(self, to, text):
        return f"send {to} {text}"

    async def ready(self):
        await self.main.see(self.said_when_ready())

    async def send(self, to, text):
        self.main.type(self.order_to_send(to, text))

    async def heard(self, text):
        """Waits until it has received this; from whom, if it says so."""
        match = await self.main.see(self.said_on_hearing(text))
        return match.group(1) if match.groups() else None

    async def refuses(self, _to, _text):
        """Waits until it says why it does not log in; its words."""
        match = await self.main.see(f"({self.refusal})|({self.said_when_ready()})")
        if not match.group(1):
            raise Failed("it has logged in")
        return match.group(1)


class Slixmpp(Client):
    name, version_of = "slixmpp", "python3-slixmpp"
    async def start(self):
        return await self.run([f"{HERE}/slixmpp-client", self.login.full, self.login.password], preload=True)


class Aioxmpp(Client):
    name, version_of = "aioxmpp", "python3-aioxmpp"
    unknown = {
        "EXTERNAL": "aiosasl has no EXTERNAL",
        "SCRAM-SHA-512": "aiosasl has SHA-1 and SHA-256",
        "SCRAM-SHA-512-PLUS": "aiosasl has SHA-1 and SHA-256",
    }
    refusal = r"certificate verify failed"

    async def start(self):
        return await self.run([f"{HERE}/aioxmpp-client", self.login.full, self.login.password])


class Strophe(Client):
    name, version_of = "libstrophe", "libstrophe0"
    unknown = dict.fromkeys(PLUS, "libstrophe has channel binding from 0.13 on")

    async def start(self):
        password = self.login.password if self.login.user and not self.login.certificate[0] else ""
        bot = os.path.join(self.build, "tests/interop/strophe")
        return await self.run([bot, self.login.full if self.login.user else self.login.domain, password])


class Profanity(Client):
    name, version_of = "profanity", "profanity"
    unknown = dict.fromkeys(PLUS, Strophe.unknown[PLUS[0]]) | {
        "EXTERNAL": "profanity takes client certificates from 0.14 on",
    }
    terminal = True
    files = ("log", "data/profanity/chatlogs/*/*/*.log")
    refusal = r"preverify_ok:0"  # it shows the certificate and asks

    async def start(self):
        login = self.login
        policy = "legacy" if login.tls == "direct" else "force"
        login.write(
            *("data", "profanity", "accounts"),
            text=f"[account]\nenabled=true\njid={login.bare}\nresource={login.resource}\npassword={login.password}\n"
            f"server={os.environ['XMPP_HOST']}\nport={login.port}\ntls.policy={policy}\n",
        )
        # Without a path of its own it asks OpenSSL which authorities to trust.
        login.write("config", "profanity", "profrc", text="[tls]\ncertpath=none\n[logging]\nchlog=true\n")
        return await self.run(["profanity", "-a", "account", "-l", "DEBUG", "-f", login.path("log")])

    def said_when_ready(self):
        return rf'RECV: <presence [^>]*from="[^"]*{re.escape(self.login.domain)}/'

    def said_on_hearing(self, text):
        return rf" - [^ ]*: {re.escape(text)}$"

    def order_to_send(self, to, text):
        return f"/msg {to} {text}"


class Mcabber(Client):
    name, version_of = "mcabber", "mcabber"
    no_server_name = "mcabber names no host in TLS: it gets the first one's certificate, which has not expired"
    unknown = nothing_but(("PLAIN",), "loudmouth has PLAIN and DIGEST-MD5")
    terminal = True
    files = ("trace", "history/*")
    refusal = r"[Cc]ertificate .*|Could not begin SSL"

    async def start(self):
        login = self.login
        login.path("history", "")
        options = {
            "jid": login.bare,
            "password": login.password,
            "server": login.domain,  # whose certificate it wants to see
            "port": login.port,
            "resource": login.resource,
            "disable_random_resource": 1,
            "tls": int(login.tls == "starttls"),
            "ssl": int(login.tls == "direct"),
            "ssl_ca": self.ca_file,
            "tracelog_level": 2,
            "tracelog_file": login.path("trace"),
            "logging": 1,
            "logging_dir": login.path("history", ""),
            "pgp": 0,
        }
        lines = "".join(f"set {key} = {value}\n" for key, value in options.items())
        return await self.run(["mcabber", "-f", login.write("mcabberrc", text=lines)], preload=True)

    def said_when_ready(self):
        return rf'New message with type="presence" from: {re.escape(self.login.full)}'

    def said_on_hearing(self, text):
        return rf"^MR \S+ \d+ (?:\[.*\]\n)?{re.escape(text)}$"  # perhaps with a subject

    def order_to_send(self, to, text):
        return f"/say_to {to} {text}"


class Sender(Client):
    """One that sends a message and ends; another of its processes may listen."""

    def sending(self, to, text):
        """Its command line; the text also comes on its input."""
        raise NotImplementedError

    stays = False
    listening = None
    preload = False

    async def start(self):
        return await self.run(self.listening(), self.preload) if self.listening else None

    async def ready(self):
        """A listener need not be: what is sent to it before waits."""

    async def post(self, to, text):
        process = await self.run(self.sending(to, text), self.preload)
        process.type(text)
        process.close_input()
        return process

    async def send(self, to, text):
        async with self.alone:  # two at once would have the same resource
            process = await self.post(to, text)
            if await process.ended() != 0:
                raise Failed(process.tail())

    async def refuses(self, to, text):
        process = await self.post(to, text)
        return (await process.see(self.refusal)).group(0)


class GoSendxmpp(Sender):
    name, version_of = "go-sendxmpp", "go-sendxmpp"
    unknown = nothing_but(("PLAIN",), "go-xmpp has PLAIN and DIGEST-MD5")
    refusal = r"x509: .*"

    def words(self):
        login = self.login
        server = f"{os.environ['XMPP_HOST']}:{login.port}"
        direct = ["-t"] if login.tls == "direct" else []
        return ["go-sendxmpp", *direct, "-u", login.bare, "-p", login.password, "-j", server]

    def sending(self, to, text):
        return [*self.words(), to]

    def listening(self):
        return [*self.words(), "-l"]

    def said_on_hearing(self, text):
        return rf"^\S+ \S+: {re.escape(text)}$"


class Sendxmpp(Sender):
    name, version_of = "sendxmpp", "sendxmpp"
    no_server_name = "sendxmpp names no host in TLS: it gets the first one's certificate, which has not expired"
    unknown = nothing_but(("PLAIN",), "XML::Stream hands a name and a password to Authen::SASL, which has no SCRAM")
    deaf = "sendxmpp sends only"
    preload = True
    # It says nothing of certificates: it ends, or goes on without a stream.
    refusal = r"Could not connect to|uninitialized value \$sid in hash element at /usr/bin/sendxmpp"

    def sending(self, to, text):
        login = self.login
        tls = "-e" if login.tls == "direct" else "-t"
        who = ["-u", login.user, "-p", login.password, "-o", login.domain, "-r", login.resource]
        return ["sendxmpp", tls, "-a", self.ca_file, "-j", f"{login.domain}:{login.port}", *who, to]


class Xmppc(Sender):
    name, version_of = "xmppc", "xmppc"
    unknown = dict.fromkeys(PLUS, Strophe.unknown[PLUS[0]]) | {
        "EXTERNAL": "xmppc takes no client certificate",
    }
    no_direct_tls = "xmppc asks for STARTTLS always"
    refusal = r"Certificate verification FAILED.*"
    preload = True

    def words(self):
        self.login.write(".config", "xmppc.conf", text="")
        return ["xmppc", "-vvv", "-j", self.login.bare, "-p", self.login.password, "-m"]

    def sending(self, to, text):
        return [*self.words(), "message", "chat", to, text]

    def listening(self):
        return [*self.words(), "monitor", "stanza"]

    def said_on_hearing(self, text):
        escaped = escape(text, {'"': "&quot;"})
        return rf"RECV: <message .*<body>{re.escape(escaped)}\s*</body>"


CLIENTS = (Slixmpp, Aioxmpp, Strophe, Profanity, Mcabber, GoSendxmpp, Sendxmpp, Xmppc)
