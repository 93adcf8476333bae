"""Try many damaged files: `python -m jahp_gui.evaluation.trust.fuzz --files 100000`.

Files are numbered, and a number is always the same file. They are tried in child processes, so that one that crashes
or hangs the interpreter is one fault more and not the end. Prints a row of a Markdown table; the files that found a
fault are kept in `--keep`. Exit code 1 if there was a fault.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tqdm import tqdm

from jahp_gui.commands.common import count
from jahp_gui.evaluation.trust.subjects import MEGABYTE, Files, Images, Outcome, Subject

TEST_MODEL = "tests/models/tiny"
HANG_SECONDS = 60.0  # of wall time without a word from a child: other programs may be using the processor
KINDS = {"files": ".jahp files", "images": "images"}
HEADER = """| tried | how many | refused by one sentence | opened | slowest | most memory | faults |
|---|---:|---:|---:|---:|---:|---:|"""


@dataclass
class Tally:
    """What came of many files. faults: what was found by the number of the file."""

    tried: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    largest: int | None = None
    faults: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, outcome: Outcome) -> None:
        self.tried += 1
        self.kinds[outcome.kind] = self.kinds.get(outcome.kind, 0) + 1
        self.slowest = max(self.slowest, outcome.seconds)
        if outcome.growth is not None:
            self.largest = max(self.largest or 0, outcome.growth)
        if outcome.fault is not None:
            self.faults[number] = outcome.fault

    def row(self, what: str) -> str:
        relabelled = self.kinds.get("relabelled", 0)
        opened = f"{self.kinds.get('picture', 0) + relabelled:,}"
        if relabelled:
            opened += f", {relabelled:,} of them under a forged λ or size"
        memory = "not measured" if self.largest is None else f"{self.largest / MEGABYTE:.0f} MB"
        return (
            f"| {what} | {self.tried:,} | {self.kinds.get('refused', 0):,} | {opened} "
            f"| {self.slowest:.2f} s | {memory} | {len(self.faults)} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=count, default=10_000, metavar="N", help="how many files (default 10 000)")
    parser.add_argument("--kind", choices=KINDS, default="files", help="what is damaged (default files)")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first file (default 0)")
    parser.add_argument("--model", default=TEST_MODEL, metavar="ID_OR_FOLDER", help=f"default {TEST_MODEL}")
    parser.add_argument("--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write the files that found a fault there")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    numbers = range(args.first, args.first + args.files)
    if args.child:
        work(make_subject(args.kind, args.model), numbers)
        return 0
    tally = fuzz(args.kind, args.model, numbers, args.jobs)
    print(HEADER, tally.row("damaged " + KINDS[args.kind]), sep="\n")
    report_faults(tally, args.kind, args.model, args.keep)
    return 1 if tally.faults else 0


def make_subject(kind: str, model: str) -> Subject:
    return Files(model) if kind == "files" else Images()


def report_faults(tally: Tally, kind: str, model: str, keep: Path | None) -> None:
    if not tally.faults:
        return
    subject = make_subject(kind, model)
    for number, fault in sorted(tally.faults.items()):
        print(f"file {number}: {fault}", file=sys.stderr)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{kind}-{number}").write_bytes(subject.file(number))


# ---------------------------------------------------------------- in a child


def work(subject: Subject, numbers: range) -> None:
    """Try the files one after the other and print what came of each as a line of JSON."""
    warnings.simplefilter("ignore")  # Pillow's about damaged files,
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # and those of the libraries below it
    for number in numbers:
        print(json.dumps([number, asdict(subject.attempt(subject.file(number)))]), flush=True)


# ---------------------------------------------------------------- in the parent


def fuzz(kind: str, model: str, numbers: range, jobs: int) -> Tally:
    """Try the files of `numbers` in `jobs` processes at a time."""
    tally, lock = Tally(), threading.Lock()
    size = -(-len(numbers) // jobs)
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def take(part: range) -> None:
        for number, outcome in outcomes(kind, model, part):
            with lock:
                tally.add(number, outcome)
                bar.update()

    with (
        tqdm(total=len(numbers), unit="file", leave=False, disable=not sys.stderr.isatty()) as bar,
        ThreadPoolExecutor(jobs) as pool,
    ):
        list(pool.map(take, parts))
    return tally


def outcomes(kind: str, model: str, numbers: range) -> Iterator[tuple[int, Outcome]]:
    """What came of each file; a child that ends or falls silent over one is replaced for the files after it."""
    position = numbers.start
    while position < numbers.stop:
        before = position
        child = start_child(kind, model, range(position, numbers.stop))
        assert child.stdout is not None
        silent = Alarm(child)
        for line in child.stdout:
            silent.postpone()
            number, fields = json.loads(line)
            position = number + 1
            yield number, Outcome(**fields)
        silent.cancel()
        code = child.wait()
        if position == numbers.stop:
            return
        if position == before and code > 0:  # it has not come to its first file: the fault is not that file's
            raise RuntimeError(f"the process that tries files ended with exit code {code}")
        what = "hung" if silent.rung else f"crashed the process ({ending(code)})"
        yield position, Outcome("crashed", 0.0, None, what)
        position += 1


def start_child(kind: str, model: str, numbers: range) -> "subprocess.Popen[str]":
    options = ["--kind", kind, "--model", model, "--first", str(numbers.start), "--files", str(len(numbers))]
    command = [sys.executable, "-m", "jahp_gui.evaluation.trust.fuzz", "--child", *options]
    # One thread each: children share the processors.
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class Alarm:
    """Kills a child that has not been heard of for `HANG_SECONDS`."""

    def __init__(self, child: "subprocess.Popen[str]"):
        self.rung = False
        self._child = child
        self._heard = time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._heard > HANG_SECONDS:
                self.rung = True
                self._child.kill()
                return

    def postpone(self) -> None:
        self._heard = time.monotonic()

    def cancel(self) -> None:
        self._over.set()


if __name__ == "__main__":
    sys.exit(main())
