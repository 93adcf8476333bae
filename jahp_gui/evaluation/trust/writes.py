"""Processes that are killed while they write a file: `python -m jahp_gui.evaluation.trust.writes --kills 500`.

A process writes one file over and over with `write_atomically`, and is killed (SIGKILL) at a random moment. After that
the file must be one of those it wrote, whole; or, where it was not there before, it may be missing.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jahp_gui.codec.output import write_atomically
from jahp_gui.commands.common import count

BYTES = 200_000
LONGEST_WAIT = 0.02  # seconds: several times what a write takes


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=count, default=500, metavar="N", help="processes to kill (default 500)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="jahp-") as folder:
        result = kill_while_writing(Path(folder), args.kills)
    print(result.row())
    return 1 if result.damaged else 0


@dataclass(frozen=True)
class Kills:
    """How many processes were killed, how many of them in the middle of a file (their temporary one was there), and
    how many left a file that is neither whole nor, had it not been there before, missing."""

    tried: int
    in_the_middle: int
    damaged: int

    def row(self) -> str:
        what = f"writers killed, half of them over an old file, {self.in_the_middle:,} in the middle of a file"
        return f"| {what} | {self.tried:,} | {self.damaged:,} |"


def kill_while_writing(folder: Path, kills: int) -> Kills:
    """Kill `kills` processes. Forks: this one must not have threads."""
    rng = random.Random(0)
    path = folder / "a.jahp"
    damaged = in_the_middle = 0
    for number in range(kills):
        replacing = number % 2 == 0
        for left in folder.iterdir():  # what a killed process could not take away
            left.unlink()
        if replacing:
            path.write_bytes(contents(number))
        child = os.fork()
        if child == 0:
            write_for_ever(path, number, replacing)
        time.sleep(rng.uniform(0.0005, LONGEST_WAIT))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        in_the_middle += any(left != path for left in folder.iterdir())
        if path.exists() or replacing:
            damaged += not (path.exists() and is_whole(path.read_bytes()))
    return Kills(kills, in_the_middle, damaged)


def write_for_ever(path: Path, number: int, replacing: bool) -> None:
    """In the child, which nothing but a signal ends."""
    try:
        while True:
            number += 1
            if not replacing:
                path.unlink(missing_ok=True)
            write_atomically(path, contents(number), force=replacing)
    finally:
        os._exit(1)


def contents(number: int) -> bytes:
    body = number.to_bytes(8, "little") * (BYTES // 8)
    return hashlib.sha256(body).digest() + body


def is_whole(data: bytes) -> bool:
    return len(data) == 32 + BYTES and hashlib.sha256(data[32:]).digest() == data[:32]


if __name__ == "__main__":
    sys.exit(main())
