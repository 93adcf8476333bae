"""What the jobs do, off the main thread: calls of the codec, put together for the session. No Qt signals here.

The codec is imported inside the functions: it loads torch, and the window is shown before that.
"""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jahp_gui.codec import container, metrics
from jahp_gui.codec.errors import ImageError
from jahp_gui.codec.images import load_image
from jahp_gui.codec.latent_views import Region, total_bits
from jahp_gui.codec.models import Card
from jahp_gui.evaluation.classical import ClassicalCodec, encode_to_size
from jahp_gui.gui.imaging import Pyramid, qimage
from jahp_gui.gui.jobs import Job
from jahp_gui.gui.results import (
    Choice,
    ClassicalResult,
    CurvePoint,
    FileResult,
    ImageItem,
    LatentResult,
    LivePicture,
    SeriesKey,
)

if TYPE_CHECKING:
    from jahp_gui.codec.codec import Target
    from jahp_gui.codec.model import Model

JAHP_SUFFIX = ".jahp"
LARGE_PIXELS = 4_000_000  # above, live work is done on a part of the image
LIVE_PIXELS = 500_000  # of that part
CROP_SIDE = 1024  # of the centre crop that the curves of a large image are measured on
THUMBNAIL_SIDE = 96
USUAL_HEADER = 38  # bytes of header and checksum, to estimate a file from its sections


@dataclass(frozen=True, eq=False)
class Analysed:
    """The latents y (h, w, M) of an image under a model, before any gain."""

    model: "Model"
    original: Pyramid
    y: np.ndarray

    @property
    def is_large(self) -> bool:
        return is_large(self.original)


def is_large(picture: Pyramid) -> bool:
    width, height = picture.size
    return width * height > LARGE_PIXELS


def load_model(card: Card) -> "Model":
    """A model with torch and its default parts warm, so that the first slider move does not wait for either."""
    # torch makes hundreds of thousands of objects that stay; each collection among them would stop the window for a
    # fifth of a second, now and later.
    gc.disable()
    try:
        from jahp_gui.codec.model import Model

        model = Model.load(card.folder)
        model.synthesis(model.quantise(model.analysis(np.zeros((64, 64, 3), np.uint8)), 0), 0, 64, 64)
        return model
    finally:
        gc.freeze()
        gc.enable()


def load_item(path: Path) -> ImageItem:
    """An image file with its pixels. Raises `ImageError`."""
    loaded = load_image(path)
    return ImageItem(path.name, path, Pyramid(loaded.rgb), loaded.notes, loaded.format, file_bytes=path.stat().st_size)


def open_jahp(path: Path, model: "Model | None", job: Job) -> ImageItem:
    """What a `.jahp` file holds and what each of its latents cost. Raises `ContainerError` or `ModelError`."""
    from jahp_gui.codec.codec import decode
    from jahp_gui.codec.latent_coding import measure_latents

    started = time.perf_counter()
    parsed = container.read_file(path)
    decoded = decode(parsed, model=model, name=path.name, progress=job.progress)
    seconds = time.perf_counter() - started
    header = parsed.header
    choice = Choice(header.model_id, decoded.prior, header.gain_index)
    result = FileResult(choice, path.read_bytes(), parsed, Pyramid(decoded.rgb), None, None, None, seconds)
    maps = measure_latents(decoded.model.prior(decoded.prior), decoded.y_hat, header.gain_index)
    costs = LatentResult(choice, decoded.y_hat, maps, float(parsed.total_bytes))
    return ImageItem(path.name, path, opened=result, opened_latents=costs, file_bytes=len(result.data))


def thumbnail(item: ImageItem) -> ImageItem:
    """Give an item its small picture; what cannot be read is remembered as such."""
    try:
        picture = item.picture or Pyramid(load_image(item.path).rgb if item.path else np.zeros((1, 1, 3), np.uint8))
    except ImageError as error:
        item.failed = str(error)
        return item
    level = picture.level_for(THUMBNAIL_SIDE / max(picture.size))
    from PySide6.QtCore import Qt

    item.thumbnail = qimage(picture.levels[level]).scaled(
        2 * THUMBNAIL_SIDE,
        2 * THUMBNAIL_SIDE,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    return item


def analyse(model: "Model", original: Pyramid) -> Analysed:
    return Analysed(model, original, model.analysis(original.rgb))


def live_picture(analysed: Analysed, choice: Choice, around: Region | None) -> LivePicture:
    """The synthesis of the encoder's ŷ: of the whole image, or of the region `around` of a large one."""
    from jahp_gui.codec.regions import synthesis_of_region

    model, original = analysed.model, analysed.original.rgb
    height, width, _ = original.shape
    if around is None:
        y_hat = model.quantise(analysed.y, choice.gain_index)
        rgb = model.synthesis(y_hat, choice.gain_index, height, width)
        return LivePicture(choice, Pyramid(rgb), metrics.psnr(original, rgb))
    rgb, region = synthesis_of_region(model, analysed.y, choice.gain_index, around, height, width)
    return LivePicture(choice, Pyramid(rgb), None, region)


def latents(analysed: Analysed, choice: Choice) -> LatentResult:
    """What every latent costs under a prior; their sum is what a file's sections will have."""
    from jahp_gui.codec.latent_coding import measure_latents

    y_hat = analysed.model.quantise(analysed.y, choice.gain_index)
    maps = measure_latents(analysed.model.prior(choice.prior), y_hat, choice.gain_index)
    return LatentResult(choice, y_hat, maps, sum(total_bits(maps)) / 8 + USUAL_HEADER)


def make_file(analysed: Analysed, choice: Choice, job: Job) -> FileResult:
    """A real file and the picture decoded from its bytes, the digest of its latents checked."""
    from jahp_gui.codec.codec import decode, encode_y

    model, original = analysed.model, analysed.original.rgb
    started = time.perf_counter()
    height, width, _ = original.shape
    encoded = encode_y(model, analysed.y, height, width, choice.prior, choice.gain_index)
    encoded_at = time.perf_counter()
    job.check()
    decoded = decode(encoded.data, model=model, progress=lambda fraction: job.check())
    decoded_at = time.perf_counter()
    job.check()
    # Five scales of filters over 24 megapixels take a minute and 3 GB: only on request, by `jahp evaluate`.
    similarity = None if analysed.is_large else metrics.ms_ssim(original, decoded.rgb)
    quality = metrics.psnr(original, decoded.rgb)
    return FileResult(
        choice,
        encoded.data,
        encoded.container,
        Pyramid(decoded.rgb),
        quality,
        similarity,
        encoded_at - started,
        decoded_at - encoded_at,
    )


def make_classical(codec: ClassicalCodec, original: Pyramid, n_bytes: int, job: Job) -> ClassicalResult:
    """The picture of a classical codec's largest file of at most `n_bytes`."""
    job.check()
    quality, data = encode_to_size(codec, original.rgb, n_bytes)
    job.check()
    rgb = codec.decode(data)
    return ClassicalResult(
        codec.key,
        codec.label,
        codec.quality_name,
        quality,
        data,
        Pyramid(rgb),
        metrics.psnr(original.rgb, rgb),
        n_bytes,
    )


def find_target(analysed: Analysed, prior: str, target: "Target", job: Job) -> int:
    """The gain index whose real file comes nearest to a target. Raises `UsageError` where none is near."""
    from jahp_gui.codec.codec import encode_to_target

    encoded = encode_to_target(
        analysed.model, analysed.original.rgb, target, prior=prior, progress=lambda *_: job.check()
    )
    return encoded.container.header.gain_index


def centre_crop(original: Pyramid) -> tuple[np.ndarray, bool]:
    """What curves are measured on, and whether it is less than the image."""
    rgb = original.rgb
    if not is_large(original):
        return rgb, False
    top, left = (max(0, (side - CROP_SIDE) // 2) for side in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + CROP_SIDE, left : left + CROP_SIDE]), True


def curve_points(
    model: "Model",
    rgb: np.ndarray,
    priors: list[str],
    codecs: list[ClassicalCodec],
    job: Job,
) -> Iterator[tuple[SeriesKey, CurvePoint]]:
    """Points of real files: the priors in the order given, at every anchor λ, then the classical codecs."""
    from jahp_gui.codec.codec import encode_y
    from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR

    height, width, _ = rgb.shape
    job.give_way()
    y = model.analysis(rgb)
    quality: dict[int, tuple[float, float | None]] = {}  # the priors code the same latents: one picture for all
    for prior in priors:
        for gain_index in model.gain_indices[::STEPS_PER_ANCHOR]:
            job.give_way()
            encoded = encode_y(model, y, height, width, prior, gain_index)
            if gain_index not in quality:
                picture = model.synthesis(encoded.y_hat, gain_index, height, width)
                job.give_way()
                quality[gain_index] = metrics.psnr(rgb, picture), metrics.ms_ssim(rgb, picture)
            size = len(encoded.data)
            rate = metrics.bpp(size, width, height)
            yield SeriesKey("prior", prior), CurvePoint(rate, *quality[gain_index], size, gain_index=gain_index)
    for codec in codecs:
        for setting in codec.default_qualities:
            job.give_way()
            data = codec.encode(rgb, setting)
            decoded = codec.decode(data)
            job.give_way()
            rate = metrics.bpp(len(data), width, height)
            found = CurvePoint(
                rate, metrics.psnr(rgb, decoded), metrics.ms_ssim(rgb, decoded), len(data), quality=setting
            )
            yield SeriesKey("classical", codec.key), found
