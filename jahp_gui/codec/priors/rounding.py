"""What training has in place of rounding, whose gradient is zero.

Rounded latents go forward, for synthesis and prior must learn on what a file holds. Backward, the identity in place of
rounding (Bengio et al. 2013, "straight-through") misleads the analysis transform wherever most latents are zero: the
rate is flat at zero, so those that round to zero learn nothing from it, while the distortion pulls each of them over
the edge to one. What moving u changes in the mean over many images is what happens at the edge between two integers,
so here

* gradients count more the nearer u is to that edge: they are those of soft rounding (Agustsson and Theis 2020,
  "Universally quantized neural compression", section 4);
* the slope of the rate is the difference of the bits of the two integers.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SHARPNESS = 4.0  # α of soft rounding: its slope is 2.1 between two integers and 0.15 at them; see RECIPES.md


class Quantised(NamedTuple):
    """What stands for u, of any shape: its value, and ⌊u⌋ where the slope of its bits is taken between integers."""

    value: Tensor
    below: Tensor | None


def noisy(u: Tensor) -> Quantised:
    """u with uniform noise of one quantiser step (Ballé et al. 2017)."""
    return Quantised(u + torch.rand_like(u) - 0.5, None)


def rounded(u: Tensor) -> Quantised:
    """u rounded, its gradient that of soft rounding, which is one on average."""
    below = u.detach().floor()
    if not u.requires_grad:  # validation, and priors that learn on fixed transforms
        return Quantised(u.round(), below)
    with torch.no_grad():
        slope = 1 - torch.tanh(SHARPNESS * (u - below - 0.5)) ** 2
        slope *= SHARPNESS / (2 * math.tanh(SHARPNESS / 2))
    path = slope * u
    return Quantised(u.detach().round() + (path - path.detach()), below)


def bits_of_quantised(bits_at: Callable[[Tensor], Tensor], y: Quantised) -> Tensor:
    """bits_at(y.value) of an elementwise function; where ⌊u⌋ is known its slope is bits_at(⌊u⌋ + 1) − bits_at(⌊u⌋)."""
    if y.below is None or not y.value.requires_grad:
        return bits_at(y.value)
    with torch.no_grad():
        slope = bits_at(y.below + 1) - bits_at(y.below)
    path = slope * y.value
    return bits_at(y.value.detach()) + (path - path.detach())
