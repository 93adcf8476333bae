"""Latents changed by hand, to see what they are for: channels silenced, regions erased or disturbed.

What comes out is ŷ like any other: `encode_y_hat` writes a real file of it. Nothing here imports torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.latent_views import Region

LIMIT = (1 << 15) - 1  # |ŷ| never exceeds it, see FORMAT.md


@dataclass(frozen=True)
class ZeroChannel:
    """One channel is zero everywhere."""

    channel: int


@dataclass(frozen=True)
class KeepTop:
    """Only the `count` channels that cost most bits stay; the others are zero."""

    count: int


@dataclass(frozen=True)
class Erase:
    """All latents of the blocks that a region touches are zero."""

    region: Region


@dataclass(frozen=True)
class Perturb:
    """Every latent of the blocks that a region touches moves by a whole number of steps in −strength … strength.

    The same seed moves them the same way.
    """

    region: Region
    strength: int
    seed: int = 0


Edit = ZeroChannel | KeepTop | Erase | Perturb


def blocks(region: Region) -> tuple[slice, slice]:
    """Rows and columns of the latents whose 16 × 16 pixels a region touches."""
    bottom, right = region.top + region.height, region.left + region.width
    return (
        slice(region.top // Y_STRIDE, -(-bottom // Y_STRIDE)),
        slice(region.left // Y_STRIDE, -(-right // Y_STRIDE)),
    )


def top_channels(channel_bits: np.ndarray, count: int) -> np.ndarray:
    """The `count` channels with the most bits (M,), the most expensive first; of equals the lower number."""
    return np.argsort(-channel_bits, kind="stable")[:count]


def edited(y_hat: np.ndarray, edits: Sequence[Edit], channel_bits: np.ndarray) -> np.ndarray:
    """ŷ (h, w, M) int16 after all edits in turn, a copy. channel_bits (M,): of the latents before any edit."""
    result = y_hat.copy()
    for edit in edits:
        if isinstance(edit, ZeroChannel):
            result[..., edit.channel] = 0
        elif isinstance(edit, KeepTop):
            silenced = np.ones(len(channel_bits), bool)
            silenced[top_channels(channel_bits, edit.count)] = False
            result[..., silenced] = 0
        elif isinstance(edit, Erase):
            result[blocks(edit.region)] = 0
        else:
            part = result[blocks(edit.region)]
            moves = np.random.default_rng(edit.seed).integers(-edit.strength, edit.strength + 1, part.shape)
            result[blocks(edit.region)] = np.clip(part + moves, -LIMIT, LIMIT)
    return result
