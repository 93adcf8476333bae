"""What a model is made of: the numbers that its weights, its card and its training share."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, get_args, get_origin

from jahp_gui.codec.errors import ModelError

CHOICES = {"transform": ("efficient", "paper"), "objective": ("mse", "ms-ssim")}
LATENT_FIELDS = ("transform", "objective", "latent_channels", "transform_widths", "transform_blocks", "lmbda_anchors")
MOST_ANCHORS = 15  # sixteen gain indices from one to the next, of which a file can name 240


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the networks and the λ range of one model family.

    `lmbda_anchors` are the λ of the loss λ·255²·MSE + bpp (x in [0, 1], objective "mse") or λ·(1 − MS-SSIM) + bpp
    (objective "ms-ssim") at which a gain vector is learned; between two anchors gains are interpolated on a log scale.
    """

    transform: str = "efficient"  # "efficient" (KLT shortcut + residual path) or "paper" (5×5 stride 2, GDN)
    objective: str = "mse"  # "mse" or "ms-ssim": what the distortion of the loss was
    latent_channels: int = 320  # M; below 320 the highest rates are capped (40 dB needs it)
    transform_widths: tuple[int, ...] = (64, 128, 256)  # N at 1/4, 1/8, 1/16 ("paper": one number, N=192)
    transform_blocks: tuple[int, ...] = (1, 1, 1)  # residual blocks of the analysis transform at 1/4, 1/8, 1/16
    synthesis_blocks: tuple[int, ...] = (2, 1, 1)  # the same for the synthesis transform: pixels gain most at 1/4
    hyper_channels: int = 96  # channels of the hyper-latents z
    coarse_channels: int = 0  # more channels of z, for the coarse means of the prior that has them
    hyper_width: int = 192  # hidden width of hyper-analysis and hyper-synthesis
    hyper_features: int = 256  # what the hyper-synthesis hands to the entropy parameters
    context_reduction: int = 96  # 1×1 reduction of ŷ before the masked convolution
    context_features: int = 320  # what the context model hands to the entropy parameters
    parameter_widths: tuple[int, int] = (512, 384)  # hidden 1×1 layers of the entropy parameters
    lmbda_anchors: tuple[float, ...] = (0.0016, 0.0032, 0.0064, 0.0128, 0.025, 0.05, 0.1, 0.2)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """Build from parsed TOML or JSON; lists become tuples. Raises `ModelError` for an unknown key or value."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ModelError(f"The model configuration has unknown keys ({', '.join(sorted(unknown))}); remove them.")
        config = cls(**with_tuples(values))
        if wrong := wrong_kinds(config):
            raise ModelError(f"The model configuration has values of the wrong kind: {', '.join(wrong)}.")
        for name, choices in CHOICES.items():
            if getattr(config, name) not in choices:
                raise ModelError(f"The model configuration's {name} must be {' or '.join(choices)}.")
        config.check()
        return config

    def check(self) -> None:
        """Raise `ModelError` for sizes that no network can have, and for λ that no model can have."""
        anchors, stages = self.lmbda_anchors, 1 if self.transform == "paper" else 3
        rising = all(low < high for low, high in pairwise((0.0, *anchors, math.inf)))
        widths = len(self.transform_widths) == stages and all(width > 0 for width in self.transform_widths)
        demands = {
            "lmbda_anchors": (2 <= len(anchors) <= MOST_ANCHORS and rising, f"2 to {MOST_ANCHORS} numbers that rise"),
            "transform_widths": (widths, f"{stages} number{'s' * (stages > 1)} above zero ({self.transform})"),
            "transform_blocks": (is_counts(self.transform_blocks, 3), "3 numbers, none below zero"),
            "synthesis_blocks": (is_counts(self.synthesis_blocks, 3), "3 numbers, none below zero"),
            "parameter_widths": (
                is_counts(self.parameter_widths, 2) and all(self.parameter_widths),
                "2 numbers above zero",
            ),
        }
        for name, (holds, demand) in demands.items():
            if not holds:
                raise ModelError(f"The model configuration's {name} must be {demand}.")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < (field.name != "coarse_channels"):
                raise ModelError(f"The model configuration's {field.name} must be above zero.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_counts(values: tuple[int, ...], length: int) -> bool:
    return len(values) == length and min(values) >= 0


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parsed TOML or JSON with its lists as tuples, which frozen configurations hold."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def wrong_kinds(config: Any) -> list[str]:
    """The fields of a configuration that hold something else than their annotations say."""
    return [field.name for field in fields(config) if not is_of_kind(getattr(config, field.name), field.type)]


def is_of_kind(value: Any, kind: Any) -> bool:
    """Whether a value fits an annotation; a whole number fits float, too, and true is no number."""
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(is_of_kind(entry, get_args(kind)[0]) for entry in value)
    if kind is float:
        kind = float | int
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
