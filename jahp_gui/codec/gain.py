"""Gain units: one network for every λ (Cui et al. 2021, "Asymmetric Gained Deep Image Compression", section 3).

A gain position t runs from 0 to A − 1 over the A anchor λ. A file stores it in sixteenths, the gain index.
"""

import bisect
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

STEPS_PER_ANCHOR = 16


def gain_index_count(anchors: Sequence[float]) -> int:
    """Number of gain indices of a model: 16 per anchor step and one more for the last anchor."""
    return STEPS_PER_ANCHOR * (len(anchors) - 1) + 1


def gain_index_of(lmbda: float, anchors: Sequence[float]) -> int:
    """The gain index whose λ is nearest on a log scale; λ outside the anchors goes to the nearest end."""
    lmbda = min(max(lmbda, anchors[0]), anchors[-1])
    low = min(bisect.bisect_right(anchors, lmbda) - 1, len(anchors) - 2)
    fraction = math.log(lmbda / anchors[low]) / math.log(anchors[low + 1] / anchors[low])
    return round(STEPS_PER_ANCHOR * (low + fraction))


def lmbda_of(gain_index: int, anchors: Sequence[float]) -> float:
    """The λ that a gain index stands for: log-linear between the anchors."""
    low, step = divmod(gain_index, STEPS_PER_ANCHOR)
    if step == 0:
        return anchors[low]
    return anchors[low] * (anchors[low + 1] / anchors[low]) ** (step / STEPS_PER_ANCHOR)


class Gain(nn.Module):
    """Learned gain and inverse gain per anchor and channel.

    Starts at 1/Δ with Δ² = 18 / (ln 2 · λ · 255²), the step of a uniform quantiser that balances λ·255²·Δ²/12
    against the rate at high resolution, with the orthonormal shortcut's scale.
    """

    def __init__(self, anchors: Sequence[float], channels: int, step_constant: float = 18.0):
        super().__init__()
        steps = torch.tensor([math.sqrt(step_constant / (math.log(2) * lmbda * 255**2)) for lmbda in anchors])
        start = -torch.log(steps)[:, None].expand(-1, channels)
        self.log_gain = nn.Parameter(start.clone())  # (A, M)
        self.log_inverse = nn.Parameter(-start.clone())  # (A, M)

    def gain(self, position: Tensor) -> Tensor:
        """Gains for positions (B,) in [0, A − 1]: (B, M)."""
        return torch.exp(interpolate(self.log_gain, position))

    def inverse(self, position: Tensor) -> Tensor:
        """Inverse gains for positions (B,) in [0, A − 1]: (B, M)."""
        return torch.exp(interpolate(self.log_inverse, position))


def interpolate(table: Tensor, position: Tensor) -> Tensor:
    """Rows of `table` (A, C) at fractional positions (B,): linear between neighbouring rows, (B, C)."""
    low = position.floor().clamp(0, table.shape[0] - 2).long()
    return torch.lerp(table[low], table[low + 1], (position - low).to(table.dtype)[:, None])
