"""The database is stopped, restarted and paused under a chat; memcached is stopped, flushed and paused.

Run below `tests/with-server --store postgres`. The server lives, answers resource-constraint while it must, recovers by
itself, loses nothing that it acknowledged and says it once in its log. The presence directory is read by an outside
client: who is online, again after a flush, and no more once the server has been killed and its lease is over."""

import asyncio
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from xmpp import NS, Client, Refused, condition_of, origin_id  # noqa: E402

LIB = os.path.join(os.path.dirname(__file__), "..", "lib")
failures = []


def postgres(verb, *more):
    subprocess.run([f"{LIB}/postgres", verb, os.environ["XMPP_PG_DIR"], *more], check=True,
                   stdout=subprocess.DEVNULL)


def memcached(verb):
    subprocess.run([f"{LIB}/memcached", verb, os.environ["XMPP_MEMCACHED_DIR"]], check=True,
                   stdout=subprocess.DEVNULL)


def check(ok, what):
    print(("ok: " if ok else "NOT ok: ") + what)
    if not ok:
        failures.append(what)


def log_lines(*words):
    with open(os.path.join(os.environ["XMPP_DIR"], "jackdawd.log"), encoding="utf-8") as log:
        return [line for line in log if all(word in line for word in words)]


class Person(Client):
    """Remembers what it was sent."""

    def __init__(self, user):
        super().__init__(user, on_stanza=self.took)
        self.inbox, self.errors, self.news = [], [], asyncio.Event()
        self.sent = 0

    def took(self, stanza):
        if stanza.tag == f"{{{NS['c']}}}message":
            (self.errors if stanza.get("type") == "error" else self.inbox).append(stanza)
            self.news.set()

    async def until(self, found):
        """Waits for a stanza for which found() is true; half a minute at most."""
        async with asyncio.timeout(30):
            while not (result := found()):
                self.news.clear()
                await self.news.wait()
        return result

    def say(self, other):
        self.sent += 1
        oid = f"{self.user}-{self.sent}"
        self.send_message(other.bare, "hello", oid)
        return oid

    def got(self, oid):
        return lambda: any(origin_id(m) == oid for m in self.inbox)

    def told(self, oid):
        return lambda: next((condition_of(m) for m in self.errors if m.get("id") == oid), None)


async def alive(person):
    await person.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to=person.domain)


async def chat_works(a, b, what):
    """A message arrives and is confirmed; while it is refused for want of room it is sent again."""
    while True:
        oid = a.say(b)
        arrived = asyncio.create_task(b.until(b.got(oid)))
        refused = asyncio.create_task(a.until(a.told(oid)))
        await asyncio.wait([arrived, refused], return_when=asyncio.FIRST_COMPLETED)
        if arrived.done():
            refused.cancel()
            check(True, what)
            return oid
        arrived.cancel()
        if refused.result() != "resource-constraint":
            check(False, f"{what}: {refused.result()}")
            return None


async def postgres_faults(a, b):
    acknowledged = [await chat_works(a, b, "a message arrives")]
    postgres("stop", "-m", "immediate")
    oid = a.say(b)
    await alive(a)
    check(await a.until(a.told(oid)) == "resource-constraint",
          "Postgres stopped: a message is refused with resource-constraint")
    check(not b.got(oid)(), "and was not shown")
    await alive(b)
    postgres("start")
    acknowledged.append(await chat_works(a, b, "Postgres started: chat goes on by itself"))
    for mode in ("fast", "immediate"):
        postgres("restart", "-m", mode)
        acknowledged.append(await chat_works(a, b, f"Postgres restarted ({mode}): chat goes on"))
    postgres("pause")
    oid = a.say(b)
    await alive(a)
    await alive(b)
    check(not b.got(oid)(), "Postgres paused: nothing is shown that is not stored")
    postgres("continue")
    await chat_works(b, a, "Postgres continued: chat goes on")
    lost, back = log_lines("store: Postgres is away"), log_lines("store: Postgres is back")
    check(0 < len(lost) <= 4 and 0 < len(back) <= 4,
          f"the log says it once each time (away {len(lost)} times, back {len(back)} times)")
    held = [origin_id(m) for _, m in await archive(b)]
    check(all(held.count(oid) == 1 for oid in acknowledged), "what was acknowledged is stored once")


async def archive(person):
    while True:
        try:
            return await person.archive()
        except Refused:
            await asyncio.sleep(0.05)


# ---- the presence directory, read as outsiders do ----


def cached(key):
    """A value from memcached over its text protocol; None if there is none or it does not answer."""
    host, port = os.environ["XMPP_MEMCACHED"].rsplit(":", 1)
    request = f"get {key}\r\nquit\r\n"
    with subprocess.Popen(["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}; cat >&3; cat <&3"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        answer = p.communicate(request.encode())[0].decode()
    return answer.split("\r\n")[1] if answer.startswith("VALUE") else None


def online(person):
    """The resources that an outside reader finds online."""
    entry = cached(f"jackdaw:online:{person.bare}")
    if not entry:
        return []
    entry = json.loads(entry)
    node = cached(f"jackdaw:node:{entry['node']}")
    return [r["resource"] for r in entry["resources"]] if node == str(entry["epoch"]) else []


async def eventually(condition, what):
    for _ in range(1500):
        if await asyncio.to_thread(condition):
            check(True, what)
            return
        await asyncio.sleep(0.02)
    check(False, what)


async def memcached_faults(a, b):
    await eventually(lambda: online(a) == ["test"], "an outside reader sees who is online")
    memcached("stop")
    await chat_works(a, b, "memcached stopped: chat goes on")
    memcached("start")
    await eventually(lambda: online(a) == ["test"] and online(b) == ["test"],
                     "memcached started: the directory is rebuilt")
    memcached("restart")
    await eventually(lambda: online(a) == ["test"], "memcached flushed: the directory is rebuilt")
    memcached("pause")
    await chat_works(a, b, "memcached paused: chat goes on")
    memcached("continue")
    await eventually(lambda: online(b) == ["test"], "memcached continued: the directory is there")
    b.send("<presence type='unavailable'/>")
    await eventually(lambda: online(b) == [], "who leaves is offline in the directory")
    subprocess.run([f"{LIB}/server", "kill"], check=True)
    await eventually(lambda: online(a) == [], "the entries of a killed server end within the lease")


async def main():
    a, b = Person("user1"), Person("user2")
    for person in (a, b):
        await person.connect()
        person.send("<presence/>")
        await alive(person)
    await postgres_faults(a, b)
    await memcached_faults(a, b)
    print(f"{len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
