"""ŷ to sections and back under a frozen prior, and what every latent cost.

Encoder and decoder walk the same schedule and ask the same `CodingState` for table rows; the encoder merely knows all
latents beforehand and asks for many steps at a time.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jahp_gui.codec.entropy_coder import SymbolDecoder, SymbolEncoder
from jahp_gui.codec.errors import DigestError
from jahp_gui.codec.priors.base import CodingState, FrozenPrior
from jahp_gui.codec.priors.hyper import HYPER_STRIDE, Z_LIMIT
from jahp_gui.codec.stopwatch import Stopwatch
from jahp_gui.codec.threads import Team

BATCH = 512  # positions whose table rows the encoder asks for at a time
Progress = Callable[[float], None]


def latents_digest(y_hat: np.ndarray, width: int, height: int, gain_index: int) -> bytes:
    """The four bytes a file carries: BLAKE2b over what its picture is made of.

    Width, height and gain index come first, as they would else be free to lie; then ŷ (h, w, M) as int32, raster,
    channel last; all little-endian.
    """
    digest = hashlib.blake2b(struct.pack("<III", width, height, gain_index), digest_size=4)
    for row in y_hat:
        for start in range(0, len(row), BATCH):  # no second copy of the whole
            digest.update(row[start : start + BATCH].astype("<i4").tobytes())
    return digest.digest()


def encode_latents(
    prior: FrozenPrior,
    y_hat: np.ndarray,
    gain_index: int,
    watch: Stopwatch | None = None,
    schedule: list[np.ndarray] | None = None,
    progress: Progress | None = None,
) -> tuple[bytes, bytes]:
    """The sections (ẑ, ŷ) of latents (h, w, M) int16 within ±32767; ẑ is empty without side information.

    `watch` is given the stages "entropy networks" and "range coder". Files have the prior's own `schedule`; another
    order shows what it would cost. `progress` is told the fraction done now and then; whatever it raises ends it.
    """
    watch = watch or Stopwatch()
    with watch("entropy networks"):
        z_hat = prior.side_information(y_hat, gain_index)
        z_section = b"" if z_hat is None else encode_side(prior, z_hat)
        encoder = SymbolEncoder()
        height, width, channels = y_hat.shape
        flat = y_hat.reshape(-1, channels)
        state = prior.start(z_hat, height, width, gain_index)
        for step, rows, offsets in known_rows(state, schedule or prior.schedule(height, width), flat, progress):
            with watch("range coder"):
                encoder.encode(flat[step].ravel(), state.tables, rows.ravel(), offsets.ravel())
        return z_section, encoder.finish()


def known_rows(
    state: CodingState, schedule: list[np.ndarray], flat: np.ndarray, progress: Progress | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(positions, rows, offsets) of every step when all latents (h·w, M) are known: steps are computed in batches.

    `progress` is told the fraction done after each.
    """
    state.reveal(np.arange(len(flat)), flat)
    pending: list[np.ndarray] = []
    for number, step in enumerate(schedule):
        pending.append(step)
        if sum(map(len, pending)) >= BATCH or number == len(schedule) - 1:
            rows, offsets = state.rows(np.concatenate(pending))
            ends = np.cumsum([len(positions) for positions in pending])[:-1]
            yield from zip(pending, np.split(rows, ends), np.split(offsets, ends), strict=True)
            if progress is not None:
                progress((number + 1) / len(schedule))
            pending = []


def encode_side(prior: FrozenPrior, z_hat: np.ndarray) -> bytes:
    encoder = SymbolEncoder()
    rows = np.broadcast_to(np.arange(z_hat.shape[2]), z_hat.shape).ravel()
    encoder.encode(z_hat.ravel(), prior.side_tables(), rows, np.zeros_like(rows))
    return encoder.finish()


def decode_side(prior: FrozenPrior, section: bytes, height: int, width: int) -> np.ndarray | None:
    """ẑ for latents of (height, width). Raises `DigestError` for a symbol the encoder cannot have written."""
    if not prior.has_side_information:
        if section:
            raise DigestError("The side information is damaged: this prior has none.")
        return None
    tables = prior.side_tables()
    shape = (-(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE), len(tables.wide))
    rows = np.broadcast_to(np.arange(shape[2]), shape).ravel()
    z_hat = SymbolDecoder(section).decode(tables, rows, np.zeros_like(rows))
    if ((z_hat < -Z_LIMIT) | (z_hat >= Z_LIMIT)).any():
        raise DigestError("The side information is damaged: it holds a value that no encoder writes.")
    return z_hat.reshape(shape)


class DecodingStep(NamedTuple):
    """What a decoder does at once: it reads latents int16 (n, M) at the raster indices `positions` (n,).

    rows, offsets: int32 (n, M), the table rows and integer offsets that it read them with.
    """

    positions: np.ndarray
    latents: np.ndarray
    rows: np.ndarray
    offsets: np.ndarray


class LatentDecoder:
    """The latents of one file in the order of their decoding: ẑ (None without) at once, ŷ by `steps`.

    Raises `DigestError` where the sections cannot be right. `schedule` is for streams in another order than a file's,
    `symbols` for a decoder of the ŷ section that is not the ordinary one.
    """

    def __init__(
        self,
        prior: FrozenPrior,
        z_section: bytes,
        y_section: bytes,
        shape: tuple[int, int, int],
        gain_index: int,
        watch: Stopwatch | None = None,
        schedule: list[np.ndarray] | None = None,
        symbols: SymbolDecoder | None = None,
    ):
        height, width, _ = shape
        self.z_hat = decode_side(prior, z_section, height, width)
        self.state = prior.start(self.z_hat, height, width, gain_index)
        self.schedule = schedule or prior.schedule(height, width)
        self._symbols = symbols or SymbolDecoder(y_section)
        self._watch = watch or Stopwatch()

    def steps(self) -> Iterator[DecodingStep]:
        """Each step is decoded when it is asked for."""
        team = Team()
        for positions in self.schedule:
            with team.step():
                step = self._step(positions)
            yield step

    def _step(self, positions: np.ndarray) -> DecodingStep:
        rows, offsets = self.state.rows(positions)
        with self._watch("range coder"):
            latents = self._symbols.decode(self.state.tables, rows.ravel(), offsets.ravel())
        latents = latents.reshape(rows.shape)
        self.state.reveal(positions, latents)
        return DecodingStep(positions, latents, rows, offsets)


def decode_latents(
    prior: FrozenPrior,
    z_section: bytes,
    y_section: bytes,
    shape: tuple[int, int, int],
    gain_index: int,
    progress: Progress | None = None,
    watch: Stopwatch | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Latents (h, w, M) int16 from their sections, and ẑ (None without); the caller checks the digest.

    `progress` is called with the fraction done after every step; whatever it raises ends the decoding.
    """
    watch = watch or Stopwatch()
    height, width, channels = shape
    flat = np.zeros((height * width, channels), np.int16)
    done = 0
    with watch("entropy networks"):
        decoder = LatentDecoder(prior, z_section, y_section, shape, gain_index, watch)
        for step in decoder.steps():
            flat[step.positions] = step.latents
            done += len(step.positions)
            if progress is not None:
                progress(done / len(flat))
    return flat.reshape(shape), decoder.z_hat


@dataclass(frozen=True, eq=False)
class LatentMaps:
    """What the coder's tables say of every latent: float32 (h, w, M) each.

    bits: the exact cost, escapes included. mu, sigma: mean and standard deviation of the table the coder used, in
    units of the quantiser step. z_hat: int16, z_bits: float32, both (⌈h/4⌉, ⌈w/4⌉, C); None without side information.
    """

    bits: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    z_hat: np.ndarray | None
    z_bits: np.ndarray | None

    def arrays(self, y_hat: np.ndarray) -> dict[str, np.ndarray]:
        """By the names that users see, with the latents themselves; those of z where there is side information."""
        arrays = {"y_hat": y_hat, "bits": self.bits, "mu": self.mu, "sigma": self.sigma}
        if self.z_hat is not None and self.z_bits is not None:
            arrays |= {"z_hat": self.z_hat, "z_bits": self.z_bits}
        return arrays


def section_bits(
    prior: FrozenPrior,
    y_hat: np.ndarray,
    gain_index: int,
    z_hat: np.ndarray | None,
    progress: Progress | None = None,
) -> float:
    """Bits of both sections of latents (h, w, M) and their ẑ, but for what fills the last words of each.

    `progress` as in `encode_latents`.
    """
    height, width, channels = y_hat.shape
    state = prior.start(z_hat, height, width, gain_index)
    flat = y_hat.reshape(-1, channels)
    total = 0.0 if z_hat is None else float(side_bits(prior, z_hat).sum())
    for step, rows, offsets in known_rows(state, prior.schedule(height, width), flat, progress):
        total += float(state.tables.bits(flat[step].astype(np.int64) - offsets, rows).sum())
    return total


def side_bits(prior: FrozenPrior, z_hat: np.ndarray) -> np.ndarray:
    """Exact cost of every ẑ (h, w, C) in bits: float64 of the same shape."""
    rows = np.broadcast_to(np.arange(z_hat.shape[2]), z_hat.shape)
    return prior.side_tables().bits(z_hat.astype(np.int64), rows)


def measure_latents(
    prior: FrozenPrior,
    y_hat: np.ndarray,
    gain_index: int,
    z_hat: np.ndarray | None = None,
    encoder: SymbolEncoder | None = None,
    watch: Stopwatch | None = None,
    progress: Progress | None = None,
) -> LatentMaps:
    """Bits, μ and σ of latents (h, w, M) int16; the sums are those of the stream.

    z_hat: the side information that a file holds; without it, what an encoder on this machine would choose.
    encoder: is given the latents on the way, for who wants their section, too. `watch` is given the stages of
    `encode_latents`, and "maps"; `progress` as there.
    """
    watch = watch or Stopwatch()
    with watch("entropy networks"):
        height, width, channels = y_hat.shape
        if z_hat is None:
            z_hat = prior.side_information(y_hat, gain_index)
        state = prior.start(z_hat, height, width, gain_index)
        flat = y_hat.reshape(-1, channels)
        mean_of_row, deviation_of_row = state.tables.moments
        bits, mu, sigma = (np.empty(flat.shape, np.float32) for _ in range(3))
        for step, rows, offsets in known_rows(state, prior.schedule(height, width), flat, progress):
            if encoder is not None:
                with watch("range coder"):
                    encoder.encode(flat[step].ravel(), state.tables, rows.ravel(), offsets.ravel())
            with watch("maps"):
                bits[step] = state.tables.bits(flat[step].astype(np.int64) - offsets, rows)
                mu[step] = mean_of_row[rows] + offsets
                sigma[step] = deviation_of_row[rows]
    z_bits = None if z_hat is None else side_bits(prior, z_hat).astype(np.float32)
    shape = y_hat.shape
    return LatentMaps(bits.reshape(shape), mu.reshape(shape), sigma.reshape(shape), z_hat, z_bits)
