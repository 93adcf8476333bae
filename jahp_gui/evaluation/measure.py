"""Plan to rows: every file is really written, read back from its bytes and compared with the image.

Work is cut into one unit per image and engine (a model with all its priors and λ, or a classical codec), so that the
analysis transform runs once for each image and model. Units run in this process or in several.
"""

import math
import multiprocessing
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from jahp_gui import windows
from jahp_gui.codec import metrics
from jahp_gui.codec.codec import Encoded, decode, encode_searched, encode_y
from jahp_gui.codec.effort import Problem
from jahp_gui.codec.errors import DigestError, ImageError, JahpError
from jahp_gui.codec.images import load_image
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import find_model
from jahp_gui.codec.threads import available_cpus, physical_cores, use_threads
from jahp_gui.evaluation.classical import get_codec
from jahp_gui.evaluation.plan import ImageFile, Plan, Series, series_key, series_version
from jahp_gui.evaluation.rows import Key, Row, RowCache

LARGEST_DEFAULT_JOBS = 8  # each holds the weights and an image's latents


def default_jobs() -> int:
    """One process on one or two cores, else one for every two: half a gigabyte and a model each."""
    return max(1, min(LARGEST_DEFAULT_JOBS, len(available_cpus()) // 2))


def measure(plan: Plan, kept: RowCache, jobs: int, progress: Callable[[int, int], None]) -> list[Row]:
    """The plan's rows: by image, then series, then setting; those `kept` has are not measured again.

    `progress` is told (rows there, rows in all) at the start and after every row. Raises `JahpError` for an image or
    a file that fails; the rows until then are in `kept`.
    """
    keys = [
        key_of(image, series, setting) for image in plan.images for series in plan.series for setting in series.settings
    ]
    there = sum(key in kept.rows for key in keys)
    progress(there, len(keys))
    for row in _run(units(plan, kept.rows.keys()), jobs):
        kept.add(row)
        there += 1
        progress(there, len(keys))
    return [kept.rows[key] for key in keys]


def key_of(image: ImageFile, series: Series, setting: float) -> Key:
    """The key of the row that holds this measurement."""
    return image.path.name, image.sha256, series.key, series.version, setting


def units(plan: Plan, known: Collection[Key]) -> "list[Unit]":
    """The work that is left, image by image."""
    found: list[Unit] = []
    for image in plan.images:
        files: dict[tuple[str, str], list[FileKind]] = defaultdict(list)
        for series in plan.learned:
            missing = [setting for setting in series.settings if key_of(image, series, setting) not in known]
            files[str(series.card.folder), series.device] += [
                (setting, series.effort, series.prior) for setting in missing
            ]
        for model, wanted in files.items():
            # All priors of one λ side by side: rounded, they share the picture. A search is long, and each is kept.
            quick = tuple(sorted(kind for kind in wanted if kind[1] < 2))
            searched = [(kind,) for kind in sorted(wanted) if kind[1] >= 2]
            found += [LearnedUnit(image, *model, kinds) for kinds in filter(None, [quick, *searched])]
        for classical in plan.classical:
            qualities = tuple(
                setting for setting in classical.settings if key_of(image, classical, setting) not in known
            )
            if qualities:
                found.append(ClassicalUnit(image, classical.codec.key, qualities))
    return found


FileKind = tuple[float, int, str]  # λ, effort, prior


@dataclass(frozen=True)
class LearnedUnit:
    """Files of one image by one model, those of one λ together, or one that takes a long search."""

    image: ImageFile
    folder: str
    device: str
    files: tuple[FileKind, ...]

    def rows(self) -> Iterator[Row]:
        """Write, read back and compare, one file after the other."""
        model = _warm_model(self.folder, self.device)
        for _, effort, prior in self.files:  # the weights are read before the clock starts
            model.prior(prior)
            model.for_effort(effort).inverse_gain_of(0)
        rgb = load_image(self.image.path).rgb
        height, width, _ = rgb.shape
        started = time.perf_counter()
        y = model.analysis(rgb)
        analysis_seconds = time.perf_counter() - started
        picture, quality = None, _Quality(None, None)
        for lmbda, effort, prior in self.files:
            if effort:
                model.forget_picture()  # a search makes its own, and is to take the time for it
            started = time.perf_counter()
            encoded = _encode(Problem(model, rgb, y, prior, model.gain_index(lmbda)), effort)
            encode_seconds = analysis_seconds + time.perf_counter() - started
            started = time.perf_counter()
            decoded = decode(encoded.data, model=model, max_pixels=width * height, name=self.image.path.name)
            decode_seconds = time.perf_counter() - started + model.seconds_saved
            if not np.array_equal(decoded.y_hat, encoded.y_hat):
                raise DigestError(f"{self.image.path}: {prior} at λ = {lmbda:g} does not decode to what was encoded.")
            if decoded.rgb is not picture:
                picture, quality = decoded.rgb, _quality(rgb, decoded.rgb)
            codec = series_key(model.card.model_id, prior, effort)
            version = series_version(model.card, prior, effort, self.device)
            seconds = encode_seconds, decode_seconds
            yield _row(self.image, rgb, codec, version, lmbda, encoded.data, quality, seconds)


def _encode(problem: Problem, effort: int) -> Encoded:
    if effort:
        return encode_searched(problem, effort)
    height, width, _ = problem.rgb.shape
    return encode_y(problem.model, problem.y, height, width, problem.prior, problem.gain_index)


@dataclass(frozen=True)
class ClassicalUnit:
    """Files of one image by one classical codec."""

    image: ImageFile
    codec: str
    qualities: tuple[float, ...]

    def rows(self) -> Iterator[Row]:
        """Write, read back and compare, one file after the other."""
        codec = get_codec(self.codec)
        rgb = load_image(self.image.path).rgb
        for setting in self.qualities:
            try:
                started = time.perf_counter()
                data = codec.encode(rgb, setting)
                encoded = time.perf_counter()
                picture = codec.decode(data)
            except ImageError as error:
                remedy = f"Leave '{codec.key}' out with --classical, or take the image out of the folder."
                raise ImageError(f"{self.image.path}: {error} {remedy}") from error
            seconds = encoded - started, time.perf_counter() - encoded
            quality = _quality(rgb, picture)
            yield _row(self.image, rgb, codec.key, codec.settings, setting, data, quality, seconds)


Unit = LearnedUnit | ClassicalUnit


class PictureOnceModel(Model):
    """A model that makes a picture once: the priors of a family decode to one ŷ at one λ.

    seconds_saved: what the last synthesis would have taken, where the picture was there already; else 0.
    """

    _made: tuple[int, np.ndarray, np.ndarray] | None = None
    _seconds = 0.0
    seconds_saved = 0.0

    def forget_picture(self) -> None:
        self._made, self.seconds_saved = None, 0.0

    def synthesis(
        self,
        y_hat: np.ndarray,
        gain_index: int,
        height: int,
        width: int,
        progress: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        if self._made is not None:
            made_index, made_from, picture = self._made
            same = made_index == gain_index and picture.shape[:2] == (height, width)
            if same and np.array_equal(made_from, y_hat):
                self.seconds_saved = self._seconds
                return picture
        started = time.perf_counter()
        picture = super().synthesis(y_hat, gain_index, height, width, progress)
        self._seconds, self.seconds_saved = time.perf_counter() - started, 0.0
        self._made = gain_index, y_hat, picture
        return picture


@cache
def _warm_model(folder: str, device: str) -> PictureOnceModel:
    """A model of this process with its transforms read and run once, so that the first image is not timed slower."""
    model = PictureOnceModel(find_model(Path(folder)), device)
    y_hat = model.quantise(model.analysis(np.zeros((64, 64, 3), np.uint8)), 0)
    model.synthesis(y_hat, 0, 64, 64)
    return model


@dataclass(frozen=True)
class _Quality:
    psnr: float | None
    ms_ssim: float | None


def _quality(original: np.ndarray, picture: np.ndarray) -> _Quality:
    psnr = metrics.psnr(original, picture)
    return _Quality(None if math.isinf(psnr) else psnr, metrics.ms_ssim(original, picture))


def _row(
    image: ImageFile,
    rgb: np.ndarray,
    codec: str,
    version: str,
    setting: float,
    data: bytes,
    quality: _Quality,
    seconds: tuple[float, float],
) -> Row:
    height, width, _ = rgb.shape
    return Row(
        image=image.path.name,
        sha256=image.sha256,
        width=width,
        height=height,
        codec=codec,
        version=version,
        setting=setting,
        bytes=len(data),
        bpp=metrics.bpp(len(data), width, height),
        psnr=quality.psnr,
        ms_ssim=quality.ms_ssim,
        encode_seconds=round(seconds[0], 4),
        decode_seconds=round(seconds[1], 4),
    )


def _run(work: "list[Unit]", jobs: int) -> Iterator[Row]:
    """The rows of all units, as they come."""
    if jobs > 1 and len(work) > 1:
        yield from _run_in_processes(work, jobs)
        return
    use_threads()
    for unit in work:
        yield from unit.rows()


def _run_in_processes(work: "list[Unit]", jobs: int) -> Iterator[Row]:
    # Spawned: a forked copy of a process that has run torch can hang on the locks of threads it does not have.
    context = multiprocessing.get_context("spawn")
    threads = max(1, physical_cores() // jobs)
    workers = min(jobs, windows.MOST_WORKERS) if windows.IS_WINDOWS else jobs
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(threads,))
    waiting = iter(work)
    # No more at a time than there are workers: what the pool has taken over it finishes, whatever happens.
    running = {pool.submit(_rows_of, unit) for unit in islice(waiting, workers)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: future.exception() is not None):  # the failed ones last
                yield from future.result()
            running |= {pool.submit(_rows_of, unit) for unit in islice(waiting, len(done))}
    except BrokenProcessPool as error:
        raise JahpError(
            "A worker process was killed, most likely for want of memory: run the same command again with fewer --jobs."
        ) from error
    except Exception:
        for future in wait(running).done:  # what the others have measured is kept
            if future.exception() is None:
                yield from future.result()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C goes to all processes; one of them says so
    torch.set_num_threads(threads)


def _rows_of(unit: Unit) -> list[Row]:
    return list(unit.rows())
