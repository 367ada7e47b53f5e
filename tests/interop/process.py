"""A client as a process: what it says and what it writes into files is one text that is waited for."""

import asyncio
import collections
import contextlib
import fcntl
import glob
import os
import re
import signal
import struct
import termios

PATIENCE = 30  # seconds for anything that must come
POLL = 0.05  # seconds between looks into files: nobody tells when a client writes its log


class Failed(Exception):
    """What must come did not."""


class Process:
    """`files`: patterns of names of files that belong to what it says. `tmux`: the socket of a tmux in which it runs, for
    what wants a terminal."""

    def __init__(self, argv, env, files=(), tmux=None):
        self.argv, self.env, self.files, self.tmux = argv, env, files, tmux
        self.output = ""
        self.process = self.master = None

    async def start(self):
        inner = asyncio.subprocess.PIPE
        if self.tmux:
            self.argv = [*self.tmux_command(), "new-session", *self.argv]
            self.master, inner = os.openpty()
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = await asyncio.create_subprocess_exec(
            *self.argv,
            env=self.env,
            stdin=inner,
            stdout=inner,
            stderr=inner if self.tmux else asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        if self.tmux:
            os.close(inner)
        self.reader = asyncio.create_task(self.read())
        return self

    def tmux_command(self):
        return ["tmux", "-S", self.tmux, "-f", "/dev/null"]

    async def read(self):
        while data := await self.some():
            self.output += data.decode(errors="replace")

    async def some(self):
        if not self.tmux:
            return await self.process.stdout.read(65536)
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self.master, lambda: readable.done() or readable.set_result(None))
        try:
            await readable
            return os.read(self.master, 65536)
        except OSError:
            return b""  # nobody is at the other end any more
        finally:
            loop.remove_reader(self.master)

    def text(self):
        parts = [self.output]
        for path in [path for pattern in self.files for path in sorted(glob.glob(pattern))]:
            with open(path, encoding="utf-8", errors="replace") as f:
                parts.append(f.read())
        return "\n".join(parts)

    async def see(self, pattern, patience=PATIENCE):
        """Waits until it has said this; the match."""
        wanted = re.compile(pattern, re.M)
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            over = self.reader.done()
            if match := wanted.search(self.text()):
                return match
            if over:
                raise Failed(f"it ended without {pattern!r}: {self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"{pattern!r} did not come: {self.tail()}")
            await asyncio.wait([self.reader], timeout=POLL)

    def tail(self):
        lines = [line.strip() for line in self.text().splitlines() if line.strip()]
        return " / ".join(collections.deque(lines, 3))[-400:]

    def type(self, line):
        if self.tmux:
            os.write(self.master, line.encode() + b"\r")
        else:
            self.process.stdin.write(line.encode() + b"\n")

    def close_input(self):
        self.process.stdin.close()

    async def ended(self, patience=PATIENCE):
        """Waits for its end; its exit status."""
        try:
            status = await asyncio.wait_for(self.process.wait(), patience)
        except asyncio.TimeoutError as e:
            raise Failed(f"it does not end: {self.tail()}") from e
        await self.reader
        return status

    async def kill(self):
        """Ends it and whatever it has started, which is all of its session, or tmux's."""
        if self.process:
            if self.tmux:
                killer = await asyncio.create_subprocess_exec(
                    *self.tmux_command(), "kill-server", stderr=asyncio.subprocess.DEVNULL
                )
                await killer.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            await self.reader
        if self.master is not None:
            os.close(self.master)
            self.master = None
