"""Bjøntegaard-delta rate between two rate-distortion curves."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MIN_OVERLAP_DB = 4.0  # an average over less says more about where the points happen to lie than about the codecs

Point = tuple[float, float]  # (bits per pixel, quality in dB)


@dataclass(frozen=True)
class BdRate:
    """Mean difference in rate at equal quality: `percent` < 0 when the test curve needs fewer bits than the anchor.

    The mean is taken over the qualities from `low_db` to `high_db`.
    """

    percent: float
    low_db: float
    high_db: float


def bd_rate(
    anchor_points: Iterable[Point], test_points: Iterable[Point], *, interval: tuple[float, float] | None = None
) -> BdRate | None:
    """Bjøntegaard-delta rate (after VCEG-M33) of `test_points` against `anchor_points`.

    Points are (bits per pixel, quality in dB), in any order; quality is PSNR or MS-SSIM in dB. Each curve is reduced
    to its Pareto front and its log-rate interpolated over quality by PCHIP, both by the library `bjontegaard`.
    The difference of the two interpolants is integrated over the qualities that both curves cover, cut to `interval`
    (low, high) when given. The restriction happens in the integral alone: all points, also those outside, shape the
    interpolants, which are piecewise cubics and integrated exactly between the two ends. Cutting the lists of points
    instead would leave the result to where the outermost remaining points lie.

    None when fewer than two points of a curve remain or less than MIN_OVERLAP_DB is left to integrate over.
    """
    anchor, test = _pareto_front(anchor_points), _pareto_front(test_points)
    if min(len(anchor), len(test)) < 2:
        return None
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    if interval is not None:
        low, high = max(low, interval[0]), min(high, interval[1])
    if high - low < MIN_OVERLAP_DB:
        return None

    # Here and not above: the library imports matplotlib.pyplot and scipy, about a second.
    import bjontegaard

    # Its own average covers the whole overlap, so only its interpolants of log10(rate) are taken, and integrated with
    # their own `integrate`. Its warning about relative overlap is off: the overlap has just been checked in dB.
    _, anchor_curve, test_curve = bjontegaard.bd_rate(
        *np.transpose(anchor),
        *np.transpose(test),
        method="pchip",
        require_matching_points=False,
        interpolators=True,
        min_overlap=0,
    )
    mean_log_ratio = (test_curve.integrate(low, high) - anchor_curve.integrate(low, high)) / (high - low)
    return BdRate(100 * (10 ** float(mean_log_ratio) - 1), low, high)


def _pareto_front(points: Iterable[Point]) -> list[Point]:
    """Points by ascending rate and quality, without those that another equals or beats in both.

    This takes out duplicates and the dips of a codec that is not monotonic, of which PCHIP can make no function of
    quality. Points without a logarithm or a finite quality (rate 0, a lossless file's infinite PSNR) go as well.
    """
    front: list[Point] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        usable = rate > 0 and math.isfinite(rate) and math.isfinite(quality)
        if usable and (not front or quality > front[-1][1]):
            front.append((float(rate), float(quality)))
    return front
