"""What is done with a damaged file, and what must hold then: a subject turns a number into a file and tries it.

A fault is any of: an exception that is no `JahpError`; one whose words are not one sentence; more than two seconds of
processor time; more memory than the declared size needs; a wrong picture. Crashes and hangs are seen by `fuzz`, which
runs subjects in processes of their own.
"""

import io
import random
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from jahp_gui.codec import container
from jahp_gui.codec.choices import SEARCHED_FROM
from jahp_gui.codec.container import Header
from jahp_gui.codec.errors import ImageError, ImageTooLargeError, JahpError
from jahp_gui.codec.images import load_image
from jahp_gui.evaluation.trust.mutations import PNG, apply, mixed, random_edits, sealed, with_chunk_checksums

SECONDS = 2.0
MEGABYTE = 1 << 20
REFUSED_MEMORY = 16 * MEGABYTE  # for a file whose header is refused: nothing is allocated for the picture
BASE_MEMORY = 64 * MEGABYTE  # tables, one tile's activations, what the allocator keeps
BYTES_PER_PIXEL = 30  # the 3 GB in which 100 megapixels must decode
BLOCK = 64  # pixels: the side lengths that the hyperprior pads to
IMAGE_PIXELS = 1_000_000  # the limit given to `load_image`
IMAGE_BYTES_PER_PIXEL = 40  # a 16-bit picture with its transparency, twice read, and the result


@dataclass(frozen=True)
class Outcome:
    """What came of one file. kind: "refused", "picture", or "relabelled" for a picture whose header lies about λ or
    size, but whose latents are the original's. growth: bytes of memory at most, None where the system does not say.
    fault: None if all that must hold does.
    """

    kind: str
    seconds: float
    growth: int | None
    fault: str | None


class Subject(ABC):
    """Damaged files of one kind, numbered: the same number is the same file, in every process."""

    @abstractmethod
    def file(self, number: int) -> bytes: ...

    @abstractmethod
    def open(self, data: bytes) -> tuple[str, int, str | None]:
        """Try a file: (kind, bytes of memory allowed, fault)."""

    def attempt(self, data: bytes) -> Outcome:
        memory = PeakMemory()
        started = time.process_time()
        try:
            kind, allowed, fault = self.open(data)
        except Exception as error:  # what it is is the finding
            kind, allowed, fault = "crashed", 0, f"{type(error).__name__}: {error}"
        seconds, growth = time.process_time() - started, memory.growth()
        if fault is None and seconds > SECONDS:
            fault = f"took {seconds:.1f} s"
        if fault is None and growth is not None and growth > allowed:
            fault = f"took {growth / MEGABYTE:.0f} MB where {allowed / MEGABYTE:.0f} MB are allowed"
        return Outcome(kind, seconds, growth, fault)


class PeakMemory:
    """How much the process grows, at most, from now on (Linux; elsewhere it is not known)."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
            self._before: int | None = _status("VmRSS")
        except OSError:
            self._before = None

    def growth(self) -> int | None:
        return None if self._before is None else max(_status("VmHWM") - self._before, 0)


def peak_memory() -> int | None:
    """The most bytes of memory this process ever had; None where the system does not say."""
    try:
        return _status("VmHWM")
    except OSError:
        return None


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return 1024 * int(text.partition(field + ":")[2].split(None, 1)[0])


def is_sentence(text: str) -> bool:
    return text.endswith(".") and text.isprintable()


# ---------------------------------------------------------------- .jahp files


class Files(Subject):
    """Small `.jahp` files of a model with all its priors, rounded and searched. Every second one has its checksum made
    right again, and half of those are put together of parts."""

    PICTURES = ((33, 40), (1, 1), (70, 20))
    LMBDAS = (0.0128, 0.2)

    def __init__(self, model: str | Path):
        from jahp_gui.codec import Model, encode

        self.model = Model.load(model)
        priors = self.model.card.priors
        rgbs = [picture(*size) for size in self.PICTURES]
        encoded = [encode(self.model, rgb, prior=p, lmbda=x) for rgb in rgbs for p in priors for x in self.LMBDAS]
        encoded += [encode(self.model, rgb, lmbda=x, effort=SEARCHED_FROM) for rgb in rgbs for x in self.LMBDAS]
        self.originals = [entry.data for entry in encoded]
        self._latents = {entry.container.header.y_digest: entry.y_hat.ravel() for entry in encoded}
        self._headers = {(entry.container.header.y_digest, _label(entry.container.header)) for entry in encoded}
        for data in self.originals:  # what is loaded once is no file's growth
            self.open(data)

    def file(self, number: int) -> bytes:
        rng = random.Random(number)
        while True:
            if number % 4 == 3:
                data = mixed(self.originals, rng)
            else:
                data = apply(rng.choice(self.originals), random_edits(rng))
                if number % 4 == 1:
                    data = sealed(data[:-4])
            if data not in self.originals:
                return data

    def open(self, data: bytes) -> tuple[str, int, str | None]:
        from jahp_gui.codec import decode

        allowed = REFUSED_MEMORY
        try:
            parsed = container.parse(data)
            allowed = BASE_MEMORY + BYTES_PER_PIXEL * padded_pixels(parsed.header)
            decoded = decode(parsed, model=self.model)
        except JahpError as error:
            return "refused", allowed, None if is_sentence(str(error)) else f"not a sentence: {error}"
        header = parsed.header
        original = self._latents.get(header.y_digest)
        if decoded.rgb.shape != (header.height, header.width, 3):
            return "picture", allowed, f"a picture of shape {decoded.rgb.shape}"
        if original is None or not np.array_equal(decoded.y_hat.ravel(), original):
            return "picture", allowed, "a wrong picture: its latents are nobody's"
        known = (header.y_digest, _label(header)) in self._headers
        return "picture" if known else "relabelled", allowed, None


def _label(header: Header) -> tuple[int, int, int]:
    return header.width, header.height, header.gain_index


def padded_pixels(header: Header) -> int:
    return -(-header.width // BLOCK) * -(-header.height // BLOCK) * BLOCK**2


def picture(height: int, width: int) -> np.ndarray:
    """Edges, a gradient and some grain: uint8 (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(x / 9 + (y // 24) * 2) + 30 * ((x + 2 * y) % 50 > 25)
    grain = np.random.default_rng(7).normal(0, 6, (height, width, 3))
    return (np.stack([waves, np.roll(waves, 8, 1), 255 - y * 200 / height], 2) + grain).clip(0, 255).astype(np.uint8)


# ---------------------------------------------------------------- images


class Images(Subject):
    """Small images of every kind that is read. Of PNG files every second has the checksums of its chunks made right."""

    def __init__(self) -> None:
        self.originals = small_images()
        for data in self.originals:
            self.open(data)

    def file(self, number: int) -> bytes:
        rng = random.Random(number)
        original = rng.choice(self.originals)
        data = apply(original, random_edits(rng))
        return with_chunk_checksums(data) if original.startswith(PNG) and number % 2 else data

    def open(self, data: bytes) -> tuple[str, int, str | None]:
        allowed = BASE_MEMORY + IMAGE_BYTES_PER_PIXEL * IMAGE_PIXELS
        try:
            rgb = load_image(data, max_pixels=IMAGE_PIXELS, name="it").rgb
        except (ImageError, ImageTooLargeError) as error:
            return "refused", allowed, None if is_sentence(str(error)) else f"not a sentence: {error}"
        right = rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.flags.c_contiguous and rgb.size
        return "picture", allowed, None if right else f"no picture: {rgb.dtype} of shape {rgb.shape}"


def small_images() -> list[bytes]:
    """One file of every kind: format, depth, transparency, profile, several pictures."""
    photo = Image.fromarray(picture(24, 31))
    more = {"save_all": True, "append_images": [photo.rotate(180)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.fromarray(np.arange(24 * 31, dtype=np.uint16).reshape(24, 31) * 80)
    kinds = [
        (photo, "PNG", {"exif": exif}),
        (photo.convert("RGBA"), "PNG", {}),
        (photo.quantize(9), "PNG", {"transparency": bytes(9)}),
        (wide, "PNG", {}),
        (photo, "PNG", more),
        (photo, "JPEG", {"exif": exif, "comment": b"hello"}),
        (photo, "JPEG", {"progressive": True}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo.convert("L"), "JPEG", {}),
        (photo, "MPO", more),
        (photo, "WEBP", {"exif": exif}),
        (photo.convert("RGBA"), "WEBP", {"lossless": True, **more}),
        (photo, "AVIF", {"exif": exif}),
        (photo, "TIFF", {"exif": exif}),
        (photo, "TIFF", {"compression": "tiff_lzw"}),
        (photo, "TIFF", {"compression": "jpeg"}),
        (wide, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (photo.convert("F"), "TIFF", {}),
        (photo.convert("1"), "TIFF", {"compression": "group4"}),
        (photo, "BMP", {}),
        (photo.convert("P"), "BMP", {}),
        (photo, "GIF", more),
        (photo, "JPEG2000", {}),
        (photo, "JPEG2000", {"no_jp2": True}),
        (photo, "PPM", {}),
        (wide, "PPM", {}),
    ]
    files = []
    for image, kind, options in kinds:
        file = io.BytesIO()
        image.save(file, kind, **options)  # type: ignore[arg-type]
        files.append(file.getvalue())
    return files
