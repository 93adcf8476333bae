"""Ways to look at what every latent cost and what was predicted for it: planes, channels, regions of the image.

All read `LatentMaps` and ŷ (h, w, M); planes are float32 (h, w), those of z (h/4, w/4).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.container import Y_STRIDE, Z_STRIDE
from jahp_gui.codec.errors import UsageError

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.latent_coding import LatentMaps

Plane = NDArray[np.float32]

BITS, MEAN, SCALE, LATENT, RESIDUAL = "bits", "mu", "sigma", "latent", "residual"
QUANTITIES = {"y": (BITS, MEAN, SCALE, LATENT, RESIDUAL), "z": (BITS, LATENT)}
STRIDES = {"y": Y_STRIDE, "z": Z_STRIDE}


@dataclass(frozen=True)
class Region:
    """A rectangle of the image in pixels."""

    left: int
    top: int
    width: int
    height: int


def values(maps: "LatentMaps", y_hat: np.ndarray, quantity: str, latents: str = "y") -> np.ndarray:
    """A quantity of every latent (h, w, C). Raises `UsageError` for z without side information.

    "residual" is (ŷ − μ)/σ: of unit spread where the prior predicts its own errors well.
    """
    if latents == "z":
        if maps.z_bits is None or maps.z_hat is None:
            raise UsageError("This prior has no side information z.")
        return maps.z_bits if quantity == BITS else maps.z_hat
    if quantity == RESIDUAL:
        return residual(y_hat, maps.mu, maps.sigma)
    return {BITS: maps.bits, MEAN: maps.mu, SCALE: maps.sigma, LATENT: y_hat}[quantity]


def residual(latents: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> NDArray[np.float32]:
    """(ŷ − μ)/σ of latents, all of one shape; zero where the prior left no doubt (σ = 0)."""
    return np.divide(latents - mu, sigma, out=np.zeros_like(mu), where=sigma > 0)


def plane(
    maps: "LatentMaps", y_hat: np.ndarray, quantity: str, latents: str = "y", channel: int | None = None
) -> Plane:
    """One channel of a quantity, or without `channel` all of them put together.

    Bits add up; of σ the mean is taken; of signed quantities the root mean square, where signs would cancel.
    """
    if channel is not None and quantity == RESIDUAL and latents == "y":  # not of three hundred to see one
        return residual(y_hat[..., channel], maps.mu[..., channel], maps.sigma[..., channel])
    of_each = values(maps, y_hat, quantity, latents)
    if channel is not None:
        return of_each[..., channel].astype(np.float32)
    if quantity == BITS:
        return of_each.sum(2, dtype=np.float32)
    if quantity == SCALE:
        return of_each.mean(2, dtype=np.float32)
    return np.sqrt(np.square(of_each, dtype=np.float32).mean(2))


def channel_bits(maps: "LatentMaps", latents: str = "y") -> NDArray[np.float64]:
    """Bits of each channel (C,); empty for z without side information."""
    bits = maps.bits if latents == "y" else maps.z_bits
    return np.zeros(0) if bits is None else bits.sum((0, 1), dtype=np.float64)


def total_bits(maps: "LatentMaps") -> tuple[float, float]:
    """Bits of (ẑ, ŷ)."""
    return float(channel_bits(maps, "z").sum()), float(channel_bits(maps, "y").sum())


def explained_energy(maps: "LatentMaps", y_hat: np.ndarray) -> float | None:
    """The share of Σŷ² that the means take away: 1 − Σ(ŷ−μ)²/Σŷ²; None where all latents are zero."""
    energy = left = 0.0
    for latents, mu in zip(y_hat, maps.mu, strict=True):  # copies of the whole are hundreds of megabytes
        energy += float(np.square(latents, dtype=np.float64).sum())
        left += float(np.square(latents - mu, dtype=np.float64).sum())
    return 1 - left / energy if energy else None


def dearest_share(maps: "LatentMaps", y_hat: np.ndarray, part: float) -> float:
    """The share of the bits of ŷ that the dearest `part` (0 … 1) of the positions takes, at least one of them."""
    bits = np.sort(plane(maps, y_hat, BITS).ravel().astype(np.float64))[::-1]
    return float(bits[: max(1, round(bits.size * part))].sum()) / max(float(bits.sum()), 1e-9)


def region_bits(maps: "LatentMaps", region: Region, image_width: int, image_height: int) -> float:
    """Bits spent within a region: latents at its edge count by the share of their block that lies inside.

    Side information is shared out over the 64 × 64 pixels it describes. The whole image has all bits.
    """
    total = 0.0
    for bits, stride in ((maps.bits, Y_STRIDE), (maps.z_bits, Z_STRIDE)):
        if bits is not None:
            rows = _shares(bits.shape[0], stride, region.top, region.height, image_height)
            columns = _shares(bits.shape[1], stride, region.left, region.width, image_width)
            total += float(rows @ bits.sum(2, dtype=np.float64) @ columns)
    return total


def _shares(count: int, stride: int, start: int, length: int, image_length: int) -> NDArray[np.float64]:
    """Which part of each of `count` blocks along an axis lies in [start, start + length)."""
    low = np.arange(count) * stride
    high = np.minimum(low + stride, image_length)  # what is padding belongs to what is not
    inside = np.minimum(high, start + length) - np.maximum(low, start)
    return np.clip(inside, 0, None) / np.maximum(high - low, 1)
