"""The decoder at work: a real file decoded once with everything noted, and its picture at any moment of that.

At a moment a decoder knows ẑ, the latents of the steps done, and for those of the next step, whose causal neighbours
are all known, the mean that the prior predicts. Of the others it knows what the prior says without any neighbour (at
the picture's edges it says it with none, too): from ẑ, or without side information the same everywhere. A prediction
from half a neighbourhood, with zeros for what is missing, would be worse than that and is what no decoder computes.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jahp_gui.codec.codec import Opened, not_intact, open_source
from jahp_gui.codec.container import DEFAULT_MAX_PIXELS, Container
from jahp_gui.codec.errors import DigestError
from jahp_gui.codec.latent_coding import BATCH, DecodingStep, LatentDecoder, Progress, encode_latents, side_bits
from jahp_gui.codec.model import Model
from jahp_gui.codec.partial_synthesis import PartialSynthesis
from jahp_gui.codec.wavefront import raster_steps

WAVEFRONT, RASTER = "wavefront", "raster"
RASTER_SAMPLE = 2000  # positions that decoding one by one is measured on


@dataclass(frozen=True, eq=False)
class Recording:
    """A file's decoding; arrays have the shape of the latents, (h, w, M), or of their positions, (h, w).

    y_hat: int16 (h, w, M). expected: float32 (h, w, M), the mean of each latent's table when it was decoded.
    unaided: float32 (h, w, M), the same before any latent was known. bits: float64 (h, w). steps: raster indices in
    the order of the file. seconds: float64, of each step, and of ẑ with the networks that read it. z_bits and z_hat are
    zero and None without side information.
    """

    opened: Opened
    y_hat: np.ndarray
    z_hat: np.ndarray | None
    expected: np.ndarray
    unaided: np.ndarray
    bits: np.ndarray
    z_bits: float
    steps: list[np.ndarray]
    seconds: np.ndarray
    z_seconds: float

    @property
    def has_context(self) -> bool:
        return self.opened.model.prior(self.opened.prior).has_context

    @property
    def gain_index(self) -> int:
        return self.opened.container.header.gain_index


def record(
    source: bytes | Container,
    *,
    model: Model | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str = "data",
    progress: Progress | None = None,
) -> Recording:
    """Decode a file and note everything. Arguments and errors are those of `decode`, digest check included."""
    opened = open_source(source, model=model, max_pixels=max_pixels, name=name)
    prior, parsed = opened.model.prior(opened.prior), opened.container
    height, width, channels = opened.shape
    started = time.perf_counter()
    decoder = LatentDecoder(prior, parsed.z, parsed.y, opened.shape, parsed.header.gain_index)
    z_seconds = time.perf_counter() - started
    y_hat = np.empty((height * width, channels), np.int16)
    expected, bits = np.empty(y_hat.shape, np.float32), np.empty(height * width)
    unaided = _unaided(decoder, y_hat.shape) if prior.has_context else expected
    seconds, done = [], 0
    started = time.perf_counter()
    for step in decoder.steps():
        seconds.append(time.perf_counter() - started)
        y_hat[step.positions] = step.latents
        expected[step.positions] = _means(decoder, step.rows, step.offsets)
        bits[step.positions] = step_bits(decoder, step)
        done += len(step.positions)
        if progress is not None:
            progress(done / len(y_hat))
        started = time.perf_counter()
    recording = Recording(
        opened,
        y_hat.reshape(opened.shape),
        decoder.z_hat,
        expected.reshape(opened.shape),
        unaided.reshape(opened.shape),
        bits.reshape(height, width),
        0.0 if decoder.z_hat is None else float(side_bits(prior, decoder.z_hat).sum()),
        decoder.schedule,
        np.array(seconds),
        z_seconds,
    )
    if not opened.is_intact(recording.y_hat):
        raise DigestError(not_intact(name))
    return recording


def _unaided(decoder: LatentDecoder, shape: tuple[int, int]) -> np.ndarray:
    """The means float32 (h·w, M) of all positions with no latent known."""
    unaided = np.empty(shape, np.float32)
    for start in range(0, len(unaided), BATCH):
        positions = np.arange(start, min(start + BATCH, len(unaided)))
        unaided[positions] = _means(decoder, *decoder.state.rows(positions))
    return unaided


def _means(decoder: LatentDecoder, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return (decoder.state.tables.moments[0][rows] + offsets).astype(np.float32)


def step_bits(decoder: LatentDecoder, step: DecodingStep) -> np.ndarray:
    """What the latents of a step cost at each of its positions: float64 (n,)."""
    return decoder.state.tables.bits(step.latents.astype(np.int64) - step.offsets, step.rows).sum(1)


def raster_seconds(recording: Recording, progress: Progress | None = None) -> tuple[float, int]:
    """Seconds to decode ŷ position by position, and how many of the positions (the first ones) were measured.

    The latents are written as a stream of that order and really decoded; of large pictures only the beginning is,
    and the rest takes its share.
    """
    opened = recording.opened
    prior, (height, width, _) = opened.model.prior(opened.prior), opened.shape
    schedule = raster_steps(height, width)[:RASTER_SAMPLE]
    z_section, y_section = encode_latents(prior, recording.y_hat, recording.gain_index, schedule=schedule)
    decoder = LatentDecoder(prior, z_section, y_section, opened.shape, recording.gain_index, schedule=schedule)
    started = time.perf_counter()
    for number, _ in enumerate(decoder.steps(), 1):
        if progress is not None:
            progress(number / len(schedule))
    return (time.perf_counter() - started) * height * width / len(schedule), len(schedule)


class Replay:
    """Goes through a recording to and fro. Moment 0 knows nothing, the first one after it ẑ where there is side
    information, and each one after that one step more, to `last`, where everything is decoded.

    Priors without context need no step to wait for another: there ŷ is one step.
    """

    def __init__(self, recording: Recording, order: str = WAVEFRONT):
        self.recording, self.order = recording, order
        height, width, _ = recording.y_hat.shape
        if not recording.has_context:
            self.steps = [np.arange(height * width)]
        else:
            self.steps = recording.steps if order == WAVEFRONT else raster_steps(height, width)
        self.side = int(recording.z_hat is not None)
        self.last = self.side + len(self.steps)
        header = recording.opened.container.header
        self._synthesis = PartialSynthesis(recording.opened.model, header.gain_index, header.height, header.width)
        self._shown: int | None = None  # steps done in the last picture
        self._latents: np.ndarray | None = None  # and its latents

    @cached_property
    def step_number(self) -> np.ndarray:
        """int32 (h, w): the step in which each position is decoded, from 1."""
        numbers = np.empty(self.recording.bits.size, np.int32)
        for number, positions in enumerate(self.steps, 1):
            numbers[positions] = number
        return numbers.reshape(self.recording.bits.shape)

    @cached_property
    def _bits(self) -> np.ndarray:
        """float64 (last + 1,): bits of ŷ read until each moment."""
        bits = self.recording.bits.ravel()
        of_steps = np.bincount(self.step_number.ravel(), bits, len(self.steps) + 1)
        return np.concatenate([np.zeros(self.side), np.cumsum(of_steps)])

    def steps_done(self, moment: int) -> int:
        """Steps of ŷ that are done; negative before ẑ."""
        return moment - self.side

    def bits(self, moment: int) -> tuple[float, float]:
        """Bits of (ẑ, ŷ) that have been read."""
        return self.recording.z_bits if moment >= self.side else 0.0, float(self._bits[moment])

    def known(self, moment: int) -> np.ndarray:
        """bool (h, w): the positions that have been decoded."""
        return self.step_number <= self.steps_done(moment)

    def front(self, moment: int) -> np.ndarray:
        """Raster indices that were decoded last; before the first step of ŷ there are none."""
        done = self.steps_done(moment)
        return self.steps[done - 1] if done > 0 else np.empty(0, np.int64)

    def latents(self, moment: int) -> np.ndarray:
        """float32 (h, w, M): those that are known, predicted means for the others (see the top of this module)."""
        latents = np.zeros(self.recording.y_hat.shape, np.float32)
        self._write(latents, np.ones(self.step_number.shape, bool), self.steps_done(moment))
        return latents

    def _write(self, latents: np.ndarray, where: np.ndarray, done: int) -> None:
        """Give `latents` the values that they have at positions `where`, bool (h, w), after `done` steps."""
        if done < 0:
            return
        number, recording = self.step_number, self.recording
        for of_these, values in (
            (number <= done, recording.y_hat),
            (number == done + 1, recording.expected),
            (number > done + 1, recording.unaided),
        ):
            chosen = where & of_these
            latents[chosen] = values[chosen]

    def picture(self, moment: int) -> np.ndarray:
        """uint8 (H, W, 3), synthesised anew only where it can differ from the last one asked for."""
        done, before = self.steps_done(moment), self._shown
        self._shown = None  # until it is there
        changed = None
        if self._latents is None or before is None or min(done, before) < 0:
            self._latents = self.latents(moment)
        else:
            low, high = sorted((done, before))
            changed = (self.step_number > low) & (self.step_number <= high + 1)
            self._write(self._latents, changed, done)
        if moment == self.last:  # in one piece, as decoders do it: the same picture to the last bit
            picture = self._synthesis.picture(self.recording.y_hat)
        else:
            picture = self._synthesis.picture(self._latents, changed)
        self._shown = done
        return picture
