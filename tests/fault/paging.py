"""A reader pages forward through an archive while others write into it and its store fails now and then.

Run below tests/with-server. Writers send to one person, whose archive is read with `after` in a loop. Meanwhile single
rows are refused by the database (a trigger that this test adds) and Postgres, if that is the store, is restarted. In the
end the union of the reader's pages must be the archive: every message once, in the order of the archive ids."""

import asyncio
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from xmpp import NS, Client, Gone, Refused, condition_of, origin_id  # noqa: E402

WRITERS, MESSAGES, RESTARTS = 4, 400, 3
LIB = os.path.join(os.path.dirname(__file__), "..", "lib")

REFUSE_POSTGRES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.origin % 29 = 0 THEN RAISE EXCEPTION 'this row is refused'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON archive FOR EACH ROW EXECUTE FUNCTION refuse();"""
REFUSE_SQLITE = """
CREATE TRIGGER refuse BEFORE INSERT ON archive WHEN NEW.origin % 29 = 0
BEGIN SELECT RAISE(ABORT, 'this row is refused'); END;"""


def refuse_some_rows():
    if os.environ.get("XMPP_PG_DIR"):
        with open(os.environ["XMPP_CONFIG"], encoding="utf-8") as config:
            conninfo = re.search(r'target *= *"([^"]*)"', config.read()).group(1)
        subprocess.run(["psql", "-q", conninfo, "-c", REFUSE_POSTGRES], check=True)
    else:
        database = os.path.join(os.environ["XMPP_DIR"], "jackdaw.db")
        subprocess.run(["sqlite3", database, ".timeout 10000", REFUSE_SQLITE], check=True)


class Writer:
    """Sends its messages one window after the other; what is refused for good is given up, the rest sent again."""

    def __init__(self, number, target):
        self.client = Client(f"user{number}", on_stanza=self.took)
        self.number, self.target = number, target
        self.refused, self.later = set(), set()

    def took(self, stanza):
        if stanza.tag == f"{{{NS['c']}}}message" and stanza.get("type") == "error":
            kind = self.later if condition_of(stanza) == "resource-constraint" else self.refused
            kind.add(stanza.get("id"))

    async def run(self):
        await self.client.connect()
        for n in range(MESSAGES):
            oid = f"{self.number}-{n}"
            self.client.send_message(self.target, f"message {oid}", oid)
            if n % 20 == 19:
                await self.client.iq("get", "<ping xmlns='urn:xmpp:ping'/>")
        while True:
            await self.settle()
            again, self.later = self.later, set()
            if not again:
                break
            for oid in sorted(again):
                self.client.send_message(self.target, f"message {oid}", oid)
        self.client.close()

    async def settle(self):
        """Waits until everything sent is either in the own archive or refused."""
        while True:
            mine = {origin_id(m) for _, m in await retry(self.client.archive)}
            if len(mine | self.refused | self.later) >= MESSAGES:
                return
            await asyncio.sleep(0.05)


async def retry(call, *args):
    while True:
        try:
            return await call(*args)
        except Refused as e:
            if str(e) != "resource-constraint":
                raise
            await asyncio.sleep(0.05)


async def read_on(reader, rows, done):
    """Pages forward until the writers are done and nothing more comes."""
    last = None
    while True:
        ending = done.is_set()
        found, complete = await retry(reader.page, last)
        rows += [(archive_id, origin_id(message)) for archive_id, message in found]
        last = found[-1][0] if found else last
        if ending and complete:
            return


async def disturb(done):
    for _ in range(RESTARTS if os.environ.get("XMPP_PG_DIR") else 0):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(subprocess.run, [f"{LIB}/postgres", "restart", os.environ["XMPP_PG_DIR"],
                                                 "-m", "immediate"], check=True, stdout=subprocess.DEVNULL)


async def main():
    refuse_some_rows()
    reader = Client("user1")
    await reader.connect()
    rows, done = [], asyncio.Event()
    reading = asyncio.create_task(read_on(reader, rows, done))
    writers = [Writer(n, reader.bare) for n in range(2, 2 + WRITERS)]
    await asyncio.gather(disturb(done), *(w.run() for w in writers))
    done.set()
    await reading
    whole = [(archive_id, origin_id(message)) for archive_id, message in await retry(reader.archive)]
    refused = sum(len(w.refused) for w in writers)
    print(f"{len(whole)} messages in the archive, {len(rows)} read while they came, {refused} refused")
    problems = []
    if rows != whole:
        missed, extra = set(whole) - set(rows), set(rows) - set(whole)
        problems.append(f"the pages are not the archive: {len(missed)} missed, {len(extra)} too many")
    if len({oid for _, oid in whole}) != len(whole):
        problems.append("a message is stored twice")
    told = {oid for w in writers for oid in w.refused}
    if len({oid for _, oid in whole} | told) != WRITERS * MESSAGES:
        problems.append("a message was neither stored nor refused")
    if refused == 0:
        problems.append("no row was refused: this has shown less than it should")
    for problem in problems:
        print("  " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
