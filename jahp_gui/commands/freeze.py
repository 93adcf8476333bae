"""jahp freeze: training checkpoints to a model that the codec can use."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jahp_gui.codec.container import MODEL_DIGEST_BYTES, Y_DIGEST_BYTES, Header
from jahp_gui.codec.errors import InvalidHeaderError, OutputError, UsageError
from jahp_gui.codec.models import CARD, PACKED, PLAIN, read_card
from jahp_gui.commands.common import describe_command, make_folder
from jahp_gui.commands.models import print_card

if TYPE_CHECKING:
    from jahp_gui.training.objective import TrainingModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe_command(
        parser,
        "Write the model folder of one or more training runs over the same transforms, and\n"
        "print its card. Transforms come from the first checkpoint, every prior from the last\n"
        "one that has it.",
        """
jahp freeze runs/mine/checkpoint.pt my-models/mine --id mine --title "My photographs"
JAHP_MODELS=my-models jahp encode photo.png --model mine
jahp freeze runs/priors/checkpoint.pt my-models/mine --replace-priors
""",
    )
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="checkpoint.pt of a training run")
    parser.add_argument("out_folder", metavar="OUT_FOLDER", help="the model folder to make")
    parser.add_argument("--id", metavar="ID", help="the name that files will carry: a-z, 0-9, dot, hyphen")
    parser.add_argument("--title", metavar="TITLE", help="one line for people")
    parser.add_argument("--force", action="store_true", help="replace a model folder that exists")
    parser.add_argument(
        "--replace-priors",
        action="store_true",
        help="OUT_FOLDER is a model on whose transforms the runs trained priors: it gets them, all else stays",
    )


def run(args: argparse.Namespace) -> int:
    folder = Path(args.out_folder)
    if args.replace_priors:
        if args.id is not None or args.title is not None:
            raise UsageError("With --replace-priors the model keeps its id and its title; leave --id and --title out.")
        read_card(folder)
    else:
        if args.id is None or args.title is None:
            raise UsageError("A new model needs an --id and a --title.")
        check_id(args.id)
        if not args.title.isprintable():
            raise UsageError("The --title must be one line of text.")
        check_folder(folder, args.force)
    from jahp_gui.training.freeze import freeze, replace_priors

    model, runs = load(args.checkpoints)
    with published(folder) as unfinished:
        if args.replace_priors:
            shutil.copytree(folder, unfinished, dirs_exist_ok=True)
            replace_priors(model, runs, unfinished)
        else:
            parameters = sum(parameter.numel() for parameter in model.parameters())
            training = {"parameters": parameters, "runs": runs}
            freeze(model, unfinished, {"id": args.id, "title": args.title, "training": training, "results": {}})
    print_card(read_card(folder))
    return 0


def check_id(model_id: str) -> None:
    """Raise `UsageError` for a model id that no file can carry."""
    try:
        Header(0, 0, model_id, bytes(MODEL_DIGEST_BYTES), 1, 1, bytes(Y_DIGEST_BYTES))
    except InvalidHeaderError as error:
        raise UsageError(f"{error} Choose another --id.") from error


def check_folder(folder: Path, force: bool) -> None:
    """Raise `OutputError` unless nothing is there, or with `force` a model and nothing else."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    strange = not folder.is_dir() or any(
        path.name != CARD and not path.name.endswith((PACKED, PLAIN)) for path in folder.iterdir()
    )
    if strange:  # what is replaced is deleted
        raise OutputError(f"{folder} exists and is not a model folder; choose another.")
    if not force:
        raise OutputError(f"{folder} exists already; choose another folder, or replace it with --force.")


def load(checkpoints: list[str]) -> "tuple[TrainingModel, list[dict[str, Any]]]":
    from jahp_gui.training.freeze import load_trained

    try:
        return load_trained([Path(path) for path in checkpoints])
    except (KeyError, RuntimeError) as error:  # no checkpoint of ours, or weights of another shape
        names = ", ".join(checkpoints)
        raise UsageError(
            f"{names} cannot make one model; name checkpoints of runs over the same transforms."
        ) from error


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `folder` when the block ends well and is gone when it does not."""
    make_folder(str(folder.absolute().parent))
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".jahp-", dir=folder.absolute().parent))
        try:
            unfinished = scratch / "new"
            unfinished.mkdir()
            yield unfinished
            old = scratch / "old"
            try:
                if folder.exists():
                    folder.rename(old)
                unfinished.rename(folder)
            except BaseException:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
