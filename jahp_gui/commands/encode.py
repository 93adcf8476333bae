"""jahp encode: images to .jahp files."""

import argparse
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jahp_gui.codec.choices import DEFAULT_PRIOR, EFFORTS, PRIOR_NAMES
from jahp_gui.codec.device import choose_device
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.images import (
    IMAGE_SUFFIXES,
    UNREADABLE_SUFFIXES,
    find_images,
    load_image,
    weights_of,
)
from jahp_gui.codec.importance import refuse_even
from jahp_gui.codec.models import DEFAULT_MODEL, find_model
from jahp_gui.codec.threads import use_threads
from jahp_gui.commands.common import (
    STREAM,
    Job,
    Progress,
    add_batch_arguments,
    arrow,
    check_input,
    check_output,
    describe_command,
    make_folder,
    plan_jobs,
    positive,
    read_stream,
    run_jobs,
    write_result,
)

if TYPE_CHECKING:
    from jahp_gui.codec import Encoded, Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Compress images. Prints for each file its bytes, bits per pixel, ratio to the raw\n"
        "24 bits per pixel, the λ used, and the prior.",
        """
jahp encode photo.png                              photo.jahp at λ = 0.0128
jahp encode photo.png small.jahp --target-kb 40    the λ that makes 40 000 bytes of it
jahp encode photo.png --prior factorized --psnr    another prior; report the PSNR of the decoded file
jahp encode photos/ --out-dir packed --lmbda 0.05  every image of a folder
jahp encode photo.png --effort 2                   seconds of search for a better file
jahp encode photo.png --effort 1 --importance mask.png   bits go where the mask is white
jahp encode - - < photo.png | ssh host jahp decode - photo.png
""",
    )
    inputs = "image (PNG, JPEG, WebP, AVIF, TIFF, …), then the .jahp file (default: beside it)"
    add_batch_arguments(parser, inputs, ".jahp")
    parser.add_argument(
        "--prior",
        default=DEFAULT_PRIOR,
        metavar="NAME",
        help=f"{', '.join(PRIOR_NAMES.values())} (default {DEFAULT_PRIOR})",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="ID_OR_FOLDER", help=f"see `jahp models` (default {DEFAULT_MODEL})"
    )
    met = "within 2%%, not above where possible"
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--lmbda",
        type=positive,
        metavar="X",
        help="λ: larger is better and bigger; rounded to the model's grid (default: in its middle)",
    )
    rate.add_argument("--target-bpp", type=positive, metavar="X", help=f"search the λ for X bits per pixel, {met}")
    rate.add_argument("--target-kb", type=positive, metavar="X", help=f"search the λ for X·1000 bytes, {met}")
    rate.add_argument(
        "--target-psnr",
        type=positive,
        metavar="X",
        help="search the λ for X dB, within 2%%, not below where possible; with --importance of errors that count as "
        "the mask says; implies --psnr",
    )
    parser.add_argument(
        "--effort",
        type=int,
        choices=EFFORTS,
        default=0,
        help="how long better latents are searched: 0 rounding, 1 rate-distortion-optimised rounding (three quarters "
        "as long again), 2 mean-field annealing in 12 steps (seconds for a photo of 0.4 megapixels), 3 in 40 "
        "(two and a half times as long); default 0",
    )
    parser.add_argument(
        "--importance",
        metavar="MASK",
        help="grey image of the same size: λ is that of its white part, errors in its black part count for almost "
        "nothing; needs --effort 1 or more",
    )
    parser.add_argument(
        "--psnr",
        action="store_true",
        help="decode what was written and report its PSNR over 8-bit RGB (in JSON null for equal pictures); with "
        "--importance also that of errors that count as the mask says",
    )


def run(args: argparse.Namespace) -> int:
    if args.importance and not args.effort:
        raise UsageError("--importance needs --effort 1 or more: plain rounding treats all pixels alike.")
    jobs = plan_jobs(args.paths, args.out_dir, ".jahp", IMAGE_SUFFIXES | UNREADABLE_SUFFIXES, find_images)
    card = find_model(args.model)
    card.digest(args.prior)  # a prior it does not have is told before torch takes its seconds to load
    from jahp_gui.codec import Model

    use_threads(args.threads)
    model = Model(card, choose_device(args.device))
    if args.out_dir:
        make_folder(args.out_dir)
    return run_jobs(jobs, partial(encode_file, args, model), describe, args.json)


def encode_file(args: argparse.Namespace, model: "Model", job: Job, progress: Progress) -> dict[str, Any]:
    check_input(job.source)
    check_output(job.target, args.force)
    source = read_stream() if job.source == STREAM else job.source
    loaded = load_image(source, max_pixels=args.max_pixels, name=job.name)
    weights, mask_notes = load_mask(args)
    started = time.perf_counter()
    encoded = compress(args, model, loaded.rgb, weights, progress)
    seconds = time.perf_counter() - started
    write_result(job.target, encoded.data, args.force)
    entry = report(args, model, encoded, seconds, [*loaded.notes, *mask_notes])
    if args.psnr or args.target_psnr is not None:
        entry |= quality(args, model, encoded, loaded.rgb, weights)
    return entry


def load_mask(args: argparse.Namespace) -> tuple[np.ndarray | None, list[str]]:
    """The weights of --importance, float32 (H, W), and what was done to its image to get them."""
    if not args.importance:
        return None, []
    mask = load_image(args.importance, max_pixels=args.max_pixels)
    weights = weights_of(mask)
    refuse_even(weights)
    return weights, [f"mask: {note}" for note in mask.notes]


def compress(
    args: argparse.Namespace, model: "Model", rgb: np.ndarray, weights: np.ndarray | None, progress: Progress
) -> "Encoded":
    from jahp_gui.codec import Target, encode, encode_to_target

    search = {"prior": args.prior, "effort": args.effort, "weights": weights}
    target = target_of(args)
    if target is None:
        return encode(model, rgb, lmbda=args.lmbda, progress=progress, **search)
    return encode_to_target(model, rgb, Target(*target), progress=progress, **search)


def target_of(args: argparse.Namespace) -> tuple[str, float] | None:
    """The fields of the `Target` to search for; None where λ is given."""
    if args.target_bpp is not None:
        return "bpp", args.target_bpp
    if args.target_kb is not None:
        return "bytes", 1000 * args.target_kb
    if args.target_psnr is not None:
        return "psnr", args.target_psnr
    return None


def report(
    args: argparse.Namespace, model: "Model", encoded: "Encoded", seconds: float, notes: list[str]
) -> dict[str, Any]:
    header, size = encoded.container.header, len(encoded.data)
    low, high = model.lmbda(model.gain_indices[0]), model.lmbda(model.gain_indices[-1])
    if args.lmbda is not None and not low <= args.lmbda <= high:
        used = model.lmbda(header.gain_index)
        notes.append(f"λ {args.lmbda:g} is outside the model's range {low:g} to {high:g}: {used:g} was used")
    return {
        "bytes": size,
        "bpp": encoded.container.bpp,
        "ratio": 3 * header.width * header.height / size,
        "lmbda": model.lmbda(header.gain_index),
        "gain_index": header.gain_index,
        "prior": args.prior,
        "effort": args.effort,
        "model": header.model_id,
        "width": header.width,
        "height": header.height,
        "seconds": seconds,
        "notes": notes,
    }


def quality(
    args: argparse.Namespace, model: "Model", encoded: "Encoded", rgb: np.ndarray, weights: np.ndarray | None
) -> dict[str, float | None]:
    """PSNR of the decoded file, and that by the weights of the mask where there is one; None where infinite."""
    from jahp_gui.codec import decode, metrics

    picture = decode(encoded.data, model=model, max_pixels=args.max_pixels).rgb
    psnrs = {"psnr": metrics.psnr(rgb, picture)}
    if weights is not None:
        psnrs["weighted_psnr"] = metrics.psnr(rgb, picture, weights)
    return {name: psnr if math.isfinite(psnr) else None for name, psnr in psnrs.items()}


def describe(entry: dict[str, Any]) -> str:
    parts = [
        f"{entry['bytes']:,} bytes",
        f"{entry['bpp']:.3f} bpp",
        f"{entry['ratio']:.1f}:1",
        f"λ {entry['lmbda']:.4g}",
        entry["prior"],
    ]
    if "psnr" in entry:
        parts.append("every pixel equal" if entry["psnr"] is None else f"{entry['psnr']:.2f} dB")
    if entry.get("weighted_psnr") is not None:
        parts.append(f"{entry['weighted_psnr']:.2f} dB by the mask")
    notes = f" ({'; '.join(entry['notes'])})" if entry["notes"] else ""
    return f"{arrow(entry)}: {', '.join(parts)}{notes}"
