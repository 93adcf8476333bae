"""The optimiser: Muon for the matrices of the networks, Adam for everything else; the learning rates' schedule."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from jahp_gui.training.config import TrainConfig
from jahp_gui.training.objective import TrainingModel

FAST_PARAMETERS = (
    "gain.log_gain",
    "gain.log_inverse",
    "context.linear",
    "coarse.",
    "shift16",
    "shift8",
    "shift4",
    "density.",
)
NEVER_MUON = (*FAST_PARAMETERS, "shortcut.")  # shortcuts start at the KLT
MUON_ITERATIONS = 4  # of Newton and Schulz: they start at singular values of very different size and end near one
MUON_ROWS = 256  # at most: orthogonalising costs the square of them, and is done in parts where there are more
CONFIGURED = {"peak", "betas"}  # what a group has from the configuration, which may have changed since a checkpoint


class Optimizer:
    """Adam and, where `config.muon_learning_rate` is not zero, Muon (Jordan et al. 2024) beside it, stepped as one.

    Convolution weights must be contiguous in channels_last: Muon steps matrices (out, H·W·in) that share their memory.
    """

    def __init__(self, model: TrainingModel, config: TrainConfig):
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.convolutions = [
            parameter for name, parameter in trained if config.muon_learning_rate and is_matrix(name, parameter)
        ]
        taken = set(map(id, self.convolutions))
        fast = [parameter for name, parameter in trained if any(part in name for part in FAST_PARAMETERS)]
        slow = [parameter for _, parameter in trained if id(parameter) not in taken | set(map(id, fast))]
        groups = [{"params": slow, "peak": config.learning_rate}, {"params": fast, "peak": config.fast_learning_rate}]
        self.adam = torch.optim.Adam(
            [group for group in groups if group["params"]],
            lr=config.learning_rate,
            betas=(0.9, config.beta2),
            fused=True,
        )
        self.optimizers: list[torch.optim.Optimizer] = [self.adam]
        self.matrices = [nn.Parameter(part) for weight in self.convolutions for part in as_matrices(weight.data)]
        if self.matrices:
            self.optimizers.append(
                torch.optim.Muon(
                    [{"params": self.matrices, "peak": config.muon_learning_rate}],
                    weight_decay=0.0,
                    ns_steps=MUON_ITERATIONS,
                    adjust_lr_fn="match_rms_adamw",  # steps as large as Adam's: rates mean the same for both
                )
            )

    def set_progress(self, progress: float, warmup: float) -> None:
        """The rates of `set_rates` for every optimiser."""
        for optimizer in self.optimizers:
            set_rates(optimizer, progress, warmup)

    def zero_grad(self) -> None:
        self.adam.zero_grad(set_to_none=True)
        for parameter in self.convolutions:
            parameter.grad = None

    def step(self) -> None:
        gradients = [weight.grad for weight in self.convolutions if weight.grad is not None]
        parts = [part for gradient in gradients for part in as_matrices(gradient)]
        for matrix, part in zip(self.matrices, parts, strict=True):
            matrix.grad = part
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> list[dict[str, Any]]:
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from `state_dict`, at the configured rates. Raises `ValueError` for one of other parameters."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            configured = [{key: group[key] for key in CONFIGURED & group.keys()} for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, values in zip(optimizer.param_groups, configured, strict=True):
                group.update(values)


def set_rates(optimizer: torch.optim.Optimizer, progress: float, warmup: float) -> None:
    """Linear warm-up, then a cosine from each group's "peak" down to a hundredth of it."""
    factor = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    if progress < warmup:
        factor *= max(progress / warmup, 0.01)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def is_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.dim() == 4 and not any(part in name for part in NEVER_MUON)


def as_matrices(weight: Tensor) -> list[Tensor]:
    """(out, in, H, W) as one or more (rows, H·W·in) of at most MUON_ROWS rows each: in channels_last views."""
    matrix = weight.permute(0, 2, 3, 1).flatten(1)
    parts = -(-len(matrix) // MUON_ROWS)
    return [matrix[part::parts] for part in range(parts)]
