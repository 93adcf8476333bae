"""Image files in: whatever a user has, as 8-bit sRGB pixels.

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

import io
import os
import re
import stat
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, cast

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

from jahp_gui.codec.container import DEFAULT_MAX_PIXELS
from jahp_gui.codec.errors import ImageError, ImageTooLargeError, JahpError, cause, printable
from jahp_gui.codec.image_depth import bits_in_file, eight_bits
from jahp_gui.codec.output import AnyPath

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
_IPTC = 33723
_TEXT_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_BAND_PIXELS = 1 << 20

_pillow_limit_lock = threading.Lock()

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
        raise ImageError(f"{printable(folder)} is no folder that can be listed ({cause(error)}).") from error


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
    decoded = eight_bits(image, lambda: _identify(file, label), label, notes)
    if not notes and (bits := bits_in_file(image, file)) > 8:
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
        raise ImageError(f"{label} cannot be opened ({cause(error)}): check its name and permissions.") from error


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


def _name_of(source: Source) -> AnyPath:
    if isinstance(source, (str, os.PathLike)):
        return source
    name = getattr(source, "name", None)  # of an open file: its path, or a number
    return name if isinstance(name, str) else "The image"
