"""Try everything and write TRUST.md: `python -m jahp_gui.evaluation.trust`, from the root of a checkout.

The number of files is what the table is worth; 100 000 take about ten minutes of one processor core.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jahp_gui import __version__
from jahp_gui.codec.images import write_atomically
from jahp_gui.commands.common import count
from jahp_gui.evaluation.trust import fuzz, together, writes
from jahp_gui.evaluation.trust.subjects import SECONDS, small_images

TEXT = """# What was tried to break it

JAHP Explorer {version}, {system}, Python {python}. Written by

    {command}

## Damaged files

Of the `.jahp` files (small ones, of five priors) half have their checksum made right again, and half of those are put
together of parts of others, with sizes, lengths and codes that nobody expects. The images are of {kinds} kinds.
A fault is: a crash; an error that is not one sentence; more than {seconds:.0f} s of processor time; more memory than
the declared size needs; a picture whose latents are not those the encoder wrote.

{fuzz}

## Interrupted and concurrent work

| tried | how often | wrong results |
|---|---:|---:|
{rest}
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=count, default=100_000, metavar="N", help="damaged .jahp files")
    parser.add_argument("--images", type=count, default=100_000, metavar="N", help="damaged images")
    parser.add_argument("--kills", type=count, default=1_000, metavar="N", help="writers to kill")
    parser.add_argument("--model", default=fuzz.TEST_MODEL, metavar="ID_OR_FOLDER", help=f"default {fuzz.TEST_MODEL}")
    parser.add_argument("--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("TRUST.md"), metavar="FILE")
    args = parser.parse_args(argv)

    # First, while this process has no threads: it forks.
    with tempfile.TemporaryDirectory(prefix="jahp-") as folder:
        kills = writes.kill_while_writing(Path(folder), args.kills)
    tallies = {
        "files": fuzz.fuzz("files", args.model, range(args.files), args.jobs),
        "images": fuzz.fuzz("images", args.model, range(args.images), args.jobs),
    }
    for kind, tally in tallies.items():
        fuzz.report_faults(tally, kind, args.model, None)
    encoders = together.compare(args.model, threads=4, processes=4, inner=1)
    text = TEXT.format(
        version=__version__,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        command=f"python -m jahp_gui.evaluation.trust --files {args.files} --images {args.images} --kills {args.kills}",
        kinds=len(small_images()),
        seconds=SECONDS,
        fuzz="\n".join([fuzz.HEADER, *(tally.row(f"damaged {fuzz.KINDS[kind]}") for kind, tally in tallies.items())]),
        rest="\n".join([kills.row(), encoders.row()]),
    )
    write_atomically(args.out, text.encode(), force=True)
    print(text)
    return 1 if kills.damaged or encoders.different or any(tally.faults for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
