"""jahp info: what a .jahp file says of itself. Answers at once: neither torch nor numpy is imported."""

import argparse
from typing import Any

from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.container import MAX_SIDE, Container, Header, read_file, read_stream
from jahp_gui.codec.errors import ModelError, ModelMismatchError
from jahp_gui.codec.models import Card, model_of_file
from jahp_gui.codec.rate_scale import gain_index_count, lmbda_of
from jahp_gui.commands.common import (
    STREAM,
    Job,
    add_json_argument,
    describe_command,
    print_json,
    printable,
    standard_input,
)

ANY_SIZE = MAX_SIDE**2  # nothing is allocated for the pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Show how a .jahp file was made and where its bytes are. λ is known where its model is installed.",
        """
jahp info photo.jahp
jahp info photo.jahp --json
""",
    )
    parser.add_argument("file", metavar="FILE", help="a .jahp file, or - for standard input")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    job = Job(args.file, "")
    if args.file == STREAM:
        container = read_stream(standard_input(), max_pixels=ANY_SIZE, name=job.name)
    else:
        container = read_file(args.file, max_pixels=ANY_SIZE)
    entry = {"input": args.file, **facts(container)}
    if args.json:
        print_json(entry)
    else:
        print("\n".join(printable(line) for line in describe(job.name, entry)))
    return 0


def facts(container: Container) -> dict[str, Any]:
    header = container.header
    prior = PRIOR_NAMES.get(header.prior_code, "")
    card, status = installed(header)
    anchors = card.lmbda_anchors if card is not None else []
    known = bool(anchors) and header.gain_index < gain_index_count(anchors)
    return {
        "width": header.width,
        "height": header.height,
        "bytes": container.total_bytes,
        "bpp": container.bpp,
        "header_bytes": container.header_bytes,
        "z_bytes": len(container.z),
        "y_bytes": len(container.y),
        "prior": PRIOR_NAMES.get(header.prior_code),
        "prior_code": header.prior_code,
        "lmbda": lmbda_of(header.gain_index, anchors) if known else None,
        "gain_index": header.gain_index,
        "model": header.model_id,
        "model_digest": header.model_digest.hex(),
        "searched": card.is_searched(prior, header.model_digest) if card is not None else None,
        "installed": card is not None,
        "status": status,
    }


def installed(header: Header) -> tuple[Card | None, str]:
    """The card of the model that can decode a file if it is here, and how to say whether it is."""
    prior = PRIOR_NAMES.get(header.prior_code, "")
    try:
        card = model_of_file(header.model_id, header.model_digest, prior, "the file")
    except ModelMismatchError:
        return None, "installed with other weights"
    except ModelError:
        return None, "not installed"
    return card, "installed" if card.model_id == header.model_id else f"installed as part of {card.model_id}"


def describe(name: str, entry: dict[str, Any]) -> list[str]:
    prior = entry["prior"] or f"unknown to this version (code {entry['prior_code']})"
    lmbda = "unknown" if entry["lmbda"] is None else f"{entry['lmbda']:.4g}"
    searched = ", synthesis for searched latents" if entry["searched"] else ""
    return [
        name,
        f"  image   {entry['width']} × {entry['height']} pixels",
        f"  file    {entry['bytes']:,} bytes, {entry['bpp']:.3f} bpp",
        f"  parts   header {entry['header_bytes']:,}, ẑ {entry['z_bytes']:,}, ŷ {entry['y_bytes']:,} bytes",
        f"  prior   {prior}",
        f"  λ       {lmbda} (gain index {entry['gain_index']})",
        f"  model   {entry['model']}, digest {entry['model_digest']}, {entry['status']}{searched}",
    ]
