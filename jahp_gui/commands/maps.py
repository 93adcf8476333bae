"""jahp maps: what every latent of a file cost and what the prior predicted for it, as NumPy arrays."""

import argparse
import io
import os
from functools import partial
from typing import Any

import numpy as np

from jahp_gui.codec.container import DEFAULT_MAX_PIXELS, Y_STRIDE, Z_STRIDE
from jahp_gui.codec.errors import UsageError
from jahp_gui.commands.common import (
    Job,
    Progress,
    add_json_argument,
    arrow,
    check_input,
    check_output,
    count,
    describe_command,
    run_jobs,
    write_result,
)
from jahp_gui.commands.decode import read_container


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        """Decode a .jahp file and write what the coder knew of every latent.

arrays of the NPZ file, h × w = height and width in latents of 16 pixels, M channels:
  y_hat          int16    (h, w, M)          the quantised latents ŷ
  bits           float32  (h, w, M)          what each cost
  mu, sigma      float32  (h, w, M)          mean and standard deviation of the table that coded it
  z_hat, z_bits           (⌈h/4⌉, ⌈w/4⌉, C)  the hyper-latents ẑ and their bits; only where the prior has them
  axes                                       the names of the three axes: row, column, channel
  y_stride, z_stride                         pixels per latent: 16 and 64
  prior, lmbda, gain_index, model, model_digest, width, height, file_bytes""",
        """
jahp maps photo.jahp photo.npz
python -c "import numpy as np; print(np.load('photo.npz')['bits'].sum(axis=2))"     # bits per position
""",
    )
    parser.add_argument("file", metavar="FILE", help="a .jahp file, or - for standard input")
    parser.add_argument("out", metavar="OUT.npz", help="the NPZ file, or - for standard output")
    parser.add_argument("--force", action="store_true", help="replace OUT.npz if it exists")
    parser.add_argument(
        "--max-pixels",
        type=count,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"refuse larger pictures (default {DEFAULT_MAX_PIXELS:_})",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    if os.path.splitext(args.out)[1].lower() == ".jahp":  # `jahp maps *.jahp` in a folder of two files
        raise UsageError(f"{args.out} is named like an input; name one .jahp file and then the NPZ file.")
    return run_jobs([Job(args.file, args.out)], partial(write_maps, args), describe, args.json)


def write_maps(args: argparse.Namespace, job: Job, progress: Progress) -> dict[str, Any]:
    check_input(job.source)
    check_output(job.target, args.force)
    arrays = arrays_of(job, args.max_pixels, progress)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_result(job.target, file.getvalue(), args.force)
    bits = {name: float(arrays[name].sum(dtype=np.float64)) for name in ("bits", "z_bits") if name in arrays}
    return {
        "shape": list(arrays["y_hat"].shape),
        "y_bits": bits["bits"],
        "z_bits": bits.get("z_bits", 0.0),
        "prior": str(arrays["prior"]),
        "lmbda": float(arrays["lmbda"]),
    }


def arrays_of(job: Job, max_pixels: int, progress: Progress) -> dict[str, Any]:
    """Everything the help text lists."""
    container = read_container(job, max_pixels)
    from jahp_gui.codec import decode

    decoded = decode(container, name=job.name, progress=progress)
    header = container.header
    arrays: dict[str, Any] = {**decoded.maps().arrays(decoded.y_hat)}
    arrays |= {"axes": ["row", "column", "channel"], "y_stride": Y_STRIDE, "z_stride": Z_STRIDE}
    arrays |= {"prior": decoded.prior, "lmbda": decoded.model.lmbda(header.gain_index), "gain_index": header.gain_index}
    arrays |= {"model": header.model_id, "model_digest": header.model_digest.hex()}
    arrays |= {"width": header.width, "height": header.height, "file_bytes": container.total_bytes}
    return {name: np.asarray(value) for name, value in arrays.items()}


def describe(entry: dict[str, Any]) -> str:
    height, width, channels = entry["shape"]
    return (
        f"{arrow(entry)}: {height} × {width} × {channels} latents, {entry['prior']}, "
        f"λ {entry['lmbda']:.4g}, ŷ {entry['y_bits'] / 8:,.0f} bytes, ẑ {entry['z_bits'] / 8:,.0f} bytes"
    )
