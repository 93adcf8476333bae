"""What is to be measured: the images of a folder, and the curves, each a codec at several settings."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from jahp_gui.codec.choices import DEFAULT_PRIOR, SEARCH_VERSION, SEARCHED_FROM
from jahp_gui.codec.errors import ImageError, UsageError
from jahp_gui.codec.images import find_images
from jahp_gui.codec.models import Card, find_model
from jahp_gui.codec.priors import PRIORS, prior_class
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_of, lmbda_of
from jahp_gui.evaluation.classical import ClassicalCodec, available_codecs, get_codec

KODAK = {f"kodim{number:02}" for number in range(1, 25)}
KODAK_SIZES = {(768, 512), (512, 768)}
LOSSLESS = {"PNG", "PPM", "BMP", "TIFF"}  # names of Pillow's


@dataclass(frozen=True)
class ImageFile:
    """An image of the set; sha256 holds the first 16 digits of its file's digest."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class LearnedSeries:
    """A prior of a model at several λ, its latents rounded (effort 0) or searched by the encoder (`codec.effort`)."""

    card: Card
    prior: str
    settings: tuple[float, ...]  # λ, ascending
    effort: int = 0
    device: str = "cpu"  # of the transforms

    @property
    def key(self) -> str:
        return series_key(self.card.model_id, self.prior, self.effort)

    @property
    def version(self) -> str:
        return series_version(self.card, self.prior, self.effort, self.device)


@dataclass(frozen=True)
class ClassicalSeries:
    """A classical codec at its default qualities, from the smallest file to the largest."""

    codec: ClassicalCodec

    @property
    def key(self) -> str:
        return self.codec.key

    @property
    def version(self) -> str:
        return self.codec.settings

    @property
    def settings(self) -> tuple[float, ...]:
        return tuple(map(float, self.codec.default_qualities))


Series = LearnedSeries | ClassicalSeries


def series_key(model_id: str, prior: str, effort: int) -> str:
    """What a learned curve is called in rows and results: "psnr-13/joint", "psnr-13/joint effort 1"."""
    return f"{model_id}/{prior}" + (f" effort {effort}" if effort else "")


def series_version(card: Card, prior: str, effort: int, device: str) -> str:
    """Of which weights, where latents are searched, of which search, and on which other device a learned row is."""
    search, elsewhere = f"-{SEARCH_VERSION}" if effort else "", f"-{device}" if device != "cpu" else ""
    return card.digest(prior, effort >= SEARCHED_FROM).hex() + search + elsewhere


@dataclass(frozen=True)
class Plan:
    """Images in the order of their names, series in the order of every table and legend."""

    folder: Path
    images: tuple[ImageFile, ...]
    learned: tuple[LearnedSeries, ...]
    classical: tuple[ClassicalSeries, ...]
    is_kodak: bool = False  # whether these are the 24 Kodak images: the set that the published curves are of

    @property
    def series(self) -> tuple[Series, ...]:
        return *self.learned, *self.classical

    @property
    def cards(self) -> list[Card]:
        """The models, each once."""
        return list({series.card.model_id: series.card for series in self.learned}.values())


def make_plan(
    folder: Path,
    models: Sequence[str],
    priors: Sequence[str] | None = None,
    lmbdas: Sequence[float] | None = None,
    classical: Sequence[str] | None = None,
    efforts: Sequence[int] = (),
    device: str = "cpu",
) -> Plan:
    """The plan for the command's arguments; None means all priors, every model's anchors, all codecs that work here.

    efforts: of the encoder's search, 1 … 3; each is one more curve of every model's joint prior. device: where
    the transforms run, "cpu" or "cuda".
    Raises `ImageError` for a folder without images, `UsageError` for priors, λ or codecs that there are not,
    `ModelError` for models.
    """
    files = find_images(folder)
    if not files:
        raise ImageError(f"There is no image in the folder {folder}; name one that holds PNG, JPEG or such files.")
    cards = _cards(models)
    learned = [series for card in cards for series in _series_of(card, priors, lmbdas, device)]
    _refuse_unused(cards, learned, priors, lmbdas)
    learned += _searched(learned, efforts)
    images = tuple(ImageFile(path, _digest(path)) for path in files)
    classical_series = tuple(ClassicalSeries(codec) for codec in _codecs(classical))
    return Plan(folder, images, tuple(learned), classical_series, are_kodak(files))


def are_kodak(files: Sequence[Path]) -> bool:
    """Whether files are the 24 Kodak images, by names and sizes: crops and JPEGs often keep the names."""
    if len(files) != len(KODAK) or {path.stem.lower() for path in files} != KODAK:
        return False
    try:
        for path in files:
            with Image.open(path) as image:
                if image.format not in LOSSLESS or image.size not in KODAK_SIZES:
                    return False
    except (OSError, ValueError):
        return False
    return True


def _cards(models: Sequence[str]) -> list[Card]:
    """The models, each once."""
    cards: dict[str, Card] = {}
    for card in map(find_model, models):
        if cards.setdefault(card.model_id, card).folder != card.folder:
            raise UsageError(f"Two of the models are called '{card.model_id}'; evaluate them one after the other.")
    return list(cards.values())


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}).") from error


def _series_of(
    card: Card, priors: Sequence[str] | None, lmbdas: Sequence[float] | None, device: str
) -> list[LearnedSeries]:
    """The curves of one model: of the priors and λ asked for, those that it has."""
    anchors = card.lmbda_anchors
    inside = anchors if lmbdas is None else [lmbda for lmbda in lmbdas if _serves(anchors, lmbda)]
    indices = sorted({gain_index_of(lmbda, anchors) for lmbda in inside})
    settings = tuple(lmbda_of(index, anchors) for index in indices)
    chosen = [name for name in PRIORS if name in card.priors and (priors is None or name in priors)]
    return [LearnedSeries(card, prior, settings, device=device) for prior in chosen if settings]


def _searched(learned: Sequence[LearnedSeries], efforts: Sequence[int]) -> list[LearnedSeries]:
    """The joint prior's curves once more, at each effort: a search is for one prior, and takes its time."""
    joint = [series for series in learned if series.prior == DEFAULT_PRIOR]
    if efforts and not joint:
        raise UsageError(f"--efforts is of the prior '{DEFAULT_PRIOR}', and it is not among those chosen.")
    return [replace(series, effort=effort) for series in joint for effort in sorted({*efforts})]


def _serves(anchors: Sequence[float], lmbda: float) -> bool:
    """Whether λ is in the range of the anchors, give or take the half step that the gain index rounds away."""
    half_steps = (
        (anchors[1] / anchors[0]) ** (0.5 / STEPS_PER_ANCHOR),
        (anchors[-1] / anchors[-2]) ** (0.5 / STEPS_PER_ANCHOR),
    )
    return anchors[0] / half_steps[0] <= lmbda <= anchors[-1] * half_steps[1]


def _refuse_unused(
    cards: Iterable[Card],
    learned: Sequence[LearnedSeries],
    priors: Sequence[str] | None,
    lmbdas: Sequence[float] | None,
) -> None:
    """What was asked for and no model has is a mistake, also where another model leaves something to measure."""
    names = ", ".join(card.model_id for card in cards)
    for prior in priors or ():
        prior_class(prior)  # names the priors there are where this is none
        if not any(series.prior == prior for series in learned):
            raise UsageError(f"None of the chosen models ({names}) has the prior '{prior}' at the λ asked for.")
    for lmbda in lmbdas or ():
        if not any(_serves(card.lmbda_anchors, lmbda) for card in cards):
            ranges = "; ".join(
                f"{card.model_id}: {card.lmbda_anchors[0]:g} to {card.lmbda_anchors[-1]:g}" for card in cards
            )
            raise UsageError(f"λ = {lmbda:g} is outside the range of every chosen model ({ranges}).")
    for card in cards:
        if not any(series.card is card for series in learned):
            raise UsageError(f"Nothing is left to measure of model '{card.model_id}': it has none of the priors or λ.")


def _codecs(keys: Sequence[str] | None) -> list[ClassicalCodec]:
    if keys is None:
        return available_codecs()
    if list(keys) == ["none"]:
        return []
    codecs = [get_codec(key) for key in dict.fromkeys(keys)]
    for codec in codecs:
        if not codec.available():
            raise UsageError(f"{codec.label} does not work in this installation; leave '{codec.key}' out.")
    return codecs
