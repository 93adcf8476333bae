"""jahp gui: the explorer."""

import argparse

from jahp_gui.commands.common import describe_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Open the explorer, which is also installed as `jahp-gui`.",
        """
jahp gui
jahp gui photo.png photo.jahp
""",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="images and .jahp files to open")


def run(args: argparse.Namespace) -> int:
    from jahp_gui.gui.app import main

    return main(args.files)
