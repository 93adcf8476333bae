"""The `.jahp` container: every file is read as it was written, and every other one is refused by name."""

import hashlib
import os
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jahp_gui.codec import container
from jahp_gui.codec.container import Container, Header, pack, parse, read_file
from jahp_gui.codec.errors import (
    ChecksumError,
    ContainerError,
    ImageTooLargeError,
    InvalidHeaderError,
    JahpError,
    NotAJahpFileError,
    TrailingBytesError,
    TruncatedFileError,
    UnreadableFileError,
    UnsupportedVersionError,
)

EXAMPLE_HEADER = Header(
    prior_code=4,
    gain_index=64,
    model_id="psnr-1",
    model_digest=hashlib.sha256(b"an example").digest()[:6],
    width=200,
    height=120,
    y_digest=hashlib.blake2b(struct.pack("<III4i", 200, 120, 64, 0, 1, -1, 300), digest_size=4).digest(),
)
EXAMPLE_Z = struct.pack("<2I", 0x01020304, 0x05060708)
EXAMPLE_Y = struct.pack("<3I", 0xDEADBEEF, 0xCAFEBABE, 0x0BADF00D)
EXAMPLE = pack(EXAMPLE_HEADER, EXAMPLE_Z, EXAMPLE_Y)

# Offsets of the fields of EXAMPLE, as in FORMAT.md.
VERSION, PRIOR, GAIN, ID_LENGTH, ID, WIDTH, HEIGHT, Z_LENGTH, Y_LENGTH = 4, 5, 6, 7, 8, 20, 22, 23, 24

LETTERS = "abcdefghijklmnopqrstuvwxyz"
headers = st.builds(
    Header,
    prior_code=st.integers(0, 63),
    gain_index=st.integers(0, 239),
    model_id=st.builds(str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + "0123456789.-", max_size=23)),
    model_digest=st.binary(min_size=6, max_size=6),
    width=st.integers(1, 2**24 - 1),
    height=st.integers(1, 2**24 - 1),
    y_digest=st.binary(min_size=4, max_size=4),
)
sections = st.binary(max_size=160).map(lambda data: data[len(data) % 4 :])  # whole words
# Repeatable, and no failure because another process was using the processor.
repeatable = settings(derandomize=True, deadline=None)


def with_crc(body: bytes) -> bytes:
    """A file whose checksum vouches for whatever the body claims."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def forged(offset: int, replacement: bytes) -> bytes:
    """EXAMPLE with a byte replaced and a valid checksum."""
    return with_crc(EXAMPLE[:offset] + replacement + EXAMPLE[offset + 1 : -4])


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def varint(value: int) -> bytes:
    """An independent spelling of LEB128, from the groups of seven bits."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


@repeatable
@given(headers, sections, sections)
def test_a_parsed_file_holds_what_was_packed(header: Header, z: bytes, y: bytes) -> None:
    data = pack(header, z, y)
    parsed = parse(data, max_pixels=2**48)
    assert parsed == Container(header, z, y, header_bytes=len(data) - len(z) - len(y))
    assert parsed.total_bytes == len(data)
    assert parsed.bpp == pytest.approx(8 * len(data) / header.width / header.height)


@repeatable
@given(st.integers(1, 2**24 - 1), st.integers(1, 2**24 - 1))
def test_sides_are_written_as_leb128(width: int, height: int) -> None:
    data = pack(replace(EXAMPLE_HEADER, width=width, height=height), b"", b"")
    assert data[WIDTH:-8] == varint(width) + varint(height) + b"\0\0"


def test_the_header_of_an_ordinary_image_takes_less_than_40_bytes() -> None:
    header = replace(EXAMPLE_HEADER, width=768, height=512)
    parsed = parse(pack(header, z=bytes(1_000), y=bytes(100_000)))
    assert parsed.header_bytes == 37


def test_the_longest_header_is_read_whole() -> None:
    header = replace(EXAMPLE_HEADER, model_id="m" * 24, width=2**24 - 1, height=2**24 - 1)
    assert parse(pack(header, EXAMPLE_Z, EXAMPLE_Y), max_pixels=2**48).header == header


def test_the_worked_example_of_the_specification_is_what_the_code_writes() -> None:
    text = Path(container.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"## Worked example\n.*?```\n(.*?)```", text, flags=re.DOTALL)
    columns = re.findall(r"^((?:[0-9a-f]{2} )+)", block, flags=re.MULTILINE)
    assert len(columns) == len(block.splitlines()) == 14
    assert bytes.fromhex("".join(columns)) == EXAMPLE
    assert f"{len(EXAMPLE)} bytes in all, of which {parse(EXAMPLE).header_bytes} are neither" in text
    assert EXAMPLE_HEADER.y_digest.hex(" ") in text


def test_a_file_cut_at_any_length_is_truncated() -> None:
    for length in range(len(EXAMPLE)):
        with pytest.raises(TruncatedFileError):
            parse(EXAMPLE[:length])


def test_no_single_flipped_bit_goes_unnoticed() -> None:
    for bit in range(8 * len(EXAMPLE)):
        with pytest.raises((ContainerError, ImageTooLargeError)):
            parse(flipped(EXAMPLE, bit))


def reads_only_what_would_be_written(data: bytes) -> bool:
    """Whether `data` is refused by a named error, or else has no other spelling."""
    try:
        parsed = parse(data)
    except JahpError:
        return True
    return pack(parsed.header, parsed.z, parsed.y) == data


def test_with_a_valid_checksum_a_flipped_bit_is_refused_or_makes_another_canonical_file() -> None:
    for bit in range(8 * (len(EXAMPLE) - 4)):
        assert reads_only_what_would_be_written(with_crc(flipped(EXAMPLE[:-4], bit)))


def test_random_headers_with_a_valid_checksum_are_refused_or_canonical() -> None:
    source = random.Random(8)
    for _ in range(5_000):
        body = bytearray(EXAMPLE[:-4])
        for _ in range(source.randint(1, 4)):
            body[source.randrange(VERSION, len(body))] = source.randrange(256)
        assert reads_only_what_would_be_written(with_crc(bytes(body)))


@repeatable
@given(st.binary(max_size=80))
def test_noise_behind_the_magic_is_refused_by_a_named_error(noise: bytes) -> None:
    assert reads_only_what_would_be_written(b"JAHP\x01" + noise)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"j", b"JAHp", b"JAX", b"\0" * 100])
def test_other_magic_bytes_are_not_a_jahp_file(data: bytes) -> None:
    with pytest.raises(NotAJahpFileError):
        parse(data)


@pytest.mark.parametrize("version", [2, 3, 255])
def test_a_future_version_is_named_and_asks_for_an_update(version: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=rf"version {version} .* update JAHP Explorer\.$"):
        parse(forged(VERSION, bytes([version])))


def test_a_future_version_is_recognised_before_anything_after_it_is_read() -> None:
    with pytest.raises(UnsupportedVersionError):
        parse(b"JAHP\x02")


@pytest.mark.parametrize(
    ("offset", "replacement", "complaint"),
    [
        (VERSION, b"\0", "version 0"),
        (PRIOR, b"\x40", "prior code 64"),
        (GAIN, b"\xf0", "gain index 240"),
        (ID_LENGTH, b"\0", "0 characters"),
        (ID_LENGTH, b"\x19", "25 characters"),
        (ID, b"1", "'1snr-1'"),
        (ID, b"P", "'Psnr-1'"),
        (ID + 1, b"/", "'p/nr-1'"),
        (ID + 1, b"\n", r"'p\\nnr-1'"),
        (ID + 1, b"\xe9", r"'p\\xe9nr-1'"),
        (HEIGHT, b"\0", "height of 0 pixels"),
        (HEIGHT, b"\xf8\x00", "height spelled with superfluous zeros"),
        (HEIGHT, b"\x80\x00", "height spelled with superfluous zeros"),
        (HEIGHT, b"\x80\x80\x80\x08", "height of 16777216 pixels"),
        (HEIGHT, b"\xff\xff\xff\xff\xff\x01", "height of more than 5 bytes"),
        (Z_LENGTH, b"\x07", "section z of 7 bytes .not a multiple of 4"),
        (Z_LENGTH, varint(65_536 + 68), r"section z of 65604 bytes \(at most 65600"),
        (Y_LENGTH, varint(2**32), "section y of 4294967296 bytes"),
    ],
)
def test_a_field_out_of_its_range_is_named_whether_or_not_the_checksum_agrees(
    offset: int, replacement: bytes, complaint: str
) -> None:
    data = forged(offset, replacement)
    for damaged in (data, flipped(data, 8 * len(data) - 1)):
        with pytest.raises(InvalidHeaderError, match=complaint):
            parse(damaged)


@pytest.mark.parametrize(
    ("offset", "length", "error"),
    [
        (Z_LENGTH, 4, TrailingBytesError),
        (Z_LENGTH, 12, TruncatedFileError),
        (Y_LENGTH, 8, TrailingBytesError),
        (Y_LENGTH, 16, TruncatedFileError),
    ],
)
def test_a_section_length_that_lies_disagrees_with_the_length_of_the_file(
    offset: int, length: int, error: type[ContainerError]
) -> None:
    with pytest.raises(error):
        parse(forged(offset, bytes([length])))


def test_bytes_moved_between_the_sections_break_the_checksum() -> None:
    lie = bytearray(EXAMPLE)
    lie[Z_LENGTH], lie[Y_LENGTH] = 12, 8
    with pytest.raises(ChecksumError):
        parse(bytes(lie))


@pytest.mark.parametrize("tail", [b"\0", b"\n", EXAMPLE])
def test_bytes_after_the_checksum_are_refused(tail: bytes) -> None:
    with pytest.raises(TrailingBytesError, match=f"has {len(tail)} bytes after"):
        parse(EXAMPLE + tail)


def test_a_section_may_be_as_long_as_its_limit_and_no_longer() -> None:
    header = replace(EXAMPLE_HEADER, width=16, height=16)
    longest = bytes(8 * 1024 + 64)
    assert parse(pack(header, longest, longest)).y == longest
    for z, y in ((longest + bytes(4), b""), (b"", longest + bytes(4))):
        with pytest.raises(InvalidHeaderError):
            pack(header, z, y)


def test_the_pixel_limit_itself_is_allowed() -> None:
    assert parse(EXAMPLE, max_pixels=200 * 120).header == EXAMPLE_HEADER
    with pytest.raises(ImageTooLargeError, match="200 x 120 pixels"):
        parse(EXAMPLE, max_pixels=200 * 120 - 1)


def peak_memory(action: Callable[[], object], error: type[JahpError]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(error):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_image_of_the_largest_size_is_refused_without_allocating_it() -> None:
    data = pack(replace(EXAMPLE_HEADER, width=2**24 - 1, height=2**24 - 1), EXAMPLE_Z, EXAMPLE_Y)
    assert peak_memory(lambda: parse(data), ImageTooLargeError) < 100_000


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prior_code": -1}, "prior code -1"),
        ({"prior_code": 64}, "prior code 64"),
        ({"gain_index": 240}, "gain index 240"),
        ({"model_id": ""}, "model id ''"),
        ({"model_id": "m" * 25}, "at most 24"),
        ({"model_id": "modèle"}, "model id"),
        ({"model_id": "psnr-1\n"}, "model id"),
        ({"model_digest": bytes(5)}, "model digest of 5 bytes"),
        ({"width": 0}, "width of 0"),
        ({"height": 2**24}, "height of 16777216"),
        ({"y_digest": bytes(8)}, "latent digest of 8 bytes"),
    ],
)
def test_a_header_that_the_format_cannot_express_cannot_be_made(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidHeaderError, match=complaint):
        replace(EXAMPLE_HEADER, **change)


@pytest.mark.parametrize("section", [bytes(1), bytes(6)])
def test_sections_that_are_not_whole_words_cannot_be_packed(section: bytes) -> None:
    with pytest.raises(InvalidHeaderError, match="not a multiple of 4"):
        pack(EXAMPLE_HEADER, section, b"")


def test_a_file_on_disk_reads_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "photo.jahp"
    path.write_bytes(EXAMPLE)
    assert read_file(path) == read_file(str(path)) == parse(EXAMPLE)


@pytest.mark.parametrize(
    ("start", "error"), [(b"\x7fELF", NotAJahpFileError), (EXAMPLE, TrailingBytesError), (b"", NotAJahpFileError)]
)
def test_a_huge_file_is_refused_after_its_first_bytes(tmp_path: Path, start: bytes, error: type[JahpError]) -> None:
    path = tmp_path / "huge.jahp"
    path.write_bytes(start)
    os.truncate(path, 2**30)  # sparse: takes no room on the disk
    assert peak_memory(lambda: read_file(path), error) < 100_000


def test_a_large_file_beyond_the_pixel_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.jahp"
    path.write_bytes(pack(replace(EXAMPLE_HEADER, width=9_000, height=9_000), b"", bytes(2_000_000)))
    assert peak_memory(lambda: read_file(path, max_pixels=10**6), ImageTooLargeError) < 100_000


def complain(action: Callable[[], object]) -> str:
    with pytest.raises(JahpError) as caught:
        action()
    return str(caught.value)


BROKEN_FILES = {
    "empty": b"",
    "magic cut": b"JA",
    "not jahp": b"GIF89a",
    "future": forged(VERSION, b"\x09"),
    "header cut": EXAMPLE[:12],
    "section cut": EXAMPLE[:-6],
    "gain": forged(GAIN, b"\xff"),
    "varint": forged(HEIGHT, b"\xf8\x00"),
    "trailing": EXAMPLE + b"\0",
    "checksum": flipped(EXAMPLE, 8 * 40),
    "too large": pack(replace(EXAMPLE_HEADER, width=2**20, height=2**20), EXAMPLE_Z, EXAMPLE_Y),
}


def is_one_sentence_about(message: str, name: str) -> bool:
    rest = message.removeprefix(name)
    return rest != message and rest.endswith(".") and not re.search(r"[.!?]\s|\n", rest)


@pytest.mark.parametrize("data", BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_every_complaint_is_one_sentence_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "sea shore.jahp"
    path.write_bytes(data)
    assert is_one_sentence_about(complain(lambda: read_file(path)), str(path))
    assert is_one_sentence_about(complain(lambda: parse(data, name="clipboard")), "clipboard")


def test_an_empty_file_is_called_empty() -> None:
    assert complain(lambda: parse(b"")) == "data is empty; copy or download the file again."


def test_what_is_not_a_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path, complaint in ((tmp_path / "none.jahp", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(UnreadableFileError, match=complaint) as caught:
            read_file(path)
        assert is_one_sentence_about(str(caught.value), str(path))
    with pytest.raises(UnreadableFileError, match=r"cannot be read \(embedded null"):
        read_file("a\0b.jahp")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableFileError, match="is a pipe"):
        read_file(pipe)


@pytest.mark.parametrize(
    ("error", "complaint"), [(PermissionError(13, "denied"), "may not be read"), (OSError(5, "I/O error"), "I/O error")]
)
def test_an_error_of_the_system_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, complaint: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    path = tmp_path / "locked.jahp"
    path.write_bytes(EXAMPLE)
    # Root, who runs the tests in a container, may read everything: the refusal has to be staged.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableFileError, match=complaint):
        read_file(path)


def test_reading_a_header_loads_none_of_the_heavy_libraries() -> None:
    check = (
        "import sys, jahp_gui.codec.container\n"
        "print({'torch', 'numpy', 'PySide6', 'PIL', 'constriction'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
