"""Classical codecs for comparison, through Pillow, with settings that are fixed and printed beside their numbers.

Where a codec can be tuned for PSNR or for the eye, the choice follows the main axis of the plots, PSNR over RGB, and
colour is coded in full resolution: settings that show each codec at its best there. None of this imports torch.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from jahp_gui.codec.errors import ImageError, JahpError, NoRoomError, UsageError

Rgb = NDArray[np.uint8]

# Against speed 6, the default: 7% fewer bits at equal PSNR (BD-rate, three Kodak images) for seven times the time.
AVIF_SPEED = 4


@dataclass(frozen=True, eq=False)
class ClassicalCodec(ABC):
    """One codec with everything fixed but its quality.

    `quality_name` says what the number is: JPEG 2000 takes a compression ratio, all others a quality. Both sequences
    go from the smallest file to the largest: `default_qualities` are the ten points of a curve, about 0.1 to 2.5 bpp
    on photos; `ladder` is every quality that `encode_to_size` chooses from, its ends the limits of the codec.
    """

    key: str
    label: str
    quality_name: str
    default_qualities: tuple[float, ...]
    ladder: Sequence[float]

    @property
    @abstractmethod
    def settings(self) -> str:
        """Library, its version and every setting that matters for the size, on one line; only where `available()`."""

    def available(self) -> bool:
        """Whether this installation can write and read the format; found out by trying it once."""
        return _round_trip_works(self)

    def encode(self, rgb: Rgb, quality: float) -> bytes:
        """The complete file of `rgb`, uint8 (H, W, 3), without metadata.

        Raises UsageError for a quality outside the codec's range or a codec that is missing here, ImageError for an
        image the format cannot hold, ValueError for an array that is no such image.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ValueError(f"the image must be uint8 (H, W, 3), not {rgb.dtype} of {rgb.shape}")
        if not self._accepts(quality):
            low, high = sorted((self.ladder[0], self.ladder[-1]))
            numbers = "whole number" if isinstance(self.ladder, range) else "number"
            raise UsageError(
                f"{self.label} takes a {self.quality_name} that is a {numbers} from {low:g} to {high:g}, not {quality}."
            )
        try:
            return self._write(Image.fromarray(np.ascontiguousarray(rgb)), quality)
        except (ImportError, KeyError) as error:  # KeyError: Pillow knows no writer of that format
            raise UsageError(f"{self.label} is not available in this installation.") from error
        except (OSError, ValueError, RuntimeError) as error:
            height, width, _ = rgb.shape
            raise NoRoomError(f"{self.label} cannot store an image of {width} by {height} pixels ({error}).") from error

    def decode(self, data: bytes) -> Rgb:
        """The picture in a file that `encode` wrote: uint8 (H, W, 3).

        Raises UsageError when the codec is missing here, ImageError when the data is damaged or of another format.
        """
        try:
            return np.array(self._read(data).convert("RGB"))
        except ImportError as error:
            raise UsageError(f"{self.label} is not available in this installation.") from error
        except (OSError, ValueError, RuntimeError, SyntaxError, Image.DecompressionBombError) as error:
            raise ImageError(f"These {len(data)} bytes cannot be read as {self.label} ({error}).") from error

    def _accepts(self, quality: float) -> bool:
        if isinstance(self.ladder, range):
            return quality in self.ladder
        low, high = sorted((self.ladder[0], self.ladder[-1]))
        return low <= quality <= high

    @abstractmethod
    def _write(self, image: Image.Image, quality: float) -> bytes: ...

    @abstractmethod
    def _read(self, data: bytes) -> Image.Image: ...


@cache
def _round_trip_works(codec: ClassicalCodec) -> bool:
    grey = np.full((16, 16, 3), 128, np.uint8)
    try:
        return codec.decode(codec.encode(grey, codec.default_qualities[0])).shape == grey.shape
    except JahpError:
        return False


@dataclass(frozen=True, eq=False)
class PillowCodec(ClassicalCodec):
    """A format of Pillow's own. `options(quality)` are the arguments of `Image.save`."""

    format: str
    options: Callable[[float], Mapping[str, Any]]
    library: Callable[[], str]
    settings_text: str

    @property
    def settings(self) -> str:
        return f"{self.library()}: {self.settings_text}"

    def _write(self, image: Image.Image, quality: float) -> bytes:
        return _saved(image, self.format, self.options(quality))

    def _read(self, data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data), formats=[self.format])


class JpegCodec(PillowCodec):
    """JPEG with optimised Huffman tables wherever Pillow manages them."""

    def _write(self, image: Image.Image, quality: float) -> bytes:
        try:
            return super()._write(image, quality)
        except OSError:
            # Pillow gives the optimising encoder a buffer of one byte per pixel, which noise in 4:4:4 overflows.
            # Standard tables need no such buffer; at more than 8 bits per pixel they decide nothing.
            return _saved(image, self.format, {**self.options(quality), "optimize": False})


class HeicCodec(ClassicalCodec):
    """HEVC still pictures through the optional package pillow-heif, the nearest live stand-in for BPG."""

    @property
    def settings(self) -> str:
        import pillow_heif

        info = pillow_heif.libheif_info()
        return f"libheif {info['libheif']}, {info['HEIF']}: 4:4:4, 8 bit, BT.601 full range, preset slow, tune psnr"

    def _write(self, image: Image.Image, quality: float) -> bytes:
        import pillow_heif

        file = io.BytesIO()
        parameters = {"preset": "slow", "tune": "psnr"}  # libheif's own default is slow and ssim
        pillow_heif.from_pillow(image).save(file, quality=int(quality), chroma=444, enc_params=parameters)
        return file.getvalue()

    def _read(self, data: bytes) -> Image.Image:
        import pillow_heif

        return pillow_heif.open_heif(data).to_pillow()


def _saved(image: Image.Image, format: str, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _jpeg_library() -> str:
    turbo = features.version_feature("libjpeg_turbo")
    return f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"


def _avif_library() -> str:
    from PIL import AvifImagePlugin

    return f"libavif {features.version('avif')}, libaom {AvifImagePlugin.get_codec_version('aom')}"


def _jpeg(subsampling: str, qualities: tuple[float, ...]) -> JpegCodec:
    return JpegCodec(
        key="jpeg" + subsampling.replace(":", ""),
        label=f"JPEG {subsampling}",
        quality_name="quality",
        default_qualities=qualities,
        ladder=range(1, 101),
        format="JPEG",
        options=lambda quality: {"quality": int(quality), "subsampling": subsampling, "optimize": True},
        library=_jpeg_library,
        settings_text=f"{subsampling}, baseline, optimised Huffman tables",
    )


CODECS: tuple[ClassicalCodec, ...] = (
    _jpeg("4:2:0", (4, 8, 14, 22, 35, 50, 68, 82, 88, 92)),
    _jpeg("4:4:4", (4, 8, 14, 22, 35, 50, 65, 77, 84, 89)),
    PillowCodec(
        key="jpeg2000",
        label="JPEG 2000",
        quality_name="compression ratio",
        default_qualities=(240, 160, 110, 75, 53, 37, 26, 18, 13, 9.6),
        ladder=tuple(float(ratio) for ratio in np.geomspace(2000, 1, 2048)),  # steps of 0.4% in size
        format="JPEG2000",
        # mct: Pillow leaves out the colour transform unless asked, which costs 2.3 dB at 0.4 bpp.
        options=lambda ratio: {
            "quality_mode": "rates",
            "quality_layers": [ratio],
            "irreversible": True,
            "mct": 1,
        },
        library=lambda: f"OpenJPEG {features.version('jpg_2000')}",
        settings_text="JP2, irreversible 9/7 wavelet, YCbCr transform, one quality layer by rate, one tile",
    ),
    PillowCodec(
        key="webp",
        label="WebP",
        quality_name="quality",
        default_qualities=(0, 4, 12, 25, 42, 60, 76, 85, 91, 94),
        ladder=range(101),
        format="WEBP",
        options=lambda quality: {"quality": int(quality), "method": 6, "lossless": False},
        library=lambda: f"libwebp {features.version('webp')}",
        settings_text="lossy, method 6 (slowest), 4:2:0 as the format demands",
    ),
    PillowCodec(
        key="avif",
        label="AVIF 4:4:4",
        quality_name="quality",
        default_qualities=(8, 15, 22, 30, 38, 46, 55, 65, 75, 85),
        ladder=range(101),
        format="AVIF",
        # libavif's automatic tiles depend on the number of processors, and the bytes with them. Tune ssim beats psnr
        # in MS-SSIM and equals it in PSNR; the default, iq, needs 10% more bits at equal PSNR.
        options=lambda quality: {
            "quality": int(quality),
            "speed": AVIF_SPEED,
            "subsampling": "4:4:4",
            "codec": "aom",
            "autotiling": False,
            "advanced": {"tune": "ssim"},
        },
        library=_avif_library,
        settings_text=f"4:4:4, 8 bit, full range, speed {AVIF_SPEED}, tune ssim, one tile",
    ),
    HeicCodec(
        key="heic",
        label="HEIC 4:4:4",
        quality_name="quality",
        default_qualities=(6, 12, 18, 24, 30, 36, 42, 48, 54, 62),
        ladder=range(101),
    ),
)


def available_codecs() -> list[ClassicalCodec]:
    """The codecs of CODECS that work in this installation, in that order."""
    return [codec for codec in CODECS if codec.available()]


def get_codec(key: str) -> ClassicalCodec:
    """The codec of that key; raises UsageError, which lists the keys, for any other."""
    for codec in CODECS:
        if codec.key == key:
            return codec
    raise UsageError(f"No classical codec is called '{key}': choose from {', '.join(codec.key for codec in CODECS)}.")


def encode_to_size(codec: ClassicalCodec, rgb: Rgb, n_bytes: int) -> tuple[float, bytes]:
    """The largest file of `rgb`, uint8 (H, W, 3), that has at most `n_bytes`, with its quality.

    Bisection over the codec's ladder, seven encodings (eleven for JPEG 2000). Where the size does not grow with
    quality throughout, the file found still fits but may lie a step below the best. When even the smallest file is
    too large, that one is returned. Raises what `ClassicalCodec.encode` raises.
    """
    best: tuple[float, bytes] | None = None
    low, high = 0, len(codec.ladder) - 1
    while low <= high:
        middle = (low + high) // 2
        quality = codec.ladder[middle]
        data = codec.encode(rgb, quality)
        if len(data) <= n_bytes:
            best = quality, data
            low = middle + 1
        else:
            high = middle - 1
    # Without a fit the bisection has ended on the bottom of the ladder.
    return best or (quality, data)
