"""What the lints share: which files are ours, and C text without its comments and strings."""

import os
import re
import sys

SOURCE_FOLDERS = ("src", "modules", "tests", "contrib")
SKIPPED_FOLDERS = {".git", ".libs", ".deps", "autom4te.cache", "build-aux", "__pycache__"}


def root():
    """The tree to look at: the first argument, or the project that this file belongs to."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else here


def files(top, suffixes, folders=SOURCE_FOLDERS):
    """Paths below `folders`, relative to `top`, that end with one of `suffixes`; sorted."""
    found = []
    for folder in folders:
        for path, dirs, names in os.walk(os.path.join(top, folder)):
            dirs[:] = [d for d in dirs if d not in SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(path, n), top)
                      for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def _blank(match):
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


def code(text):
    """`text` with comments and the insides of strings blanked; every line keeps its number."""
    return _TOKEN.sub(_blank, text)


def includes(text):
    """(line number, name, whether in quotes) of every #include."""
    for number, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if m:
            yield number, m.group(2), m.group(1) == '"'


def report(lint, problems):
    """Prints the problems ("file:line: what, and what to do") and ends with 0 or 1."""
    for p in problems:
        print(p)
    if problems:
        print(f"{lint}: {len(problems)} to mend")
    sys.exit(1 if problems else 0)
