"""A checkpoint to the model folder that the codec loads: compact transforms, exact priors, a card with digests."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from jahp_gui.codec.models import CARD, TABLES, TRANSFORMS
from jahp_gui.codec.priors.gaussian import table_arrays
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_count
from jahp_gui.codec.weights import compact
from jahp_gui.training.config import TrainConfig
from jahp_gui.training.loop import load_checkpoint
from jahp_gui.training.objective import TrainingModel


def load_trained(checkpoints: Sequence[Path]) -> tuple[TrainingModel, list[dict[str, Any]]]:
    """The averaged weights of one or more runs over the same transforms, and what each run was.

    Transforms come from the first checkpoint, every prior from the last one that has it.
    """
    saved = [load_checkpoint(Path(path)) for path in checkpoints]
    configs = [TrainConfig.from_dict(json.loads(entry["config"])) for entry in saved]
    priors = tuple(dict.fromkeys(name for config in configs for name in config.priors))
    model = TrainingModel(configs[0].model, priors)
    model.load_state_dict(saved[0]["ema"], strict=False)
    for entry in saved[1:]:
        state = {name: value for name, value in entry["ema"].items() if name.startswith("priors.")}
        model.load_state_dict(state, strict=False)
    runs = [
        {"steps": entry["step"], "hours": round(entry["trained_seconds"] / 3600, 2), "recipe": config.to_dict()}
        for entry, config in zip(saved, configs, strict=True)
    ]
    return model.eval(), runs


@torch.no_grad()
def freeze(model: TrainingModel, folder: Path, card: Mapping[str, Any]) -> None:
    """Write the model folder; `card` holds "id", "title", "training" and "results"."""
    folder.mkdir(parents=True, exist_ok=True)
    anchors = model.config.lmbda_anchors
    indices = torch.arange(gain_index_count(anchors)) / STEPS_PER_ANCHOR
    gains = model.gain.gain(indices).double().numpy()
    transforms: dict[str, np.ndarray] = {}
    for part in ("analysis", "synthesis", "gain"):
        transforms |= compact(getattr(model, part), part)
    parts = {TRANSFORMS: transforms, TABLES: table_arrays()}
    for name, prior in model.each_prior().items():
        parts[name] = prior.freeze(gains)
    files = {}
    for name, arrays in parts.items():
        data = safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
        (folder / f"{name}.safetensors").write_bytes(data)
        files[name] = hashlib.sha256(data).hexdigest()
    content = {**card, "config": model.config.to_dict(), "files": files}
    (folder / CARD).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
