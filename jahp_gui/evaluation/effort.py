"""What the encoder's efforts give: BD-rate of real files against plain rounding, and the time they take.

    python -m jahp_gui.evaluation.effort IMAGES [--efforts 0 1 2] [--count 8] [--crop 384x256] [--rows FILE]

Every file is written, read back from its bytes and compared in 8-bit RGB. Rows already in FILE are not measured again.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from jahp_gui.codec import metrics
from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.images import find_images, load_image
from jahp_gui.codec.models import DEFAULT_MODEL, find_model
from jahp_gui.evaluation.curves import bd_rate

LMBDAS = (0.0032, 0.0128, 0.05, 0.2)


@dataclass(frozen=True)
class Task:
    """One file to write and read back. crop: (width, height) of the centre to take, None for the whole image."""

    path: str
    crop: tuple[int, int] | None
    model: str
    prior: str
    lmbda: float
    effort: int

    @property
    def key(self) -> str:
        crop = "" if self.crop is None else f" {self.crop[0]}x{self.crop[1]}"
        digest = find_model(self.model).digest(self.prior).hex()
        return f"{Path(self.path).name}{crop} {self.model}/{self.prior} {digest} {self.lmbda:g} {self.effort}"


@dataclass(frozen=True)
class Row:
    """What became of a task. seconds: of the processor, on one thread, decoding not counted."""

    key: str
    image: str
    lmbda: float
    effort: int
    bpp: float
    psnr: float
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--efforts", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--lmbdas", type=float, nargs="+", default=list(LMBDAS))
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--prior", default=DEFAULT_PRIOR)
    parser.add_argument("--count", type=int, help="images taken, evenly spread over the folder (default: all)")
    parser.add_argument("--crop", metavar="WxH", help="centre crop of every image")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each (default 2)")
    parser.add_argument("--rows", type=Path, help="file that keeps the rows, one JSON object a line")
    args = parser.parse_args(argv)
    rows = measure(plan(args), args.rows, args.jobs)
    print(as_table(rows))
    return 0


def plan(args: argparse.Namespace) -> list[Task]:
    paths = find_images(args.images)
    if args.count is not None and args.count < len(paths):
        paths = [paths[len(paths) * number // args.count] for number in range(args.count)]
    crop = None
    if args.crop:
        width, height = map(int, args.crop.split("x"))
        crop = width, height
    return [
        Task(str(path), crop, args.model, args.prior, lmbda, effort)
        for effort in sorted({0, *args.efforts})
        for path in paths
        for lmbda in args.lmbdas
    ]


def measure(tasks: Sequence[Task], kept: Path | None, jobs: int) -> list[Row]:
    """The rows of all tasks; those in the file `kept` are taken from there, new ones are added to it."""
    known = {row.key: row for row in read_rows(kept)}
    missing = [task for task in tasks if task.key not in known]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run, task) for task in missing]):
            row = future.result()
            known[row.key] = row
            if kept is not None:
                with open(kept, "a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
    return [known[task.key] for task in tasks]


def read_rows(path: Path | None) -> list[Row]:
    if path is None or not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]


def run(task: Task) -> Row:
    """Encode, read back, compare; in a process of its own, with one thread."""
    import torch

    from jahp_gui.codec import Model, decode, encode

    torch.set_num_threads(1)
    rgb = load_image(task.path).rgb
    if task.crop is not None:
        left, top = ((side - wanted) // 2 for side, wanted in zip(rgb.shape[1::-1], task.crop, strict=True))
        rgb = np.ascontiguousarray(rgb[top : top + task.crop[1], left : left + task.crop[0]])
    model = Model.load(task.model)
    encode(model, rgb[:64, :64], prior=task.prior)  # the weights are read before the clock starts
    started = time.process_time()  # other programs do not count
    encoded = encode(model, rgb, prior=task.prior, lmbda=task.lmbda, effort=task.effort)
    seconds = time.process_time() - started
    picture = decode(encoded.data, model=model).rgb
    psnr = metrics.psnr(rgb, picture)
    return Row(task.key, Path(task.path).name, task.lmbda, task.effort, encoded.container.bpp, psnr, seconds)


def as_table(rows: Iterable[Row]) -> str:
    """Markdown: for each effort the BD-rate of the mean curve against effort 0, over what both cover, and the time."""
    rows = list(rows)
    lmbdas = sorted({row.lmbda for row in rows})
    images = sorted({row.image for row in rows})
    lines = [
        f"{len(images)} images, λ = {', '.join(f'{lmbda:g}' for lmbda in lmbdas)}",
        "",
        "| effort | BD-rate | over | processor seconds an image | "
        + " | ".join(f"bpp, dB at {x:g}" for x in lmbdas)
        + " |",
        "|---|---|---|---|" + "---|" * len(lmbdas),
    ]
    curves = {effort: mean_curve(rows, effort, lmbdas) for effort in sorted({row.effort for row in rows})}
    for effort, curve in curves.items():
        delta = bd_rate(curves[0], curve)
        seconds = fmean(row.seconds for row in rows if row.effort == effort)
        shown = "—" if delta is None or effort == 0 else f"{delta.percent:+.2f}%"
        over = "—" if delta is None else f"{delta.low_db:.1f}–{delta.high_db:.1f} dB"
        points = " | ".join(f"{bpp:.4f}, {psnr:.2f}" for bpp, psnr in curve)
        lines.append(f"| {effort} | {shown} | {over} | {seconds:.2f} | {points} |")
    return "\n".join(lines)


def mean_curve(rows: Sequence[Row], effort: int, lmbdas: Sequence[float]) -> list[tuple[float, float]]:
    """(bpp, PSNR) at each λ, means over the images."""
    found = []
    for lmbda in lmbdas:
        here = [row for row in rows if row.effort == effort and row.lmbda == lmbda]
        found.append((fmean(row.bpp for row in here), fmean(row.psnr for row in here)))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
