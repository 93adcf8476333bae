"""Symbols to range coder words and back (constriction's range coder, fed with stored integer tables only).

One call codes a run of symbols in five passes over it: the symbols with narrow rows, those with wide rows, the low
bits of rows with a shift, the lengths of the escapes, the bits of the escapes. Every pass is one vectorised call.
FORMAT.md specifies the order.
"""

import constriction
import numpy as np

from jahp_gui.codec.errors import DigestError
from jahp_gui.codec.tables import ESCAPE_LENGTHS, SymbolTables, escape_excess, escape_value

RUN = 1 << 16  # symbols a run: one call holds the interpreter lock throughout
LATENT_LIMIT = (1 << 15) - 1  # |ŷ| and |ẑ| never exceed it
SLACK_BITS = 64  # more than rounding can make of the information in a section beyond its bits

CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
UNIFORM = constriction.stream.model.Uniform()
ESCAPE_LENGTH = constriction.stream.model.Uniform(ESCAPE_LENGTHS)


class SymbolEncoder:
    """Writes latents; `finish` returns the section's bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, latents: np.ndarray, tables: SymbolTables, rows: np.ndarray, offsets: np.ndarray) -> None:
        """Code `latents` (n,) as v = latent − offset under table rows (n,); integer arrays of any width."""
        for start in range(0, len(latents), RUN):
            run = slice(start, start + RUN)
            self._run(latents[run].astype(np.int64) - offsets[run], tables, rows[run])

    def _run(self, values: np.ndarray, tables: SymbolTables, rows: np.ndarray) -> None:
        index = tables.index(values, rows).astype(np.int32)
        narrow, wide = split(tables, rows)
        if len(narrow):
            self._coder.encode(index[narrow], CATEGORICAL, tables.narrow_probabilities[rows[narrow]])
        if len(wide):
            self._coder.encode(index[wide], CATEGORICAL, tables.wide_probabilities[rows[wide] - len(tables.narrow)])
        shift = tables.shift[rows]
        low = np.flatnonzero(shift)
        if len(low):
            size = np.int32(1) << shift[low].astype(np.int32)
            self._coder.encode((values[low] & (size - 1)).astype(np.int32), UNIFORM, size)
        half = tables.half(rows)
        escaped = np.flatnonzero(index == 2 * half)
        if len(escaped):
            self._escapes(escape_excess(values[escaped] >> shift[escaped], half[escaped]))

    def _escapes(self, excess: np.ndarray) -> None:
        """Exp-Golomb: the number of bits after the leading one of excess + 1, then those bits."""
        length = np.floor(np.log2(excess + 1)).astype(np.int32)
        self._coder.encode(length, ESCAPE_LENGTH)
        some = length > 0
        if some.any():
            size = np.int32(1) << length[some]
            self._coder.encode((excess[some] + 1 - size).astype(np.int32), UNIFORM, size)

    def finish(self) -> bytes:
        """The coder's words, little-endian."""
        return self._coder.get_compressed().astype("<u4").tobytes()


class SymbolDecoder:
    """Reads what `SymbolEncoder` wrote, given the same tables, rows and offsets in the same calls."""

    def __init__(self, data: bytes):
        self._start_at(np.frombuffer(data, dtype="<u4").astype(np.uint32))
        self._bits_left = 8.0 * len(data) + SLACK_BITS

    def _start_at(self, words: np.ndarray) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def decode(self, tables: SymbolTables, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Latents (n,) int16 within ±`LATENT_LIMIT`.

        Raises `DigestError` where the coder finds that the words cannot be right.
        """
        latents = np.empty(len(rows), np.int16)
        try:
            for start in range(0, len(rows), RUN):
                run = slice(start, start + RUN)
                # Words that were damaged may decode to anything; the digest tells, the type must hold.
                latents[run] = np.clip(self._run(tables, rows[run]) + offsets[run], -LATENT_LIMIT, LATENT_LIMIT)
        except AssertionError as error:
            raise DigestError("The compressed data is damaged: the range coder cannot read it.") from error
        return latents

    def _run(self, tables: SymbolTables, rows: np.ndarray) -> np.ndarray:
        index = np.empty(len(rows), np.int64)
        narrow, wide = split(tables, rows)
        if len(narrow):
            index[narrow] = self._coder.decode(CATEGORICAL, tables.narrow_probabilities[rows[narrow]])
        if len(wide):
            index[wide] = self._coder.decode(CATEGORICAL, tables.wide_probabilities[rows[wide] - len(tables.narrow)])
        # The coder itself reads on behind the end of its words, for as long as the declared size lasts.
        self._bits_left -= float(tables.symbol_bits[rows, index].sum())
        if self._bits_left < 0:
            raise DigestError("The compressed data is damaged: it ends before its latents do.")
        half = tables.half(rows)
        shift = tables.shift[rows]
        low_bits = np.zeros(len(rows), np.int64)
        low = np.flatnonzero(shift)
        if len(low):
            low_bits[low] = self._coder.decode(UNIFORM, np.int32(1) << shift[low].astype(np.int32))
        shifted = index - half
        escaped = np.flatnonzero(index == 2 * half)
        if len(escaped):
            shifted[escaped] = escape_value(self._escapes(len(escaped)), half[escaped])
        return (shifted << shift) + low_bits

    def _escapes(self, count: int) -> np.ndarray:
        length = self._coder.decode(ESCAPE_LENGTH, count)
        size = np.int64(1) << length.astype(np.int64)
        some = length > 0
        if some.any():
            size[some] += self._coder.decode(UNIFORM, size[some].astype(np.int32))
        return size - 1


def split(tables: SymbolTables, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the symbols with narrow rows and of those with wide rows."""
    is_wide = rows >= len(tables.narrow)
    return np.flatnonzero(~is_wide), np.flatnonzero(is_wide)
