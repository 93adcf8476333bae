"""Installed models: where they are, what their cards say. Imports neither torch nor numpy.

A model is a folder: `card.json`, `transforms.safetensors.gz`, `tables.safetensors.gz` (rows that its conditional priors
share), `<prior>.safetensors.gz` for each prior it has, and it may have `searched.safetensors.gz`: what is added to the
synthesis for latents that the encoder searched. The same files unpacked, without `.gz`, are as good.
"""

import contextlib
import gzip
import hashlib
import json
import math
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jahp_gui.codec.errors import ModelError, ModelMismatchError, UnknownModelError, UsageError
from jahp_gui.paths import models_dir, user_models_dir

CARD = "card.json"
TRANSFORMS, TABLES = "transforms", "tables"
COMMON = (TRANSFORMS, TABLES)  # parts that every prior of a model decodes with
SEARCHED = "searched"  # the part that pictures of searched latents are made with, too
PACKED, PLAIN = ".safetensors.gz", ".safetensors"  # packed, 8-bit weights take a fifth less
DEFAULT_MODEL = "psnr-13"
# Models that shipped once, and the last release that had them. Those of their priors that a later model has unchanged
# are found there by the digest of the weights.
REPLACED = {
    "psnr-1": "0.1",
    "psnr-3": "0.2",
    "ms-ssim-1": "0.2",
    "psnr-4": "0.3",
    "psnr-5": "0.4",
    "ms-ssim-2": "0.4",
    "psnr-6": "0.5",
    "ms-ssim-3": "0.5",
    "psnr-7": "0.6",
    "psnr-8": "0.7",
    "ms-ssim-4": "0.7",
    "psnr-9": "0.9",
    "psnr-10": "0.10",
    "ms-ssim-5": "0.11",
    "psnr-11": "0.12",
    "psnr-12": "0.13",
}
DIGEST_BYTES = 6  # of the digest, as a file stores it


@dataclass(frozen=True)
class Card:
    """What a model's `card.json` says.

    files: SHA-256 in hexadecimal of `<name>.safetensors`, unpacked, for "transforms", "tables", every prior and, where
    there is one, "searched".
    """

    model_id: str
    title: str
    folder: Path
    config: dict[str, Any]
    files: dict[str, str]
    training: dict[str, Any]
    results: dict[str, Any]

    @property
    def priors(self) -> list[str]:
        return [name for name in self.files if name not in (*COMMON, SEARCHED)]

    @property
    def has_searched(self) -> bool:
        """Whether there is a synthesis of its own for searched latents."""
        return SEARCHED in self.files

    @property
    def lmbda_anchors(self) -> list[float]:
        return self.config["lmbda_anchors"]

    @property
    def objective(self) -> str:
        """ "mse" or "ms-ssim"."""
        return self.config["objective"]

    def digest(self, prior: str, searched: bool = False) -> bytes:
        """What a file made with this model and prior stores to name the weights: 6 bytes.

        searched: of files whose picture is made by the synthesis for searched latents, where the model has one.
        Raises `UsageError` for a prior that the model does not have.
        """
        if prior not in self.priors:
            have = ", ".join(self.priors)
            raise UsageError(f"Model '{self.model_id}' has no prior '{prior}'; choose one of {have}.")
        names = (*COMMON, prior, SEARCHED) if searched and self.has_searched else (*COMMON, prior)
        parts = b"".join(bytes.fromhex(self.files[name]) for name in names)
        return hashlib.sha256(parts).digest()[:DIGEST_BYTES]

    def has_weights(self, prior: str, digest: bytes) -> bool:
        """Whether a file of `prior` that stores `digest` was made with these weights."""
        return prior in self.priors and digest in (self.digest(prior), self.digest(prior, searched=True))

    def is_searched(self, prior: str, digest: bytes) -> bool:
        """Whether the picture of such a file is made by the synthesis for searched latents."""
        return self.has_searched and prior in self.priors and digest == self.digest(prior, searched=True)

    def read(self, name: str) -> bytes:
        """The verified bytes of `<name>.safetensors`, unpacked. Raises `ModelError` when missing or damaged."""
        packed, plain = self.folder / (name + PACKED), self.folder / (name + PLAIN)
        path = packed if packed.exists() else plain
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"The weights {path} cannot be read ({error.strerror}); install the model again."
            ) from error
        reason = "their digest differs"
        if path == packed:
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error):
                data, reason = b"", "they cannot be unpacked"
        if hashlib.sha256(data).hexdigest() != self.files[name]:
            raise ModelError(f"The weights {path} are damaged ({reason}); install the model again.")
        return data


def read_card(folder: Path) -> Card:
    """The card of a model folder. Raises `ModelError` in one sentence."""
    folder = folder.absolute()  # its weights are read when they are needed, wherever the program is then
    path = folder / CARD
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        card = Card(
            content["id"],
            content["title"],
            folder,
            content["config"],
            content["files"],
            content.get("training", {}),
            content.get("results", {}),
        )
        _check(card)
        return card
    except OSError as error:
        raise ModelError(f"The model card {path} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"The model card {path} is damaged ({error}); install the model again.") from error


def _refuse_constant(text: str) -> None:
    """For Infinity and NaN, which Python reads and JSON does not have."""
    raise ValueError(f"{text} is no number of JSON")


def _check(card: Card) -> None:
    """Raise, an error of any kind, where a card lacks what the program relies on without looking."""
    for name in (*COMMON, *card.files):
        if len(bytes.fromhex(card.files[name])) != hashlib.sha256().digest_size:
            raise ValueError(f"no SHA-256 of '{name}'")
    texts = card.model_id, card.title, card.objective
    tables = card.config, card.training, card.results
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(table, dict) for table in tables):
        raise TypeError("a field of the wrong kind")
    if not isinstance(card.training.get("parameters", 0), int):
        raise TypeError("a number of parameters that is none")
    anchors = card.lmbda_anchors
    if len(anchors) < 2 or anchors != sorted(set(anchors)) or not 0 < anchors[0] <= anchors[-1] < math.inf:
        raise ValueError("λ anchors that do not rise")


def model_folders() -> list[Path]:
    """Folders of models, or of one, in the order they are searched: JAHP_MODELS, the user's, the shipped one."""
    folders = [Path(entry) for entry in os.environ.get("JAHP_MODELS", "").split(os.pathsep) if entry]
    with contextlib.suppress(RuntimeError):  # a user without a home, as in some containers
        folders.append(user_models_dir())
    return [*folders, models_dir()]


def _readable_cards(unreadable: list[str] | None = None) -> Iterator[Card]:
    """The cards of all models, in the order they are searched; a sentence for each that cannot be read."""
    unreadable = [] if unreadable is None else unreadable
    for parent in model_folders():
        own = [parent] if os.path.isfile(parent / CARD) else []
        for folder in own + _folders_with_cards(parent, unreadable):
            try:
                yield read_card(folder)
            except ModelError as error:
                unreadable.append(str(error))


def _folders_with_cards(parent: Path, unreadable: list[str]) -> list[Path]:
    """The models in a folder, by name; a sentence where that may not be listed, as in the home of another user."""
    try:
        return [folder for folder in sorted(parent.iterdir()) if _has_card(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        unreadable.append(
            f"The models in {parent} cannot be listed ({error.strerror}); change its permissions, or JAHP_MODELS."
        )
        return []


def _has_card(folder: Path) -> bool:
    """Also where it may not be looked for: whoever reads it is told why not."""
    try:
        return stat.S_ISREG(os.stat(folder / CARD).st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def installed_models(unreadable: list[str] | None = None) -> list[Card]:
    """The cards of all readable models; of two with one name the one found first.

    What is wrong with the others is added to `unreadable`, a sentence each.
    """
    cards: dict[str, Card] = {}
    for card in _readable_cards(unreadable):
        cards.setdefault(card.model_id, card)
    return sorted(cards.values(), key=lambda card: (card.model_id != DEFAULT_MODEL, card.model_id))


def find_model(name: str | Path = DEFAULT_MODEL) -> Card:
    """A card by the path of its folder, or by model id: of a plain name that is both, the installed model.

    Raises `UnknownModelError`; `ModelError` where the folder of that name has a damaged card.
    """
    is_folder, is_path = _has_card(Path(name)), isinstance(name, Path) or Path(name).name != name
    if is_folder and is_path:
        return read_card(Path(name))
    cards = installed_models()
    for card in cards:
        if card.model_id == str(name):
            return card
    if is_folder:
        return read_card(Path(name))
    _refuse_damaged(str(name))
    have = ", ".join(card.model_id for card in cards) or "none"
    raise UnknownModelError(
        f"There is no model named '{name}' here (installed: {have}); set JAHP_MODELS to the folder that holds it."
    )


def _refuse_damaged(model_id: str) -> None:
    """Raise `ModelError` where a folder of this name has a card that cannot be read."""
    for parent in model_folders():
        if Path(model_id).name == model_id and os.path.isfile(parent / model_id / CARD):
            read_card(parent / model_id)  # says what is wrong with it


def model_of_file(model_id: str, digest: bytes, prior: str, name: str) -> Card:
    """The card of the model that made a file or, where that was replaced, of one that has its weights unchanged.

    Of several models with one id, as copies with other priors are, the one with these weights is taken.
    Raises `UnknownModelError` or `ModelMismatchError`; `ModelError` where the only such model has a damaged card.
    """
    cards = list(_readable_cards())
    named = [card for card in cards if card.model_id == model_id]
    for card in named or (cards if model_id in REPLACED else []):
        if card.has_weights(prior, digest):
            return card
    if named:
        raise ModelMismatchError(
            f"{name} was made with other weights of model '{model_id}' (digest {digest.hex()}) than those installed; "
            f"decode it with the release of JAHP Explorer that made it."
        )
    _refuse_damaged(model_id)
    state, remedy = "is not installed", "set JAHP_MODELS to the folder that holds it"
    if model_id in REPLACED:
        state = f"was replaced after release {REPLACED[model_id]}"
        remedy = "decode it with that release, or set JAHP_MODELS to the folder that holds the model"
    raise UnknownModelError(f"{name} was made with model '{model_id}', which {state}; {remedy}.")
