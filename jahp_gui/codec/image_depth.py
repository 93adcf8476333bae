"""Samples of 16, 12, 10 or fewer than 8 bits, floats and whole numbers as 8 bits per channel, rounded correctly.

Pillow alone would clip 16-bit grey, and cut 16-bit colour off instead of rounding.
"""

import re
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from jahp_gui.codec.errors import ImageError

Bytes = npt.NDArray[np.uint8]

_BITS = ExifTags.Base.BitsPerSample
_PLANAR = ExifTags.Base.PlanarConfiguration
_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation
_WHITE_IS_ZERO = 0
_SAMPLE_FORMAT = 339
_HEAD_BYTES = 1 << 20  # profiles and descriptions come before what tells the depth
_ROUNDED = "16 bits per channel rounded to 8"


def eight_bits(
    image: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile], label: str, notes: list[str]
) -> Image.Image:
    """Decode `image` into a mode with 8 bits per channel. What was rounded is added to `notes`.

    `reopen` opens its file once more. Raises `ImageError`, which calls the image `label`, for values that are none.
    """
    rawmode = _rawmode(image)
    if image.tile and image.tile[0].codec_name == "ppm":
        return _read_ppm(image, notes)
    if rawmode == "LA;16B":
        notes.append(_ROUNDED)
        return _read_wide_grey_alpha(image)
    if order := _byte_order(image, rawmode):
        notes.append(_ROUNDED)
        return _read_wide_colour(image, reopen(), order)
    if rawmode in ("L;2", "L;4") and "transparency" in image.info:
        image.info["transparency"] *= 85 if rawmode == "L;2" else 17  # Pillow scales the pixels but not this
    image.load()
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        notes.append(_ROUNDED)
        return _round_grey(image)
    if image.mode in ("I", "F"):
        return _stretch(image, label, notes)
    if ";16" in rawmode:
        notes.append("16 bits per channel cut to 8")
    return image


def bits_in_file(image: ImageFile.ImageFile, file: BinaryIO) -> int:
    """Bits per channel of formats whose decoders give 8 whatever there is; 8 also where the file does not tell."""
    if image.format == "HEIF":
        return image.info.get("bit_depth") or 8
    if image.format not in ("AVIF", "JPEG2000"):
        return 8
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if image.format == "AVIF":
        found = re.search(rb"av1C..(.)", head, re.DOTALL)  # the flags high_bitdepth and twelve_bit
        return {0x40: 10, 0x60: 12}.get(found[1][0] & 0x60, 8) if found else 8
    found = re.search(rb"\xff\x4f\xff\x51.{38}(.)", head, re.DOTALL)  # Ssiz of the first channel
    return (found[1][0] & 0x7F) + 1 if found else 8


def _rawmode(image: ImageFile.ImageFile) -> str:
    """Pillow's name for how samples lie in the file, such as "RGB;16B"; "" where a plugin has no use for one."""
    args = image.tile[0].args if image.tile else None
    rawmode = args[0] if isinstance(args, tuple) and args else args
    return rawmode if isinstance(rawmode, str) else ""


def _byte_order(image: ImageFile.ImageFile, rawmode: str) -> str:
    """ "B" or "L" (big, little) if the image has 16-bit colour whose bytes we can get one at a time, else ""."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR) == 2:
        # Of planes one after another libtiff gives only the high bytes. Uncompressed ones Pillow reads itself, and
        # names them "R", "G", "B" as if they had 8 bits: noise, if we left it so.
        if len(rawmode) == 1 and image.tag_v2.get(_BITS, (8,))[0] == 16:
            return "B" if image.tag_v2.prefix == b"MM" else "L"
        return ""
    match = re.fullmatch("(RGB|RGBA|RGBX|CMYK);16([BLN])", rawmode)
    native = "L" if sys.byteorder == "little" else "B"
    return match[2].replace("N", native) if match else ""


def _read_wide_colour(image: ImageFile.ImageFile, again: ImageFile.ImageFile, order: str) -> Image.Image:
    """16-bit colour, rounded. `again` is the same file, opened once more to be read in the other byte order.

    Pillow keeps the high byte of each sample, or what it takes for it: told the wrong order, it keeps the low byte.
    """
    high = _read_bytes(image, order)
    low = _read_bytes(again, "L" if order == "B" else "B")
    result = Image.frombytes(image.mode, image.size, _round_to_8(high, low).tobytes())
    if (key := image.info.get("transparency")) is not None:  # one colour of a PNG that stands for nothing at all
        clear = (high == np.array(key) >> 8).all(axis=-1) & (low == np.array(key) & 255).all(axis=-1)
        result.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    return result


def _read_bytes(image: ImageFile.ImageFile, order: str) -> Bytes:
    """Decode 16-bit samples as if they lay in the byte order `order`, and return the (supposed) high bytes."""

    def reordered(args: Any) -> Any:
        if isinstance(args, str):
            return f"{args.partition(';')[0]};16{order}"
        return (reordered(args[0]), *args[1:])

    image.tile = [tile._replace(args=reordered(tile.args)) for tile in image.tile]
    return np.asarray(image)


def _read_wide_grey_alpha(image: ImageFile.ImageFile) -> Image.Image:
    """16-bit grey with alpha (PNG): four bytes a pixel, which Pillow can be told to take for four channels."""
    image.tile = [tile._replace(args="RGBA") for tile in image.tile]
    samples = np.asarray(image)
    rounded = _round_to_8(samples[..., 0::2], samples[..., 1::2])
    return Image.frombytes("LA", image.size, rounded.tobytes())


def _round_grey(image: ImageFile.ImageFile) -> Image.Image:
    """A decoded 16-bit grey image as mode L, or LA if one of its levels is transparent."""
    values: npt.NDArray[Any] = np.asarray(image).astype(np.uint16)
    key = image.info.get("transparency")
    alpha = None if key is None else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if image.tag_v2.get(_BITS) == (12,):
            values = values << 4 | values >> 8
        if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow minds it only up to 8 bits
            values = np.invert(values)
    grey = Image.fromarray(_round_to_8((values >> 8).astype(np.uint8), (values & 255).astype(np.uint8)))
    return Image.merge("LA", (grey, alpha)) if alpha else grey


def _round_to_8(high: Bytes, low: Bytes) -> Bytes:
    """round((256·high + low) · 255 / 65535) = round(high + (low - high) / 257) without a wide intermediate.

    All arrays have the same shape; there are no ties, as 257 is odd.
    """
    difference = low.astype(np.int16) - high
    return (high + (difference > 128) - (difference < -128)).astype(np.uint8)


def _read_ppm(image: ImageFile.ImageFile, notes: list[str]) -> Image.Image:
    """A binary PPM or PGM of unusual depth, for which Pillow's loop over the samples takes seconds per megapixel."""
    maxval = cast(tuple[str, int], image.tile[0].args)[1]
    if maxval > 255:
        notes.append(_ROUNDED)
    sample = np.dtype(">u2" if maxval > 255 else "u1")
    bands = 3 if image.mode == "RGB" else 1
    count = image.width * image.height * bands
    file = cast(BinaryIO, image.fp)
    file.seek(image.tile[0].offset)
    values = np.frombuffer(file.read(count * sample.itemsize), sample, count).astype(np.uint32)
    rounded = (np.minimum(values, maxval) * 510 + maxval) // (2 * maxval)
    return Image.frombytes("RGB" if bands == 3 else "L", image.size, rounded.astype(np.uint8).tobytes())


def _stretch(image: ImageFile.ImageFile, label: str, notes: list[str]) -> Image.Image:
    """Floating-point and 32-bit grey as mode L: 0 to 1 is taken as black to white, else the extremes are.

    Raises `ImageError` if a value is infinite or not a number.
    """
    values = np.asarray(image)
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        values = values.view(np.uint32)  # Pillow has no unsigned mode
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError(f"{label} has values that are infinite or not a number: replace them and save it again.")
    if image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    notes.append(f"values from {low:.6g} to {high:.6g} scaled to 8 bits")
    scaled = (values.astype(np.float64) - low) * 255 / ((high - low) or 1.0)
    grey = np.rint(scaled).astype(np.uint8)
    return Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey)
