"""The codec as a differentiable function of its latents: rate and picture of what is not yet integer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.model import Model, position
from jahp_gui.codec.priors.gaussian import GaussianPrior, mixture_bits
from jahp_gui.codec.priors.hyper import Z_LIMIT
from jahp_gui.codec.tables import SymbolTables

FACTORIZED_REACH = 4096  # |ŷ| up to which the factorized prior's bits are tabled; beyond they go on in a straight line


class Latents(NamedTuple):
    """y (1, M, h, w) in quantiser steps, z (1, C, h/4, w/4) or None."""

    y: Tensor
    z: Tensor | None


class Rate(NamedTuple):
    """bits_at: the bits of any values (1, M, h, w) of the latents, each while the others stay. side_bits: of z."""

    bits_at: Callable[[Tensor], Tensor]
    side_bits: Tensor


class SoftCodec:
    """One model, prior and gain index in ordinary floats; within half a percent of the exact rate.

    All but the rarest latents: they are 30 bits here, and 24, or 29 and more as escapes, in the coder's tables. And all
    but models that were frozen before release 0.6: their tables are Gaussian, which is some percent off `MIXTURE`.
    reach: the largest |ŷ| whose bits are tabled, where they are; beyond they go on in a straight line.
    """

    def __init__(self, model: Model, prior: str, gain_index: int, reach: int):
        self.device = device = torch.device(model.device)
        self.synthesis = model.copy_of_synthesis().to(device)
        self.position = position(gain_index).to(device)
        self.gain = torch.from_numpy(model.gain_of(gain_index)).to(device)[None]
        self.inverse = torch.from_numpy(model.inverse_gain_of(gain_index)).to(device)[None, :, None, None]
        thawed = model.thawed(prior)
        self.networks = thawed.to(device) if isinstance(thawed, GaussianPrior) else None
        frozen = model.prior(prior)
        self.z_bits = self.y_bits = None
        if frozen.has_side_information:
            self.z_bits = TabledBits(frozen.side_tables(), -Z_LIMIT, Z_LIMIT - 1, device)
        if self.networks is None:
            reach = min(reach, FACTORIZED_REACH)
            self.y_bits = TabledBits(frozen.start(None, 1, 1, gain_index).tables, -reach, reach, device)

    def rate(self, latents: Latents) -> Rate:
        """What latents cost."""
        if self.y_bits is not None:
            return Rate(self.y_bits, torch.zeros(()))
        assert self.networks is not None
        told, side_bits = None, torch.zeros(())
        if latents.z is not None and self.z_bits is not None and self.networks.hyperprior is not None:
            told = self.networks.hyperprior.synthesis(latents.z, self.gain, self.position)
            told = told.cut(*latents.y.shape[2:])
            side_bits = self.z_bits(latents.z).sum()
        mean, scale = self.networks.predict(latents.y, told, self.position)
        return Rate(lambda values: mixture_bits(values - mean, scale), side_bits)

    def bits(self, latents: Latents) -> Tensor:
        """Bits of y and z together, a scalar."""
        rate = self.rate(latents)
        return rate.bits_at(latents.y).sum() + rate.side_bits

    def picture(self, y: Tensor) -> Tensor:
        """x̂ (1, 3, 16h, 16w) in [0, 1] of latents y."""
        return self.synthesis(y * self.inverse, self.position).float().clamp(0, 1)


class TabledBits:
    """Bits of a channel's own distribution, read from the coder's tables and linear between the integers."""

    def __init__(self, tables: SymbolTables, low: int, high: int, device: torch.device):
        values = np.arange(low, high + 1)
        rows = np.broadcast_to(np.arange(len(tables.wide))[:, None], (len(tables.wide), len(values)))
        bits = tables.bits(np.broadcast_to(values, rows.shape), rows)
        self.bits = torch.from_numpy(bits.astype(np.float32)).to(device)
        self.low, self.high = low, high

    def __call__(self, x: Tensor) -> Tensor:
        """(1, C, h, w) → the bits of each, of the same shape."""
        below = x.detach().floor().clamp(self.low, self.high - 1)
        index = (below - self.low).long()[0]
        channel = torch.arange(len(self.bits), device=x.device)[:, None, None].expand_as(index)
        return torch.lerp(self.bits[channel, index], self.bits[channel, index + 1], (x - below)[0].float())[None]
