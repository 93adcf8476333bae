"""The training configuration: one TOML file, every hyperparameter on a line with its reason."""

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.config import ModelConfig, with_tuples, wrong_kinds
from jahp_gui.codec.errors import UsageError


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on. The reasons for values stand in `jahp_gui/training/configs/*.toml`."""

    images: tuple[str, ...]  # folders of training images
    validation: str  # folder of validation images
    output: str  # folder of checkpoints and the log
    minutes: float  # the whole schedule, in minutes of training (validation not counted)
    priors: tuple[str, ...] = ("joint",)
    start_from: tuple[str, ...] = ()  # checkpoints or model folders to start from, later ones win; none: KLT and random
    train_transforms: bool = True  # false: the transforms stay as `start_from` has them, only priors learn
    only_synthesis: bool = False  # true: the latents stay as they are, only what makes pictures of them learns
    crop: int = 128
    batch: int = 16  # per process
    scales_per_image: int = 2
    smallest_scale: float = 0.45
    learning_rate: float = 8e-4
    fast_learning_rate: float = 3e-3
    muon_learning_rate: float = 0.0  # 0: Adam for the matrices, too
    warmup: float = 0.01
    beta2: float = 0.99
    clip: float = 2.0
    ema: float = 0.998
    straight_through_from: float = 0.8
    only_anchor: int | None = None  # train at this λ anchor alone, to see what serving all of them costs
    hide_context: float = 0.5
    hide_context_until: float = 0.4
    validate_minutes: float = 20.0
    seed: int = 1
    model: ModelConfig = field(default_factory=ModelConfig)

    @classmethod
    def load(cls, path: str | Path) -> "TrainConfig":
        """Read a TOML file with a [train] and a [model] table. Raises `UsageError` in one sentence."""
        try:
            with open(path, "rb") as file:
                tables = tomllib.load(file)
        except (OSError, ValueError) as error:  # ValueError: no TOML, or no text
            raise UsageError(f"{path} is not a readable training configuration ({error}).") from error
        if set(tables) - {"train", "model"} or not all(isinstance(table, dict) for table in tables.values()):
            raise UsageError(f"{path} must have the tables [train] and [model] and nothing beside them.")
        return cls.from_dict({**tables.get("train", {}), "model": tables.get("model", {})})

    @classmethod
    def from_dict(cls, values: dict[str, Any], check: bool = True) -> "TrainConfig":
        """Inverse of `to_dict`. Raises `UsageError` for unknown or missing keys and values that no run can have.

        What is wrong with the model's values is a `ModelError`. check: not of a run that there has been.
        """
        known = {entry.name for entry in fields(cls)}
        missing = {"images", "validation", "output", "minutes"} - set(values)
        if set(values) - known or missing:
            wrong = sorted(set(values) - known) or sorted(missing)
            raise UsageError(f"The training configuration has unknown or missing keys: {', '.join(wrong)}.")
        config = cls(**{**with_tuples(values), "model": ModelConfig.from_dict(values["model"])})
        if check:
            config.check()
        return config

    def check(self) -> None:
        """Raise `UsageError` for values that no run can have."""
        if wrong := wrong_kinds(self):
            raise UsageError(f"The training configuration has values of the wrong kind: {', '.join(wrong)}.")
        priors, anchors = PRIOR_NAMES.values(), len(self.model.lmbda_anchors)
        phases = self.warmup, self.straight_through_from, self.hide_context, self.hide_context_until
        rates = self.learning_rate, self.fast_learning_rate, self.muon_learning_rate
        demands = {
            "images": (self.images, "one folder or more"),
            "minutes": (0 < self.minutes < math.inf, "a number above zero"),
            "priors": (self.priors and {*self.priors} <= {*priors}, f"one or more of {', '.join(priors)}"),
            "crop": (self.crop > 0 and self.crop % 64 == 0, "a multiple of 64"),
            "batch": (self.batch > 0, "1 or more"),
            "scales_per_image": (self.scales_per_image > 0, "1 or more"),
            "smallest_scale": (0 < self.smallest_scale <= 1, "above 0 and at most 1"),
            "learning_rate, fast_learning_rate and muon_learning_rate": (
                all(0 <= rate < math.inf for rate in rates),
                "numbers that are not below zero",
            ),
            "beta2": (0 <= self.beta2 < 1, "at least 0 and below 1"),
            "ema": (0 <= self.ema < 1, "at least 0 and below 1"),
            "clip": (0 < self.clip < math.inf, "a number above zero (1e9 clips nothing)"),
            "validate_minutes": (0 < self.validate_minutes < math.inf, "a number above zero (1e9 is never)"),
            "warmup, straight_through_from, hide_context and hide_context_until": (
                all(map(math.isfinite, phases)),
                "numbers (2 is beyond the end of the schedule)",
            ),
            "seed": (self.seed >= 0, "0 or more"),
            "only_anchor": (
                self.only_anchor is None or 0 <= self.only_anchor < anchors,
                f"a number from 0 to {anchors - 1}: of an anchor of λ",
            ),
            "only_synthesis": (
                self.train_transforms or not self.only_synthesis,
                "false where train_transforms is: nothing would learn",
            ),
        }
        for name, (holds, demand) in demands.items():
            if not holds:
                raise UsageError(f"The training configuration's {name} must be {demand}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
