"""Try everything and write TRUST.md: `python -m jahp_gui.evaluation.trust`, from the root of a checkout.

`--only damage sizes` measures these sections again and keeps the others as they stand. The number of files is what the
table is worth; 100 000 small ones take about ten minutes of one processor core.
"""

import argparse
import os
import platform
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jahp_gui import __version__
from jahp_gui.codec.models import DEFAULT_MODEL
from jahp_gui.codec.output import write_atomically
from jahp_gui.commands.common import count
from jahp_gui.evaluation.trust import fuzz, sizes, times, together, writes
from jahp_gui.evaluation.trust.subjects import SECONDS, small_images

TITLE = "# What was tried to break it, and what it takes"
DAMAGE = """Of the `.jahp` files (small ones, of five priors) half have their checksum made right again, and half of
those are put together of parts of others, with sizes, lengths and codes that nobody expects. The images are of
{kinds} kinds. A fault is: a crash; an error that is not one sentence; more than {seconds:.0f} s
of processor time; more memory than the declared size needs; a picture whose latents are not those the encoder wrote.
"""
LOAD = """| tried | how often | wrong results |
|---|---:|---:|"""
SIZES = """A photo through `jahp encode` and `jahp decode` with the joint prior, each in a process of its own, start of
the program and reading and writing of PNG included. 100 megapixels must go either way in 3 GB.
"""
TIMES = """Medians of `jahp bench --large`, the joint prior, photos above 8 megapixels once.
"""


class Measured(NamedTuple):
    """The text of a section, and whether everything held."""

    text: str
    held: bool


def damage(args: argparse.Namespace) -> Measured:
    tallies = [
        ("damaged .jahp files", "files", args.model, fuzz.fuzz("files", args.model, range(args.files), args.jobs)),
        (
            f"damaged .jahp files of {args.shipped_model}",
            "files",
            args.shipped_model,
            fuzz.fuzz("files", args.shipped_model, range(args.shipped), args.jobs),
        ),
        ("damaged images", "images", args.model, fuzz.fuzz("images", args.model, range(args.images), args.jobs)),
    ]
    for _, kind, model, tally in tallies:
        fuzz.report_faults(tally, kind, model, None)
    rows = [fuzz.HEADER, *(tally.row(what) for what, _, _, tally in tallies)]
    explained = DAMAGE.format(kinds=len(small_images()), seconds=SECONDS)
    return Measured("\n".join([explained, *rows]), not any(tally.faults for *_, tally in tallies))


def load(args: argparse.Namespace) -> Measured:
    with tempfile.TemporaryDirectory(prefix="jahp-") as folder:
        kills = writes.kill_while_writing(Path(folder), args.kills)
    encoders = together.compare(args.model, threads=4, processes=4, inner=1)
    return Measured("\n".join([LOAD, kills.row(), encoders.row()]), not (kills.damaged or encoders.different))


def any_size(args: argparse.Namespace) -> Measured:
    results = [sizes.measure(size) for size in args.sizes]
    text = "\n".join([SIZES, sizes.HEADER, *(result.row() for result in results)])
    return Measured(text, not any(result.fault for result in results))


def how_fast(args: argparse.Namespace) -> Measured:
    return Measured("\n".join([TIMES, times.text(times.measure(args.repeat))]), True)


class Section(NamedTuple):
    title: str
    measure: Callable[[argparse.Namespace], Measured]


# Writers are killed first, while this process has no threads: it forks.
SECTIONS = {
    "load": Section("Interrupted and concurrent work", load),
    "damage": Section("Damaged files", damage),
    "sizes": Section("Any size", any_size),
    "times": Section("Times", how_fast),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--files", type=count, default=100_000, metavar="N", help="damaged .jahp files")
    parser.add_argument("--images", type=count, default=100_000, metavar="N", help="damaged images")
    parser.add_argument("--shipped", type=count, default=3_000, metavar="N", help="damaged files of the shipped model")
    parser.add_argument("--kills", type=count, default=1_000, metavar="N", help="writers to kill")
    parser.add_argument("--sizes", nargs="+", default=list(sizes.SIZES), metavar="WxH", help="images there and back")
    parser.add_argument("--repeat", type=count, default=5, metavar="N", help="repetitions of `jahp bench`")
    parser.add_argument("--model", default=fuzz.TEST_MODEL, metavar="ID_OR_FOLDER", help=f"default {fuzz.TEST_MODEL}")
    parser.add_argument("--shipped-model", default=DEFAULT_MODEL, metavar="ID_OR_FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("TRUST.md"), metavar="FILE")
    given = list(sys.argv[1:] if argv is None else argv)
    args = parser.parse_args(given)

    kept = read_sections(args.out)
    command = shlex.join(["python", "-m", "jahp_gui.evaluation.trust", *given])
    where = f"JAHP Explorer {__version__}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    held = True
    for name, (title, measure) in SECTIONS.items():
        if args.only and name not in args.only:
            continue
        measured = measure(args)
        held &= measured.held
        kept[title] = f"`{command}`\n({where}, {os.cpu_count()} processors)\n\n{measured.text}"
        write_atomically(args.out, document(kept).encode(), force=True)  # each as it comes: some take an hour
        print(f"## {title}\n\n{kept[title]}\n", flush=True)
    return 0 if held else 1


def read_sections(path: Path) -> dict[str, str]:
    """The sections of an earlier run by their titles."""
    if not path.is_file():
        return {}
    _, *parts = re.split(r"^## (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


def document(sections: dict[str, str]) -> str:
    """TRUST.md: the sections there are, in their order."""
    parts = [f"## {title}\n\n{sections[title]}" for title, _ in SECTIONS.values() if title in sections]
    return "\n\n".join([TITLE, *parts]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
