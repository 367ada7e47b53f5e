"""Stored, then shown: clients chat while the server is killed again and again.

Run below tests/with-server. Each client sends messages to the others, each with an origin-id of its own, and
considers one confirmed when it stands in its own archive. After every kill it sends again what was not confirmed.
In the end every confirmed message stands in both archives exactly once and in order, nothing was shown twice, and
nothing was shown that the recipient's archive does not hold.

usage: crash.py [--clients N] [--kills N] [--window N] [--seed N]"""

import argparse
import asyncio
import collections
import os
import random
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from xmpp import NS, Client, Gone, Refused, origin_id  # noqa: E402

SERVER = os.path.join(os.path.dirname(__file__), "..", "lib", "server")


def server(verb):
    subprocess.run([SERVER, verb], check=True)


class Chatter:
    """One person: sends numbered messages to the others in turn and keeps the books."""

    def __init__(self, number, world):
        self.world = world
        self.number = number
        self.user = f"user{number}"
        self.sent = []  # (origin-id, recipient number), in order
        self.confirmed = set()
        self.last_page = None  # the last archive id seen
        self.shown = []  # origin-ids as they were shown
        self.given = set()  # those that had waited for the login
        self.refused = set()
        self.client = None

    def took(self, stanza):
        if stanza.tag != f"{{{NS['c']}}}message":
            return
        oid = origin_id(stanza)
        if stanza.get("type") == "error":
            self.refused.add(stanza.get("id"))
        elif oid and stanza.find("delay:delay", NS) is not None:
            self.given.add(oid)  # what waited may come again (see offline.py)
        elif oid:
            self.shown.append(oid)

    def in_flight(self):
        return len(self.sent) - len(self.confirmed)

    def send_one(self, oid, recipient):
        self.client.send_message(f"user{recipient}@{self.client.domain}", f"message {oid}", oid)

    async def confirm(self):
        """Reads on in the own archive."""
        for archive_id, message in await self.client.archive(self.last_page):
            self.last_page = archive_id
            if message.get("from", "").startswith(self.client.bare):
                self.confirmed.add(origin_id(message))

    async def live(self):
        """One connection: resend what is not confirmed, then chat until the server is gone."""
        self.client = Client(self.user, on_stanza=self.took)
        await self.client.connect()
        self.client.send("<presence/>")
        await self.confirm()
        for oid, recipient in self.sent:
            if oid not in self.confirmed:
                self.send_one(oid, recipient)
        while not (self.world.finishing and self.in_flight() == 0):
            if not self.world.finishing:
                for _ in range(self.world.window - self.in_flight()):
                    oid = f"{self.number}-{len(self.sent)}"
                    recipient = self.world.rng.choice(self.world.others(self.number))
                    self.sent.append((oid, recipient))
                    self.send_one(oid, recipient)
            await self.confirm()
            for oid in self.refused - self.confirmed:
                self.send_one(oid, dict(self.sent)[oid])
            self.refused.clear()

    async def run(self):
        while not (self.world.finishing and self.sent and self.in_flight() == 0):
            try:
                await self.live()
            except (Gone, OSError, Refused, EOFError, StopAsyncIteration):
                await self.world.server_up.wait()
            finally:
                if self.client:
                    self.client.close()


class World:
    def __init__(self, args):
        self.rng = random.Random(args.seed)
        self.window = args.window
        self.finishing = False
        self.server_up = asyncio.Event()
        self.server_up.set()
        self.people = [Chatter(n, self) for n in range(1, args.clients + 1)]

    def others(self, number):
        return [p.number for p in self.people if p.number != number]

    def confirmed(self):
        return sum(len(p.confirmed) for p in self.people)

    async def until_confirmed(self, more):
        """Waits until so many further messages have been confirmed: the chat is under way again."""
        goal = self.confirmed() + more
        while self.confirmed() < goal:
            await asyncio.sleep(0.01)

    async def kill_once(self):
        await self.until_confirmed(2 * len(self.people))
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        in_flight = sum(p.in_flight() for p in self.people)
        self.server_up.clear()
        await asyncio.to_thread(server, "kill")
        await asyncio.to_thread(server, "start")
        self.server_up.set()
        return in_flight


def check_pairs(kind, person, rows, problems):
    """Exactly once, and per pair of people in the order in which they were sent."""
    seen, last = set(), {}
    for sender, recipient, number in rows:
        key = (sender, recipient, number)
        if key in seen:
            problems.append(f"{person.user}'s archive holds {kind} {sender}-{number} twice")
        seen.add(key)
        if number < last.get((sender, recipient), -1):
            problems.append(f"{person.user}'s archive has {kind} {sender}-{number} out of order")
        last[(sender, recipient)] = max(number, last.get((sender, recipient), -1))
    return seen


async def judge(world):
    """Reads every archive once more, from its beginning, and compares."""
    problems, received, sent = [], {}, {}
    for person in world.people:
        client = Client(person.user, resource="judge")
        await client.connect()
        mine, theirs = [], []
        for _, message in await client.archive():
            oid = origin_id(message)
            sender, number = (int(part) for part in oid.split("-"))
            recipient = int(message.get("to").split("@")[0][4:])
            (mine if sender == person.number else theirs).append((sender, recipient, number))
        client.close()
        sent[person.number] = check_pairs("sent", person, mine, problems)
        received[person.number] = check_pairs("received", person, theirs, problems)
    for person in world.people:
        for oid, recipient in person.sent:
            key = (person.number, recipient, int(oid.split("-")[1]))
            if oid in person.confirmed and key not in sent[person.number]:
                problems.append(f"{oid} was confirmed, but is gone from its sender's archive")
            if oid in person.confirmed and key not in received[recipient]:
                problems.append(f"{oid} was confirmed, but its recipient's archive lacks it")
        held = {f"{s}-{n}" for s, _, n in received[person.number]}
        times = collections.Counter(person.shown)
        for oid in person.given | set(times):
            if oid not in held:
                problems.append(f"{oid} was shown to {person.user}, but no archive holds it")
            if times[oid] > 1:
                problems.append(f"{oid} was shown to {person.user} {times[oid]} times")
    return problems


async def main(args):
    world = World(args)
    tasks = [asyncio.create_task(p.run()) for p in world.people]
    in_flight = [await world.kill_once() for _ in range(args.kills)]
    world.finishing = True
    await asyncio.gather(*tasks)
    problems = await judge(world)
    median = statistics.median(in_flight)
    total = sum(len(p.sent) for p in world.people)
    shown = sum(len(p.shown) for p in world.people)
    print(f"{args.kills} kills, {median:.0f} messages in flight at a kill (median), {total} sent, "
          f"{world.confirmed()} confirmed, {shown} shown, {len(problems)} problems")
    for problem in problems[:20]:
        print("  " + problem)
    if median <= 20:
        print("  too little was in flight: this has shown nothing")
        return 2
    return 1 if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    sys.exit(asyncio.run(main(options)))
