"""An image to a `.jahp` file and back, and what every latent in it cost.

>>> from jahp_gui.codec import Model, encode, decode          # doctest: +SKIP
>>> model = Model.load()                                      # the shipped one
>>> encoded = encode(model, rgb, prior="joint", lmbda=0.0128) # rgb: uint8 (H, W, 3)
>>> decode(encoded.data).rgb                                  # the same on every machine, up to the last bit of a pixel
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from jahp_gui.codec import container
from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.container import DEFAULT_MAX_PIXELS, Container, Header
from jahp_gui.codec.effort import Problem, best_found, ignore
from jahp_gui.codec.entropy_coder import SymbolEncoder
from jahp_gui.codec.errors import DigestError, UsageError
from jahp_gui.codec.latent_coding import (
    LatentMaps,
    Progress,
    decode_latents,
    encode_latents,
    encode_side,
    latents_digest,
    measure_latents,
)
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import model_of_file
from jahp_gui.codec.precision import undisturbed
from jahp_gui.codec.priors import prior_class, prior_of_code
from jahp_gui.codec.stopwatch import Stopwatch
from jahp_gui.codec.transforms import STRIDE


@dataclass(frozen=True, eq=False)
class Encoded:
    """A file as it will be written.

    data: its bytes. container: the same, parsed. y_hat: int16 (h, w, M), what a decoder will get. seconds: per stage.
    """

    data: bytes
    container: Container
    y_hat: np.ndarray
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture from a file.

    rgb: uint8 (H, W, 3). y_hat: int16 (h, w, M). intact: whether the latents are those the encoder wrote; false is
    possible only where `decode` was told not to check. seconds: per stage. z_hat: int16 (⌈h/4⌉, ⌈w/4⌉, C) or None.
    """

    rgb: np.ndarray
    y_hat: np.ndarray
    container: Container
    model: Model
    prior: str
    intact: bool
    seconds: dict[str, float]
    z_hat: np.ndarray | None

    @undisturbed()
    def maps(self, progress: Progress | None = None) -> LatentMaps:
        """What every latent cost, by the file's own ẑ: another encoder may have chosen one that ours would not.

        `progress` is told the fraction done now and then; whatever it raises ends it.
        """
        gain_index = self.container.header.gain_index
        return measure_latents(self.model.prior(self.prior), self.y_hat, gain_index, self.z_hat, progress=progress)


@dataclass(frozen=True, eq=False)
class Analysis:
    """Every latent of an image under one prior: ŷ int16 (h, w, M) and its `LatentMaps`."""

    y_hat: np.ndarray
    maps: LatentMaps
    model: Model
    prior: str
    gain_index: int


def encode(
    model: Model,
    rgb: np.ndarray,
    *,
    prior: str = DEFAULT_PRIOR,
    lmbda: float | None = None,
    effort: int = 0,
    weights: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Compress uint8 (H, W, 3). λ is rounded to the model's nearest gain index; None is a λ in the middle.

    effort: 0 … 3, how long latents are searched that cost less than those of rounding (see `codec.effort`); that they
    do is made sure of only where the model is made for MS-SSIM. weights: float32 (H, W) in 0 … 1, how much the error of
    each pixel counts; needs an effort. `progress` is told the fraction of the search; whatever it raises ends it.
    Raises `UsageError` for an image that is no such array, a prior that the model does not have, a λ that is not
    positive, an effort there is not, and weights of another size or range or without an effort; `ModelError` where the
    model's files are damaged.
    """
    watch = Stopwatch()
    gain_index = model.gain_index(lmbda)
    with watch("transforms"):
        y = model.analysis(rgb)
    if effort or weights is not None:
        return encode_searched(Problem(model, rgb, y, prior, gain_index, weights), effort, watch, progress)
    y_hat = model.quantise(y, gain_index)
    del y  # twice as large
    return encode_y_hat(model.plain, y_hat, rgb.shape[0], rgb.shape[1], prior, gain_index, watch)


def encode_y(
    model: Model,
    y: np.ndarray,
    height: int,
    width: int,
    prior: str,
    gain_index: int,
    progress: Progress | None = None,
) -> Encoded:
    """Compress cached latents y float32 (h, w, M) of an image of (height, width): λ never needs the analysis again.

    `progress` is told the fraction written now and then; whatever it raises ends it. So here and below.
    """
    y_hat = model.quantise(y, gain_index)
    return encode_y_hat(model.plain, y_hat, height, width, prior, gain_index, progress=progress)


@undisturbed()
def encode_searched(
    problem: Problem, effort: int, watch: Stopwatch | None = None, progress: Progress | None = None
) -> Encoded:
    """Write the best latents that a search finds. Raises `UsageError` for an effort there is not."""
    watch = watch or Stopwatch()
    with watch("search"):
        found = best_found(problem, effort, progress or ignore)
    height, width, _ = problem.rgb.shape
    return encode_y_hat(found.model, found.y_hat, height, width, problem.prior, problem.gain_index, watch)


@undisturbed()
def encode_y_hat(
    model: Model,
    y_hat: np.ndarray,
    height: int,
    width: int,
    prior: str,
    gain_index: int,
    watch: Stopwatch | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Write a file of latents ŷ int16 (h, w, M), whoever chose them, that is decoded with this model's synthesis.

    `Encoded.y_hat` is the array that is given, not a copy.
    """
    watch = watch or Stopwatch()
    z, y = encode_latents(model.prior(prior), y_hat, gain_index, watch, progress=progress)
    return _packed(model, y_hat, height, width, prior, gain_index, z, y, watch.seconds)


@undisturbed()
def encode_measured(
    model: Model,
    y_hat: np.ndarray,
    height: int,
    width: int,
    prior: str,
    gain_index: int,
    progress: Progress | None = None,
) -> tuple[Encoded, LatentMaps]:
    """The file that `encode_y_hat` writes and what each latent costs in it, from one pass through the networks."""
    frozen, encoder, watch = model.prior(prior), SymbolEncoder(), Stopwatch()
    maps = measure_latents(frozen, y_hat, gain_index, encoder=encoder, watch=watch, progress=progress)
    z = b"" if maps.z_hat is None else encode_side(frozen, maps.z_hat)
    seconds = {stage: spent for stage, spent in watch.seconds.items() if stage != "maps"}
    return _packed(model, y_hat, height, width, prior, gain_index, z, encoder.finish(), seconds), maps


def _packed(
    model: Model,
    y_hat: np.ndarray,
    height: int,
    width: int,
    prior: str,
    gain_index: int,
    z: bytes,
    y: bytes,
    seconds: dict[str, float],
) -> Encoded:
    """The file around two sections."""
    header = Header(
        prior_code=prior_class(prior).code,
        gain_index=gain_index,
        model_id=model.card.model_id,
        model_digest=model.card.digest(prior, model.is_searched),
        width=width,
        height=height,
        y_digest=latents_digest(y_hat, width, height, gain_index),
    )
    data = container.pack(header, z, y)
    return Encoded(data, container.parse(data, max_pixels=width * height), y_hat, seconds)


@undisturbed()
def decode(
    source: bytes | Container,
    *,
    model: Model | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str = "data",
    check: bool = True,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Decoded:
    """The picture of a file's bytes (or of a parsed one).

    model: a loaded model to use where it is the file's; else the installed one is loaded, its transforms on `device`.
    `check=False` decodes latents whose digest is wrong all the same and says so in `Decoded.intact`: for looking at
    damage, never for use.
    Raises `ContainerError` for a damaged file, `DigestError` where the latents are not those the encoder wrote,
    `ModelError` where the model is missing or another, `ImageTooLargeError` above `max_pixels`.
    """
    watch = Stopwatch()
    opened = open_source(source, model=model, max_pixels=max_pixels, name=name, device=device)
    parsed, model, header = opened.container, opened.model, opened.container.header
    try:
        y_hat, z_hat = decode_latents(
            model.prior(opened.prior), parsed.z, parsed.y, opened.shape, header.gain_index, progress, watch
        )
    except DigestError as error:
        raise DigestError(f"{name}: {error}") from error
    intact = opened.is_intact(y_hat)
    if check and not intact:
        raise DigestError(not_intact(name))
    with watch("transforms"):
        still = None if progress is None else (lambda _: progress(1.0))  # of the latents; but it may want to end this
        rgb = model.synthesis(y_hat, header.gain_index, header.height, header.width, still)
    return Decoded(rgb, y_hat, parsed, model, opened.prior, intact, watch.seconds, z_hat)


@dataclass(frozen=True)
class Opened:
    """A parsed file with what decodes it: its model, the name of its prior, and the shape (h, w, M) of its latents."""

    container: Container
    model: Model
    prior: str
    shape: tuple[int, int, int]

    def is_intact(self, y_hat: np.ndarray) -> bool:
        """Whether these latents are those that the encoder wrote."""
        header = self.container.header
        return latents_digest(y_hat, header.width, header.height, header.gain_index) == header.y_digest


def not_intact(name: str) -> str:
    """What a decoder says of latents with the wrong digest."""
    return f"{name} is damaged: what it decodes to is not what the encoder wrote."


def open_source(
    source: bytes | Container,
    *,
    model: Model | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str = "data",
    device: str = "cpu",
) -> Opened:
    """A file ready to be decoded; arguments and errors as those of `decode`."""
    if isinstance(source, bytearray | memoryview):
        source = bytes(source)
    if not isinstance(source, bytes | Container):
        raise UsageError(
            f"A file is decoded from its bytes, as Path.read_bytes() gives them, not a {type(source).__name__}."
        )
    parsed = container.parse(source, max_pixels=max_pixels, name=name) if isinstance(source, bytes) else source
    header = parsed.header
    prior = prior_of_code(header.prior_code).name
    model = _model_for(header, prior, name, model, device)
    if header.gain_index not in model.gain_indices:
        raise DigestError(f"{name} is damaged: its gain index {header.gain_index} is outside the model's λ range.")
    shape = (-(-header.height // STRIDE), -(-header.width // STRIDE), model.config.latent_channels)
    return Opened(parsed, model.of_file(prior, header.model_digest), prior, shape)


def _model_for(header: Header, prior: str, name: str, model: Model | None, device: str) -> Model:
    if (
        model is not None
        and model.card.model_id == header.model_id
        and model.card.has_weights(prior, header.model_digest)
    ):
        return model
    card = model_of_file(header.model_id, header.model_digest, prior, name)
    return _cached_model(card.folder, card.digest(prior, searched=True), device)


@lru_cache(maxsize=4)
def _cached_model(folder: Path, digest: bytes, device: str) -> Model:
    """Models that files asked for; the digest in the key notices one that was replaced."""
    return Model.load(folder, device)


@undisturbed()
def analyse(model: Model, rgb: np.ndarray, *, prior: str = DEFAULT_PRIOR, lmbda: float | None = None) -> Analysis:
    """What every latent of an image would cost, and what the prior predicts for it; image, λ and errors of `encode`."""
    gain_index = model.gain_index(lmbda)
    y_hat = model.quantise(model.analysis(rgb), gain_index)
    return Analysis(y_hat, measure_latents(model.prior(prior), y_hat, gain_index), model, prior, gain_index)
