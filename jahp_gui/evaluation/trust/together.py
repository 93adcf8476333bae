"""Several encoders at once: `python -m jahp_gui.evaluation.trust.together --threads 4 --processes 4`.

Threads of one process, which share a model, and processes of their own each encode a picture with every prior and at
two λ, and decode it again. All must get the bytes and the pixels of one that is alone, at the same number of threads
within the networks.
"""

import argparse
import hashlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jahp_gui.codec.threads import use_threads
from jahp_gui.commands.common import count
from jahp_gui.evaluation.trust.fuzz import TEST_MODEL
from jahp_gui.evaluation.trust.subjects import picture

if TYPE_CHECKING:
    from jahp_gui.codec import Model

SIZE = (97, 130)
LMBDAS = (0.0128, 0.1)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=count, default=4, metavar="N", help="encoders in one process (default 4)")
    parser.add_argument("--processes", type=count, default=4, metavar="N", help="processes (default 4)")
    parser.add_argument("--inner", type=count, default=1, metavar="N", help="threads within the networks (default 1)")
    parser.add_argument("--model", default=TEST_MODEL, metavar="ID_OR_FOLDER", help=f"default {TEST_MODEL}")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        print(" ".join(alone(args.model, args.inner)))
        return 0
    comparison = compare(args.model, args.threads, args.processes, args.inner)
    print(comparison.row())
    return 1 if comparison.different else 0


@dataclass(frozen=True)
class Comparison:
    """How many encoders ran at once, how many files each wrote and read, how many of them got something else."""

    threads: int
    processes: int
    files: int
    different: int

    def row(self) -> str:
        encoders = f"{self.threads} in threads and {self.processes} in processes"
        what = f"encoders at once, {encoders}, each writing and reading {self.files} files"
        return f"| {what} | {self.threads + self.processes} | {self.different} |"


def compare(model: str, threads: int, processes: int, inner: int) -> Comparison:
    """Run encoders at once, with `inner` threads within the networks of each, and one alone."""
    from jahp_gui.codec import Model

    expected = alone(model, inner)
    children = [start_process(model, inner) for _ in range(processes)]
    others = in_threads(Model.load(model), threads)  # a model of which nothing has been loaded before
    others += [child.communicate()[0].split() for child in children]
    return Comparison(threads, processes, len(expected), sum(other != expected for other in others))


def alone(model: str, inner: int) -> list[str]:
    use_threads(inner)
    from jahp_gui.codec import Model

    return results(Model.load(model))


def results(model: "Model", first: int = 0) -> list[str]:
    """SHA-256 of file and picture for every prior and λ, in one order, but begun with the one of number `first`."""
    from jahp_gui.codec import decode, encode

    rgb = picture(*SIZE)
    settings = [(prior, lmbda) for prior in model.card.priors for lmbda in LMBDAS]
    digests = {}
    for number in range(len(settings)):
        prior, lmbda = setting = settings[(first + number) % len(settings)]
        data = encode(model, rgb, prior=prior, lmbda=lmbda).data
        pixels = decode(data, model=model).rgb.tobytes()
        digests[setting] = hashlib.sha256(data + pixels).hexdigest()
    return [digests[setting] for setting in settings]


def in_threads(model: "Model", number: int) -> list[list[str]]:
    """The results of `number` threads that share a model; none for one that failed."""
    done: list[list[str]] = [[] for _ in range(number)]

    def take(index: int) -> None:
        done[index] = results(model, index)

    threads = [threading.Thread(target=take, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def start_process(model: str, inner: int) -> "subprocess.Popen[str]":
    """A process that prints the results of an encoder of its own."""
    command = [sys.executable, "-m", "jahp_gui.evaluation.trust.together", "--child", "--model", model]
    return subprocess.Popen([*command, "--inner", str(inner)], stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    sys.exit(main())
