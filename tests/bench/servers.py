"""The servers that `run` compares. Each is started fresh in a directory of its own, on 127.0.0.1 and
on core 0, with an ECDSA P-256 certificate and users user1 to userN whose password is "secret"."""

import base64
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER_CORE = 0
PASSWORD = "secret"
ITERATIONS = 10000
START_LIMIT = 90  # seconds


class Trouble(Exception):
    """A server did not start, or is not installed."""


def pin(core):
    """Keeps this process, and what it starts, on one core; does nothing if there is only one."""
    if core < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {core})


def favour(pid):
    """Puts a process before all others, as far as we may: for a machine that has other work. (Each
    session is a scheduling group of its own, whose weight counts first.)"""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -10)
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as f:
            f.write("-10")
    except OSError:
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process that is ended when the block ends. Subclasses have command() and wait_ready()."""

    stores = True  # whether it can keep messages at all
    makes_rosters = False
    load_options = []
    store_pid = 0

    def __init__(self, build, directory, users, stored, roster=None):
        self.build, self.directory = build, directory
        self.users, self.stored = users, stored
        self.contacts, self.online = roster or (0, 0)
        self.process = None
        self.port = self.pid = 0

    @classmethod
    def suits(cls, scenario, stored):
        """Whether the scenario makes sense with it."""
        if scenario.startswith("presence"):
            return cls.makes_rosters
        return cls.stores or not (stored or scenario == "login")

    def rosters(self):
        """Yields each user with the contacts: user1 and so on, who stay, have those who come and go;
        these have them, and accounts that nobody is there for."""
        stay = [f"user{i}" for i in range(1, self.online + 1)]
        come = [f"user{i}" for i in range(self.online + 1, self.users + 1)]
        absent = [f"absent{i}" for i in range(self.contacts - self.online)]
        for user in stay:
            yield user, come
        for user in come:
            yield user, stay + absent

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", self.path("key.pem"),
                        "-out", self.path("cert.pem")], check=True, capture_output=True)
        with open(self.path("cert.pem"), encoding="ascii") as cert, \
                open(self.path("key.pem"), encoding="ascii") as key:
            self.write("both.pem", cert.read() + key.read())

    def __enter__(self):
        os.makedirs(self.directory)
        self.make_certificate()
        self.port = free_port()
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        command, environment = self.command()
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                            env={**os.environ, **environment},
                                            start_new_session=True,
                                            preexec_fn=lambda: pin(SERVER_CORE))
        self.pid = self.process.pid
        self.wait_until(self.is_ready)

    def log_tail(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return " / ".join(f.read().strip().splitlines()[-4:])

    def wait_until(self, condition):
        deadline = time.monotonic() + START_LIMIT
        while not condition():
            if self.process.poll() is not None:
                raise Trouble(f"{type(self).__name__} ended: {self.log_tail()}")
            if time.monotonic() > deadline:
                raise Trouble(f"{type(self).__name__} is not ready: {self.log_tail()}")
            time.sleep(0.05)

    def is_ready(self):
        """Whether its port takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            self.end()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def end(self):
        """Ends the process and whatever it has started (they are a session of their own)."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


class Relay(Server):
    """tests/bench/relay.c"""

    stores = False
    load_options = ["--relay"]
    fault = "none"

    def command(self):
        program = os.path.join(self.build, "tests/bench/relay")
        return [program, self.path("cert.pem"), self.path("key.pem"), str(self.port), self.fault], {}


def faulty(name):
    """A relay that does this to every hundredth stanza."""
    return type(f"Relay{name.title()}", (Relay,), {"fault": name})


class Jackdaw(Server):
    """jackdawd through tests/with-server, one worker, its embedded database."""

    store = "sqlite"
    makes_rosters = True

    def fill_rosters(self):
        """Shell commands that put the contacts into the database while the server is stopped."""
        if not self.contacts:
            return ""
        with open(self.path("rosters.sql"), "w", encoding="ascii") as f:
            f.write("BEGIN;\n")
            for user, contacts in self.rosters():
                for contact in contacts:
                    f.write("INSERT INTO roster (owner, jid, subscription, ask, pending_in, approved,"
                            f" in_roster, ver) SELECT owner, '{contact}@localhost', 3, 0, 0, 0, 1, 1"
                            f" FROM account WHERE name = '{user}';\n")
            f.write("COMMIT;\n")
        server = os.path.join(HERE, "..", "lib", "server")
        return (f"'{server}' stop; sqlite3 \"$XMPP_DIR/jackdaw.db\" <'{f.name}' && '{server}' start"
                f" || exit 1; XMPP_PID=$('{server}' pid); ")

    def command(self):
        script = os.path.join(HERE, "..", "with-server")
        if not os.path.exists(script):
            raise Trouble("tests/with-server is not there")
        # The command only says that the server is there, and stays until its input ends.
        inner = self.fill_rosters() + f"env >'{self.path('env.new')}'; mv '{self.path('env.new')}' '{self.path('env')}'; cat"
        return [script, "--store", self.store, "--workers", "1", "--users", str(self.users), "--",
                "sh", "-c", inner], {"JACKDAW_BUILD": self.build, "TMPDIR": self.directory}

    def is_ready(self):
        if not os.path.exists(self.path("env")):
            return False
        with open(self.path("env"), encoding="utf-8") as f:
            env = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
        self.port, self.pid = int(env["XMPP_PORT_TLS"]), int(env["XMPP_PID"])
        if env.get("XMPP_PG_DIR"):
            with open(os.path.join(env["XMPP_PG_DIR"], "data/postmaster.pid"),
                      encoding="ascii") as f:
                self.store_pid = int(f.readline())
        return True

    def end(self):
        """The input has ended: with-server now stops the server and says whether it was well."""
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            super().end()
            raise Trouble("jackdawd does not stop") from None
        if status:
            raise Trouble(f"with-server: status {status}: {self.log_tail()}")


class JackdawPostgres(Jackdaw):
    """The same with Postgres and memcached, all of them on core 0."""

    store = "postgres"
    makes_rosters = False


class Prosody(Server):
    """Debian's Prosody, its own storage, no limits. Without the archive unless it is measured."""

    makes_rosters = True

    def fill_rosters(self):
        """Contact lists as mod_storage_internal keeps them."""
        os.makedirs(self.path("data/localhost/roster"))
        for user, contacts in self.rosters():
            items = "".join(f'["{c}@localhost"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};\n'
                            for c in contacts)
            self.write(f"data/localhost/roster/{user}.dat",
                       f'return {{\n[false] = {{ ["version"] = 1; }};\n{items}}};\n')

    def make_users(self):
        """Accounts as mod_auth_internal_hashed stores them."""
        os.makedirs(self.path("data/localhost/accounts"))
        for i in range(1, self.users + 1):
            salt = base64.b64encode(os.urandom(12)).decode()
            salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), ITERATIONS)
            client = hmac.digest(salted, b"Client Key", "sha256")
            server = hmac.digest(salted, b"Server Key", "sha256")
            self.write(f"data/localhost/accounts/user{i}.dat", 'return {\n'
                       f'["iteration_count"] = {ITERATIONS};\n["salt"] = "{salt}";\n'
                       f'["stored_key"] = "{hashlib.sha256(client).hexdigest()}";\n'
                       f'["server_key"] = "{server.hex()}";\n}};\n')

    def command(self):
        program = shutil.which("prosody")
        if not program:
            raise Trouble("Prosody is not installed")
        self.make_users()
        self.fill_rosters()
        modules = ["saslauth", "tls", "roster", "disco", "ping", "carbons", "blocklist", "smacks"]
        if self.stored:
            modules.append("mam")
        config = self.write("prosody.cfg.lua", f"""
run_as_root = true
pidfile = "{self.path('prosody.pid')}"
data_path = "{self.path('data')}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
s2s_ports = {{ }}
c2s_direct_tls_ports = {{ {self.port} }}
modules_enabled = {{ {', '.join(f'"{m}"' for m in modules)} }}
modules_disabled = {{ "s2s", "limits" }}
authentication = "internal_hashed"
password_hash = "SHA-256"
storage = "internal"
default_archive_policy = true
archive_expires_after = "never"
log = {{ warn = "*console" }}
c2s_direct_tls_ssl = {{ certificate = "{self.path('cert.pem')}", key = "{self.path('key.pem')}" }}
VirtualHost "localhost"
    ssl = {{ certificate = "{self.path('cert.pem')}", key = "{self.path('key.pem')}" }}
""")
        return [program, "-F", "--config", config], {}


class Ejabberd(Server):
    """Debian's ejabberd, its own storage (Mnesia), no shapers. The archive only if it is measured."""

    def code_path(self):
        for root in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"):
            for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
                if name.startswith("ejabberd-") and os.path.isdir(f"{root}/{name}/ebin"):
                    return f"{root}/{name}/ebin"
        raise Trouble("ejabberd is not installed")

    def command(self):
        ebin = self.code_path()
        archive = "mod_mam:\n    default: always\n    assume_mam_usage: true" if self.stored else ""
        config = self.write("ejabberd.yml", f"""
hosts: [localhost]
loglevel: warning
certfiles: ["{self.path('both.pem')}"]
auth_password_format: scram
auth_scram_hash: sha256
acme:
  auto: false
listen:
  -
    port: {self.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    tls: true
    shaper: none
    max_stanza_size: 262144
shaper_rules:
  max_user_sessions: infinity
modules:
  mod_roster: {{}}
  mod_disco: {{}}
  mod_ping: {{}}
  mod_carboncopy: {{}}
  mod_blocking: {{}}
  mod_privacy: {{}}
  mod_stream_mgmt: {{}}
  {archive}
""")
        register = ("{ok, _} = application:ensure_all_started(ejabberd), "
                    f"[ok = ejabberd_auth:try_register(<<\"user\", (integer_to_binary(I))/binary>>, "
                    f"<<\"localhost\">>, <<\"{PASSWORD}\">>) || I <- lists:seq(1, {self.users})], "
                    f"ok = file:write_file(\"{self.path('ready')}\", <<>>).")
        return ["erl", "-noinput", "+K", "true", "+P", "250000", "+sbwt", "none", "-pa", ebin,
                "-mnesia", "dir", f'"{self.path("mnesia")}"', "-ejabberd", "config", f'"{config}"',
                "log_path", f'"{self.path("ejabberd.log")}"', "-eval", register], {
                    "HOME": self.directory, "EJABBERD_CONFIG_PATH": config,
                    "EJABBERD_LOG_PATH": self.path("ejabberd.log"), "SPOOL_DIR": self.directory}

    def is_ready(self):
        return os.path.exists(self.path("ready")) and super().is_ready()


# In the order of the tables.
KINDS = {
    "relay": Relay,
    "jackdaw": Jackdaw,
    "jackdaw-postgres": JackdawPostgres,
    "prosody": Prosody,
    "ejabberd": Ejabberd,
}
