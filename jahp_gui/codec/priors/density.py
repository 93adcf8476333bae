"""Non-parametric density per channel (Ballé et al. 2018, "Variational image compression", appendix 6.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIKELIHOOD_FLOOR = 1e-9
WIDTHS = (3, 3, 3)  # of the hidden layers


class FactorizedDensity(nn.Module):
    """A cumulative distribution per channel, as a small monotone network of one input.

    c = f_K ∘ … ∘ f_1, f_k(x) = g_k(softplus(H_k) x + b_k), g_k(x) = x + tanh(a_k) tanh(x), the last one a sigmoid.
    """

    def __init__(self, channels: int, init_scale: float = 10.0):
        super().__init__()
        sizes = (1, *WIDTHS, 1)
        scale = init_scale ** (1 / (len(WIDTHS) + 1))
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        for size_in, size_out in zip(sizes, sizes[1:], strict=False):
            start = math.log(math.expm1(1 / scale / size_out))
            self.matrices.append(nn.Parameter(torch.full((channels, size_out, size_in), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, size_out, 1) - 0.5))
            if size_out > 1:
                self.factors.append(nn.Parameter(torch.zeros(channels, size_out, 1)))

    def logits(self, x: Tensor) -> Tensor:
        """Logits of the cumulative distribution at x (C, n): (C, n)."""
        h = x[:, None, :]
        for layer, matrix in enumerate(self.matrices):
            h = F.softplus(matrix) @ h + self.biases[layer]
            if layer < len(self.factors):
                h = h + torch.tanh(self.factors[layer]) * torch.tanh(h)
        return h[:, 0, :]

    def interval_bits(self, low: Tensor, high: Tensor) -> Tensor:
        """−log2 of the probability between `low` and `high`, both (B, C, h, w): shape and dtype of theirs."""
        batch, channels, height, width = low.shape

        def logits_of(x: Tensor) -> Tensor:
            flat = self.logits(x.transpose(0, 1).reshape(channels, -1))
            return flat.reshape(channels, batch, height, width).transpose(0, 1)

        # The two ends of a narrow interval are one number in bfloat16, or far apart.
        with torch.autocast(low.device.type, enabled=False):
            lower, upper = logits_of(low), logits_of(high)
        # Both logits on the negative side: no cancellation between two numbers near one. Far from zero they can sum to
        # exactly nothing, and have a side all the same.
        sign = torch.where(lower + upper > 0, -1.0, 1.0)
        probability = torch.abs(torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower))
        return bits_of(probability)


def bits_of(probability: Tensor) -> Tensor:
    """−log2 p with a floor under p that still lets a gradient raise it."""
    return -torch.log2(floor(probability, LIKELIHOOD_FLOOR))


def floor(x: Tensor, minimum: float) -> Tensor:
    """max(x, minimum) whose gradient still raises an x below the minimum."""
    return _Floor.apply(x, minimum)


class _Floor(torch.autograd.Function):
    """max(x, floor) whose gradient passes when it would move x up to the floor."""

    @staticmethod
    def forward(ctx, x: Tensor, floor: float) -> Tensor:
        ctx.save_for_backward(x >= floor)
        return x.clamp(min=floor)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (above,) = ctx.saved_tensors
        return gradient * (above | (gradient < 0)), None
