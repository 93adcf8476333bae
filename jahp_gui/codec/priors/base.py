"""The interface of a prior p(ŷ | side information, context), as it is trained and as it is frozen for the codec."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.priors.rounding import Quantised
from jahp_gui.codec.tables import SymbolTables
from jahp_gui.codec.wavefront import raster_runs


@dataclass
class Bits:
    """Training likelihood in bits: y (B, M, h, w), and z (B, C, h/4, w/4), None without side information."""

    y: Tensor
    z: Tensor | None

    def per_image(self) -> Tensor:
        """Total bits of each image: (B,)."""
        total = self.y.sum((1, 2, 3))
        return total if self.z is None else total + self.z.sum((1, 2, 3))

    def of_image(self, height: int, width: int) -> float:
        """Total bits of one image of so many pixels, padded to multiples of 64: its padding is not coded."""
        return Bits(self.y[:, :, : -(-height // Y_STRIDE), : -(-width // Y_STRIDE)], self.z).per_image().item()


class Prior(nn.Module):
    """A prior as it is trained. `name` is what users say, `code` what a file stores."""

    name: ClassVar[str]
    code: ClassVar[int]

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config

    def bits(self, y: Quantised, gain: Tensor, position: Tensor, keep: Tensor | None = None) -> Bits:
        """−log2 p of noisy or rounded latents.

        y: (B, M, h, w) float32 after the gain, h and w multiples of 4. gain: (B, M). position: (B,) gain
        positions. keep: (B,) zero where the context of a training image is hidden (so that the hyperprior learns to
        do without), None to hide nothing.
        """
        raise NotImplementedError

    def freeze(self, gains: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the exact form, as the model file stores them; `gains` are those of every gain index (G, M)."""
        raise NotImplementedError

    @classmethod
    def load_frozen(cls, tensors: Mapping[str, np.ndarray], config: ModelConfig) -> "FrozenPrior":
        """The exact form from its stored arrays. Raises `ModelError` where they break the exactness bound."""
        raise NotImplementedError

    @classmethod
    def thaw(cls, tensors: Mapping[str, np.ndarray], config: ModelConfig) -> "Prior":
        """The differentiable form from the stored arrays, but for densities, which tables of counts replace."""
        return cls(config)


class FrozenPrior(ABC):
    """A prior as the codec runs it: the same table rows for the same ŷ on every machine."""

    has_side_information: ClassVar[bool] = False
    has_context: ClassVar[bool] = False  # whether rows depend on latents decoded before

    def schedule(self, height: int, width: int) -> list[np.ndarray]:
        """Raster indices of the latent positions that can be decoded together, step by step."""
        return raster_runs(height, width)

    def side_information(self, y_hat: np.ndarray, gain_index: int) -> np.ndarray | None:
        """ẑ (h/4, w/4, C) int16 that the encoder chooses for ŷ (h, w, M), h and w rounded up; None without."""
        return None

    def side_tables(self) -> SymbolTables:
        """Tables whose row is the channel of ẑ."""
        raise NotImplementedError

    @abstractmethod
    def start(self, z_hat: np.ndarray | None, height: int, width: int, gain_index: int) -> "CodingState":
        """Ready to code the latents (height, width, M) of one image given its ẑ."""


class CodingState(ABC):
    """What one image's encoder and decoder share: table rows given what is known so far."""

    tables: SymbolTables

    @abstractmethod
    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Table rows and integer offsets of the latents at raster indices (n,): int32 (n, M) each.

        All causal neighbours of the positions must have been `reveal`ed.
        """

    def reveal(self, positions: np.ndarray, latents: np.ndarray) -> None:  # noqa: B027 (without context: nothing)
        """Make known the latents (n, M) int16 at `positions`."""
