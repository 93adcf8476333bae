"""The `jahp` command. Exit codes: 0, 2 for a user's error told in one line, 130 when interrupted."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from jahp_gui import __version__
from jahp_gui.codec.errors import JahpError, UsageError
from jahp_gui.codec.threads import spin_shortly
from jahp_gui.commands.common import USER_ERROR, describe_command, memory_named, print_error

INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 and the number of the signal, as shells say it


class Command(NamedTuple):
    """module: has `add_arguments(parser)` and `run(args) -> int`, and is imported only when the command is chosen."""

    module: str
    help: str


COMMANDS = {
    "encode": Command("jahp_gui.commands.encode", "compress images to .jahp files"),
    "decode": Command("jahp_gui.commands.decode", "turn .jahp files back into pictures"),
    "info": Command("jahp_gui.commands.info", "show what a .jahp file says of itself"),
    "models": Command("jahp_gui.commands.models", "list the installed models"),
    "maps": Command("jahp_gui.commands.maps", "write bits, μ, σ and ŷ of every latent as NumPy arrays"),
    "evaluate": Command("jahp_gui.evaluation.command", "measure rate and distortion on a folder of images"),
    "bench": Command("jahp_gui.bench", "measure the speed of the codec on this machine"),
    "train": Command("jahp_gui.commands.train", "train a model"),
    "freeze": Command("jahp_gui.commands.freeze", "make a model folder from training checkpoints"),
    "gui": Command("jahp_gui.commands.gui", "open the explorer"),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage of all options around it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a λ must not end the program on a terminal that has none
            stream.reconfigure(errors="replace")
    try:
        code = run(arguments)
        sys.stdout.flush()
        return code
    except JahpError as error:
        print_error(str(error))
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `jahp models | head -1`
        discard_output()
        return BROKEN_PIPE
    except OSError as error:  # files have sentences of their own; what is left is mostly standard output, a full disk
        if error.filename is None:
            discard_output()
        print_error(f"{error.filename or 'Standard output'} cannot be used: {error.strerror}; choose another place.")
        return USER_ERROR


def open_streams() -> None:
    """Streams that whoever started the program has closed (`>&-`): what is said goes nowhere, not into another one."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (until the program ends)


def run(arguments: Sequence[str]) -> int:
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else None
    if chosen != "train":  # which has nothing but products, one after the other: a tenth slower if its threads sleep
        spin_shortly()
    parser, command = build_parsers(chosen)
    try:
        # Files may follow options, which only a parser without subparsers can tell apart.
        words = dashes_resolved(arguments[1:])
        args = parser.parse_args(arguments) if command is None else command.parse_intermixed_args(words)
    except SystemExit:  # argparse has printed the help or the version
        return 0
    with memory_named(f"jahp {chosen}"):
        return args.run(args)


def dashes_resolved(arguments: Sequence[str]) -> list[str]:
    """Everything after -- is a file, whatever it begins with: argparse forgets it where files may follow options."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    files = list(arguments[at + 1 :])
    files = [f"./{file}" if file.startswith("-") and file != "-" else file for file in files]
    return [*arguments[: at + 1], *files]  # with the --, which ends the values of an option before it


def build_parsers(chosen: str | None) -> tuple[Parser, argparse.ArgumentParser | None]:
    """A parser that knows every command by name, and that of the chosen one's arguments."""
    parser = Parser(prog="jahp", allow_abbrev=False)
    describe_command(
        parser,
        "Learned image compression with joint autoregressive and hierarchical priors.",
        """
jahp encode photo.png                      photo.jahp beside it
jahp decode photo.jahp back.png
jahp info photo.jahp
jahp encode --help                         every command explains itself
""",
    )
    parser.add_argument("--version", action="version", version=f"jahp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parsers = {name: commands.add_parser(name, help=entry.help, allow_abbrev=False) for name, entry in COMMANDS.items()}
    if chosen is None:
        return parser, None
    module = import_module(COMMANDS[chosen].module)
    module.add_arguments(parsers[chosen])
    parsers[chosen].set_defaults(run=module.run)
    return parser, parsers[chosen]


def discard_output() -> None:
    """Let the interpreter's own flush at exit, whose errors cannot be caught, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
