"""`jahp bench`: where the time of an encode and a decode goes, what memory they take, how fast the program starts.

Every size runs in a process of its own, so that its peak memory is its own; the first repetition warms up and is not
counted. Times are medians in seconds.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.models import DEFAULT_MODEL
from jahp_gui.codec.prior_names import DEFAULT_PRIOR
from jahp_gui.codec.rate_scale import DEFAULT_LMBDA

DEFAULT_SIZES = ("768x512", "2048x1536")
STAGES = ("transforms", "entropy networks", "range coder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", nargs="+", default=list(DEFAULT_SIZES), metavar="WxH", help="image sizes to measure")
    parser.add_argument("--prior", default=DEFAULT_PRIOR, help=f"prior to encode with (default: {DEFAULT_PRIOR})")
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"model id or folder (default: {DEFAULT_MODEL})")
    parser.add_argument("--lmbda", type=float, default=DEFAULT_LMBDA, help=f"λ to encode at (default: {DEFAULT_LMBDA})")
    parser.add_argument("--image", help="photo to measure with, scaled to each size (default: a sample)")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions counted (default: 5)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads (default: physical cores)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--one", metavar="WxH", help=argparse.SUPPRESS)  # what a child process measures


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.one:
        print(json.dumps(measure(args, *parse_size(args.one))))
        return 0
    for size in args.sizes:
        parse_size(size)
    results = {"machine": machine(), "start-up": start_up(), "sizes": [in_child(args, size) for size in args.sizes]}
    print(json.dumps(results, indent=1) if args.json else as_text(results))
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "768x512"; raises `UsageError`."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"'{text}' is not an image size; write it as WIDTHxHEIGHT, for example 768x512.")
    return int(width), int(height)


def in_child(args: argparse.Namespace, size: str) -> dict[str, Any]:
    options = ["--one", size, "--prior", args.prior, "--lmbda", str(args.lmbda), "--repeat", str(args.repeat)]
    options += ["--threads", str(args.threads), "--model", args.model]
    options += ["--image", args.image] if args.image else []
    result = subprocess.run(
        [sys.executable, "-m", "jahp_gui", "bench", *options], stdout=subprocess.PIPE, text=True, check=False
    )
    if result.returncode:
        raise UsageError(f"The benchmark of {size} ended early; the message above says why.")
    return json.loads(result.stdout)


def measure(args: argparse.Namespace, width: int, height: int) -> dict[str, Any]:
    """Encode and decode one size repeatedly in this process."""
    import torch

    from jahp_gui.codec import Model, decode, encode

    if args.threads:
        torch.set_num_threads(args.threads)
    rgb = sample(args.image, width, height)
    started = time.perf_counter()
    model = Model.load(args.model)
    model.prior(args.prior)
    load_seconds = time.perf_counter() - started
    data = encode(model, rgb, prior=args.prior, lmbda=args.lmbda).data

    def encode_once() -> dict[str, float]:
        return encode(model, rgb, prior=args.prior, lmbda=args.lmbda).seconds

    def decode_once() -> dict[str, float]:
        return decode(data, model=model, max_pixels=width * height).seconds

    return {
        "size": f"{width}x{height}",
        "prior": args.prior,
        "lmbda": args.lmbda,
        "threads": torch.get_num_threads(),
        "bytes": len(data),
        "bpp": 8 * len(data) / (width * height),
        "load model": load_seconds,
        "encode": timed(encode_once, args.repeat),
        "decode": timed(decode_once, args.repeat),
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def timed(job: Callable[[], dict[str, float]], repeat: int) -> dict[str, float]:
    """Median wall time of `job` ("total") and of the stages it reports."""
    job()
    totals, stages = [], []
    for _ in range(repeat):
        started = time.perf_counter()
        stages.append(job())
        totals.append(time.perf_counter() - started)
    medians = {stage: statistics.median(seconds.get(stage, 0.0) for seconds in stages) for stage in STAGES}
    return {"total": statistics.median(totals), **medians}


def sample(path: str | None, width: int, height: int) -> Any:
    """A photo scaled to the size, without which no natural statistics: uint8 (height, width, 3)."""
    import numpy as np
    from PIL import Image

    from jahp_gui.codec.images import load_image
    from jahp_gui.paths import assets_dir

    rgb = load_image(path or assets_dir() / "samples" / "astronaut.png").rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS))


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}


def start_up() -> dict[str, float]:
    """Seconds of a fresh interpreter that does nothing, prints the version, and imports what encoding needs."""
    commands = {
        "python": ["-c", "pass"],
        "jahp --version": ["-m", "jahp_gui", "--version"],
        "import codec": ["-c", "import jahp_gui.codec.codec"],
    }
    seconds = {}
    for name, arguments in commands.items():
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
        seconds[name] = time.perf_counter() - started
    return seconds


def as_text(results: dict[str, Any]) -> str:
    lines = ["start-up: " + ", ".join(f"{name} {value:.2f} s" for name, value in results["start-up"].items())]
    for entry in results["sizes"]:
        width, height = parse_size(entry["size"])
        lines.append(
            f"\n{entry['size']}, {entry['prior']}, λ {entry['lmbda']}, {entry['threads']} threads: "
            f"{entry['bytes']:,} bytes, {entry['bpp']:.3f} bpp, peak memory {entry['peak memory MB']:.0f} MB, "
            f"model loaded in {entry['load model']:.2f} s"
        )
        for task in ("encode", "decode"):
            seconds = entry[task]
            stages = ", ".join(f"{stage} {seconds[stage]:.3f}" for stage in STAGES)
            speed = width * height / 1e6 / seconds["total"]
            lines.append(f"  {task} {seconds['total']:.3f} s ({speed:.1f} MP/s): {stages}")
    return "\n".join(lines)
