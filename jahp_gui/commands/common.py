"""What the commands share: which file goes where, many files though one fails, reports. Without torch and numpy."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from jahp_gui.codec.container import DEFAULT_MAX_PIXELS, STREAM_PART
from jahp_gui.codec.device import DEVICES
from jahp_gui.codec.errors import JahpError, OutputError, UsageError, printable
from jahp_gui.windows import expand_wildcards

USER_ERROR = 2  # the exit code
STREAM = "-"
STREAM_LIMIT = 512 << 20  # bytes read from standard input: an image file of 200 megapixels has fewer
MOST_THREADS = 1024
Progress = Callable[[float], None]  # called with the fraction done of one file


@dataclass(frozen=True)
class Job:
    """One input and where its result goes; "-" is standard input or output."""

    source: str
    target: str

    @property
    def name(self) -> str:
        """What messages call the input."""
        return "Standard input" if self.source == STREAM else self.source


# ---------------------------------------------------------------- arguments


def describe_command(parser: argparse.ArgumentParser, description: str, examples: str) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = description
    parser.epilog = "examples:\n" + "\n".join("  " + line for line in examples.strip().splitlines())


def add_batch_arguments(parser: argparse.ArgumentParser, inputs: str, suffix: str) -> None:
    """Inputs, outputs and limits of the commands that turn files into files."""
    parser.usage = f"{parser.prog} [options] IN [OUT]\n       {parser.prog} [options] IN [IN ...] --out-dir DIR"
    parser.add_argument("paths", nargs="+", metavar="IN", help=f"{inputs}; - is standard input or output")
    parser.add_argument(
        "--out-dir",
        metavar="DIR",
        help=f"write DIR/NAME{suffix} for every IN and every file of a folder IN; DIR is made if it is missing",
    )
    parser.add_argument("--force", action="store_true", help="replace results that exist")
    parser.add_argument(
        "--max-pixels",
        type=count,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"refuse larger pictures before they take memory (default {DEFAULT_MAX_PIXELS:_})",
    )
    add_threads_argument(parser)
    add_device_argument(parser)
    add_json_argument(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where the transforms run (default auto: a GPU where there is one); any file decodes on any",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="report as JSON")


def positive(text: str) -> float:
    """argparse type: a finite number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above zero")
    return value


def count(text: str) -> int:
    """argparse type: an integer above zero; 200_000_000 is one."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above zero")
    return value


def threads(text: str) -> int:
    """argparse type: a number of threads that torch can be asked for."""
    value = count(text)
    if value > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"'{text}' is more than {MOST_THREADS}")
    return value


def add_threads_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=threads, metavar="N", help="processor threads (default: one per physical core)"
    )


# ---------------------------------------------------------------- from arguments to jobs


def plan_jobs(
    paths: Sequence[str],
    out_dir: str | None,
    suffix: str,
    input_suffixes: Collection[str],
    files_in: Callable[[str], Sequence[Path]],
) -> list[Job]:
    """What `IN [OUT]` or `IN… --out-dir DIR` ask for; no OUT has one of `input_suffixes`.

    Raises `UsageError` before anything is read or written: DIR itself is made when nothing else is refused.
    """
    paths = expand_wildcards(paths)
    if out_dir is None:
        return [_single_job(paths, suffix, input_suffixes)]
    sources: list[str] = []
    for path in paths:
        if path == STREAM:
            raise UsageError("Standard input has no name to give a file in --out-dir; name OUT instead.")
        found = [str(file) for file in files_in(path)] if os.path.isdir(path) else [path]
        if not found:
            raise UsageError(f"{path} holds no file to take; choose a folder with {_kinds(input_suffixes)} files.")
        sources += found
    jobs = [Job(path, os.path.join(out_dir, _stem(os.path.basename(path)) + suffix)) for path in sources]
    _refuse_clashes(jobs)
    return jobs


def _single_job(paths: Sequence[str], suffix: str, input_suffixes: Collection[str]) -> Job:
    source = paths[0]
    if len(paths) > 2:
        raise UsageError("Several inputs need a folder for their results; name it with --out-dir DIR.")
    if os.path.isdir(source):
        raise UsageError(f"{source} is a folder; name a folder for the results with --out-dir DIR.")
    if len(paths) == 1:
        if source.endswith(suffix):
            raise UsageError(f"{source} has the suffix of the result, {suffix}, already; name another file, or OUT.")
        return Job(source, STREAM if source == STREAM else _stem(source) + suffix)
    # `jahp encode *.png` in a folder of two pictures must not take the second for the output.
    if os.path.splitext(paths[1])[1].lower() in input_suffixes:
        raise UsageError(f"{paths[1]} is named like an input; several inputs need --out-dir DIR.")
    return Job(source, paths[1])


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


def _kinds(suffixes: Collection[str]) -> str:
    return "image" if len(suffixes) > 1 else "".join(suffixes)


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    """No two inputs may have one result; A.png and a.png have, on the disks of some systems."""
    taken: dict[str, Job] = {}
    for job in jobs:
        other = taken.setdefault(job.target.casefold(), job)
        if other is not job:
            raise UsageError(
                f"{other.source} and {job.source} would both become {job.target}; rename one or do it on its own."
            )


def make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path} cannot be made ({error.strerror}); choose another.") from error


def check_input(path: str) -> None:
    """Tell a missing input before anything is said of where its result would go."""
    if path != STREAM and not os.path.lexists(path):
        raise UsageError(f"{path} does not exist; check the name and the folder.")


def check_output(path: str, force: bool) -> None:
    """Refuse before the work is done what would be refused after it."""
    if path == STREAM:
        if sys.__stdout__ is None:
            raise UsageError("Standard output is closed; redirect it or name OUT.")
        if sys.stdout.isatty():
            raise UsageError(
                "Standard output is a terminal, which has no use for these bytes; redirect it or name OUT."
            )
        return
    folder = os.path.dirname(path) or os.curdir
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder; name a file in it, or use --out-dir.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(f"{path} is not an ordinary file; choose another name.")
    if os.path.lexists(path) and not force:
        raise OutputError(f"{path} exists already; choose another name, or replace it with --force.")
    if not os.path.isdir(folder):
        raise OutputError(f"{path} cannot be written: its folder does not exist; create it first.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path} cannot be written: its folder may not be changed by this user; choose another.")


# ---------------------------------------------------------------- doing the jobs


def run_jobs(
    jobs: Sequence[Job],
    work: Callable[[Job, Progress], dict[str, Any]],
    describe: Callable[[dict[str, Any]], str],
    as_json: bool,
) -> int:
    """Do every job though others fail, report each, list the errors at the end; returns the exit code."""
    from tqdm import tqdm

    report = sys.stderr if any(job.target == STREAM for job in jobs) else sys.stdout
    results, errors = [], []
    with tqdm(
        total=len(jobs),
        unit="file",
        miniters=0,  # fractions of a file come at another pace than files
        leave=False,
        delay=0.5,
        disable=not sys.stderr.isatty(),
        bar_format="{percentage:3.0f}% {bar} {elapsed}, {remaining} left",
    ) as bar:
        for number, job in enumerate(jobs):

            def progress(fraction: float, number: int = number) -> None:
                bar.update(number + fraction - bar.n)

            try:
                with memory_named(job.name):
                    _refuse_own_input(job)
                    result = {"input": job.source, "output": job.target, **work(job, progress)}
            except JahpError as error:
                errors.append({"input": job.source, "error": _sentence(error, job)})
            else:
                results.append(result)
                if not as_json:
                    bar.write(printable(describe(result)), file=report)
            progress(1.0)
    if as_json:
        print_json({"files": results, "errors": errors}, report)
    for entry in errors:
        print_error(entry["error"])
    return USER_ERROR if errors else 0


def _refuse_own_input(job: Job) -> None:
    """Not even --force means the input, under whatever name, to be replaced by what is made of it."""
    with suppress(OSError, ValueError):  # one of them is not there, or has no name that can be
        if STREAM not in (job.source, job.target) and os.path.samefile(job.source, job.target):
            raise UsageError(f"{job.target} is the input itself; choose another name for the result.")


def _sentence(error: JahpError, job: Job) -> str:
    """The error with the name of its file, which those from deep inside the codec do not know."""
    named = job.name in str(error) or (job.target != STREAM and job.target in str(error))
    return str(error) if named else f"{job.name}: {error}"


@contextmanager
def memory_named(name: str) -> Iterator[None]:
    """Turn a failed allocation into a sentence about `name`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # Torch raises RuntimeError, whose one common phrase on all systems and devices is this.
        if not isinstance(error, MemoryError) and "tried to allocate" not in str(error).lower():
            raise
        raise JahpError(
            f"{name} needs more memory than is free; close other programs or use a smaller image."
        ) from error


def standard_input() -> BinaryIO:
    """Raises `UsageError` where whoever started the program has closed it."""
    if sys.__stdin__ is None:
        raise UsageError("Standard input is closed; send something to it, or name a file.")
    return sys.stdin.buffer


def read_stream() -> bytes:
    """All of standard input. Raises `UsageError` for more than `STREAM_LIMIT`: a pipe can go on for ever."""
    data, stream = bytearray(), standard_input()
    while part := stream.read(STREAM_PART):
        data += part
        if len(data) > STREAM_LIMIT:
            raise UsageError(
                f"Standard input holds more than {STREAM_LIMIT >> 20} MB, the most that is read from it; "
                "save the image as a file and name that."
            )
    return bytes(data)


def write_result(path: str, data: bytes, force: bool) -> None:
    """To a file, whole or not at all, or to standard output."""
    from jahp_gui.codec.output import write_atomically

    if path == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_atomically(path, data, force=force)


# ---------------------------------------------------------------- words


def arrow(entry: dict[str, Any]) -> str:
    """How a report line begins: from what to what."""
    source = "standard input" if entry["input"] == STREAM else entry["input"]
    return f"{source} → {'standard output' if entry['output'] == STREAM else entry['output']}"


def print_error(sentence: str) -> None:
    print(f"jahp: {printable(sentence)}", file=sys.stderr)


def print_json(value: Any, file: TextIO | None = None) -> None:
    print(json.dumps(value, indent=1, allow_nan=False), file=file or sys.stdout)
