"""What the jobs do, off the main thread: calls of the codec, put together for the session. No Qt signals here.

The codec is imported inside the functions: it loads torch, and the window is shown before that.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jahp_gui.codec import container, metrics
from jahp_gui.codec.errors import ImageError, NoRoomError
from jahp_gui.codec.images import load_image
from jahp_gui.codec.importance import Mask
from jahp_gui.codec.latent_views import Region, total_bits
from jahp_gui.codec.models import Card
from jahp_gui.codec.size_estimate import CURVE_BLOCKS, USUAL_HEADER, sample_of, sampled_bytes
from jahp_gui.evaluation.classical import ClassicalCodec
from jahp_gui.evaluation.classical_process import CodecProcess
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
    SizeEstimate,
    Stamp,
)
from jahp_gui.gui.sentences import translated

if TYPE_CHECKING:
    from jahp_gui.codec.codec import Decoded, Encoded
    from jahp_gui.codec.effort import Candidate, Problem
    from jahp_gui.codec.model import Model
    from jahp_gui.codec.target import Target

JAHP_SUFFIX = ".jahp"
LARGE_PIXELS = 4_000_000  # above, live work is done on a part of the image
LIVE_PIXELS = 200_000  # of that part
CROP_SIDE = 1024  # of the centre crop that the curves of a large image are measured on
THUMBNAIL_SIDE = 96

ALL, HALF, ONE = 1.0, 0.5, 0.0


def use_cores(share: float) -> None:
    """How many threads torch takes for this job: jobs that run side by side share the cores.

    torch keeps the number per thread.
    """
    import torch

    torch.set_num_threads(max(1, int(_cores() * share)))


@cache
def _cores() -> int:
    """What torch would take by itself, by the machine or by OMP_NUM_THREADS."""
    import torch

    return torch.get_num_threads()


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
    # fifth of a second, now and later. Only the first time: what is garbage when it is frozen is never freed.
    is_first = gc.get_freeze_count() == 0
    if is_first:
        gc.collect()
    gc.disable()
    try:
        from jahp_gui.codec.model import Model

        use_cores(ALL)
        model = Model.load(card.folder)
        model.synthesis(model.quantise(model.analysis(np.zeros((64, 64, 3), np.uint8)), 0), 0, 64, 64)
        return model
    finally:
        if is_first:
            gc.freeze()
        gc.enable()


def load_item(path: Path) -> ImageItem:
    """An image file with its pixels. Raises `ImageError`."""
    stamp = stamp_of(path)  # before it is read: what is written meanwhile is another content
    loaded = load_image(path)
    return ImageItem(path.name, path, Pyramid(loaded.rgb), loaded.notes, loaded.format, stamp)


def stamp_of(path: Path) -> Stamp | None:
    """None where it cannot be told."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def open_jahp(path: Path, model: "Model | None", job: Job) -> ImageItem:
    """What a `.jahp` file holds. Raises `ContainerError` or `ModelError`."""
    from jahp_gui.codec.codec import decode

    use_cores(ALL)
    started, stamp = time.perf_counter(), stamp_of(path)
    parsed = container.read_file(path)
    decoded = decode(parsed, model=model, name=path.name, progress=job.progress)
    seconds = time.perf_counter() - started
    header = parsed.header
    choice = Choice(decoded.model.card.model_id, decoded.prior, header.gain_index)
    data = container.pack(header, parsed.z, parsed.y)  # what was read: a header has one spelling
    result = FileResult(choice, data, parsed, Pyramid(decoded.rgb), None, None, seconds)
    return ImageItem(path.name, path, stamp=stamp, opened=result, decoded=decoded)


def latents_of_opened(opened: FileResult, decoded: "Decoded", job: Job) -> LatentResult:
    """What each latent of a `.jahp` file cost: of a large one, seconds after its picture."""
    use_cores(ALL)
    maps = decoded.maps(job.progress)
    return LatentResult(opened.choice, decoded.y_hat, maps, float(opened.container.total_bytes)).with_sums()


def thumbnail(item: ImageItem) -> ImageItem:
    """Give an item its small picture; what cannot be read is remembered as such."""
    try:
        picture = item.picture or Pyramid(load_image(item.path).rgb if item.path else np.zeros((1, 1, 3), np.uint8))
    except ImageError as error:
        item.failed = translated(str(error))
        return item
    level = picture.level_for(THUMBNAIL_SIDE / max(picture.size))
    from PySide6.QtCore import QSize, Qt

    image = qimage(picture.levels[level])
    size = image.size().scaled(2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE, Qt.AspectRatioMode.KeepAspectRatio)
    item.thumbnail = image.scaled(
        size.expandedTo(QSize(8, 8)),  # of a line of pixels, too, and of what a list makes of it
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    return item


def analyse(model: "Model", original: Pyramid, job: Job) -> Analysed:
    use_cores(ALL)
    return Analysed(model, original, model.analysis(original.rgb, job.progress))


def live_picture(analysed: Analysed, choice: Choice, around: Region | None) -> LivePicture:
    """The synthesis of the encoder's ŷ: of the whole image, or of the region `around` of a large one."""
    from jahp_gui.codec.regions import synthesis_of_region

    use_cores(HALF)  # the other half measures the latents
    model, original = analysed.model, analysed.original.rgb
    height, width, _ = original.shape
    if around is None:
        y_hat = model.quantise(analysed.y, choice.gain_index)
        rgb = model.synthesis(y_hat, choice.gain_index, height, width)
        return LivePicture(choice, Pyramid(rgb), metrics.psnr(original, rgb))
    rgb, region = synthesis_of_region(model, analysed.y, choice.gain_index, around, height, width)
    return LivePicture(choice, Pyramid(rgb), None, region)


def latents(analysed: Analysed, choice: Choice, found: np.ndarray | None, job: Job) -> LatentResult:
    """What every latent costs under a prior; their sum is what a file's sections will have.

    found: ŷ of a search; without it they are rounded, and their file, which is wanted next, is written in the same
    pass. Of a large image it is there already.
    """
    from jahp_gui.codec.codec import encode_measured
    from jahp_gui.codec.latent_coding import measure_latents

    alone = found is not None or analysed.is_large  # else the picture is made beside it
    use_cores(ALL if alone else HALF)
    model, gain_index = analysed.model, choice.gain_index
    if found is None and not analysed.is_large:
        width, height = analysed.original.size
        y_hat = model.quantise(analysed.y, gain_index)
        encoded, maps = encode_measured(model, y_hat, height, width, choice.prior, gain_index, job.tick)
        return LatentResult(choice, y_hat, maps, float(len(encoded.data)), encoded).with_sums()
    y_hat = model.quantise(analysed.y, gain_index) if found is None else found
    maps = measure_latents(model.prior(choice.prior), y_hat, gain_index, progress=job.tick)
    return LatentResult(choice, y_hat, maps, sum(total_bits(maps)) / 8 + USUAL_HEADER).with_sums()


def quick_latents(analysed: Analysed, choice: Choice, mask: Mask | None, job: Job) -> LatentResult:
    """Those of a choice of effort 0 or 1 from the start."""
    found = quick_search(analysed, choice, mask, job)
    return latents(analysed, choice, None if found is None else found.y_hat, job)


def problem_of(analysed: Analysed, choice: Choice, mask: Mask | None) -> "Problem":
    """What the encoder searches latents for."""
    from jahp_gui.codec.effort import Problem

    weights = None if mask is None else mask.weights()
    return Problem(analysed.model, analysed.original.rgb, analysed.y, choice.prior, choice.gain_index, weights)


def quick_search(analysed: Analysed, choice: Choice, mask: Mask | None, job: Job) -> "Candidate | None":
    """The latents of effort 1; None for effort 0, whose latents are the rounded ones."""
    if choice.effort == 0:
        return None
    from jahp_gui.codec.effort import best_found

    return best_found(problem_of(analysed, choice, mask), 1, job.tick)


def estimate_size(analysed: Analysed, choice: Choice, known: tuple[Choice, int] | None) -> SizeEstimate:
    """The size of a file from a sample of its latents, set right by a file of the same image that is known."""
    use_cores(HALF)
    sample, share = sample_of(analysed.y)

    def sampled(choice: Choice) -> float:
        return sampled_bytes(analysed.model, sample, choice.prior, choice.gain_index) / share

    size = sampled(choice)
    if known is not None:
        size *= (known[1] - USUAL_HEADER) / sampled(known[0])
    return SizeEstimate(choice, size + USUAL_HEADER, share)


def make_file(analysed: Analysed, choice: Choice, mask: Mask | None, job: Job) -> FileResult:
    """The real file of a choice of effort 0 or 1, and the picture decoded from it."""
    use_cores(ALL)
    started = time.perf_counter()
    return write_file(analysed, choice, mask, quick_search(analysed, choice, mask, job), started, job)


def write_file(
    analysed: Analysed, choice: Choice, mask: Mask | None, found: "Candidate | None", started: float, job: Job
) -> FileResult:
    """A real file of rounded or found latents and the picture decoded from its bytes, the digest checked.

    started: when `time.perf_counter` said that the search began.
    """
    from jahp_gui.codec.codec import encode_y, encode_y_hat

    width, height = analysed.original.size
    setting = height, width, choice.prior, choice.gain_index
    if found is None:
        encoded = encode_y(analysed.model, analysed.y, *setting, progress=job.tick)
    else:
        encoded = encode_y_hat(found.model, found.y_hat, *setting, progress=job.tick)
    seconds = time.perf_counter() - started
    job.check()
    return _decoded(analysed, choice, encoded, seconds, job, None if found is None else found.y_hat, mask)


def read_back(analysed: Analysed, choice: Choice, encoded: "Encoded", job: Job) -> FileResult:
    """A file of rounded latents that has been written, and the picture decoded from its bytes."""
    use_cores(ALL)
    return _decoded(analysed, choice, encoded, sum(encoded.seconds.values()), job)


def _decoded(
    analysed: Analysed,
    choice: Choice,
    encoded: "Encoded",
    encode_seconds: float,
    job: Job,
    found: np.ndarray | None = None,
    mask: Mask | None = None,
) -> FileResult:
    from jahp_gui.codec.codec import decode

    original, started = analysed.original.rgb, time.perf_counter()
    decoded = decode(encoded.data, model=analysed.model, progress=job.tick)
    decode_seconds = time.perf_counter() - started
    job.check()
    return FileResult(
        choice,
        encoded.data,
        encoded.container,
        Pyramid(decoded.rgb),
        metrics.psnr(original, decoded.rgb),
        encode_seconds,
        decode_seconds,
        found=found,
        psnr_parts=None if mask is None else mask.psnr_parts(original, decoded.rgb),
    )


def similarity(original: Pyramid, picture: Pyramid) -> float | None:
    """MS-SSIM, four seconds of a core for 24 megapixels."""
    use_cores(ONE)
    return metrics.ms_ssim(original.rgb, picture.rgb)


def make_classical(
    process: CodecProcess, codec: ClassicalCodec, original: Pyramid, n_bytes: int, job: Job
) -> ClassicalResult:
    """The picture of a classical codec's largest file of at most `n_bytes`."""
    coded = process.to_size(codec, original.rgb, n_bytes, job.check)
    return ClassicalResult(
        codec.key,
        codec.label,
        codec.quality_name,
        coded.quality,
        coded.data,
        Pyramid(coded.rgb),
        metrics.psnr(original.rgb, coded.rgb),
        n_bytes,
    )


def find_target(analysed: Analysed, choice: Choice, mask: Mask | None, target: "Target", job: Job) -> int:
    """The gain index at which the real file of a choice comes nearest to a target. Raises `UsageError`: none does."""
    from jahp_gui.codec.target import nearest_to_target

    use_cores(ALL)
    return nearest_to_target(problem_of(analysed, choice, mask), target, choice.effort, job.tick).problem.gain_index


def centre_crop(original: Pyramid) -> tuple[np.ndarray, bool]:
    """What curves are measured on, and whether it is less than the image."""
    rgb = original.rgb
    if not is_large(original):
        return rgb, False
    top, left = (max(0, (side - CROP_SIDE) // 2) for side in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + CROP_SIDE, left : left + CROP_SIDE]), True


def prior_points(
    model: "Model", rgb: np.ndarray, priors: Sequence[str], job: Job
) -> Iterator[tuple[SeriesKey, CurvePoint]]:
    """Points of the priors at every anchor λ, the priors in the order given: estimates of all, then real files.

    A real file sets right the estimates of its prior that are left.
    """
    from jahp_gui.codec.codec import encode_y
    from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR

    use_cores(ONE)
    height, width, _ = rgb.shape
    job.give_way()
    y = model.analysis(rgb)
    sample, share = sample_of(y, CURVE_BLOCKS)
    quality: dict[int, tuple[float, float | None]] = {}  # the priors code the same latents: one picture for all
    sizes: dict[tuple[str, int], float] = {}  # estimates

    def point(n_bytes: int, gain_index: int, is_estimate: bool) -> CurvePoint:
        rate = metrics.bpp(n_bytes, width, height)
        return CurvePoint(rate, *quality[gain_index], n_bytes, gain_index=gain_index, is_estimate=is_estimate)

    for gain_index in model.gain_indices[::STEPS_PER_ANCHOR]:
        job.give_way()
        picture = model.synthesis(model.quantise(y, gain_index), gain_index, height, width)
        job.give_way()
        quality[gain_index] = metrics.psnr(rgb, picture), metrics.ms_ssim(rgb, picture)
        for prior in priors:
            job.give_way()
            sizes[prior, gain_index] = sampled_bytes(model, sample, prior, gain_index) / share + USUAL_HEADER
            yield SeriesKey("prior", prior), point(round(sizes[prior, gain_index]), gain_index, True)
    for prior in priors:
        for gain_index in quality:
            job.give_way()
            n_bytes = len(encode_y(model, y, height, width, prior, gain_index).data)
            yield SeriesKey("prior", prior), point(n_bytes, gain_index, False)
            error = n_bytes / sizes.pop((prior, gain_index))
            for other, at in sizes:
                if other == prior:
                    sizes[other, at] *= error
                    yield SeriesKey("prior", other), point(round(sizes[other, at]), at, True)


def classical_points(
    process: CodecProcess, rgb: np.ndarray, codecs: Sequence[ClassicalCodec], job: Job
) -> Iterator[tuple[SeriesKey, CurvePoint]]:
    """Points of real files of the classical codecs at the qualities of a curve; none of one that cannot hold it."""
    height, width, _ = rgb.shape
    for codec in codecs:
        for quality in codec.default_qualities:
            job.give_way()
            try:
                coded = process.at_quality(codec, rgb, quality, job.check)
            except NoRoomError:
                break
            job.give_way()
            use_cores(ONE)
            rate, n_bytes = metrics.bpp(len(coded.data), width, height), len(coded.data)
            psnr, ms_ssim = metrics.psnr(rgb, coded.rgb), metrics.ms_ssim(rgb, coded.rgb)
            yield SeriesKey("classical", codec.key), CurvePoint(rate, psnr, ms_ssim, n_bytes, quality=quality)
