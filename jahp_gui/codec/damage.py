"""A file with wrong bits, decoded all the same: how an entropy decoder loses its way. For looking, never for use.

The ordinary path refuses such a file twice: by its checksum, and were that repaired, by the digest of its latents. Here
the checksum is repaired and the digest only looked at. After a wrong bit the range coder itself mostly notices within
some thousand symbols that its words cannot be right; where the ordinary decoder then stops, this one reads on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from jahp_gui.codec import container
from jahp_gui.codec.codec import Opened, not_intact, open_source
from jahp_gui.codec.container import CRC_BYTES, DEFAULT_MAX_PIXELS
from jahp_gui.codec.entropy_coder import LATENT_LIMIT, SymbolDecoder
from jahp_gui.codec.errors import DigestError, JahpError
from jahp_gui.codec.latent_coding import LatentDecoder, Progress
from jahp_gui.codec.model import Model
from jahp_gui.codec.tables import SymbolTables

PIECE = 64  # symbols that are read at a time once the way is lost: few enough to get through without a fault
TRIES = 8
UNLIMITED = 2.0**40  # bits: what is read is no longer held against what there is


def flipped(data: bytes, bits: Iterable[int]) -> bytes:
    """The bytes with the bits at these offsets turned over; bit 0 is the lowest of the first byte."""
    result = bytearray(data)
    for bit in bits:
        result[bit // 8] ^= 1 << bit % 8
    return bytes(result)


def with_checksum(data: bytes) -> bytes:
    """The bytes with the checksum at their end made right."""
    return container.sealed(data[:-CRC_BYTES])


def refusal(data: bytes, *, name: str = "data") -> str:
    """What the ordinary path says of these bytes before it decodes anything; empty where it says nothing."""
    try:
        container.parse(data, name=name)
    except JahpError as error:
        return str(error)
    return ""


class StubbornDecoder(SymbolDecoder):
    """Reads on where the ordinary one gives up: from a fresh state, on the words that follow, round and round.

    Until then it is the ordinary one; `objection` is what that one says.
    """

    def __init__(self, data: bytes):
        super().__init__(data)
        self.objection = ""
        self._words = np.frombuffer(data, dtype="<u4").astype(np.uint32)
        self._at, self._bits_at = 0, self._bits_left

    @property
    def lost(self) -> bool:
        return bool(self.objection)

    def decode(self, tables: SymbolTables, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        if not self.lost:
            try:
                return super().decode(tables, rows, offsets)
            except DigestError as error:
                self.objection = str(error)
                self._start_afresh()
        pieces = [slice(start, start + PIECE) for start in range(0, len(rows), PIECE)]
        return np.concatenate([self._piece(tables, rows[piece], offsets[piece]) for piece in pieces])

    def _piece(self, tables: SymbolTables, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        for _ in range(TRIES):
            try:
                return super().decode(tables, rows, offsets)
            except DigestError:
                self._start_afresh()
        return np.clip(offsets, -LATENT_LIMIT, LATENT_LIMIT).astype(np.int16)  # as predicted

    def _start_afresh(self) -> None:
        read = max(1, int((self._bits_at - self._bits_left) / 32))
        self._at = (self._at + read) % max(len(self._words), 1)
        self._start_at(np.roll(self._words, -self._at))
        self._bits_at = self._bits_left = UNLIMITED


@dataclass(frozen=True, eq=False)
class Wreck:
    """What an unchecked decoder makes of a file.

    rgb: uint8 (H, W, 3). y_hat: int16 (h, w, M), all zero where ẑ cannot be decoded. objection: the sentence with which
    the ordinary path refuses the file, its checksum being right; empty where it is intact. steps_done, of steps: those
    that the ordinary decoder gets done before it gives up.
    """

    opened: Opened
    rgb: np.ndarray
    y_hat: np.ndarray
    objection: str
    steps_done: int
    steps: int


def decode_unchecked(
    data: bytes,
    *,
    model: Model | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str = "data",
    progress: Progress | None = None,
) -> Wreck:
    """Decode bytes with their checksum repaired to the end, and never mind the digest.

    What it decodes is what `decode(…, check=False)` does; where that gives up, this reads on (see the top).
    Raises what `decode` raises where nothing can be decoded at all: a damaged header.
    """
    opened = open_source(with_checksum(data), model=model, max_pixels=max_pixels, name=name)
    parsed, header = opened.container, opened.container.header
    height, width, channels = opened.shape
    flat = np.zeros((height * width, channels), np.int16)
    prior, symbols = opened.model.prior(opened.prior), StubbornDecoder(parsed.y)
    steps_done, steps, objection = 0, len(prior.schedule(height, width)), ""
    try:
        decoder = LatentDecoder(prior, parsed.z, parsed.y, opened.shape, header.gain_index, symbols=symbols)
        for number, step in enumerate(decoder.steps(), 1):
            flat[step.positions] = step.latents
            steps_done += not symbols.lost
            if progress is not None:
                progress(number / steps)
    except DigestError as error:  # of ẑ
        objection = f"{name}: {error}"
    y_hat = flat.reshape(opened.shape)
    if symbols.lost:
        objection = f"{name}: {symbols.objection}"
    elif not objection and not opened.is_intact(y_hat):
        objection = not_intact(name)
    rgb = opened.model.synthesis(y_hat, header.gain_index, header.height, header.width)
    return Wreck(opened, rgb, y_hat, objection, steps_done, steps)


def first_difference(wreck: Wreck, y_hat: np.ndarray) -> int | None:
    """The first step of the coding order, from 1, whose latents are not those of `y_hat` (h, w, M); None: all are."""
    if wreck.y_hat.shape != y_hat.shape:
        return 1
    differs = (wreck.y_hat != y_hat).any(2).ravel()
    schedule = wreck.opened.model.prior(wreck.opened.prior).schedule(*y_hat.shape[:2])
    return next((number for number, step in enumerate(schedule, 1) if differs[step].any()), None)
