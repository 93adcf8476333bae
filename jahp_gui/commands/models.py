"""jahp models: what is installed."""

import argparse
import json
from typing import Any

from jahp_gui.codec.models import CARD, Card, find_model, installed_models, model_folders
from jahp_gui.commands.common import add_json_argument, describe_command, print_error, print_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "List the installed models: those of the folders in JAHP_MODELS, the user's own, and the shipped one.",
        """
jahp models
jahp models --card psnr-13
JAHP_MODELS=~/my-models jahp models --json
""",
    )
    parser.add_argument("--card", metavar="ID_OR_FOLDER", help="print the card of one model, which is JSON")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    if args.card is not None:
        print_card(find_model(args.card))
        return 0
    unreadable: list[str] = []
    entries = [facts(card) for card in installed_models(unreadable)]
    for sentence in unreadable:
        print_error(sentence)
    if args.json:
        print_json(entries)
    elif entries:
        print("\n\n".join(describe(entry) for entry in entries))
    else:
        folders = ", ".join(str(folder) for folder in model_folders())
        print(printable(f"No models are installed; they are looked for in {folders}."))
    return 0


def print_card(card: Card) -> None:
    """The whole card as it stands in the folder."""
    print_json(json.loads((card.folder / CARD).read_text(encoding="utf-8")))


def facts(card: Card) -> dict[str, Any]:
    return {
        "id": card.model_id,
        "title": card.title,
        "priors": card.priors,
        "searched": card.has_searched,
        "lmbda_range": [card.lmbda_anchors[0], card.lmbda_anchors[-1]],
        "objective": card.objective,
        "parameters": card.training.get("parameters"),
        "folder": str(card.folder),
    }


def describe(entry: dict[str, Any]) -> str:
    low, high = entry["lmbda_range"]
    lines = [
        f"{entry['id']}: {entry['title']}",
        f"  priors      {', '.join(entry['priors'])}",
        f"  synthesis   {'one for rounded latents, one for searched ones' if entry['searched'] else 'one'}",
        f"  λ           {low:g} to {high:g}, trained for {entry['objective']}",
    ]
    if entry["parameters"] is not None:
        lines.append(f"  parameters  {entry['parameters']:,}")
    lines.append(f"  folder      {entry['folder']}")
    return "\n".join(printable(line) for line in lines)
