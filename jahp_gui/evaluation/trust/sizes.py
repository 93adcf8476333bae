"""Images of any size in bounded memory: `python -m jahp_gui.evaluation.trust.sizes --sizes 1x1 12248x8165`.

A photo, tiled to the size, goes through `jahp encode` and `jahp decode`, each in a process of its own that tells the
most memory it ever had; `decode` refuses latents that are not those the encoder wrote.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jahp_gui.evaluation.trust.subjects import MEGABYTE, peak_memory

SIZES = ("1x1", "1x5000", "17x33", "1224x817", "4000x3000", "6000x4000", "12248x8165")
LIMIT = 3_000_000_000  # bytes in which 100 megapixels must go either way
TILE = 1536  # pixels: the side of the enlarged photo that is repeated
HEADER = """| image | megapixels | file | encode: memory | encode: time | decode: memory | decode: time | kept |
|---|---:|---:|---:|---:|---:|---:|---|"""


@dataclass(frozen=True)
class Way:
    """One command: what it took (memory None where the system does not say), and its error, empty for none."""

    seconds: float
    memory: int | None
    error: str

    def cells(self) -> str:
        memory = "not measured" if self.memory is None else f"{self.memory / MEGABYTE:,.0f} MB"
        return f"{memory} | {self.seconds:.1f} s"


@dataclass(frozen=True)
class Result:
    size: str
    pixels: int
    bytes: int
    encode: Way
    decode: Way

    @property
    def fault(self) -> str:
        """What must not be, empty if nothing: an error, or more than 3 GB."""
        most = max(self.encode.memory or 0, self.decode.memory or 0)
        over = f"{most / MEGABYTE:,.0f} MB of memory" if most > LIMIT else ""
        return self.encode.error or self.decode.error or over

    def row(self) -> str:
        kept = self.fault or "yes"
        return (
            f"| {self.size.replace('x', ' × ')} | {self.pixels / 1e6:.3g} | {self.bytes:,} bytes "
            f"| {self.encode.cells()} | {self.decode.cells()} | {kept} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="WxH")
    parser.add_argument("--model", metavar="ID_OR_FOLDER", help="default: the shipped one")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        return child(args.child)
    print(HEADER)
    results = []
    for size in args.sizes:
        results.append(measure(size, args.model))
        print(results[-1].row(), flush=True)
    return 1 if any(result.fault for result in results) else 0


def child(arguments: Sequence[str]) -> int:
    """Run a `jahp` command, then print the most memory this process had."""
    from jahp_gui.cli import main as jahp

    code = jahp(arguments)
    print(json.dumps(peak_memory()))
    return code


def measure(size: str, model: str | None = None) -> Result:
    """One image there and back."""
    width, height = map(int, size.split("x"))
    with tempfile.TemporaryDirectory(prefix="jahp-") as folder:
        photo, packed, back = (str(Path(folder) / name) for name in ("photo.png", "photo.jahp", "back.png"))
        write_photo(photo, width, height)
        encode = way(["encode", photo, packed, *(["--model", model] if model else [])])
        decode = Way(0.0, None, "not tried") if encode.error else way(["decode", packed, back])
        written = 0 if encode.error else os.path.getsize(packed)
    return Result(size, width * height, written, encode, decode)


def way(arguments: Sequence[str]) -> Way:
    started = time.perf_counter()
    command = [sys.executable, "-m", "jahp_gui.evaluation.trust.sizes", "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        return Way(seconds, None, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Way(seconds, json.loads(done.stdout.splitlines()[-1]), "")


def write_photo(path: str, width: int, height: int) -> None:
    """A sample photo, enlarged and repeated in mirror images, so that no seam shows."""
    from PIL import Image

    from jahp_gui.codec.images import load_image
    from jahp_gui.codec.output import save_image
    from jahp_gui.paths import assets_dir

    photo = Image.fromarray(load_image(assets_dir() / "samples" / "astronaut.png").rgb)
    tile = np.asarray(photo.resize((TILE, TILE), Image.Resampling.LANCZOS))
    pair = np.concatenate([tile, tile[:, ::-1]], 1)
    four = np.concatenate([pair, pair[::-1]])
    rows, columns = np.arange(height) % len(four), np.arange(width) % len(four)
    save_image(np.ascontiguousarray(four[rows][:, columns]), path)


if __name__ == "__main__":
    sys.exit(main())
