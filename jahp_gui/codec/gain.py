"""Gain units: one network for every λ (Cui et al. 2021, "Asymmetric Gained Deep Image Compression", section 3).

A gain position t runs from 0 to A − 1 over the A anchor λ; `rate_scale` turns λ into positions.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Gain(nn.Module):
    """Learned gain and inverse gain per anchor and channel.

    Starts at 1/Δ with Δ² = 18 / (ln 2 · λ · 255²), the step of a uniform quantiser that balances λ·255²·Δ²/12
    against the rate at high resolution, with the orthonormal shortcut's scale.
    """

    def __init__(self, anchors: Sequence[float], channels: int):
        super().__init__()
        steps = torch.tensor([math.sqrt(18 / (math.log(2) * lmbda * 255**2)) for lmbda in anchors])
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
