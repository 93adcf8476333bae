"""A model folder back to the state that training starts from: `freeze` reversed, up to the rounding of the storage."""

from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.models import TABLES, TRANSFORMS, Card, read_card
from jahp_gui.codec.priors import prior_class
from jahp_gui.codec.priors.base import Prior
from jahp_gui.codec.priors.density import FactorizedDensity
from jahp_gui.codec.priors.factorized import GRID, POSITION_BITS, Factorized
from jahp_gui.codec.priors.gaussian import GaussianPrior
from jahp_gui.codec.priors.hyper import Z_LIMIT
from jahp_gui.codec.tables import TOTAL
from jahp_gui.codec.weights import expand
from jahp_gui.training.objective import TrainingModel

FIT_STEPS = 600
FIT_RATE = 0.03
THIN = 4  # cells of the factorized prior's stored grid that are fitted as one


def thaw(folder: Path) -> dict[str, Tensor]:
    """State of a `TrainingModel` with all priors of the model in `folder`. Raises `ModelError`."""
    card = read_card(folder)
    config = ModelConfig.from_dict(card.config)
    model = TrainingModel(config, ())
    arrays = safetensors.numpy.load(card.read(TRANSFORMS))
    for part in ("analysis", "synthesis", "gain"):
        expand(getattr(model, part), arrays, part)
    finest = model.gain.gain(torch.tensor([len(config.lmbda_anchors) - 1.0]))[0].detach()
    for name in card.priors:
        model.priors[name.replace("-", "_")] = thaw_prior(card, name, config, finest)
    return model.state_dict()


def thaw_prior(card: Card, name: str, config: ModelConfig, finest: Tensor) -> Prior:
    """One prior with trainable densities; `finest` (M,) are the gains of the last index."""
    tensors = {**safetensors.numpy.load(card.read(TABLES)), **safetensors.numpy.load(card.read(name))}
    kind = prior_class(name)
    if issubclass(kind, GaussianPrior):
        prior = kind.thaw(tensors, config)
        if prior.hyperprior is not None:
            edges = torch.arange(-Z_LIMIT, Z_LIMIT + 1) - 0.5
            counts = tensors["z.wide"][:, :-1].astype(np.float64)
            fit(prior.hyperprior.density, edges.expand(len(counts), -1), torch.from_numpy(counts / TOTAL).float())
        return prior
    factorized = Factorized(config)
    # Half a quantiser step is 1/(2g) and `half_step` of these cells: that is how wide a cell is.
    half_step = torch.from_numpy(tensors["half_step"][-1].astype(np.float32)) / (1 << POSITION_BITS)
    cell = 0.5 / finest / half_step
    thinned = torch.from_numpy(tensors["cumulative"][:, ::THIN].astype(np.float64))
    edges = torch.arange(0, GRID + 1, THIN) - GRID // 2
    fit(factorized.density, edges * cell[:, None], (thinned.diff(dim=1) / thinned[:, -1:]).float())
    return factorized


def fit(density: FactorizedDensity, edges: Tensor, mass: Tensor) -> None:
    """Fit a density to the probability `mass` (C, n) between `edges` (C, n + 1), by cross-entropy."""
    optimizer = torch.optim.Adam(density.parameters(), lr=FIT_RATE)
    for step in range(FIT_STEPS):
        optimizer.param_groups[0]["lr"] = FIT_RATE * (1 - step / FIT_STEPS)
        bits = density.interval_bits(edges[None, :, None, :-1], edges[None, :, None, 1:])
        loss = (mass * bits[0, :, 0]).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
