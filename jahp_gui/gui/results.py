"""What jobs hand to the session: plain values, no widgets."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from jahp_gui.codec import latent_views
from jahp_gui.codec.choices import place_of
from jahp_gui.codec.container import Container
from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.surgery import Edit
from jahp_gui.gui.imaging import Pyramid

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.codec import Decoded, Encoded
    from jahp_gui.codec.inspection import Prediction
    from jahp_gui.codec.latent_coding import LatentMaps
    from jahp_gui.codec.prior_costs import PriorCost

Stamp = tuple[int, int]  # when a file was written, in nanoseconds, and its size: another stamp is another content
Place = tuple[str, int, int]  # a latent's position: "y" or "z", column, row


@dataclass(frozen=True)
class Choice:
    """The codec settings: what undo brings back and what a file is made from.

    effort: 0 … 3, how long the encoder searches; 2 and 3 only of what has been refined. mask: the number of the
    painted region in `session.masks`, 0 for none.
    """

    model_id: str
    prior: str
    gain_index: int
    effort: int = 0
    mask: int = 0

    @property
    def rounded(self) -> "Choice":
        """The same without any search: what stands for it while the setting moves."""
        return replace(self, effort=0, mask=0)

    @property
    def unrefined(self) -> "Choice":
        """The same with as much effort as a file takes that nobody waits for."""
        return replace(self, effort=min(self.effort, 1))


@dataclass(eq=False)
class ImageItem:
    """One entry of the image list.

    original: the pixels, None until loaded or where only a `.jahp` is there. opened: the `.jahp` it came from, decoded
    what that holds, and opened_latents what each latent of it cost, once measured. stamp: that of the file as it was
    read. shown_at: when it was shown last, by `time.monotonic`.
    """

    name: str
    path: Path | None = None
    original: Pyramid | None = None
    notes: tuple[str, ...] = ()
    format: str = ""
    stamp: Stamp | None = None
    opened: "FileResult | None" = None
    decoded: "Decoded | None" = None
    opened_latents: "LatentResult | None" = None
    thumbnail: QImage | None = None
    failed: str = ""
    shown_at: float = 0.0

    @property
    def picture(self) -> Pyramid | None:
        """What can be shown of it at once."""
        return self.original or (self.opened.picture if self.opened else None)

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height)"""
        return self.picture.size if self.picture else None

    @property
    def held_bytes(self) -> int:
        """What its picture and latents take in memory."""
        arrays = list(self.picture.levels) if self.picture is not None else []
        if self.decoded is not None:
            arrays.append(self.decoded.y_hat)
        if self.opened_latents is not None:
            arrays += vars(self.opened_latents.maps).values()
        return sum(array.nbytes for array in arrays if array is not None)

    @property
    def can_be_read_again(self) -> bool:
        """Whether all of it is in its file: not where an original was put beside an opened one."""
        return self.path is not None and (self.original is None or self.opened is None)

    def release(self) -> None:
        """Take from memory what is read again when it is chosen."""
        self.original = self.opened = self.decoded = self.opened_latents = None


@dataclass(frozen=True, eq=False)
class LatentResult:
    """Every latent under one prior: ŷ, its maps, and the file size they add up to.

    encoded: the file itself, where it was written in the same pass.
    """

    choice: Choice
    y_hat: np.ndarray
    maps: "LatentMaps"
    estimated_bytes: float
    encoded: "Encoded | None" = None

    # Of a large image these are sums of thirty million values, which the window asks for at every move of the mouse.

    def with_sums(self) -> "LatentResult":
        """The same, its sums made at once: in the job that measured the latents, so that the window need not."""
        _ = self.summed, self.channel_bits
        return self

    @cached_property
    def summed(self) -> "LatentMaps":
        """The maps with the bits of all channels added up: (h, w, 1) in float64."""
        bits, z_bits = self.maps.bits, self.maps.z_bits
        of_z = None if z_bits is None else z_bits.sum(2, dtype=np.float64, keepdims=True)
        return replace(self.maps, bits=bits.sum(2, dtype=np.float64, keepdims=True), z_bits=of_z)

    @cached_property
    def channel_bits(self) -> NDArray[np.float64]:
        """Bits of each channel of y (M,)."""
        return latent_views.channel_bits(self.maps)


@dataclass(frozen=True, eq=False)
class Inspection:
    """The latents of one position under every prior that has been asked so far.

    predictions: by prior; None for z of one without side information. block, reach: the pixels that the position
    stands for, and all that it can change.
    """

    place: Place
    gain_index: int
    predictions: dict[str, "Prediction | None"]
    block: Region
    reach: Region


@dataclass(frozen=True, eq=False)
class Parts:
    """What the latents of the image cost under each prior that has been measured so far."""

    gain_index: int
    costs: dict[str, "PriorCost"]


@dataclass(frozen=True, eq=False)
class SizeEstimate:
    """The size of a file as a sample of its latents says it: of images too large to measure while a slider moves.

    share: of the latents that were looked at.
    """

    choice: Choice
    n_bytes: float
    share: float


@dataclass(eq=False)
class FileResult:
    """A real file and the picture decoded from it, its digest checked.

    psnr and ms_ssim are None where the original is missing, ms_ssim also for images it is not defined for and while it
    is being measured, which takes its time and comes after everything else; `ms_ssim_known` tells. found: ŷ int16
    of a search, None where they were rounded. psnr_parts: inside and outside the painted region, where there is one.
    """

    choice: Choice
    data: bytes
    container: Container
    picture: Pyramid
    psnr: float | None
    encode_seconds: float | None
    decode_seconds: float
    ms_ssim: float | None = None
    ms_ssim_known: bool = False
    found: np.ndarray | None = None
    psnr_parts: tuple[float | None, float | None] | None = None


@dataclass(frozen=True, eq=False)
class ClassicalResult:
    """A classical codec's file of at most the wanted size, decoded."""

    key: str
    label: str
    quality_name: str
    quality: float
    data: bytes
    picture: Pyramid
    psnr: float
    wanted_bytes: int


@dataclass(frozen=True, eq=False)
class LivePicture:
    """The synthesis of the encoder's ŷ while a slider moves.

    region: of a large image only this part was synthesised, `picture` holds just that.
    """

    choice: Choice
    picture: Pyramid
    psnr: float | None
    region: Region | None = None


@dataclass(frozen=True)
class Source:
    """What a side of the comparison shows.

    kind: "original", "current", "rounded", "refined", "prior", "classical" or that of an exhibit.

    name: of the prior or the codec. gain_index: of a prior that is held at one λ; None follows the slider.
    """

    kind: str
    name: str = ""
    gain_index: int | None = None


ORIGINAL, CURRENT = Source("original"), Source("current")
JPEG = Source("classical", "jpeg420")
ROUNDED, REFINED = Source("rounded"), Source("refined")  # the current prior and λ, without any search and with most
DECODER, EDITED, DAMAGED = EXHIBITS = Source("decoder"), Source("edited"), Source("damaged")


@dataclass(frozen=True, eq=False)
class DecoderFrame:
    """The decoder of the file at a moment: `steps_done` of `steps` for ŷ, negative before ẑ.

    bits: of (ẑ, ŷ), read so far. front: int64 (n, 2), columns and rows of the latents decoded last.
    """

    choice: Choice
    picture: Pyramid
    moment: int
    steps_done: int
    steps: int
    bits: tuple[float, float]
    front: np.ndarray


@dataclass(frozen=True, eq=False)
class EditedResult:
    """A real file of latents changed by hand, and the picture decoded from it; psnr where there is an original."""

    base: LatentResult
    edits: tuple[Edit, ...]
    data: bytes
    container: Container
    picture: Pyramid
    y_hat: np.ndarray
    psnr: float | None

    @property
    def choice(self) -> Choice:
        return self.base.choice

    @cached_property
    def changed(self) -> NDArray[np.int_]:
        """How many channels of each position are not what the encoder chose (h, w)."""
        return (self.y_hat != self.base.y_hat).sum(2)


@dataclass(frozen=True, eq=False)
class DamagedResult:
    """What a decoder that does not check makes of a file with flipped bits.

    refusal, objection: what the ordinary path says of the file, and what it would say were its checksum right; empty
    where it says nothing. picture is None where nothing could be decoded. wrong: int32 (h, w), how many channels of
    each latent position differ, None where the latents have another shape. first_wrong: the first wrong step of `steps`
    in the coding order, steps_done how many the ordinary decoder gets done. psnr: against the intact file's picture.
    """

    choice: Choice
    data: bytes
    flips: tuple[int, ...]
    refusal: str
    objection: str
    picture: Pyramid | None = None
    y_hat: np.ndarray | None = None
    wrong: np.ndarray | None = None
    first_wrong: int | None = None
    steps_done: int = 0
    steps: int = 0
    psnr: float | None = None


Exhibit = DecoderFrame | EditedResult | DamagedResult


@dataclass(frozen=True, eq=False)
class Side:
    """A side of the comparison as it can be painted: whose picture, and what of."""

    source: Source
    picture: Pyramid
    of: LivePicture | FileResult | ClassicalResult | Exhibit | None = None  # None: the original
    patch: LivePicture | None = None  # a fresher part of a large picture, painted over it


@dataclass(frozen=True)
class CurvePoint:
    """One point of the image's rate-distortion plot, from a real file or for now estimated from some of its latents."""

    bpp: float
    psnr: float
    ms_ssim: float | None
    n_bytes: int
    gain_index: int | None = None  # of a prior
    quality: float | None = None  # of a classical codec
    is_estimate: bool = False


@dataclass(frozen=True)
class SeriesKey:
    """A curve: kind "prior" or "classical" and its name."""

    kind: str
    name: str


@dataclass(frozen=True)
class Refining:
    """A search that runs: for which choice, how much of it is done (0 … 1), and what it has saved so far.

    gain: percent by which λ·D + R has fallen since the search began.
    """

    choice: Choice
    fraction: float
    gain: float = 0.0


@dataclass(eq=False)
class Curves:
    """The curves of one image so far. cropped: they are of a centre crop of a large image."""

    points: dict[SeriesKey, list[CurvePoint]] = field(default_factory=dict)
    cropped: bool = False
    complete: bool = False

    def add(self, key: SeriesKey, point: CurvePoint) -> None:
        """One more point; that of a real file replaces its estimate, never the other way round."""
        if key not in self.points:  # priors from the simplest on, then classical codecs, whichever came first
            self.points[key] = []
            self.points = dict(
                sorted(self.points.items(), key=lambda entry: (entry[0].kind != "prior", place_of(entry[0].name)))
            )
        points = self.points[key]
        same = [known for known in points if (known.gain_index, known.quality) == (point.gain_index, point.quality)]
        if point.is_estimate and any(not known.is_estimate for known in same):
            return
        for known in same:
            points.remove(known)
        points.append(point)

    def snapshot(self) -> "Curves":
        """As they are now, for a job that reads them while more points come."""
        return Curves({key: list(points) for key, points in self.points.items()}, self.cropped, self.complete)
