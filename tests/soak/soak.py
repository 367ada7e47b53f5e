"""People log in, chat, change their contacts and their presence, and leave in every way there is, at random. Then the
server must be as it was: nothing is left in memory of those who are gone, and nothing that was confirmed is lost.

Run below tests/with-server. usage: soak.py [--seconds N] [--people N] [--seed N]

A third of the time is to warm up; what the server has then is compared with what it has in the end: memory only
then, everything else also with the beginning."""

import argparse
import asyncio
import collections
import json
import os
import random
import re
import shlex
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fault")]
from crash import Chatter, judge  # noqa: E402
from xmpp import NS, Client, Gone, Refused  # noqa: E402

PATIENCE = 60  # seconds for the server to answer, and to come to rest
AT_REST = ("sessions", "streams", "accounts_loaded", "fibers", "descriptors")
MIB = 1 << 20
# How much memory may have grown since the warm-up. What is allocated does not grow with the logins, by 0.2 MiB at most:
# in two minutes 30 bytes lost with every connection would be noticed. What the process occupies also grows by holes that
# the allocator cannot give back: 7 MiB with half a million messages.
ALLOCATED_SLACK, RESIDENT_SLACK = 5 * MIB // 16, 16 * MIB


class Person(Chatter):
    """One who comes and goes; the books are those of the crash test."""

    def __init__(self, number, world):
        super().__init__(number, world)
        self.rng = random.Random(f"{world.seed}/{number}")

    def other(self):
        return self.rng.choice([n for n in range(1, self.world.count + 1) if n != self.number])

    def jid(self, number):
        return f"user{number}@{self.client.domain}"

    # ---- what one does ----

    async def chat(self):
        for _ in range(self.rng.randint(1, 10)):
            oid, recipient = f"{self.number}-{len(self.sent)}", self.other()
            self.sent.append((oid, recipient))
            self.client.send_message(self.jid(recipient), "soak " * self.rng.randint(1, 100), oid)

    async def change_roster(self):
        gone = self.rng.random() < 0.5
        item = "subscription='remove'" if gone else f"name='{self.rng.randint(0, 99)}'"
        try:
            await self.client.iq("set", f"<query xmlns='{NS['roster']}'><item jid='{self.jid(self.other())}' {item}/></query>")
        except Refused:
            pass  # it was not there to be removed

    async def read_roster(self):
        await self.client.iq("get", f"<query xmlns='{NS['roster']}'/>")

    async def subscribe(self):
        kind = self.rng.choice(("subscribe", "subscribed", "unsubscribe", "unsubscribed"))
        self.client.send(f"<presence type='{kind}' to='{self.jid(self.other())}'/>")

    async def presence(self):
        show = self.rng.choice(("", "<show>away</show>", "<show>dnd</show>", "<priority>-1</priority>"))
        self.client.send(f"<presence>{show}</presence>")

    async def direct_presence(self):
        self.client.send(f"<presence to='{self.jid(self.other())}'/>")

    async def ask(self):
        to = self.rng.choice((self.client.domain, self.jid(self.other()), None))
        try:
            await self.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        except Refused:
            pass

    # ---- how one comes and goes ----

    async def knock(self):
        """A connection that comes to nothing: silent, nonsense, or a login that breaks off or fails."""
        client = Client(self.user)
        how = self.rng.choice(("silent", "nonsense", "half", "wrong"))
        if how in ("half", "wrong"):
            client.password = "wrong"
            login = asyncio.create_task(client.connect())
            await asyncio.wait([login], timeout=self.rng.uniform(0, 0.02) if how == "half" else None)
            login.cancel()
            await asyncio.gather(login, return_exceptions=True)
            client.close()
            return
        _, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"" if how == "silent" else self.rng.randbytes(100))
        writer.transport.abort()

    async def leave(self):
        how = self.rng.choice(("close", "unavailable", "reset", "mid-stanza", "mid-flood"))
        self.world.ways[how] += 1
        if how in ("close", "unavailable"):
            self.client.send("<presence type='unavailable'/>" if how == "unavailable" else "")
            self.client.send("</stream:stream>")
            await self.client.reader_task
        elif how == "mid-stanza":
            self.client.send(f"<message to='{self.jid(self.other())}'><body>never")
        elif how == "mid-flood":
            await self.chat()
        if how == "reset" and self.client.connected:
            raw = self.client.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.client.close()

    async def live(self):
        self.client = Client(self.user, self.rng.choice(("home", "work")), self.took)
        await self.client.connect()
        self.world.logins += 1
        self.client.send("<presence/>" if self.rng.random() < 0.8 else "")
        doings = (self.chat, self.chat, self.confirm, self.change_roster, self.read_roster, self.subscribe,
                  self.presence, self.direct_presence, self.ask)
        for _ in range(self.rng.randint(0, 20)):
            await self.rng.choice(doings)()
            await asyncio.sleep(self.rng.uniform(0, 0.05))
        await self.leave()

    async def run(self, until):
        while time.monotonic() < until:
            try:
                await asyncio.wait_for(self.live() if self.rng.random() < 0.8 else self.knock(), PATIENCE)
            except asyncio.TimeoutError:
                self.world.problems.append(f"{self.user} got no answer for {PATIENCE} s")
            except (Gone, Refused, OSError, EOFError, StopAsyncIteration):
                self.world.ways["ended by the server"] += 1
            finally:
                if self.client:
                    self.client.close()


class World:
    def __init__(self, options):
        self.seed, self.count = options.seed, options.people
        self.logins = 0
        self.ways = collections.Counter()
        self.problems = []
        self.people = [Person(n, self) for n in range(1, self.count + 1)]

    async def busy(self, seconds):
        until = time.monotonic() + seconds
        await asyncio.gather(*(p.run(until) for p in self.people))


# ---- the server ----


async def status():
    words = shlex.split(os.environ["XMPP_CTL"]) + ["--json", "status"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    now = json.loads(output)
    # The embedded database keeps pages of its file in memory, up to a limit of its own.
    now |= {key: size - now["store"]["memory"] for key, size in now["memory"].items()}
    return {key: now[key] for key in (*AT_REST, "resident", "allocated")}


async def rest(wanted):
    """Waits until the server has what it should; what it has now."""
    deadline = time.monotonic() + PATIENCE
    while True:
        now = await status()
        if all(now[key] == wanted[key] for key in AT_REST if key in wanted) or time.monotonic() > deadline:
            return now
        await asyncio.sleep(0.1)


def is_sanitized():
    """Whether the server's memory is that of a sanitizer, which tells of leaks itself."""
    with open(f"/proc/{os.environ['XMPP_PID']}/status", encoding="ascii") as f:
        return int(re.search(r"VmPeak:\s*(\d+) kB", f.read()).group(1)) > 1 << 30


def compare(beginning, warm, end):
    """What is not as it was."""
    problems = [f"{key}: {end[key]}, {beginning[key]} in the beginning" for key in AT_REST if end[key] != beginning[key]]
    if is_sanitized():
        return problems
    for key, slack in (("allocated", ALLOCATED_SLACK), ("resident", RESIDENT_SLACK)):
        if end[key] - warm[key] > slack:
            problems.append(f"{key} memory: {end[key]} bytes, {warm[key]} after the warm-up")
    return problems


def tell(when, now):
    print(f"{when}: " + ", ".join(f"{key} {value}" for key, value in now.items()), flush=True)


async def main(options):
    world = World(options)
    beginning = await rest({"sessions": 0, "streams": 0, "accounts_loaded": 0})
    tell("beginning", beginning)
    await world.busy(options.seconds / 3)
    warm = await rest(beginning)
    tell("warmed up", warm)
    await world.busy(options.seconds * 2 / 3)
    end = await rest(beginning)
    tell("end", end)
    problems = world.problems + compare(beginning, warm, end) + await judge(world)
    books = {book: sum(len(getattr(p, book)) for p in world.people) for book in ("sent", "confirmed", "shown", "given")}
    print(f"{world.logins} logins; messages: " + ", ".join(f"{n} {book}" for book, n in books.items()))
    print("left: " + ", ".join(f"{how} {n}" for how, n in sorted(world.ways.items())))
    if world.ways["ended by the server"] > world.logins / 100:
        problems.append("the server sent people away who had done nothing")
    if not books["confirmed"] or world.logins < options.people:
        problems.append("hardly anything happened: this has shown nothing")
    for problem in problems[:20]:
        print(f"  {problem}")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    sys.exit(asyncio.run(main(given)))
