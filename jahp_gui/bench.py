"""`jahp bench`: where the time of an encode and a decode goes, what memory they take, how fast the program starts.

Every size runs in a process of its own, so that its peak memory is its own; the first repetition warms up and is not
counted, but for sizes that take long. Times are medians in seconds. Where CompressAI is installed, its `mbt2018` is
measured beside ours.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from jahp_gui import windows
from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.device import choose_device
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.models import DEFAULT_MODEL, find_model
from jahp_gui.codec.threads import use_threads
from jahp_gui.commands.common import add_device_argument, add_threads_argument, count, positive

if TYPE_CHECKING:
    from jahp_gui.codec import Encoded

DEFAULT_SIZES = ("768x512", "2048x1536")
LARGE_SIZES = ("4000x3000", "6000x4000")  # the photos of today's cameras
LARGE_PIXELS = 8_000_000  # from here on once is enough
MBT2018 = "mbt2018"  # what `--one` measures instead of a size
STAGES = ("transforms", "entropy networks", "range coder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", nargs="+", default=list(DEFAULT_SIZES), metavar="WxH", help="image sizes to measure")
    parser.add_argument("--large", action="store_true", help=f"also {' and '.join(LARGE_SIZES)}, once each")
    parser.add_argument("--prior", default=DEFAULT_PRIOR, help=f"prior to encode with (default: {DEFAULT_PRIOR})")
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"model id or folder (default: {DEFAULT_MODEL})")
    parser.add_argument("--lmbda", type=positive, help="λ to encode at (default: the model's own)")
    parser.add_argument("--image", help="photo to measure with, scaled to each size (default: a sample)")
    parser.add_argument("--repeat", type=count, default=5, metavar="N", help="repetitions counted (default: 5)")
    add_threads_argument(parser)
    add_device_argument(parser)
    parser.add_argument(
        "--replay", action="store_true", help="also how fast the decoder is shown at work, step by step"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--gui", action="store_true", help="measure the explorer instead, on the first of the sizes")
    parser.add_argument("--one", metavar="WxH", help=argparse.SUPPRESS)  # what a child process measures


def run(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    if args.one:
        use_threads(args.threads)
        print(json.dumps(beside_mbt2018(args) if args.one == MBT2018 else measure(args, *parse_size(args.one))))
        return 0
    sizes = [*args.sizes, *(LARGE_SIZES if args.large else ())]
    for size in sizes:
        parse_size(size)
    if args.gui:
        return explorer(args)
    results = {"machine": machine(), "start-up": start_up(), "sizes": [in_child(args, size) for size in sizes]}
    if find_spec("compressai") and DEFAULT_PRIOR in find_model(args.model).priors:
        results[MBT2018] = in_child(args, MBT2018)
    print(json.dumps(results, indent=1) if args.json else as_text(results))
    return 0


def explorer(args: argparse.Namespace) -> int:
    """How fast the window answers: start-up, slider, real file, plot, and where its event loop stalls."""
    import tempfile
    from pathlib import Path

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{args.sizes[0]}.png"
        Image.fromarray(sample(args.image, *parse_size(args.sizes[0]))).save(path)
        command = [sys.executable, "-m", "jahp_gui.gui.speed", str(path), "--model", args.model]
        return subprocess.run([*command, *(["--json"] if args.json else [])], check=False).returncode


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "768x512"; raises `UsageError`."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"'{text}' is not an image size; write it as WIDTHxHEIGHT, for example 768x512.")
    return int(width), int(height)


def in_child(args: argparse.Namespace, size: str) -> dict[str, Any]:
    options = ["--one", size, "--prior", args.prior, "--repeat", str(args.repeat)]
    options += ["--lmbda", str(args.lmbda)] if args.lmbda else []
    options += ["--model", args.model, "--device", args.device]
    options += ["--threads", str(args.threads)] if args.threads else []
    options += ["--image", args.image] if args.image else []
    options += ["--replay"] if args.replay else []
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

    rgb = sample(args.image, width, height)
    started = time.perf_counter()
    model = Model.load(args.model, choose_device(args.device))
    model.prior(args.prior)
    load_seconds = time.perf_counter() - started
    encoded = encode(model, rgb, prior=args.prior, lmbda=args.lmbda)
    data = encoded.data
    large = width * height >= LARGE_PIXELS

    def encode_once() -> dict[str, float]:
        return encode(model, rgb, prior=args.prior, lmbda=args.lmbda).seconds

    def decode_once() -> dict[str, float]:
        return decode(data, model=model, max_pixels=width * height).seconds

    extras: dict[str, Any] = {"replay": measure_replay(data, model, width * height)} if args.replay else {}
    if model.device != "cpu":
        extras["against cpu"] = against_cpu(args, rgb, encoded)
    return extras | {
        "size": f"{width}x{height}",
        "prior": args.prior,
        "lmbda": model.lmbda(encoded.container.header.gain_index),
        "threads": torch.get_num_threads(),
        "device": model.device,
        "bytes": len(data),
        "bpp": 8 * len(data) / (width * height),
        "load model": load_seconds,
        "encode": timed(encode_once, args.repeat, large),
        "decode": timed(decode_once, args.repeat, large),
        "peak memory MB": peak_memory(),
    }


def peak_memory() -> float | None:
    """Most memory this process has had, in MB; none on Windows, where Python cannot tell."""
    if windows.IS_WINDOWS:
        return None
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def against_cpu(args: argparse.Namespace, rgb: Any, encoded: "Encoded") -> dict[str, int]:
    """How a file whose transforms ran elsewhere differs from the processor's: latents rounded otherwise, bytes.

    Either decodes everywhere to the ŷ that its own encoder had.
    """
    from jahp_gui.codec import Model, encode

    here = encode(Model.load(args.model), rgb, prior=args.prior, lmbda=args.lmbda)
    return {
        "latents": encoded.y_hat.size,
        "different": int((encoded.y_hat != here.y_hat).sum()),
        "bytes": len(encoded.data) - len(here.data),
    }


def measure_replay(data: bytes, model: Any, pixels: int) -> dict[str, float]:
    """Every step of the decoder of a file shown once, one after the other: each a picture synthesised in part."""
    from jahp_gui.codec.replay import Replay, record

    started = time.perf_counter()
    replay = Replay(record(data, model=model, max_pixels=pixels))
    recorded = time.perf_counter()
    replay.picture(0)
    seconds = []
    for moment in range(1, replay.last + 1):
        began = time.perf_counter()
        replay.picture(moment)
        seconds.append(time.perf_counter() - began)
    return {
        "record": recorded - started,
        "pictures": len(seconds),
        "pictures per second": len(seconds) / sum(seconds),
        "median": statistics.median(seconds),
        "longest": max(seconds),
    }


def beside_mbt2018(args: argparse.Namespace) -> dict[str, Any]:
    """One size through CompressAI's mbt2018 and ours by turns."""
    from jahp_gui import bench_mbt2018
    from jahp_gui.codec import Model

    rgb = sample(args.image, *bench_mbt2018.SIZE)
    model = Model.load(args.model)
    return bench_mbt2018.measure(model, rgb, model.lmbda(model.gain_index(args.lmbda)), args.repeat)


def timed(job: Callable[[], dict[str, float]], repeat: int, large: bool = False) -> dict[str, float]:
    """Median wall time of `job` ("total") and of the stages it reports; of a large image once, without warming up."""
    if not large:
        job()
    totals, stages = [], []
    for _ in range(1 if large else repeat):
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
        peak = entry["peak memory MB"]
        memory = "" if peak is None else f"peak memory {peak:.0f} MB, "
        lines.append(
            f"\n{entry['size']}, {entry['prior']}, λ {entry['lmbda']:g}, {entry['threads']} threads: "
            f"{entry['bytes']:,} bytes, {entry['bpp']:.3f} bpp, {memory}"
            f"model loaded in {entry['load model']:.2f} s"
        )
        for task in ("encode", "decode"):
            seconds = entry[task]
            stages = ", ".join(f"{stage} {seconds[stage]:.3f}" for stage in STAGES)
            speed = width * height / 1e6 / seconds["total"]
            lines.append(f"  {task} {seconds['total']:.3f} s ({speed:.1f} MP/s): {stages}")
        if "against cpu" in entry:
            other = entry["against cpu"]
            lines.append(
                f"  transforms on {entry['device']}: {other['different']:,} of {other['latents']:,} latents differ "
                f"from the processor's, {other['bytes']:+,} bytes"
            )
        if "replay" in entry:
            replay = entry["replay"]
            lines.append(
                f"  decoder at work: {replay['pictures per second']:.1f} pictures a second over {replay['pictures']} "
                f"steps, median {replay['median']:.3f} s, longest {replay['longest']:.3f} s"
            )
    if MBT2018 in results:
        from jahp_gui import bench_mbt2018

        lines.append(bench_mbt2018.as_text(results[MBT2018]))
    return "\n".join(lines)
