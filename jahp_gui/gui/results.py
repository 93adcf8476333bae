"""What jobs hand to the session: plain values, no widgets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QImage

from jahp_gui.codec.container import Container
from jahp_gui.codec.latent_views import Region
from jahp_gui.gui.imaging import Pyramid

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.latent_coding import LatentMaps


@dataclass(frozen=True)
class Choice:
    """The codec settings: what undo brings back and what a file is made from."""

    model_id: str
    prior: str
    gain_index: int


@dataclass(eq=False)
class ImageItem:
    """One entry of the image list.

    original: the pixels, None until loaded or where only a `.jahp` is there. opened: the `.jahp` it came from, and
    opened_latents what each latent of it cost.
    """

    name: str
    path: Path | None = None
    original: Pyramid | None = None
    notes: tuple[str, ...] = ()
    format: str = ""
    file_bytes: int = 0
    opened: "FileResult | None" = None
    opened_latents: "LatentResult | None" = None
    thumbnail: QImage | None = None
    failed: str = ""

    @property
    def picture(self) -> Pyramid | None:
        """What can be shown of it at once."""
        return self.original or (self.opened.picture if self.opened else None)

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height)"""
        return self.picture.size if self.picture else None


@dataclass(frozen=True, eq=False)
class LatentResult:
    """Every latent under one prior: ŷ, its maps, and the file size they add up to."""

    choice: Choice
    y_hat: np.ndarray
    maps: "LatentMaps"
    estimated_bytes: float


@dataclass(frozen=True, eq=False)
class FileResult:
    """A real file and the picture decoded from it, its digest checked.

    psnr and ms_ssim are None where the original is missing, ms_ssim also for images it is not defined for.
    """

    choice: Choice
    data: bytes
    container: Container
    picture: Pyramid
    psnr: float | None
    ms_ssim: float | None
    encode_seconds: float | None
    decode_seconds: float


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
    """What a side of the comparison shows. kind: "original", "current", "prior" or "classical".

    name: of the prior or the codec. gain_index: of a prior that is held at one λ; None follows the slider.
    """

    kind: str
    name: str = ""
    gain_index: int | None = None


ORIGINAL, CURRENT = Source("original"), Source("current")


@dataclass(frozen=True, eq=False)
class Side:
    """A side of the comparison as it can be painted: whose picture, and what of."""

    source: Source
    picture: Pyramid
    of: LivePicture | FileResult | ClassicalResult | None = None  # None: the original
    patch: LivePicture | None = None  # a fresher part of a large picture, painted over it


@dataclass(frozen=True)
class CurvePoint:
    """One point of the image's rate-distortion plot, from a real file."""

    bpp: float
    psnr: float
    ms_ssim: float | None
    n_bytes: int
    gain_index: int | None = None  # of a prior
    quality: float | None = None  # of a classical codec


@dataclass(frozen=True)
class SeriesKey:
    """A curve: kind "prior" or "classical" and its name."""

    kind: str
    name: str


@dataclass(eq=False)
class Curves:
    """The curves of one image so far. cropped: they are of a centre crop of a large image."""

    points: dict[SeriesKey, list[CurvePoint]] = field(default_factory=dict)
    cropped: bool = False
    complete: bool = False
