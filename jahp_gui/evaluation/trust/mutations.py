"""Damage to files: bytes changed anywhere, and `.jahp` files taken apart and put together wrongly.

>>> apply(b"JAHP....", [Edit("cut", 3, 0)])
b'JAH'
"""

import random
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jahp_gui.codec import container
from jahp_gui.codec.container import FORMAT_VERSION, MAGIC, sealed

LONGEST_RUN = 64  # bytes that one edit inserts, removes or overwrites


@dataclass(frozen=True)
class Edit:
    """One change. at: any number, taken modulo the length of the file. value: any number of up to 32 bits."""

    kind: str
    at: int
    value: int


def _flip(data: bytearray, at: int, value: int) -> None:
    data[at] ^= 1 << value % 8


def _set(data: bytearray, at: int, value: int) -> None:
    data[at] = value % 256


def _word(data: bytearray, at: int, value: int) -> None:
    data[at : at + 4] = struct.pack("<I" if value % 2 else ">I", value)


def _fill(data: bytearray, at: int, value: int) -> None:
    length = min(1 + value // 256 % LONGEST_RUN, len(data) - at)
    data[at : at + length] = bytes([value % 256]) * length


def _insert(data: bytearray, at: int, value: int) -> None:
    data[at:at] = bytes([value % 256]) * (1 + value // 256 % LONGEST_RUN)


def _remove(data: bytearray, at: int, value: int) -> None:
    del data[at : at + 1 + value % LONGEST_RUN]


def _repeat(data: bytearray, at: int, value: int) -> None:
    data[at:at] = data[at : at + 1 + value % LONGEST_RUN]


def _cut(data: bytearray, at: int, value: int) -> None:
    del data[at:]


EDITS: dict[str, Callable[[bytearray, int, int], None]] = {
    "flip": _flip,
    "set": _set,
    "word": _word,
    "fill": _fill,
    "insert": _insert,
    "remove": _remove,
    "repeat": _repeat,
    "cut": _cut,
}


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """`data` after the edits, one after the other."""
    changed = bytearray(data)
    for edit in edits:
        if changed:
            EDITS[edit.kind](changed, edit.at % len(changed), edit.value)
    return bytes(changed)


def random_edits(rng: random.Random) -> list[Edit]:
    """One to five edits, more often near the beginning, where headers are."""
    kinds = list(EDITS)
    return [
        Edit(rng.choice(kinds), rng.randrange(rng.choice((40, 400, 1 << 20))), rng.getrandbits(32))
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5)))
    ]


# ---------------------------------------------------------------- .jahp files


@dataclass(frozen=True)
class Parts:
    """What a `.jahp` file is made of, with no rule as to what may stand there."""

    prior_code: int
    gain_index: int
    model_id: bytes
    model_digest: bytes
    width: int
    height: int
    y_digest: bytes
    z: bytes
    y: bytes

    @classmethod
    def of(cls, data: bytes) -> "Parts":
        parsed = container.parse(data)
        fields = vars(parsed.header) | {"model_id": parsed.header.model_id.encode("ascii")}
        return cls(**fields, z=parsed.z, y=parsed.y)

    def file(self) -> bytes:
        """With lengths and a checksum that agree with it."""
        head = bytes((FORMAT_VERSION, self.prior_code, self.gain_index, len(self.model_id)))
        numbers = b"".join(varint(value) for value in (self.width, self.height, len(self.z), len(self.y)))
        return sealed(MAGIC + head + self.model_id + self.model_digest + numbers + self.y_digest + self.z + self.y)


def varint(value: int) -> bytes:
    """Unsigned LEB128."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


SIDES = (0, 1, 15, 16, 17, 48, 64, 65, 4_000, 12_000, 65_536, 1_677_721, 2**24 - 1, 2**24, 2**35 - 1)
CODES = (0, 1, 2, 3, 4, 5, 63, 64, 255)
GAINS = (0, 1, 16, 64, 111, 112, 113, 239, 240, 255)


def mixed(originals: Sequence[bytes], rng: random.Random) -> bytes:
    """A file whose checksum is right, of the parts of one or two others and of numbers that nobody expects."""
    first, second = Parts.of(rng.choice(originals)), Parts.of(rng.choice(originals))
    fields = vars(first).copy()
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(list(fields))
        if name in ("width", "height"):
            fields[name] = rng.choice((*SIDES, first.width, first.height, rng.randrange(1, 300)))
        elif name in ("prior_code", "gain_index"):
            fields[name] = rng.choice((*(CODES if name == "prior_code" else GAINS), rng.randrange(256)))
        elif name in ("z", "y"):
            fields[name] = _section(fields[name], getattr(second, name), rng)
        else:  # ids and digests: another file's, or one bit of their own
            fields[name] = rng.choice((getattr(second, name), apply(fields[name], [Edit("flip", *_numbers(rng))])))
    return Parts(**fields).file()


def _section(own: bytes, other: bytes, rng: random.Random) -> bytes:
    whole_words = 4 * rng.randrange(len(own) // 4 + 1)
    choices = (
        b"",
        other,
        own[:whole_words],
        own[:whole_words] + other[whole_words:],
        own + bytes(4 * rng.randrange(1, 9)),
        rng.randbytes(len(own)),
        rng.randbytes(4 * rng.randrange(20)),
        apply(own, random_edits(rng)),  # often no whole number of words
    )
    return rng.choice(choices)


def _numbers(rng: random.Random) -> tuple[int, int]:
    return rng.getrandbits(16), rng.getrandbits(32)


# ---------------------------------------------------------------- PNG


PNG = b"\x89PNG\r\n\x1a\n"


def with_chunk_checksums(data: bytes) -> bytes:
    """A damaged PNG file whose chunks, as far as they can be made out, have right checksums."""
    mended = bytearray(data)
    position = len(PNG)
    while position + 12 <= len(mended):
        end = position + 8 + int.from_bytes(mended[position : position + 4], "big")
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = zlib.crc32(mended[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(mended)
