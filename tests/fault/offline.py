"""What waits for a client is given at least once and in order, whoever dies meanwhile.

Run below tests/with-server. One person sends numbered messages to another who comes and goes: each of their sessions
takes some batches (more messages come in the middle of them), then either the connection or the server is killed,
before or after the batch was confirmed. Each session must get consecutive messages, and begin where the last one
certainly had got to; in the end nothing is missing and nothing is left.

usage: offline.py [--messages N] [--sessions N] [--seed N]"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from xmpp import NS, Client, Gone, Refused  # noqa: E402

SERVER = os.path.join(os.path.dirname(__file__), "..", "lib", "server")
PING = "<ping xmlns='urn:xmpp:ping'/>"
LOST = (Gone, OSError, Refused, EOFError, StopAsyncIteration)


class Sender:
    """Sends numbered messages; what the server may have lost is sent again with its first id."""

    def __init__(self, recipient):
        self.recipient = recipient
        self.client = None
        self.sent = self.stored = 0

    async def send(self, count):
        self.sent += count
        while self.stored < self.sent:
            try:
                if self.client is None or not self.client.connected:
                    self.client = Client("user1")
                    await self.client.connect()
                for number in range(self.stored + 1, self.sent + 1):
                    self.client.send_message(self.recipient, str(number), f"{self.client.bare}-{number}")
                await self.client.reach(self.recipient)  # answered when they are stored
                self.stored = self.sent
            except LOST:
                await asyncio.sleep(0.1)  # the server is being started


class Receiver:
    """One session: takes batches and keeps the books."""

    def __init__(self):
        self.numbers = []
        self.pings = asyncio.Queue()
        self.client = Client("user2", resource="r", on_stanza=self.took)
        self.client.answers_pings = False

    def took(self, stanza):
        if stanza.tag == f"{{{NS['c']}}}message":
            self.numbers.append(int(stanza.findtext("c:body", namespaces=NS)))
        elif stanza.find("ping:ping", NS) is not None:
            self.pings.put_nowait(stanza.get("id"))

    async def batch(self):
        """The id of the ping behind the next batch; None if nothing is left."""
        if self.pings.empty():
            await self.client.iq("get", PING)  # in order: behind a batch that has just been sent
        return None if self.pings.empty() else self.pings.get_nowait()

    def confirm(self, ping):
        self.client.send(f"<iq type='result' id='{ping}' to='{self.client.domain}'/>")


class Test:
    def __init__(self, args):
        self.rng = random.Random(args.seed)
        self.sessions = args.sessions
        self.messages = args.messages
        self.certain = 0  # the last message of which the server has committed that it was received
        self.received = set()
        self.problems = []
        self.again = 0
        self.ends = {}

    async def kill_server(self):
        subprocess.run([SERVER, "kill"], check=True)
        subprocess.run([SERVER, "start"], check=True)

    async def take(self, receiver, sender, batches):
        """Takes so many batches; all if None."""
        while batches is None or batches > 0:
            ping = await receiver.batch()
            if ping is None:
                return
            if batches is None or batches == 1 or self.rng.random() < 0.5:
                more = 0 if batches is None else self.rng.randint(1, 4)
                await sender.send(more)
            if batches == 1 and self.rng.random() < 0.5:
                return  # not confirmed
            last = receiver.numbers[-1]
            receiver.confirm(ping)
            if batches != 1:  # its answer comes when the cursor has been committed
                await receiver.client.iq("get", PING)
                self.certain = last
            batches = batches - 1 if batches else None

    def judge(self, receiver):
        numbers = receiver.numbers
        self.again += len(self.received & set(numbers))
        self.received |= set(numbers)
        if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            self.problems.append(f"not in order: {numbers}")
        if numbers and not self.before < numbers[0] <= max(self.received | {0}) + 1:
            self.problems.append(f"begins with {numbers[0]}, although {self.before} was confirmed")
        if numbers and set(range(1, numbers[0])) - self.received:
            self.problems.append(f"begins with {numbers[0]}, but what was before is missing")

    async def session(self, sender, batches):
        receiver = Receiver()
        self.before = self.certain
        await receiver.client.connect()
        receiver.client.send("<presence/>")
        await self.take(receiver, sender, batches)
        end = self.rng.choice(["client", "server"]) if batches else "client"
        if end == "server":
            await self.kill_server()
        receiver.client.close()
        self.judge(receiver)
        self.ends[end] = self.ends.get(end, 0) + 1
        return receiver

    async def run(self):
        sender = Sender(f"user2@{os.environ['XMPP_DOMAIN']}")
        await sender.send(self.messages)
        for _ in range(self.sessions):
            await self.session(sender, self.rng.randint(1, 3))
        await self.session(sender, None)
        missing = set(range(1, sender.sent + 1)) - self.received
        if missing:
            self.problems.append(f"never received: {sorted(missing)}")
        rest = await self.session(sender, None)
        if rest.numbers:
            self.problems.append(f"given again although all was confirmed: {rest.numbers}")
        print(f"{sender.sent} sent, {len(self.received)} received, {self.again} of them more than once, ends: "
              f"{self.ends}, {len(self.problems)} problems")
        for problem in self.problems[:20]:
            print("  " + problem)
        return 1 if self.problems else 0 if self.again else 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    sys.exit(asyncio.run(Test(options).run()))
