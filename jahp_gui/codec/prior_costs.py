"""What the same latents cost under each prior, and where: what each part of the joint prior pays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec import latent_views
from jahp_gui.codec.latent_views import STRIDES, Plane

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.latent_coding import LatentMaps

RESIDUAL_EDGES = np.linspace(-6, 6, 49)  # of the histogram of residuals, in σ
UNSURE_FROM = 0.5  # σ in steps: below, nearly every latent is the one likely value, and its residual says nothing

# Each prior and the one that it adds a part to: the paper's order, and the context alone.
STEPS = {
    "factorized": "",
    "scale-hyperprior": "factorized",
    "mean-scale-hyperprior": "scale-hyperprior",
    "joint": "mean-scale-hyperprior",
    "context": "factorized",
}


@dataclass(frozen=True, eq=False)
class PriorCost:
    """The latents of one image under one prior.

    y_bits, z_bits: all of ŷ and of ẑ. plane: float32 (h, w), at each position the bits of ŷ and its share of those of
    ẑ; its sum is that of both. unsure: of how many of the `count` latents the prior was unsure (σ ≥ ½ step); spread:
    the root mean square of their residuals (ŷ − μ)/σ, 1 where the prior judges its own errors rightly; histogram:
    float64 (48,), their residuals between `RESIDUAL_EDGES`, see `spread_histogram`.
    """

    y_bits: float
    z_bits: float
    plane: Plane
    histogram: NDArray[np.float64]
    unsure: int
    count: int
    spread: float

    @property
    def bits(self) -> float:
        return self.y_bits + self.z_bits

    @property
    def density(self) -> NDArray[np.float64]:
        """The histogram as a density (48,) over residuals; what lies outside of its range counts, too."""
        return self.histogram / max(self.unsure, 1) / (RESIDUAL_EDGES[1] - RESIDUAL_EDGES[0])


def normal_density(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """N(0, 1), which residuals have where a prior judges its own errors rightly."""
    return np.exp(-(residuals**2) / 2) / np.sqrt(2 * np.pi)


def prior_cost(maps: "LatentMaps", y_hat: np.ndarray) -> PriorCost:
    """Sums over the maps of latents ŷ int16 (h, w, M)."""
    z_bits, y_bits = latent_views.total_bits(maps)
    plane = latent_views.plane(maps, y_hat, latent_views.BITS)
    if maps.z_bits is not None:
        plane = plane + _spread_out(maps.z_bits.sum(2), plane.shape)
    is_unsure = maps.sigma >= UNSURE_FROM
    errors, sigma = (y_hat - maps.mu)[is_unsure], maps.sigma[is_unsure]
    spread = float(np.sqrt(np.mean(np.square(errors / sigma, dtype=np.float64)))) if errors.size else 0.0
    return PriorCost(y_bits, z_bits, plane, spread_histogram(errors, sigma), errors.size, y_hat.size, spread)


def spread_histogram(errors: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float64]:
    """Counts of residuals (ŷ − μ)/σ (n,), each spread out evenly over its quantiser step: float64 (48,).

    Latents are whole numbers, so that their residuals lie on combs; spread out they can be compared with N(0, 1). The
    step adds 1/12 to the variance, and to the σ² that residuals are measured by.
    """
    scale = 1 / np.sqrt(np.square(sigma) + 1 / 12)
    low = (errors - 0.5) * scale
    below = [float(np.clip((edge - low) / scale, 0, 1).sum(dtype=np.float64)) for edge in RESIDUAL_EDGES]
    return np.diff(below)


def _spread_out(z_plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Bits of ẑ (⌈h/4⌉, ⌈w/4⌉) shared out evenly over the latents (h, w) that each describes."""
    rows, columns = (np.arange(size) * STRIDES["y"] // STRIDES["z"] for size in shape)
    shares = np.bincount(rows)[:, None] * np.bincount(columns)[None, :]
    return (z_plane / shares)[np.ix_(rows, columns)].astype(np.float32)
