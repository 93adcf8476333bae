"""Image files in and out: whatever a user has, as 8-bit sRGB pixels, and pixels as an ordinary image file.

Everything the codec sees is `uint8` RGB of shape (H, W, 3). What a file has beyond that (transparency, other
colours, 16 bits, a rotation flag, metadata) is resolved here, and each change is told in `LoadedImage.notes`.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(file, "PNG")
>>> loaded = load_image(file.getvalue())
>>> loaded.rgb.shape, loaded.rgb[0, 0].tolist(), loaded.notes, loaded.format
((2, 4, 3), [255, 255, 255], ('transparency composited on white',), 'PNG')
"""

import contextlib
import errno
import io
import os
import re
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from jahp_gui import windows
from jahp_gui.codec.container import DEFAULT_MAX_PIXELS, MAX_SIDE
from jahp_gui.codec.errors import ImageError, ImageTooLargeError, JahpError, OutputError, printable

IMAGE_SUFFIXES = frozenset(  # HEIC also where its package is missing: to say so is better than to leave photos out
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".heif", ".hif", ".tif", ".tiff", ".bmp"}
    | {".gif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"}
)
# Pictures that are not read here, and that nobody means to be replaced by a file.
UNREADABLE_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".psd", ".jxl", ".tga"}
)
_READABLE = "PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF, JPEG 2000 or PPM"
_FORMAT_NAMES = {"JPEG2000": "JPEG 2000", "WEBP": "WebP", "MPO": "JPEG", "HEIF": "HEIC"}
_ANIMATIONS = ("GIF", "PNG", "WebP", "AVIF")  # in the other formats further pictures are pages or previews


class _Encoder(NamedTuple):
    """Pillow's name of a format and its options; the longest side that its files, or its library, have room for."""

    format: str
    options: dict[str, Any]
    longest: int = MAX_SIDE


_PNG = _Encoder("PNG", {})
_TIFF = _Encoder("TIFF", {"compression": "tiff_adobe_deflate"})
_JPEG = _Encoder("JPEG", {"quality": 95, "subsampling": 0}, 65500)
_ENCODERS = {
    "": _PNG,
    ".png": _PNG,
    ".ppm": _Encoder("PPM", {}),
    ".bmp": _Encoder("BMP", {}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Encoder("WEBP", {"lossless": True, "exact": True}, 16383),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ROTATIONS = (3, 6, 8)

_ORIENTATION = ExifTags.Base.Orientation
_BITS = ExifTags.Base.BitsPerSample
_PLANAR = ExifTags.Base.PlanarConfiguration
_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation
_WHITE_IS_ZERO = 0
_SAMPLE_FORMAT = 339
_IPTC = 33723
_TEXT_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_BAND_PIXELS = 1 << 20
_HEAD_BYTES = 1 << 20  # profiles and descriptions come before what tells the depth
_ROUNDED = "16 bits per channel rounded to 8"

_pillow_limit_lock = threading.Lock()

AnyPath = str | os.PathLike[str]
Source = AnyPath | bytes | BinaryIO
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image as the codec wants it, and what had to be changed to get there."""

    rgb: Bytes  # (H, W, 3), 0 to 255, sRGB, upright, C-contiguous, H and W at least 1
    notes: tuple[str, ...]  # short English phrases in the order of the changes; empty if the file was just this
    format: str  # "PNG", "JPEG", "WebP", "AVIF", "TIFF", "BMP", "GIF", "JPEG 2000", "PPM" or "HEIC"


def load_image(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, name: str | None = None) -> LoadedImage:
    """Read an image file, or its bytes, as 8-bit sRGB.

    `source` is a path, the bytes of a file, or a binary stream that is read from where it stands to its end.
    `name` is what messages call the image; by default the path, the stream's name, or "The image".

    `rgb` of the result is uint8 of shape (H, W, 3). The format is found from the content, not from the suffix.

    Raises `ImageTooLargeError` if the header declares more than `max_pixels` pixels, before any is decoded, and
    `ImageError` for everything else that keeps a file from being read: missing, a folder, empty, not an image,
    damaged, cut short, a variant that Pillow cannot decode, not enough memory.

    Pillow's own limit `PIL.Image.MAX_IMAGE_PIXELS` is raised to `max_pixels` where it is lower, and stays so.
    """
    label = printable(name or _name_of(source))
    _raise_pillow_limit(max_pixels)
    with _open(source, label) as file:
        try:
            return _load(file, label, max_pixels)
        except JahpError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageTooLargeError(
                f"{label} has more pixels than the limit of {max_pixels:,}: scale it down or cut it first."
            ) from error
        except MemoryError as error:
            raise ImageError(
                f"{label} needs more memory than there is free: close other programs or scale it down first."
            ) from error
        except Exception as error:  # on damaged files Pillow and its plugins raise nearly every kind there is
            raise ImageError(
                f"{label} is damaged, cut short or of an unsupported kind: "
                "get a fresh copy of it, or save it as PNG in another program."
            ) from error


def load_weights(source: Source, max_pixels: int = DEFAULT_MAX_PIXELS) -> npt.NDArray[np.float32]:
    """A grey image as the weights of a search, float32 (H, W): 0 where it is black, 1 where white.

    Raises as `load_image` does.
    """
    return weights_of(load_image(source, max_pixels=max_pixels))


def weights_of(mask: LoadedImage) -> npt.NDArray[np.float32]:
    """What `load_weights` makes of a grey image."""
    return mask.rgb.mean(2, dtype=np.float32) / np.float32(255)


def find_images(folder: AnyPath) -> list[Path]:
    """`find_files` with a suffix of IMAGE_SUFFIXES."""
    return find_files(folder, IMAGE_SUFFIXES)


def find_files(folder: AnyPath, suffixes: Collection[str]) -> list[Path]:
    """List the files in `folder`, not below it, with one of `suffixes` in either case, sorted by name.

    Hidden files are left out: the "._" companions that macOS leaves on other disks have the suffixes of the files.
    Raises `ImageError` if the folder is missing, is not a folder or cannot be listed.
    """
    try:
        return [
            path
            for path in sorted(Path(folder).iterdir(), key=lambda path: path.name)
            if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
        ]
    except (OSError, ValueError) as error:
        raise ImageError(f"{printable(folder)} is no folder that can be listed ({_cause(error)}).") from error


def save_image(rgb: Bytes, path: AnyPath, *, force: bool = False) -> None:
    """Write `rgb`, uint8 of shape (H, W, 3), in the format that the suffix of `path` names.

    Lossless: .png (also without a suffix), .ppm, .bmp, .tif, .tiff, .webp. Lossy: .jpg, .jpeg at quality 95.

    Raises `OutputError` for an unknown suffix, a picture the format has no room for, and as `write_atomically`
    does; `ValueError` if `rgb` is not such an array.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 of shape (H, W, 3), got {rgb.dtype} of shape {rgb.shape}")
    height, width = rgb.shape[:2]
    encoder = check_suffix(path)
    check_room(path, width, height)
    _refuse_unwritable(path, force)  # before the time of encoding is spent
    file = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(rgb)).save(file, encoder.format, **encoder.options)
    except MemoryError:
        raise
    except Exception as error:  # the bytes of a format have limits too, and each encoder its own way to say so
        raise _no_room(path, width, height) from error
    write_atomically(path, file.getvalue(), force=force)


def check_room(path: AnyPath, width: int, height: int) -> None:
    """Raise `OutputError` if the format that a suffix stands for has no sides of so many pixels, or there is none."""
    if max(width, height) > check_suffix(path).longest:
        raise _no_room(path, width, height)


def _no_room(path: AnyPath, width: int, height: int) -> OutputError:
    name = check_suffix(path).format
    return OutputError(
        f"{printable(path)} cannot be written: {name} has no room for {width} x {height} pixels; use PNG."
    )


def check_suffix(path: AnyPath) -> _Encoder:
    """What writes the format that a suffix stands for. Raises `OutputError` if there is none."""
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        known = ", ".join(sorted(filter(None, _ENCODERS)))
        raise OutputError(f"{printable(path)} has a suffix that no image is written with: use one of {known}.")
    return _ENCODERS[suffix]


def write_atomically(path: AnyPath, data: bytes, *, force: bool = False) -> None:
    """Write `data` to `path` so that the file is there whole or not at all.

    The data goes to a private temporary file beside it, to the disk, and then takes the name. A file that exists is
    replaced only with `force`, also when another process makes it meanwhile; it keeps its permissions, a new one
    gets those of the umask. A symbolic link is followed.

    Raises `OutputError` if the file exists, or is no ordinary file, or its folder is missing or read-only, or the
    disk is full. No temporary file is left behind.
    """
    _refuse_unwritable(path, force)
    try:
        target = os.path.realpath(path)
        handle, temporary = tempfile.mkstemp(prefix=".jahp-", suffix=".tmp", dir=os.path.dirname(target))
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _publish(temporary, target, force)
        finally:
            with contextlib.suppress(OSError):  # published, it has gone already
                os.unlink(temporary)
    except FileExistsError as error:
        raise OutputError(_exists(path)) from error
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(path)} cannot be written: {_cause(error, _WRITING)}.") from error


# ---------------------------------------------------------------- reading: from a file to pixels


def _load(file: BinaryIO, label: str, max_pixels: int) -> LoadedImage:
    """The whole way of one file; whatever Pillow raises passes through."""
    image = _identify(file, label)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{label} has {width} x {height} = {width * height:,} pixels, more than the limit of {max_pixels:,}: "
            "scale it down or cut it first."
        )
    notes: list[str] = []
    orientation = _tiff_orientation(image)  # gone once a TIFF is decoded: Pillow turns those itself
    decoded = _eight_bits(image, lambda: _identify(file, label), label, notes)
    if not notes and (bits := _bits_in_file(image, file)) > 8:
        notes.append(f"{bits} bits per channel reduced to 8")
    colour, alpha = _split_alpha(decoded)
    rgb = _to_srgb(colour, image.info.get("icc_profile"), notes)
    if alpha is not None and cast(tuple[int, int], alpha.getextrema())[0] < 255:
        rgb = _on_white(rgb, alpha)
        notes.append("transparency composited on white")
    if orientation == 1 and (orientation := _exif_orientation(image)) != 1:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    if orientation != 1:
        notes.append(f"{'rotated' if orientation in _ROTATIONS else 'mirrored'} as its EXIF orientation asks")
    pixels = _array(rgb)
    image_format = _FORMAT_NAMES.get(str(image.format), str(image.format))
    if _has_more_pictures(image):  # asked last: a GIF forgets its first picture when it looks for a second
        kind = "frame of the animation" if image_format in _ANIMATIONS else "picture of the file"
        notes.insert(0, f"only the first {kind} taken")
    if dropped := _metadata(image):
        notes.append(f"metadata dropped ({', '.join(dropped)})")
    return LoadedImage(pixels, tuple(notes), image_format)


def _open(source: Source, label: str) -> BinaryIO:
    """The source as a seekable binary file at its start; `ImageError` if it cannot be opened or is no file."""
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            return io.BytesIO(source)
        if not isinstance(source, (str, os.PathLike)):
            return io.BytesIO(source.read())
        mode = os.stat(source).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{label} is a folder: name an image file in it.")
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise ImageError(f"{label} is not an ordinary file: name an image file.")
        return open(source, "rb")
    except FileNotFoundError as error:
        raise ImageError(f"{label} does not exist: check the name and the folder.") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{label} cannot be opened ({_cause(error)}): check its name and permissions.") from error


def _read_heif(file: BinaryIO, filename: str) -> ImageFile.ImageFile:
    """HEIC through the optional package pillow-heif; ImportError where it is not installed."""
    return cast(ImageFile.ImageFile, import_module("pillow_heif").HeifImageFile(file, filename))


# The plugins are called directly. `Image.open` would import forty formats that we do not want, warn on standard
# error about sizes that we allow, and know HEIC only after a change of Pillow's global registry.
_READERS: tuple[tuple[re.Pattern[bytes], Callable[[BinaryIO, str], ImageFile.ImageFile]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), JpegImagePlugin.jpeg_factory),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile),
    (re.compile(rb"....ftyp(avi[fs]|m[is]f1)", re.DOTALL), AvifImagePlugin.AvifImageFile),
    (re.compile(rb"....ftyp(he[iv][cxms]|m[is]f1)", re.DOTALL), _read_heif),
    (re.compile(rb"II[*+]\x00|MM\x00[*+]"), TiffImagePlugin.TiffImageFile),
    (re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile),
    (re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
    (re.compile(rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n"), Jpeg2KImagePlugin.Jpeg2KImageFile),
    (re.compile(rb"P[1-6f]\s"), PpmImagePlugin.PpmImageFile),
)


def _identify(file: BinaryIO, label: str) -> ImageFile.ImageFile:
    """Parse the header with the plugin that the first bytes call for; pixels are not decoded yet."""
    file.seek(0)
    start = file.read(16)
    if not start:
        raise ImageError(f"{label} is empty: get a fresh copy of it.")
    failure: Exception | None = None
    for signature, reader in _READERS:
        if not signature.match(start):
            continue
        file.seek(0)
        try:
            return reader(file, "")  # without a name, so that Pillow does not map a file that may shrink
        except ImportError as error:
            raise ImageError(
                f"{label} is a HEIC image, which needs an optional package: run `pip install pillow-heif`."
            ) from error
        except Exception as error:  # AVIF and HEIC share a signature, so the next reader may still know it
            failure = failure or error
    if failure:
        raise failure
    raise ImageError(f"{label} is not an image of a known kind: use {_READABLE}.")


def _raise_pillow_limit(max_pixels: int) -> None:
    """Keep Pillow's decoders from refusing, deep inside, images below our own limit.

    The limit is global. It is only ever raised, never set back, so that threads cannot pull it from under each other.
    """
    with _pillow_limit_lock:
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels


# ---------------------------------------------------------------- reading: to 8 bits per channel


def _eight_bits(
    image: ImageFile.ImageFile, reopen: Callable[[], ImageFile.ImageFile], label: str, notes: list[str]
) -> Image.Image:
    """Decode `image` into a mode with 8 bits per channel, rounding correctly where the file has more.

    Pillow alone would clip 16-bit grey, and cut 16-bit colour off instead of rounding.
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


def _bits_in_file(image: ImageFile.ImageFile, file: BinaryIO) -> int:
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


# ---------------------------------------------------------------- reading: colours, transparency, orientation


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour in mode L, RGB, CMYK or LAB, and alpha in mode L or None, of an image with 8 bits per channel."""
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        whole = image.convert("LA" if grey else "RGBA")
        return whole.getchannel("L") if grey else whole.convert("RGB"), whole.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """L, RGB, CMYK or LAB to RGB, through the embedded ICC profile if there is one that fits."""
    if image.mode == "LAB":
        notes.append("converted from CIELAB to sRGB")
        return image.convert("RGB")
    if profile:
        try:
            return _through_profile(image, profile, notes)
        except Exception:  # LittleCMS reports a damaged profile as any of half a dozen kinds
            notes.append("ICC profile ignored, as it is damaged or not for this kind of image")
    if image.mode == "CMYK":
        notes.append("converted from CMYK to sRGB without a profile")
    return image if image.mode == "RGB" else image.convert("RGB")  # of which the former would be a second copy


def _through_profile(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """`image` converted from `profile` to sRGB; an image that is sRGB already keeps its exact values."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
        image = image.convert("RGB")
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if _is_srgb(transform, image.mode):
        return image.convert("RGB")
    description = printable(ImageCms.getProfileDescription(source).strip())[:60]
    result = transform.apply(image)
    notes.append(f"converted from ICC profile '{description}' to sRGB")
    return result


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether `transform` moves no colour of a grid by more than one level.

    The many sRGB profiles in use differ that much in their tables; to apply them would only add noise.
    """
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    axes = [levels] * (3 if mode == "RGB" else 1)
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(1, -1, len(axes))
    colours = Image.frombytes(mode, (grid.shape[1], 1), grid.tobytes())
    moved = np.asarray(transform.apply(colours)).astype(np.int16) - np.asarray(colours.convert("RGB"))
    return bool(np.abs(moved).max() <= 1)


def _on_white(rgb: Image.Image, alpha: Image.Image) -> Image.Image:
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _array(rgb: Image.Image) -> Bytes:
    """The pixels (H, W, 3), a copy; in bands, because Pillow's own way takes four times the room for a moment."""
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // rgb.width)
    for top in range(0, rgb.height, rows):
        bottom = min(top + rows, rgb.height)
        pixels[top:bottom] = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
    return pixels


def _tiff_orientation(image: ImageFile.ImageFile) -> int:
    """The orientation, 1 to 8, in the tags of a TIFF that is not decoded yet; 1 for any other image."""
    value = image.tag_v2.get(_ORIENTATION) if isinstance(image, TiffImagePlugin.TiffImageFile) else 1
    return value if value in _UPRIGHT else 1


def _exif_orientation(image: ImageFile.ImageFile) -> int:
    """The orientation, 1 to 8, that the EXIF data asks for; 1 if there is none or it cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # a parser of a format of its own, on whatever a camera or an editor left there
        return 1
    return value if value in _UPRIGHT else 1


def _has_more_pictures(image: ImageFile.ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # there is something after the first picture, if only damage
        return True


def _metadata(image: ImageFile.ImageFile) -> list[str]:
    """The kinds of metadata in a decoded image, without its colour profile."""
    info = image.info
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    texts = {key for key, value in info.items() if isinstance(value, str)} if image.format == "PNG" else set()
    containers = {"XML:com.adobe.xmp", "Raw profile type exif"}
    found = {
        "EXIF": info.get("exif") or "Raw profile type exif" in texts or ExifTags.IFD.Exif in tags,
        "XMP": info.get("xmp") or "XML:com.adobe.xmp" in texts,
        "IPTC": info.get("photoshop") or _IPTC in tags,
        "text": info.get("comment") or texts - containers or any(tag in tags for tag in _TEXT_TAGS),
    }
    return [name for name, present in found.items() if present]


# ---------------------------------------------------------------- writing, and words for messages


def _publish(temporary: str, target: str, force: bool) -> None:
    """Give the finished file its name. FileExistsError if that is taken and `force` is not set."""
    if force and os.path.exists(target):
        writable = stat.S_IWRITE if windows.IS_WINDOWS else 0  # else nobody could remove it there if this fails
        os.chmod(temporary, os.stat(target).st_mode & 0o777 | writable)
        windows.replace(temporary, target)
        return
    os.chmod(temporary, _mode_of_new_file(temporary + "0"))
    try:
        os.link(temporary, target)  # all of the file or nothing, whenever the process is killed
    except FileExistsError:
        if not force:
            raise
        windows.replace(temporary, target)
    except OSError:  # a file system without hard links: an empty file holds the name against other processes
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            windows.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise


def _mode_of_new_file(probe: str) -> int:
    """What the umask makes of permissions, told by a file of the name `probe`: to ask for it is to change it."""
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            return os.fstat(handle).st_mode & 0o777
        finally:
            os.close(handle)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe)


def _refuse_unwritable(path: AnyPath, force: bool) -> None:
    """Raise `OutputError` if `path` is there and must not be replaced."""
    if not os.path.lexists(path):
        return
    if os.path.isdir(path):
        raise OutputError(f"{printable(path)} is a folder: name a file in it.")
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/null must stay what it is
        raise OutputError(f"{printable(path)} is not an ordinary file: choose another name.")
    if not force:
        raise OutputError(_exists(path))


def _exists(path: AnyPath) -> str:
    return f"{printable(path)} exists already: choose another name, or ask for it to be replaced."


_WRITING = {
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "its folder is a file; choose another folder",
    errno.EACCES: "permission denied; choose another folder",
    errno.EPERM: "permission denied; choose another folder",
    errno.EROFS: "the disk is read-only; choose another",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "files of this size are not allowed here; choose another disk",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def _cause(error: Exception, known: Mapping[int, str] | None = None) -> str:
    """Why an operating system call failed, in words for the middle of a sentence."""
    if not isinstance(error, OSError):
        return str(error)
    return (known or {}).get(error.errno or 0) or error.strerror or str(error)


def _name_of(source: Source) -> AnyPath:
    if isinstance(source, (str, os.PathLike)):
        return source
    name = getattr(source, "name", None)  # of an open file: its path, or a number
    return name if isinstance(name, str) else "The image"
