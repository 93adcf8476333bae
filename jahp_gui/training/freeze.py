"""A checkpoint to the model folder that the codec loads: compact transforms, exact priors, a card with digests."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from jahp_gui.codec.config import LATENT_FIELDS, ModelConfig
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.models import CARD, PACKED, PLAIN, TABLES, TRANSFORMS, read_card
from jahp_gui.codec.priors import prior_class
from jahp_gui.codec.priors.gaussian import table_arrays
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_count
from jahp_gui.codec.weights import compact
from jahp_gui.training.config import TrainConfig
from jahp_gui.training.loop import load_checkpoint
from jahp_gui.training.objective import TrainingModel


def load_trained(checkpoints: Sequence[Path]) -> tuple[TrainingModel, list[dict[str, Any]]]:
    """The averaged weights of one or more runs over the same transforms, and what each run was.

    Transforms come from the first checkpoint, every prior from the last one that has it. Raises `UsageError` where the
    latents of a run are not the first's; the synthesis may be another one, as priors know nothing of it.
    """
    saved = [load_checkpoint(Path(path)) for path in checkpoints]
    configs = [TrainConfig.from_dict(json.loads(entry["config"]), check=False) for entry in saved]
    first = latent_weights(saved[0]["ema"])
    for path, entry, config in zip(checkpoints[1:], saved[1:], configs[1:], strict=True):
        other = latent_weights(entry["ema"])
        same = other.keys() == first.keys() and all(torch.equal(other[name], first[name]) for name in first)
        if not same or latent_fields(config.model) != latent_fields(configs[0].model):
            raise UsageError(f"{path} has other transforms than {checkpoints[0]}; freeze it to a model of its own.")
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


def latent_weights(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the latents of a model, and so its priors, depend on."""
    return {name: value for name, value in state.items() if name.startswith(("analysis.", "gain."))}


def latent_fields(config: ModelConfig) -> dict[str, Any]:
    """What of a configuration says which latents a model has, and at which λ."""
    return {name: getattr(config, name) for name in LATENT_FIELDS}


@torch.no_grad()
def freeze(model: TrainingModel, folder: Path, card: Mapping[str, Any]) -> None:
    """Write the model folder; `card` holds "id", "title", "training" and "results"."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {TRANSFORMS: frozen_transforms(model), TABLES: table_arrays(), **frozen_priors(model)}
    files = {name: write_part(folder, name, arrays) for name, arrays in parts.items()}
    write_card(folder, {**card, "config": model.config.to_dict(), "files": files})


@torch.no_grad()
def replace_priors(model: TrainingModel, runs: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Give the model in `folder` the priors of `model`, which were trained on its transforms.

    Its other files stay byte for byte, so what they decode stays decodable. What the card says of results is of the old
    priors and goes. Raises `UsageError` where the transforms are others, or the configuration does not fit what stays.
    """
    card = read_card(folder)
    config = ModelConfig.from_dict(card.config)
    kept, transforms = safetensors.numpy.load(card.read(TRANSFORMS)), frozen_transforms(model)
    same = kept.keys() == transforms.keys() and all(np.array_equal(kept[key], transforms[key]) for key in kept)
    if not same or latent_fields(config) != latent_fields(model.config):
        raise UsageError(
            f"The runs were not trained on the transforms of {folder}, for its λ; freeze them to a model of their own."
        )
    new_names = model.each_prior()
    for name in card.priors:
        if name not in new_names and shapes(name, config) != shapes(name, model.config):
            raise UsageError(
                f"The runs' configuration does not fit the prior '{name}' of {folder}; train that one, too."
            )
    new = {name: write_part(folder, name, arrays) for name, arrays in frozen_priors(model).items()}
    content = json.loads((folder / CARD).read_text(encoding="utf-8"))
    training = content["training"] | {"runs": [*content["training"].get("runs", []), *runs]}
    write_card(
        folder,
        content | {"config": model.config.to_dict(), "files": card.files | new, "training": training, "results": {}},
    )


def shapes(prior: str, config: ModelConfig) -> dict[str, torch.Size]:
    """Of all that a prior has learned."""
    with torch.device("meta"):
        return {name: value.shape for name, value in prior_class(prior)(config).state_dict().items()}


def frozen_transforms(model: TrainingModel) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for part in ("analysis", "synthesis", "gain"):
        arrays |= compact(getattr(model, part), part)
    return arrays


def frozen_priors(model: TrainingModel) -> dict[str, dict[str, np.ndarray]]:
    indices = torch.arange(gain_index_count(model.config.lmbda_anchors)) / STEPS_PER_ANCHOR
    gains = model.gain.gain(indices).double().numpy()
    return {name: prior.freeze(gains) for name, prior in model.each_prior().items()}


def write_part(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Write `<name>.safetensors.gz`; returns the SHA-256 of what is packed, which no version of zlib can change."""
    data = safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
    (folder / (name + PACKED)).write_bytes(gzip.compress(data, mtime=0))
    (folder / (name + PLAIN)).unlink(missing_ok=True)  # of what this replaces
    return hashlib.sha256(data).hexdigest()


def write_card(folder: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
    read_card(folder)  # no model that the codec would refuse
