"""What the clients made in Python share: the orders on their input, the words on their output (see strophe.c)."""

import asyncio
import sys


def say(*words):
    print(*words, flush=True)


async def orders():
    """Who is to get what, until the end of the input."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _send, to, body = line.rstrip("\n").split(" ", 2)
        yield to, body
