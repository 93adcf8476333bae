"""What comes in as which file, and what goes out: every expected pixel here is worked out by hand."""

import errno
import io
import os
import random
import re
import stat
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from jahp_gui.codec import images
from jahp_gui.codec.errors import ImageError, ImageTooLargeError, JahpError, OutputError
from jahp_gui.codec.images import IMAGE_SUFFIXES, find_files, find_images, load_image
from jahp_gui.codec.output import save_image, write_atomically

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
ROUNDED = "16 bits per channel rounded to 8"
ROUNDING = {0x0000: 0, 0x0080: 0, 0x0081: 1, 0x8080: 0x80, 0x80FF: 0x80, 0x8101: 0x81, 0xFF7E: 0xFE, 0xFF7F: 0xFF}
SIXTEEN_BIT = np.array([*ROUNDING, 0xFFFF], np.uint16)
EIGHT_BIT = np.array([*ROUNDING.values(), 0xFF], np.uint8)


# ---------------------------------------------------------------- images made by hand


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def photo(width: int = 12, height: int = 9) -> Image.Image:
    """Noise, so that every decoder has something to decode to its last byte."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png(samples: np.ndarray, colour_type: int, bits: int, *chunks: tuple[bytes, bytes], width: int = 0) -> bytes:
    """A PNG of `samples` (H, W, channels), big-endian, for what Pillow reads but does not write.

    `width` is the number of pixels in a row where several share a byte.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width or samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    body = b"".join(chunk(kind, data) for kind, data in chunks)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def tiff(samples: np.ndarray, order: str = "<", planar: bool = False, deflate: bool = False, **tags: int) -> bytes:
    """A TIFF of `samples` (H, W, channels), one strip (or one a plane), for what Pillow reads but does not write."""
    height, width, channels = samples.shape
    planes = np.moveaxis(samples, 2, 0) if planar else samples[None]
    strips = [np.ascontiguousarray(plane.astype(samples.dtype.newbyteorder(order))).tobytes() for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    offsets = [8 + sum(map(len, strips[:index])) for index in range(len(strips))]
    entries = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [samples.itemsize * 8] * channels),
        259: (3, [8 if deflate else 1]),
        262: (3, [tags.get("photometric", 2 if channels > 1 else 1)]),
        273: (4, offsets),
        274: (3, [tags.get("orientation", 1)]),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, list(map(len, strips))),
        284: (3, [2 if planar else 1]),
        338: (3, [2] * (channels - 3)),
        339: (3, [tags.get("sample_format", 1)] * channels),
    }
    start = 8 + sum(map(len, strips))
    entries = {tag: entry for tag, entry in entries.items() if entry[1]}
    directory, extra = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, values) in entries.items():
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            data, extra = struct.pack(order + "I", start + 6 + 12 * len(entries) + len(extra)), extra + data
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + b"".join(strips) + directory + bytes(4) + extra


def icc_profile(
    *renamed: tuple[bytes, bytes], colorants: dict[bytes, tuple[float, float, float]] | None = None
) -> bytes:
    """Pillow's sRGB profile with tags renamed or with other primaries (D50 XYZ)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(struct.unpack_from(">I", profile, 128)[0]):
        entry = 132 + 12 * index
        name, offset, _ = struct.unpack_from(">4sII", profile, entry)
        if name in (colorants or {}):
            struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in colorants[name]))
        profile[entry : entry + 4] = dict(renamed).get(name, name)
    return bytes(profile)


def cmyk_profile() -> bytes:
    """A profile in which cyan, magenta and yellow leave no trace: L* = 100 - K."""
    ramp = bytes(range(256))
    corners = b"".join(bytes([0 if corner & 1 else 255, 128, 128]) for corner in range(16))  # K varies fastest
    table = (
        b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    )
    table += ramp * 4 + corners + ramp * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"Inks\0" + bytes(4 + 4 + 2 + 1 + 67)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, data, offset = b"", b"", 128 + 4 + 3 * 12
    for name, value in ((b"desc", text), (b"wtpt", white), (b"A2B0", table)):
        value += bytes(-len(value) % 4)
        tags += struct.pack(">4sII", name, offset + len(data), len(value))
        data += value
    header = struct.pack(
        ">I4sI4s4s4s12x4s", offset + len(data), b"    ", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", 3) + tags + data


def two_frames() -> dict[str, object]:
    """Options to save a second picture; made anew each time, as saving leaves marks on the image."""
    return {"save_all": True, "append_images": [Image.new("RGB", (12, 9), RED)]}


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation
    return data.tobytes()


# ---------------------------------------------------------------- every format, with its exact pixels


@pytest.mark.parametrize(
    ("image_format", "suffix", "options"),
    [
        ("PNG", ".png", {}),
        ("BMP", ".bmp", {}),
        ("PPM", ".ppm", {}),
        ("TIFF", ".tif", {}),
        ("TIFF", ".tiff", {"compression": "tiff_lzw"}),
        ("WebP", ".webp", {"lossless": True}),
        ("JPEG 2000", ".jp2", {"irreversible": False}),
        ("JPEG 2000", ".j2k", {"irreversible": False}),
    ],
)
def test_a_lossless_file_gives_the_exact_pixels(tmp_path, image_format, suffix, options):
    path = tmp_path / f"Zürich photo{suffix.upper()}"
    path.write_bytes(encoded(photo(), image_format.replace(" ", ""), **options))
    loaded = load_image(path)
    assert loaded.rgb.dtype == np.uint8 and loaded.rgb.shape == (9, 12, 3) and loaded.rgb.flags.c_contiguous
    assert loaded.rgb.flags.writeable
    assert np.array_equal(loaded.rgb, np.asarray(photo()))
    assert loaded.format == image_format
    assert suffix in IMAGE_SUFFIXES


@pytest.mark.parametrize("image_format", ["JPEG", "WebP", "AVIF"])
def test_a_lossy_file_gives_nearly_the_pixels(image_format):
    loaded = load_image(encoded(Image.new("RGB", (16, 16), (200, 100, 50)), image_format, quality=95))
    assert loaded.format == image_format and loaded.notes == ()
    assert np.abs(loaded.rgb.astype(int) - (200, 100, 50)).max() <= 3


def test_heic_is_read_where_pillow_heif_is_installed_and_leaves_pillows_registry_alone():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), (200, 100, 50))).save(file, quality=95)
    registry = dict(Image.OPEN)  # imageio, if scikit-image has read a photo through it, has added to it
    loaded = load_image(file.getvalue())
    assert loaded.format == "HEIC" and loaded.rgb.shape == (64, 64, 3)
    assert np.abs(loaded.rgb.astype(int) - (200, 100, 50)).max() <= 4
    assert ".heic" in IMAGE_SUFFIXES and registry == Image.OPEN


def test_heic_without_pillow_heif_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # makes the import fail
    with pytest.raises(ImageError, match=r"^a\.heic is a HEIC image, .* `pip install pillow-heif`\.$"):
        load_image(b"\0\0\0\x18ftypheic" + bytes(20), name="a.heic")
    assert {".heic", ".heif", ".hif"} <= IMAGE_SUFFIXES, "such a photo is not left out in silence"


def test_the_content_decides_about_the_format_and_not_the_suffix(tmp_path):
    path = tmp_path / "liar.png"
    path.write_bytes(encoded(photo(), "BMP"))
    assert load_image(str(path)).format == "BMP"


def test_bytes_and_streams_are_sources_too():
    data = encoded(photo(), "PNG")
    stream = io.BytesIO(b"before" + data)
    stream.seek(6)
    for source in (data, stream):
        assert np.array_equal(load_image(source).rgb, np.asarray(photo()))


# ---------------------------------------------------------------- depths and modes


def test_every_16_bit_value_is_rounded_to_the_nearest_8_bit_value():
    values = np.arange(65536, dtype=np.uint16)
    rounded = load_image(png(values.reshape(256, 256, 1).astype(">u2"), 0, 16)).rgb
    assert np.array_equal(rounded[..., 1].ravel(), np.rint(values / 257))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff deflate", "tiff planes", "ppm"])
def test_16_bit_colour_is_rounded_and_not_cut(kind, order):
    samples = np.stack([SIXTEEN_BIT, SIXTEEN_BIT[::-1], np.roll(SIXTEEN_BIT, 1)], -1)[None]
    data = {
        "png": lambda: png(samples.astype(">u2"), 2, 16),
        "tiff": lambda: tiff(samples, order),
        "tiff deflate": lambda: tiff(samples, order, deflate=True),
        "tiff planes": lambda: tiff(samples, order, planar=True),
        "ppm": lambda: b"P6 9 1 65535\n" + samples.astype(">u2").tobytes(),
    }[kind]()
    loaded = load_image(data)
    assert np.array_equal(loaded.rgb[0], np.stack([EIGHT_BIT, EIGHT_BIT[::-1], np.roll(EIGHT_BIT, 1)], -1))
    assert loaded.notes == (ROUNDED,)


def test_16_bit_colour_in_compressed_planes_is_cut_and_the_note_says_so():
    samples = np.stack([SIXTEEN_BIT] * 3, -1)[None]
    loaded = load_image(tiff(samples, planar=True, deflate=True))
    assert np.array_equal(loaded.rgb, samples >> 8)
    assert loaded.notes == ("16 bits per channel cut to 8",)


@pytest.mark.parametrize("kind", ["png", "tiff <", "tiff >", "pgm", "jp2"])
def test_16_bit_grey_is_rounded_and_not_clipped(kind):
    samples = SIXTEEN_BIT.reshape(1, -1, 1)
    data = {
        "png": lambda: png(samples.astype(">u2"), 0, 16),
        "tiff <": lambda: tiff(samples, "<"),
        "tiff >": lambda: tiff(samples, ">"),
        "pgm": lambda: b"P5 9 1 65535\n" + samples.astype(">u2").tobytes(),
        "jp2": lambda: encoded(Image.fromarray(samples[..., 0]), "JPEG2000", irreversible=False),
    }[kind]()
    loaded = load_image(data)
    assert np.array_equal(loaded.rgb, np.stack([EIGHT_BIT] * 3, -1)[None])
    assert loaded.notes[0] == ROUNDED


@pytest.mark.parametrize("kind", ["jp2", "j2k", "avif", "heic"])
def test_colour_that_its_decoder_reduces_to_8_bits_is_told(kind):
    if kind == "heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        file = io.BytesIO()
        pillow_heif.from_bytes("RGB;16", (64, 64), bytes(64 * 64 * 6)).save(file)
        data, bits = file.getvalue(), 10
    elif kind == "avif":
        coded = bytearray(encoded(photo(), "AVIF"))
        coded[coded.index(b"av1C") + 6] |= 0x60  # high_bitdepth, twelve_bit
        at = coded.index(b"pixi") + 9
        coded[at : at + 3] = [12] * 3
        data, bits = bytes(coded), 12
    else:
        coded = bytearray(encoded(photo(), "JPEG2000", no_jp2=kind == "j2k"))
        at = coded.index(b"\xff\x4f\xff\x51") + 42
        coded[at : at + 9 : 3] = [15] * 3  # Ssiz
        data, bits = bytes(coded), 16
    loaded = load_image(data)
    assert loaded.notes[0] == f"{bits} bits per channel reduced to 8"


def test_white_is_zero_is_minded_at_16_bits_as_at_8():
    for samples in (SIXTEEN_BIT, EIGHT_BIT):
        loaded = load_image(tiff(samples.reshape(1, -1, 1), photometric=0))
        assert np.array_equal(loaded.rgb[0, :, 0], 255 - EIGHT_BIT)


def test_16_bit_alpha_is_rounded_and_composited():
    grey_alpha = np.array([[[0x8080, 0xFFFF], [0x0000, 0x0000], [0x0000, 0x8080]]], ">u2")
    assert load_image(png(grey_alpha, 4, 16)).rgb[0, :, 0].tolist() == [0x80, 255, 127]
    colour_alpha = np.array([[[0x80FF, 0, 0, 0xFFFF], [0, 0, 0, 0]]], np.uint16)
    for data in (png(colour_alpha.astype(">u2"), 6, 16), tiff(colour_alpha), tiff(colour_alpha, ">", planar=True)):
        loaded = load_image(data)
        assert loaded.rgb[0].tolist() == [[0x80, 0, 0], [255, 255, 255]]
        assert loaded.notes == (ROUNDED, "transparency composited on white")


@pytest.mark.parametrize(("maxval", "levels"), [(31, {0: 0, 15: 123, 31: 255}), (1023, {0: 0, 512: 128, 1023: 255})])
def test_a_ppm_of_any_depth_is_scaled_to_the_full_range(maxval, levels):
    dtype = ">u2" if maxval > 255 else "u1"
    for magic, bands in (("P5", 1), ("P6", 3)):
        data = f"{magic} 3 1 {maxval}\n".encode() + np.repeat(list(levels), bands).astype(dtype).tobytes()
        assert load_image(data).rgb[0, :, 2].tolist() == list(levels.values())


def test_a_plain_text_ppm_is_read():
    assert load_image(b"P3 # red and white\n2 1 1\n1 0 0  1 1 1\n").rgb[0].tolist() == [[255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize(
    ("values", "expected", "note"),
    [
        (np.float32([0, 0.25, 0.5, 0.75]), [0, 64, 128, 191], "values from 0 to 1 scaled to 8 bits"),
        (np.float32([-10, 0, 10, 30]), [0, 64, 128, 255], "values from -10 to 30 scaled to 8 bits"),
        (np.int32([-100, 0, 100, 100]), [0, 128, 255, 255], "values from -100 to 100 scaled to 8 bits"),
        (np.float32([7, 7, 7, 7]), [0, 0, 0, 0], "values from 7 to 7 scaled to 8 bits"),
    ],
)
def test_values_without_a_stated_white_are_scaled_and_the_note_says_how(values, expected, note):
    loaded = load_image(encoded(Image.fromarray(values[None]), "TIFF"))
    assert loaded.rgb[0, :, 0].tolist() == expected
    assert loaded.notes == (note,)


def test_unsigned_32_bit_values_do_not_wrap():
    assert load_image(tiff(np.array([[[0], [2**32 - 1]]], np.uint32))).rgb[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    with pytest.raises(ImageError, match=r"infinite or not a number"):
        load_image(encoded(Image.fromarray(np.float32([[0, value]])), "TIFF"))


def test_grey_and_bilevel_images_have_three_equal_channels():
    for image in (Image.new("L", (3, 2), 77), Image.new("1", (3, 2), 1)):
        level = 77 if image.mode == "L" else 255
        loaded = load_image(encoded(image, "PNG"))
        assert loaded.rgb.tolist() == [[[level] * 3] * 3] * 2 and loaded.notes == ()


# ---------------------------------------------------------------- transparency


def test_alpha_is_composited_on_white_with_correct_rounding():
    pixels = [(0, 0, 0, alpha) for alpha in range(256)] + [(90, 0, 255, 100)]
    image = Image.new("RGBA", (257, 1))
    image.putdata(pixels)
    loaded = load_image(encoded(image, "PNG"))
    expected = [[(value * a + 255 * (255 - a) + 127) // 255 for value in (r, g, b)] for r, g, b, a in pixels]
    assert loaded.rgb[0].tolist() == expected
    assert loaded.notes == ("transparency composited on white",)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_an_alpha_channel_that_is_opaque_changes_nothing(image_format):
    options = {"lossless": True} if image_format == "WEBP" else {}
    loaded = load_image(encoded(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), image_format, **options))
    assert not any("transparency" in note for note in loaded.notes)
    assert np.abs(loaded.rgb.astype(int) - 9).max() <= 1


@pytest.mark.parametrize("image_format", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(image_format):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    loaded = load_image(encoded(image, image_format, transparency=1))
    assert loaded.rgb[0].tolist() == [[10, 20, 30], [255, 255, 255]]
    assert "transparency composited on white" in loaded.notes


def test_palette_entries_can_be_half_transparent():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 0, 0, 0])
    image.putdata([0, 1])
    assert load_image(encoded(image, "PNG", transparency=bytes([255, 51]))).rgb[0].tolist() == [[10, 20, 30], [204] * 3]


@pytest.mark.parametrize(
    ("samples", "colour_type", "bits", "key", "expected"),
    [
        (np.array([[[7], [8]]], "u1"), 0, 8, (8,), [7, 255]),
        (np.array([[[0x12]]], "u1"), 0, 4, (2,), [17, 255]),
        (np.array([[[0b0110_0000]]], "u1"), 0, 2, (2,), [85, 255]),
        (np.array([[[0x8080], [0x8081]]], ">u2"), 0, 16, (0x8081,), [0x80, 255]),
        (np.array([[[7, 7, 7], [8, 7, 7]]], "u1"), 2, 8, (8, 7, 7), [7, 255]),
        (np.array([[[0x8080] * 3, [0x8080, 0x8080, 0x8081]]], ">u2"), 2, 16, (0x8080, 0x8080, 0x8081), [0x80, 255]),
    ],
)
def test_the_transparent_colour_of_a_png_becomes_white_at_every_depth(samples, colour_type, bits, key, expected):
    data = png(samples, colour_type, bits, (b"tRNS", struct.pack(f">{len(key)}H", *key)), width=2)
    loaded = load_image(data)
    assert loaded.rgb[0, :, 0].tolist() == expected
    assert "transparency composited on white" in loaded.notes


# ---------------------------------------------------------------- colours


def test_an_icc_profile_with_swapped_primaries_swaps_red_and_blue():
    profile = icc_profile((b"rXYZ", b"bXYZ"), (b"bXYZ", b"rXYZ"))
    image = Image.new("RGB", (3, 1))
    image.putdata([RED, GREEN, (255, 0, 255)])
    loaded = load_image(encoded(image, "PNG", icc_profile=profile))
    assert np.abs(loaded.rgb[0].astype(int) - [BLUE, GREEN, (255, 0, 255)]).max() <= 1
    assert loaded.notes == ("converted from ICC profile 'sRGB built-in' to sRGB",)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
def test_display_p3_is_converted_as_the_matrices_say(image_format):
    p3 = {b"rXYZ": (0.515121, 0.241196, -0.001053), b"gXYZ": (0.291977, 0.692245, 0.041885)}
    p3[b"bXYZ"] = (0.157104, 0.066574, 0.784073)
    srgb = {b"rXYZ": (0.436066, 0.222488, 0.013916), b"gXYZ": (0.385147, 0.716873, 0.097076)}
    srgb[b"bXYZ"] = (0.143066, 0.060608, 0.714096)
    colour = np.array([180, 120, 90]) / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    linear = np.linalg.solve(np.array(list(srgb.values())).T, np.array(list(p3.values())).T @ linear)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    image = Image.new("RGB", (16, 16), (180, 120, 90))
    options = {"lossless": True} if image_format == "WEBP" else {"quality": 100}
    loaded = load_image(encoded(image, image_format, icc_profile=icc_profile(colorants=p3), **options))
    assert np.abs(loaded.rgb[0, 0] - expected).max() <= (1 if image_format in ("PNG", "TIFF", "WEBP") else 2)
    assert np.abs(loaded.rgb[0, 0] - expected).max() < np.abs(np.array([180, 120, 90]) - expected).max()
    assert loaded.notes[0].startswith("converted from ICC profile")


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_an_srgb_profile_changes_no_pixel_and_needs_no_note(mode):
    image = photo().convert(mode)
    loaded = load_image(encoded(image, "PNG", icc_profile=icc_profile()))
    assert np.array_equal(loaded.rgb, np.asarray(image.convert("RGB"))) and loaded.notes == ()


def test_a_profile_that_is_damaged_or_of_another_kind_is_ignored_and_said_so():
    for profile in (b"nonsense", icc_profile()[:200], cmyk_profile()):
        loaded = load_image(encoded(photo(), "PNG", icc_profile=profile))
        assert np.array_equal(loaded.rgb, np.asarray(photo()))
        assert loaded.notes == ("ICC profile ignored, as it is damaged or not for this kind of image",)


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG"])
def test_cmyk_goes_through_its_profile(image_format):
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    loaded = load_image(encoded(image, image_format, icc_profile=cmyk_profile(), quality=100))
    assert loaded.rgb.min() >= 254  # cyan alone, which this profile calls white
    assert loaded.notes == ("converted from ICC profile 'Inks' to sRGB",)
    dark = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
    assert load_image(encoded(dark, image_format, icc_profile=cmyk_profile(), quality=100)).rgb.max() <= 1


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG"])
def test_cmyk_without_a_profile_is_converted_and_said_so(image_format):
    loaded = load_image(encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), image_format, quality=100))
    assert np.abs(loaded.rgb[0, 0].astype(int) - (0, 255, 255)).max() <= 1
    assert loaded.notes == ("converted from CMYK to sRGB without a profile",)


def test_cielab_is_converted():
    loaded = load_image(encoded(Image.new("LAB", (2, 2), (255, 128, 128)), "TIFF"))
    assert loaded.rgb.min() >= 254 and loaded.notes == ("converted from CIELAB to sRGB",)


# ---------------------------------------------------------------- orientation, metadata, animations

UPRIGHT = np.array([[RED, GREEN, BLUE], [WHITE, BLACK, RED]], np.uint8)
AS_STORED = {  # how the pixels of UPRIGHT lie in a file with that orientation (EXIF 2.3, figure of section 4.6.4)
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: UPRIGHT.swapaxes(0, 1)[::-1],
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: UPRIGHT.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_is_turned_upright(orientation, image_format):
    enlarged = AS_STORED[orientation].repeat(8, 0).repeat(8, 1)
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(image_format, {})
    loaded = load_image(encoded(Image.fromarray(enlarged), image_format, exif=exif(orientation), **options))
    assert loaded.rgb.shape == (16, 24, 3)
    assert np.abs(loaded.rgb[4::8, 4::8].astype(int) - UPRIGHT).max() <= 2
    turned = [note for note in loaded.notes if "orientation" in note]
    verb = "rotated" if orientation in (3, 6, 8) else "mirrored"
    assert turned == ([] if orientation == 1 else [f"{verb} as its EXIF orientation asks"])


def test_16_bit_colour_is_turned_upright_too():
    for deflate in (False, True):
        stored = AS_STORED[6].astype(np.uint16) * 257
        loaded = load_image(tiff(stored, deflate=deflate, orientation=6))
        assert np.array_equal(loaded.rgb, UPRIGHT)
        assert loaded.notes == (ROUNDED, "rotated as its EXIF orientation asks")


@pytest.mark.parametrize("data", [b"Exif\0\0II*\0" + b"\xff" * 9, b"Exif\0\0" + b"rubbish", exif(6)[:20]])
@pytest.mark.filterwarnings("ignore")
def test_exif_that_cannot_be_read_does_not_keep_the_image_from_being_read(data):
    assert load_image(encoded(photo(), "JPEG", exif=data)).rgb.shape == (9, 12, 3)


def test_dropped_metadata_is_named():
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    assert load_image(encoded(photo(), "JPEG", exif=exif(1), xmp=xmp, comment=b"hello")).notes == (
        "metadata dropped (EXIF, XMP, text)",
    )
    assert load_image(encoded(photo(), "TIFF", tiffinfo={270: "a description"})).notes == ("metadata dropped (text)",)
    data = png(np.zeros((1, 1, 3), "u1"), 2, 8, (b"tEXt", b"Author\0me"), (b"tIME", bytes(7)))
    assert load_image(data).notes == ("metadata dropped (text)",)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_an_animation_is_taken_and_said_so(image_format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], duration=50)
    loaded = load_image(data)
    assert np.abs(loaded.rgb.astype(int) - RED).max() <= 3
    assert loaded.notes[0] == "only the first frame of the animation taken"


@pytest.mark.parametrize(("image_format", "name"), [("TIFF", "TIFF"), ("MPO", "JPEG")])
def test_the_first_of_several_pages_is_taken_and_said_so(image_format, name):
    pages = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    loaded = load_image(encoded(pages[0], image_format, save_all=True, append_images=pages[1:]))
    assert np.abs(loaded.rgb.astype(int) - RED).max() <= 3
    assert loaded.notes[0] == "only the first picture of the file taken"
    assert loaded.format == name


# ---------------------------------------------------------------- refusals


def one_sentence(error: pytest.ExceptionInfo[JahpError], name: object) -> bool:
    text = str(error.value)
    return (
        text.startswith(str(name)) and text.endswith(".") and "\n" not in text and not re.search(r"[.!?] [A-Z]", text)
    )


def test_missing_empty_foreign_and_special_files_are_refused_with_one_sentence(tmp_path):
    cases = {
        "missing.png": "does not exist",
        "empty.png": "is empty",
        "notes.txt": "not an image",
        "folder": "is a folder",
    }
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").write_text("Dear diary")
    (tmp_path / "folder").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        cases["pipe"] = "is not an ordinary file"
    for name, reason in cases.items():
        with pytest.raises(ImageError, match=reason) as error:
            load_image(tmp_path / name)
        assert one_sentence(error, tmp_path / name)
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image("a\0b.png")


def test_a_source_without_a_name_is_called_the_image_or_what_the_caller_says():
    with pytest.raises(ImageError, match=r"^The image is empty"):
        load_image(b"")
    with pytest.raises(ImageError, match=r"^clipboard is empty"):
        load_image(io.BytesIO(), name="clipboard")


def test_a_name_that_no_terminal_can_show_still_makes_one_printable_sentence(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.png")
    with pytest.raises(ImageError) as error:
        load_image(path)
    assert str(error.value).isprintable() and str(error.value).encode("utf-8")


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG", "BMP", "JPEG2000", "PPM"])
def test_the_limit_of_pixels_is_ours_and_not_pillows(image_format, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(photo(12, 9), image_format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(data, max_pixels=108).rgb.shape == (9, 12, 3)
        with pytest.raises(ImageTooLargeError) as error:
            load_image(data, max_pixels=107, name="photo")
    assert one_sentence(error, "photo has 12 x 9 = 108 pixels, more than the limit of 107")


def test_a_bomb_is_refused_from_its_header(monkeypatch):
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    data = bytearray(png(np.zeros((1, 1, 3), "u1"), 2, 8))
    data[16:33] = header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    monkeypatch.setattr(images, "eight_bits", pytest.fail)  # nothing may be decoded
    with pytest.raises(ImageTooLargeError, match="2,500,000,000 pixels"):
        load_image(bytes(data))
    webp = bytearray(encoded(photo(), "WEBP", exif=exif(1)))  # its plugin allocates the canvas when it opens the file
    webp[24:30] = (2**24 - 1).to_bytes(3, "little") + (255).to_bytes(3, "little")
    with pytest.raises(JahpError):
        load_image(bytes(webp))


def test_threads_only_ever_raise_pillows_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encoded(photo(), "PNG")
    threads = [threading.Thread(target=load_image, args=(data,), kwargs={"max_pixels": n}) for n in range(1000, 1020)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 1019


def test_too_little_memory_is_an_image_error(monkeypatch):
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "_to_srgb", exhausted)
    with pytest.raises(ImageError, match="more memory than there is free"):
        load_image(encoded(photo(), "PNG"))


WIDE = SIXTEEN_BIT.repeat(3).reshape(1, 9, 3)
TO_DAMAGE = {
    "png": lambda: encoded(photo(), "PNG", exif=exif(6), icc_profile=icc_profile()),
    "apng": lambda: encoded(photo(), "PNG", **two_frames()),
    "png, 16 bit": lambda: png(WIDE.astype(">u2"), 2, 16),
    "png, 16 bit, grey, alpha": lambda: png(WIDE[..., :2].astype(">u2"), 4, 16),
    "png, palette": lambda: encoded(photo().quantize(9), "PNG", transparency=bytes(9)),
    "jpeg": lambda: encoded(photo(), "JPEG", exif=exif(6), comment=b"hello"),
    "jpeg, progressive": lambda: encoded(photo(), "JPEG", progressive=True, icc_profile=icc_profile()),
    "jpeg, cmyk": lambda: encoded(photo().convert("CMYK"), "JPEG", icc_profile=cmyk_profile()),
    "mpo": lambda: encoded(photo(), "MPO", **two_frames()),
    "webp": lambda: encoded(photo(), "WEBP", exif=exif(6)),
    "webp, lossless": lambda: encoded(photo().convert("RGBA"), "WEBP", lossless=True, **two_frames()),
    "avif": lambda: encoded(photo(), "AVIF", exif=exif(6), icc_profile=icc_profile()),
    "tiff": lambda: encoded(photo(), "TIFF", exif=exif(6)),
    "tiff, pages": lambda: encoded(photo(), "TIFF", **two_frames()),
    "tiff, lzw": lambda: encoded(photo(), "TIFF", compression="tiff_lzw"),
    "tiff, 16 bit": lambda: tiff(WIDE, ">", deflate=True),
    "tiff, float": lambda: encoded(photo().convert("F"), "TIFF"),
    "bmp": lambda: encoded(photo(), "BMP"),
    "gif": lambda: encoded(photo(), "GIF", **two_frames()),
    "jp2": lambda: encoded(photo(), "JPEG2000"),
    "j2k": lambda: encoded(photo(), "JPEG2000", no_jp2=True),
    "ppm": lambda: encoded(photo(), "PPM"),
    "ppm, 16 bit": lambda: b"P6 9 1 65535\n" + WIDE.astype(">u2").tobytes(),
    "ppm, plain": lambda: b"P3 2 1 255 0 1 2 3 4 5",
}


@pytest.mark.parametrize("kind", TO_DAMAGE)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_gives_an_image_or_one_sentence_and_never_another_error(kind, tmp_path):
    data = TO_DAMAGE[kind]()
    assert load_image(data).rgb.shape[2] == 3
    rng = random.Random(kind)
    cut = [data[: len(data) * part // 25] for part in range(25)]
    flipped = [bytearray(data) for _ in range(30)]
    for damaged in flipped:
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(min(len(data), rng.choice([40, 400, 4000])))] = rng.randrange(256)
    path = tmp_path / "damaged"
    for number, damaged in enumerate(cut + flipped):
        path.write_bytes(damaged)
        for source in [path, bytes(damaged)][: 1 + (number % 4 == 0)]:
            try:
                loaded = load_image(source, max_pixels=100_000, name="damaged")
            except (ImageError, ImageTooLargeError) as error:
                assert str(error).startswith("damaged ") and str(error).endswith(".")
            else:
                assert loaded.rgb.dtype == np.uint8 and loaded.rgb.size > 0


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif", "tiff", "bmp", "jp2", "ppm, 16 bit"])
@pytest.mark.filterwarnings("ignore")
def test_a_file_cut_in_half_is_refused(kind):
    data = TO_DAMAGE[kind]()
    with pytest.raises(ImageError, match=r"^half\.img is damaged, cut short or of an unsupported kind: "):
        load_image(data[: len(data) // 2], name="half.img")


# ---------------------------------------------------------------- listing and writing


def test_a_folder_lists_its_images_by_name_without_what_lies_deeper(tmp_path):
    for name in ("b.PNG", "a.jpeg", "c.txt", "._b.PNG", "d.avif"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").touch()
    assert [path.name for path in find_images(tmp_path)] == ["a.jpeg", "b.PNG", "d.avif"]
    assert find_images(str(tmp_path)) == find_images(tmp_path)
    for wrong in (tmp_path / "missing", tmp_path / "c.txt"):
        with pytest.raises(ImageError) as error:
            find_images(wrong)
        assert one_sentence(error, wrong)
    assert [path.name for path in find_files(tmp_path, {".txt"})] == ["c.txt"]


def test_a_folder_whose_files_may_not_be_looked_at_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()

    def forbidden(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(ImageError, match=r"can be listed \(Permission denied\)"):
        find_images(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.PPM", "a.bmp", "a.tif", "a.tiff", "a.webp", "a"])
def test_a_saved_image_reads_back_exactly(tmp_path, name):
    rgb = np.asarray(photo())
    save_image(rgb, tmp_path / name)
    loaded = load_image(tmp_path / name)
    assert np.array_equal(loaded.rgb, rgb) and loaded.notes == ()
    assert os.listdir(tmp_path) == [name]


def test_a_view_can_be_saved_and_jpeg_is_nearly_exact(tmp_path):
    rgb = np.full((16, 16, 3), (200, 100, 50), np.uint8)[::2, ::-1]
    save_image(rgb, tmp_path / "a.jpg")
    assert np.abs(load_image(tmp_path / "a.jpg").rgb.astype(int) - rgb).max() <= 2


def test_an_array_that_is_no_image_is_a_bug_of_the_caller(tmp_path):
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            save_image(wrong, tmp_path / "a.png")


def test_what_cannot_be_saved_is_refused_with_one_sentence(tmp_path):
    rgb = np.zeros((4, 4, 3), np.uint8)
    (tmp_path / "there.png").write_bytes(b"precious")
    (tmp_path / "folder.png").mkdir()
    cases = {
        "a.xyz": "suffix that no image is written with",
        "there.png": "exists already",
        "folder.png": "is a folder",
        "no/where.png": "its folder does not exist",
        "there.png/a.png": "its folder is a file",
        "n" * 300 + ".png": "the name is too long",
        "a\0b.png": "cannot be written",
    }
    for name, reason in cases.items():
        with pytest.raises(OutputError, match=reason) as error:
            save_image(rgb, tmp_path / name)
        assert one_sentence(error, tmp_path) and len(str(error.value)) < 500
    assert (tmp_path / "there.png").read_bytes() == b"precious"
    with pytest.raises(OutputError, match="WEBP has no room for 1 x 20000 pixels"):
        save_image(np.zeros((20000, 1, 3), np.uint8), tmp_path / "tall.webp")
    assert sorted(os.listdir(tmp_path)) == ["folder.png", "there.png"]


def test_too_little_memory_to_save_is_not_called_a_limit_of_the_format(tmp_path, monkeypatch):
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "save", exhausted)
    with pytest.raises(MemoryError):
        save_image(np.zeros((4, 4, 3), np.uint8), tmp_path / "a.png")


def test_force_replaces_a_file_but_neither_a_folder_nor_a_device(tmp_path):
    path = tmp_path / "a.jahp"
    write_atomically(path, b"old")
    write_atomically(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    for wrong in (tmp_path, os.devnull):
        with pytest.raises(OutputError, match=r"is a folder|is not an ordinary file"):
            write_atomically(wrong, b"new", force=True)
    assert not os.path.isfile(os.devnull)


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")
def test_a_new_file_has_the_permissions_of_the_umask_and_a_replaced_one_keeps_its_own(tmp_path):
    for mask in (0o022, 0o077):
        before = os.umask(mask)
        try:
            write_atomically(tmp_path / f"{mask}", b"x")
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(tmp_path / f"{mask}").st_mode) == 0o666 & ~mask
    path = tmp_path / "private"
    path.touch(mode=0o600)
    write_atomically(path, b"y", force=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(path)
    write_atomically(tmp_path / "link", b"z", force=True)
    assert (tmp_path / "link").is_symlink() and path.read_bytes() == b"z"


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize(("code", "reason"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "disk is read-only")])
def test_a_failure_half_way_leaves_nothing_behind_and_the_old_file_whole(tmp_path, monkeypatch, call, code, reason):
    def failing(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "old").write_bytes(b"old")
    monkeypatch.setattr(os, call, failing)
    if call == "replace":
        monkeypatch.setattr(os, "link", failing)  # which gives new files their names where the disk knows it
    for name in ("new", "old"):
        with pytest.raises(OutputError, match=reason) as error:
            write_atomically(tmp_path / name, b"data", force=True)
        assert one_sentence(error, tmp_path / name)
    assert os.listdir(tmp_path) == ["old"] and (tmp_path / "old").read_bytes() == b"old"


def test_a_file_made_by_another_process_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "a.jahp"
    monkeypatch.setattr(os, "fsync", lambda _: path.write_bytes(b"theirs"))  # after the first look, before the rename
    with pytest.raises(OutputError, match="exists already"):
        write_atomically(path, b"ours")
    assert path.read_bytes() == b"theirs" and os.listdir(tmp_path) == ["a.jahp"]


def test_of_many_writers_without_force_one_wins(tmp_path):
    path, refused = tmp_path / "a.jahp", []

    def write(number: int) -> None:
        try:
            write_atomically(path, bytes([number]) * 1000)
        except OutputError:
            refused.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = set(path.read_bytes())
    assert len(refused) == 15 and winner == set(range(16)) - set(refused) and os.listdir(tmp_path) == ["a.jahp"]


def test_the_module_imports_neither_qt_nor_torch():
    code = (
        "import sys, jahp_gui.codec.images; print([m for m in sys.modules if m.split('.')[0] in ('torch', 'PySide6')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "[]"
