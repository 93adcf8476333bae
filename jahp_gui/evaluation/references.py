"""Published Kodak averages, read from `assets/kodak_curves.json`, where every curve names its source."""

import json
from dataclasses import dataclass
from typing import Literal

from jahp_gui.codec.errors import JahpError
from jahp_gui.paths import assets_dir

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ReferenceCurve:
    """One published rate-distortion curve: Kodak, mean over the 24 images at constant λ or quality.

    `bpp_psnr` holds (bpp, PSNR over RGB in dB) and `bpp_ms_ssim` (bpp, linear MS-SSIM over RGB), both by ascending
    rate; the latter is empty where none was published.
    """

    key: str
    label: str
    kind: Literal["learned", "classical"]
    optimised_for: Literal["mse", "ms-ssim"]
    source: str
    bpp_psnr: Points
    bpp_ms_ssim: Points


def load_references() -> list[ReferenceCurve]:
    """All published curves in the order of the file; raises JahpError when the installation lacks them."""
    path = assets_dir() / "kodak_curves.json"
    try:
        curves = json.loads(path.read_text(encoding="utf-8"))["curves"]
    except OSError as error:
        raise JahpError(f"The reference curves cannot be read from {path}: install JAHP Explorer again.") from error
    return [
        ReferenceCurve(
            key=curve["key"],
            label=curve["label"],
            kind=curve["kind"],
            optimised_for=curve["optimised_for"],
            source=curve["source"],
            bpp_psnr=_by_rate(curve["bpp_psnr"]),
            bpp_ms_ssim=_by_rate(curve["bpp_ms_ssim"]),
        )
        for curve in curves
    ]


def _by_rate(points: list[list[float]] | None) -> Points:
    return tuple(sorted((bpp, quality) for bpp, quality in points or ()))
