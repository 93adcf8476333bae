"""The `.jahp` container: a header, the two range coder sections, and a checksum. FORMAT.md specifies it.

Only the standard library is imported, so that `jahp info` answers at once and a hostile file is refused
before torch is loaded or an image is allocated. What the sections mean is the codec's business; here they are bytes.

>>> header = Header(2, 96, "psnr-1", bytes(6), width=768, height=512, y_digest=bytes(4))
>>> container = parse(pack(header, z=bytes(800), y=bytes(24_000)))
>>> container.header == header, container.header_bytes, round(container.bpp, 3)
(True, 37, 0.505)
"""

import os
import re
import stat
import zlib
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jahp_gui.codec.errors import (
    ChecksumError,
    ImageTooLargeError,
    InvalidHeaderError,
    NotAJahpFileError,
    TrailingBytesError,
    TruncatedFileError,
    UnreadableFileError,
    UnsupportedVersionError,
)

MAGIC = b"JAHP"
FORMAT_VERSION = 1
MODEL_DIGEST_BYTES = 6
Y_DIGEST_BYTES = 4
CRC_BYTES = 4
WORD_BYTES = 4  # the range coder emits u32 words

MAX_PRIOR_CODE = 63  # leaves the upper two bits of the byte to later versions
MAX_GAIN_INDEX = 239  # fifteen anchor steps of sixteen; eight anchors need seven
MAX_MODEL_ID = 24  # characters; the longest id still leaves an ordinary header below 60 bytes
MAX_SIDE = 2**24 - 1
MAX_SECTION_BYTES = 2**32 - WORD_BYTES

# A symbol costs at most 24 bits from its table, plus an escape and raw low bits, and no model has more than
# 1024 channels: a longer section is not an image of the declared size. The slack is the coder's final words.
MAX_BYTES_PER_LATENT = 8
MAX_CHANNELS = 1024
SECTION_SLACK_BYTES = 64
Y_STRIDE = 16  # pixels per latent position
Z_STRIDE = 64  # pixels per hyper-latent position

MAX_VARINT_BYTES = 5  # enough for MAX_SECTION_BYTES
STREAM_PART = 1 << 20  # bytes of a pipe that are read at once
# magic; version, prior, gain index, length of the id; id; digest; two sides and two lengths; digest
MAX_HEADER_BYTES = len(MAGIC) + 4 + MAX_MODEL_ID + MODEL_DIGEST_BYTES + 4 * MAX_VARINT_BYTES + Y_DIGEST_BYTES

DEFAULT_MAX_PIXELS = 200_000_000  # 0.6 GB as 8-bit RGB: larger is more likely a lie than a photo

_MODEL_ID = re.compile(rf"[a-z][a-z0-9.-]{{0,{MAX_MODEL_ID - 1}}}")
_MODEL_ID_RULE = f"at most {MAX_MODEL_ID} of a-z, 0-9, dot and hyphen, a letter first"
_COPY_AGAIN = "copy or download the file again"


@dataclass(frozen=True)
class Header:
    """What a decoder must know before it reads a section; InvalidHeaderError if the format cannot express it."""

    prior_code: int
    gain_index: int
    model_id: str
    model_digest: bytes  # of the weights and tables that decoding uses
    width: int
    height: int
    y_digest: bytes  # of the quantised latents, computed and checked by the codec

    def __post_init__(self) -> None:
        if fault := _header_fault(**vars(self)):
            raise InvalidHeaderError(f"No .jahp file can have {fault}.")


@dataclass(frozen=True)
class Container:
    """A parsed file; `z` and `y` are the sections, range coder words in little-endian order."""

    header: Header
    z: bytes
    y: bytes
    header_bytes: int  # everything that is neither z nor y, the checksum included

    @property
    def total_bytes(self) -> int:
        return self.header_bytes + len(self.z) + len(self.y)

    @property
    def bpp(self) -> float:
        """Bits per pixel of the whole file."""
        return 8 * self.total_bytes / (self.header.width * self.header.height)


class Section(NamedTuple):
    """Bytes start … stop − 1 of a file. name: "header", "z", "y" or "checksum"."""

    name: str
    start: int
    stop: int


def sections(container: Container) -> list[Section]:
    """The parts of a file in their order; ẑ is empty without side information."""
    lengths = (container.header_bytes - CRC_BYTES, len(container.z), len(container.y), CRC_BYTES)
    ends = list(accumulate(lengths, initial=0))
    return [Section(*part) for part in zip(("header", "z", "y", "checksum"), ends, ends[1:], strict=False)]


def pack(header: Header, z: bytes, y: bytes) -> bytes:
    """The file of a header and its two sections. There is exactly one for every valid input."""
    if fault := _section_fault(header.width, header.height, len(z), len(y)):
        raise InvalidHeaderError(f"No .jahp file can have {fault}.")
    model_id = header.model_id.encode("ascii")
    body = b"".join(
        (
            MAGIC,
            bytes((FORMAT_VERSION, header.prior_code, header.gain_index, len(model_id))),
            model_id,
            header.model_digest,
            *(_varint(value) for value in (header.width, header.height, len(z), len(y))),
            header.y_digest,
            z,
            y,
        )
    )
    return sealed(body)


def sealed(body: bytes) -> bytes:
    """The bytes of a file and the checksum that ends it."""
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def parse(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, name: str = "data") -> Container:
    """Check everything that can be checked without a model, then cut the file into its parts.

    `name` is what error sentences call the file. The checks run in this order: magic, version, header fields,
    length of the file, number of pixels, checksum. Pixels come before the checksum so that `read_file`,
    which knows the length of a file without reading it, never loads one that would be refused.
    """
    layout = _read_layout(data[:MAX_HEADER_BYTES], len(data), max_pixels, name)
    # A view, because a slice would copy the whole file.
    if zlib.crc32(memoryview(data)[:-CRC_BYTES]) != int.from_bytes(data[-CRC_BYTES:], "little"):
        raise ChecksumError(f"{name} is damaged, because its checksum does not agree with its bytes; {_COPY_AGAIN}.")
    z_end = layout.start + layout.z_length
    y_end = z_end + layout.y_length
    return Container(
        header=layout.header,
        z=data[layout.start : z_end],
        y=data[z_end:y_end],
        header_bytes=layout.start + CRC_BYTES,
    )


def read_file(path: str | os.PathLike[str], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Container:
    """`parse` a file. More than its first few bytes are read only if they and its length make sense."""
    name = os.fspath(path)
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableFileError(f"{name} is a folder; choose a .jahp file in it.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
            raise UnreadableFileError(f"{name} is a pipe or a device; save its contents as a file first.")
        with Path(path).open("rb") as file:
            _read_layout(file.read(MAX_HEADER_BYTES), status.st_size, max_pixels, name)
            file.seek(0)
            data = file.read(status.st_size)
    except FileNotFoundError:
        raise UnreadableFileError(f"{name} does not exist; check the name and the folder.") from None
    except PermissionError:
        raise UnreadableFileError(f"{name} may not be read by this user; change its permissions.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFileError(f"{name!r} cannot be read ({reason}); check the name and the disk.") from error
    return parse(data, max_pixels=max_pixels, name=name)


def read_stream(stream: BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS, name: str = "Standard input") -> Container:
    """`parse` a pipe, of which no more is read than its header declares: what comes out of it need not end."""
    data = bytearray(stream.read(MAX_HEADER_BYTES))
    layout = _read_layout(bytes(data), None, max_pixels, name)
    wanted = layout.start + layout.z_length + layout.y_length + CRC_BYTES + 1
    # In parts: memory is taken for what arrives, not for what is declared.
    while len(data) < wanted and (part := stream.read(min(STREAM_PART, wanted - len(data)))):
        data += part
    return parse(bytes(data), max_pixels=max_pixels, name=name)


class _Layout(NamedTuple):
    """Where things are in a file whose header is in order."""

    header: Header
    start: int  # of section z, which section y follows
    z_length: int
    y_length: int


def _read_layout(head: bytes, size: int | None, max_pixels: int, name: str) -> _Layout:
    """Read the header from the first MAX_HEADER_BYTES of a file of `size` bytes, and check all but the checksum.

    Of a stream the size is not known (None) and not checked.
    """
    cursor = _Cursor(head, name)
    cursor.pass_magic_and_version()
    fields: dict[str, Any] = {"prior_code": cursor.byte(), "gain_index": cursor.byte(), "model_id": cursor.model_id()}
    fields["model_digest"] = cursor.take(MODEL_DIGEST_BYTES)
    width, height = cursor.varint("width"), cursor.varint("height")
    z_length, y_length = cursor.varint("length of section z"), cursor.varint("length of section y")
    fields |= {"width": width, "height": height, "y_digest": cursor.take(Y_DIGEST_BYTES)}
    if fault := _header_fault(**fields) or _section_fault(width, height, z_length, y_length):
        raise cursor.invalid(fault)

    declared = cursor.position + z_length + y_length + CRC_BYTES
    if size is not None and size < declared:
        raise TruncatedFileError(f"{name} is cut off after {size} of {declared} bytes; {_COPY_AGAIN}.")
    if size is not None and size > declared:
        raise TrailingBytesError(f"{name} has {size - declared} bytes after its declared end; {_COPY_AGAIN}.")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} declares {width} x {height} pixels, more than the limit of {max_pixels};"
            " raise the limit if you trust the file."
        )
    return _Layout(Header(**fields), cursor.position, z_length, y_length)


class _Cursor:
    """Reads the header field by field; running out of bytes is an error that names the file."""

    def __init__(self, head: bytes, name: str) -> None:
        self.head = head
        self.name = name
        self.position = 0

    def take(self, count: int) -> bytes:
        field = self.head[self.position : self.position + count]
        if len(field) < count:
            raise TruncatedFileError(f"{self.name} is cut off within its header; {_COPY_AGAIN}.")
        self.position += count
        return field

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self, what: str) -> int:
        """Unsigned LEB128 of minimal length, so that a value has one spelling and a file one reading."""
        value = 0
        for index in range(MAX_VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if byte == 0 and index > 0:
                    raise self.invalid(f"a {what} spelled with superfluous zeros")
                return value
        raise self.invalid(f"a {what} of more than {MAX_VARINT_BYTES} bytes")

    def model_id(self) -> str:
        length = self.byte()
        if not 1 <= length <= MAX_MODEL_ID:
            raise self.invalid(f"a model id of {length} characters (1 to {MAX_MODEL_ID} are allowed)")
        return self.take(length).decode("latin-1")  # cannot fail; _header_fault checks the characters

    def pass_magic_and_version(self) -> None:
        if not self.head:
            raise TruncatedFileError(f"{self.name} is empty; {_COPY_AGAIN}.")
        if not self.head.startswith(MAGIC[: len(self.head)]):
            raise NotAJahpFileError(f"{self.name} is not a .jahp file; choose one that JAHP Explorer has written.")
        self.take(len(MAGIC))
        version = self.byte()
        if version > FORMAT_VERSION:
            raise UnsupportedVersionError(
                f"{self.name} uses version {version} of the format, and this program knows only"
                f" version {FORMAT_VERSION}; update JAHP Explorer."
            )
        if version < FORMAT_VERSION:
            raise self.invalid(f"the format version {version}, which never existed")

    def invalid(self, fault: str) -> InvalidHeaderError:
        return InvalidHeaderError(f"{self.name} is damaged, because its header has {fault}; {_COPY_AGAIN}.")


def _header_fault(
    prior_code: int, gain_index: int, model_id: str, model_digest: bytes, width: int, height: int, y_digest: bytes
) -> str | None:
    """The first field that the format does not allow, as a noun phrase for an error sentence."""
    checks = (
        (0 <= prior_code <= MAX_PRIOR_CODE, f"the prior code {prior_code} (0 to {MAX_PRIOR_CODE} are allowed)"),
        (0 <= gain_index <= MAX_GAIN_INDEX, f"the gain index {gain_index} (0 to {MAX_GAIN_INDEX} are allowed)"),
        (_MODEL_ID.fullmatch(model_id), f"the model id {model_id!a} ({_MODEL_ID_RULE})"),
        (len(model_digest) == MODEL_DIGEST_BYTES, f"a model digest of {len(model_digest)} bytes"),
        (1 <= width <= MAX_SIDE, f"a width of {width} pixels (1 to {MAX_SIDE} are allowed)"),
        (1 <= height <= MAX_SIDE, f"a height of {height} pixels (1 to {MAX_SIDE} are allowed)"),
        (len(y_digest) == Y_DIGEST_BYTES, f"a latent digest of {len(y_digest)} bytes"),
    )
    return next((fault for allowed, fault in checks if not allowed), None)


def _section_fault(width: int, height: int, z_length: int, y_length: int) -> str | None:
    """Why sections of these lengths cannot belong to an image of this size, as a noun phrase."""
    for what, length, stride in (("z", z_length, Z_STRIDE), ("y", y_length, Y_STRIDE)):
        latents = -(-width // stride) * -(-height // stride) * MAX_CHANNELS
        longest = min(latents * MAX_BYTES_PER_LATENT + SECTION_SLACK_BYTES, MAX_SECTION_BYTES)
        if length > longest:
            return f"a section {what} of {length} bytes (at most {longest} for {width} x {height} pixels)"
        if length % WORD_BYTES:
            return f"a section {what} of {length} bytes (not a multiple of {WORD_BYTES})"
    return None


def _varint(value: int) -> bytes:
    """Unsigned LEB128: seven bits a byte, low bits first, the top bit set on all bytes but the last."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
