"""jahp decode: .jahp files to pictures."""

import argparse
import io
from functools import partial
from pathlib import Path
from typing import Any

from jahp_gui.codec.container import Container, read_file, read_stream
from jahp_gui.codec.device import choose_device
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
    run_jobs,
    standard_input,
    write_result,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Turn .jahp files back into pictures. A file that is damaged, or whose model is not\ninstalled, is refused.",
        """
jahp decode photo.jahp                    photo.png beside it
jahp decode photo.jahp again.tif          the suffix names the format: png, ppm, bmp, tif, webp (lossless), jpg
jahp decode packed/ --out-dir unpacked    every .jahp file of a folder
jahp decode photo.jahp - | display -
""",
    )
    add_batch_arguments(parser, ".jahp file, then the picture (default: a PNG file beside it)", ".png")


def run(args: argparse.Namespace) -> int:
    jobs = plan_jobs(args.paths, args.out_dir, ".png", {".jahp"}, find_containers)
    if args.out_dir:
        make_folder(args.out_dir)
    return run_jobs(jobs, partial(decode_file, args), describe, args.json)


def find_containers(folder: str) -> list[Path]:
    """The .jahp files in a folder, not below it, sorted by name."""
    from jahp_gui.codec.images import find_files

    return find_files(folder, {".jahp"})


def read_container(job: Job, max_pixels: int) -> Container:
    """The checked parts of a job's input."""
    if job.source == STREAM:
        return read_stream(standard_input(), max_pixels=max_pixels, name=job.name)
    return read_file(job.source, max_pixels=max_pixels)


def decode_file(args: argparse.Namespace, job: Job, progress: Progress) -> dict[str, Any]:
    check_input(job.source)
    check_output(job.target, args.force)
    from jahp_gui.codec.output import check_room, check_suffix, save_image

    if job.target != STREAM:
        check_suffix(job.target)
    container = read_container(job, args.max_pixels)
    header = container.header
    if job.target != STREAM:
        check_room(job.target, header.width, header.height)
    from jahp_gui.codec import decode

    use_threads(args.threads)
    decoded = decode(container, name=job.name, progress=progress, device=choose_device(args.device))
    if job.target == STREAM:
        write_result(STREAM, png(decoded.rgb), args.force)
    else:
        save_image(decoded.rgb, job.target, force=args.force)
    return {
        "width": header.width,
        "height": header.height,
        "lmbda": decoded.model.lmbda(header.gain_index),
        "gain_index": header.gain_index,
        "prior": decoded.prior,
        "model": header.model_id,
        "seconds": sum(decoded.seconds.values()),
    }


def png(rgb: Any) -> bytes:
    """uint8 (H, W, 3) as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def describe(entry: dict[str, Any]) -> str:
    return (
        f"{arrow(entry)}: {entry['width']} × {entry['height']}, λ {entry['lmbda']:.4g}, "
        f"{entry['prior']}, {entry['model']}, {entry['seconds']:.1f} s"
    )
