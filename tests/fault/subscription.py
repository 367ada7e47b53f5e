"""Subscriptions torn apart: the server is killed when one side of a change has been stored and the other has not.

Run below tests/with-server with the build `torn` (faulty-build), FAULT_TORN and FAULT_TORN_ANSWER naming files that do
not exist. Every pair of users is brought into a state of RFC 6121 appendix A, then one of them does something that
changes it. Either the stanza for the other is lost (the kill comes between the two commits), or the answer that says
it was stored there as well (it comes right behind them). After kill -9 both log in again, in either order, and both
rosters must say what was done. At last an account is removed: its contacts must be told of that, too, before somebody
else can have its name.

Prints "n of n". usage: subscription.py"""

import asyncio
import dataclasses
import os
import shlex
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from xmpp import NS, Client  # noqa: E402

LIB = os.path.join(os.path.dirname(__file__), "..", "lib")
TO, FROM = 1, 2
PATIENCE = 20  # seconds: far more than anything here takes

# How to come to a state from "None": who sends (the actor or the other) what.
REACH = {
    "None": [],
    "None, pre-approved": ["other subscribed"],
    "None + Pending Out": ["actor subscribe"],
    "None + Pending In": ["other subscribe"],
    "None + Pending Out+In": ["other subscribe", "actor subscribe"],
    "To": ["actor subscribe", "other subscribed"],
    "To + Pending In": ["actor subscribe", "other subscribed", "other subscribe"],
    "From": ["other subscribe", "actor subscribed"],
    "From + Pending Out": ["other subscribe", "actor subscribed", "actor subscribe"],
    "Both": ["other subscribe", "actor subscribed", "actor subscribe", "other subscribed"],
}
STATES = {  # (subscription, ask, pending_in), as in the actor's row; the other's is the same from the other side
    "None": (0, 0, 0), "None, pre-approved": (0, 0, 0), "None + Pending Out": (0, 1, 0),
    "None + Pending In": (0, 0, 1), "None + Pending Out+In": (0, 1, 1), "To": (TO, 0, 0), "To + Pending In": (TO, 0, 1),
    "From": (FROM, 0, 0), "From + Pending Out": (FROM, 1, 0), "Both": (TO | FROM, 0, 0),
}

# Every change of appendix A.2, the one that a pre-approval brings about (section 3.4.2), and the removal from the roster
# (section 2.5.2).
CHANGES = [
    ("None, pre-approved", "subscribe", "To"),
    ("None", "subscribe", "None + Pending Out"),
    ("None + Pending In", "subscribe", "None + Pending Out+In"),
    ("From", "subscribe", "From + Pending Out"),
    ("None + Pending Out", "unsubscribe", "None"),
    ("None + Pending Out+In", "unsubscribe", "None + Pending In"),
    ("To", "unsubscribe", "None"),
    ("To + Pending In", "unsubscribe", "None + Pending In"),
    ("From + Pending Out", "unsubscribe", "From"),
    ("Both", "unsubscribe", "From"),
    ("None + Pending In", "subscribed", "From"),
    ("None + Pending Out+In", "subscribed", "From + Pending Out"),
    ("To + Pending In", "subscribed", "Both"),
    ("None + Pending In", "unsubscribed", "None"),
    ("None + Pending Out+In", "unsubscribed", "None + Pending Out"),
    ("To + Pending In", "unsubscribed", "To"),
    ("From", "unsubscribed", "None"),
    ("From + Pending Out", "unsubscribed", "None + Pending Out"),
    ("Both", "unsubscribed", "To"),
    ("None + Pending Out", "remove", "None"),
    ("None + Pending Out+In", "remove", "None"),
    ("To", "remove", "None"),
    ("To + Pending In", "remove", "None"),
    ("From", "remove", "None"),
    ("From + Pending Out", "remove", "None"),
    ("Both", "remove", "None"),
]


def sql(text):
    out = subprocess.run([f"{LIB}/sql", text], check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in out.splitlines()]


def rows():
    """{(owner's name, contact's name): (subscription, ask, pending_in, owed)}"""
    found = sql("SELECT a.name, r.jid, subscription, ask, pending_in, owed FROM roster r "
                "JOIN account a ON a.owner = r.owner")
    return {(name, jid.split("@")[0]): tuple(map(int, rest)) for name, jid, *rest in found}


async def until(ready, what):
    """Waits until ready() says so."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.02)


def turned(state):
    """A state as the other side has it. What is asked for here waits for an answer there."""
    subscription, ask, pending = state
    return (subscription & TO) << 1 | (subscription & FROM) >> 1, pending, ask


@dataclasses.dataclass
class Pair:
    change: tuple
    actor_first: bool
    names: tuple
    clients: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        order = "the one who did it" if self.actor_first else "the other"
        return f"{self.change[0]}, {self.change[1]}, {order} logs in first"

    def jid(self, who):
        return f"{self.names[who == 'other']}@{os.environ['XMPP_DOMAIN']}"

    async def log_in(self, who):
        client = self.clients[who] = Client(self.names[who == "other"])
        await client.connect()
        await client.iq("get", f"<query xmlns='{NS['roster']}'/>")
        client.send("<presence/>")

    async def send(self, step):
        """Sends, and has it dealt with: a ping to the other's account takes the same way and is answered there."""
        who, kind = step.split()
        peer = self.jid("other" if who == "actor" else "actor")
        if kind == "remove":
            await self.clients[who].iq("set", f"<query xmlns='{NS['roster']}'>"
                                              f"<item jid='{peer}' subscription='remove'/></query>")
            return
        self.clients[who].send(f"<presence to='{peer}' type='{kind}'/>")
        await self.clients[who].reach(peer)

    def owes(self, found):
        """Whether what was done is stored where it was done, as something that the other has yet to hear."""
        return found.get(self.names, (0, 0, 0, 0))[3]

    def wrong(self, found, name, owed_too=True):
        """What the rosters say else than this state, or that something is owed still; None if they agree."""
        state = STATES[name]
        nobody = (0, 0, 0, 0)
        sides = found.get(self.names, nobody), found.get(self.names[::-1], nobody)
        if (sides[0][:3], sides[1][:3]) == (state, turned(state)) and not (owed_too and (sides[0][3] or sides[1][3])):
            return None
        return f"{self}: {sides[0]} and {sides[1]} instead of {state} and {turned(state)}"

    async def reach(self):
        for who in ("actor", "other"):
            await self.log_in(who)
        for step in REACH[self.change[0]]:
            await self.send(step)

    async def act(self):
        await self.send(f"actor {self.change[1]}")

    async def come_back(self):
        for who in ("actor", "other") if self.actor_first else ("other", "actor"):
            await self.log_in(who)

    def leave(self):
        for client in self.clients.values():
            client.close()


def server(verb):
    subprocess.run([f"{LIB}/server", verb], check=True)


async def each(pairs, work):
    """Some at a time."""
    gate = asyncio.Semaphore(8)

    async def one(pair):
        async with gate:
            await work(pair)
    await asyncio.gather(*(one(p) for p in pairs))


async def torn(pairs, variable):
    """Tears every pair apart at once, mends, and says what is left wrong."""
    await each(pairs, Pair.reach)
    await until(lambda: not any(p.wrong(rows(), p.change[0]) for p in pairs), "the states before")
    with open(os.environ[variable], "w", encoding="utf-8"):
        pass
    await each(pairs, Pair.act)
    if variable == "FAULT_TORN":
        await until(lambda: all(p.owes(rows()) for p in pairs), "what was done")
    else:
        await until(lambda: not any(p.wrong(rows(), p.change[2], owed_too=False) for p in pairs), "both sides")
    server("kill")
    os.unlink(os.environ[variable])
    for pair in pairs:
        pair.leave()
    server("start")
    await each(pairs, Pair.come_back)
    try:
        await until(lambda: not any(p.wrong(rows(), p.change[2]) for p in pairs), "agreement")
    except TimeoutError:
        pass
    found = rows()
    for pair in pairs:
        pair.leave()
    return [w for p in pairs if (w := p.wrong(found, p.change[2]))]


# ---- the removal of an account ----

async def removed(user, contact):
    """Removes the account of a pair that is "Both"; the server is killed before the contact has heard of it. Then
    somebody else takes the name."""
    pair = Pair(("Both", "removal of the account", "None"), True, (user, contact))
    await pair.reach()
    await until(lambda: not pair.wrong(rows(), "Both"), "the contact")
    with open(os.environ["FAULT_TORN"], "w", encoding="utf-8"):
        pass
    ctl = shlex.split(os.environ["XMPP_CTL"])
    with subprocess.Popen([*ctl, "user", "delete", pair.jid("actor")], stderr=subprocess.DEVNULL):
        await until(lambda: rows().get((user, contact), (0, 0, 0, 0))[3] == TO | FROM, "the removal")
        server("kill")
    os.unlink(os.environ["FAULT_TORN"])
    pair.leave()
    server("start")
    await until(lambda: not sql(f"SELECT 1 FROM account WHERE name = '{user}'"), "the name")
    wrong = [] if rows().get((contact, user), (9,))[0] == 0 else ["the contact has not been told of the removal"]
    subprocess.run([*ctl, "user", "add", pair.jid("actor"), "--password", os.environ["XMPP_PASSWORD"]], check=True,
                   stdout=subprocess.DEVNULL)
    seen = []
    await pair.log_in("other")
    await pair.log_in("actor")
    heir = pair.clients["actor"]
    heir.on_stanza = seen.append
    heir.send(f"<presence to='{pair.jid('other')}' type='probe'/>")
    pair.clients["other"].send("<presence><show>away</show></presence>")
    roster = await heir.iq("get", f"<query xmlns='{NS['roster']}'/>")
    for client in pair.clients.values():
        await client.reach(pair.jid("other"))
    if len(roster.find("roster:query", NS)):
        wrong.append("the next owner of the name inherits a roster")
    if any(s.get("from", "").startswith(pair.jid("other")) for s in seen):
        wrong.append("the next owner of the name sees the presence of a contact")
    pair.leave()
    return [f"removal of an account: {w}" for w in wrong]


async def main():
    numbers = iter(range(1, 1000))
    wrong = []
    done = 0
    for variable in ("FAULT_TORN", "FAULT_TORN_ANSWER"):
        pairs = [Pair(change, first, (f"user{next(numbers)}", f"user{next(numbers)}"))
                 for change in CHANGES for first in (True, False)]
        bad = await torn(pairs, variable)
        what = "the stanza is lost" if variable == "FAULT_TORN" else "the answer is lost"
        wrong += [f"{what}: {w}" for w in bad]
        done += len(pairs)
    wrong += await removed(f"user{next(numbers)}", f"user{next(numbers)}")
    done += 1
    for line in wrong:
        print("  " + line)
    print(f"subscriptions torn apart: {done - len(wrong)} of {done} mended")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
