"""jahp train: a training run from its configuration."""

import argparse
import math
import sys

from jahp_gui.commands.common import describe_command, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Train a model, or go on where an earlier call stopped. The configuration names the\n"
        "folders of images and of the output, which gets checkpoint.pt and log.jsonl. The log\n"
        "is printed too, one JSON object a line. Ctrl+C saves the checkpoint and stops, a\n"
        "second one stops at once.",
        """
jahp train jahp_gui/training/configs/family_joint.toml
jahp train my.toml --minutes 30                             stop after half an hour, the checkpoint saved
torchrun --nproc-per-node 4 -m jahp_gui train my.toml       four GPUs
""",
    )
    parser.add_argument("config", metavar="CONFIG", help="a TOML file; those in jahp_gui/training/configs explain it")
    parser.add_argument(
        "--minutes",
        type=positive,
        default=math.inf,
        metavar="N",
        help="stop after N minutes of this call (default: at the end of the schedule)",
    )


def run(args: argparse.Namespace) -> int:
    from jahp_gui.training.config import TrainConfig

    config = TrainConfig.load(args.config)
    from jahp_gui.training.loop import train

    print(
        f"Training into {config.output}: the images are read, then there is a line every half minute.", file=sys.stderr
    )
    path = train(config, args.minutes, lambda line: print(line, flush=True))
    print(
        f"Saved {path}. The same command goes on until its {config.minutes:g} minutes are over; "
        f"`jahp freeze {path} FOLDER --id ID --title TITLE` makes a model of it.",
        file=sys.stderr,
    )
    return 0
