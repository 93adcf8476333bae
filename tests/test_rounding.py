"""What stands for rounding in training: integers forward, and backward what moving a latent changes in the mean."""

import pytest
import torch
from torch import Tensor

from jahp_gui.codec.priors.gaussian import mixture_bits
from jahp_gui.codec.priors.rounding import Quantised, bits_of_quantised, noisy, rounded


def test_rounded_values_are_integers_and_their_slope_is_one_on_average_and_steepest_between_them() -> None:
    u = torch.linspace(-3, 3, 60_001, requires_grad=True)
    y = rounded(u)
    assert y.below is not None
    torch.testing.assert_close(y.value.detach(), u.detach().round())
    assert (u - y.below >= 0).all() and (u - y.below < 1).all()
    (slope,) = torch.autograd.grad(y.value.sum(), u)
    assert slope.mean().item() == pytest.approx(1, abs=1e-3)
    assert (slope.argmax() - 30_000).item() % 10_000 == pytest.approx(5_000, abs=1)


def test_noise_is_within_half_a_step() -> None:
    u = torch.randn(10_000)
    y = noisy(u)
    assert y.below is None
    assert 0.49 < (y.value - u).abs().max() <= 0.5


def laplacian(count: int = 400_000) -> Tensor:
    torch.manual_seed(0)
    return torch.distributions.Laplace(0.0, 1.0).sample((count,))


def bits_at(value: Tensor) -> Tensor:
    return mixture_bits(value, torch.tensor(0.3))


@pytest.mark.parametrize("scale", [0.2, 0.3, 0.6])
def test_the_slope_of_the_rate_is_that_of_its_mean_over_many_latents(scale: float) -> None:
    """Latents of this spread mostly round to zero, where the identity in place of rounding sees no rate to save."""
    samples, step = laplacian(), 0.05 * scale
    higher, lower = (bits_at((samples * at).round()).mean().item() for at in (scale + step, scale - step))
    truth = (higher - lower) / (2 * step)
    at = torch.tensor(scale, requires_grad=True)
    (slope,) = torch.autograd.grad(bits_of_quantised(bits_at, rounded(samples * at)).mean(), at)
    assert slope.item() == pytest.approx(truth, rel=0.1)


def test_what_bits_depend_on_learns_from_the_rounded_values() -> None:
    u = laplacian(1000) * 0.7
    at_value, scale = u.round(), torch.tensor(0.5, requires_grad=True)

    def bits(value: Tensor) -> Tensor:
        return mixture_bits(value, scale)

    (truth,) = torch.autograd.grad(bits(at_value).sum(), scale)
    y = rounded(u.clone().requires_grad_(True))
    total = bits_of_quantised(bits, y)
    (gradient,) = torch.autograd.grad(total.sum(), scale)
    torch.testing.assert_close(gradient, truth)
    torch.testing.assert_close(total, bits(at_value))
    torch.testing.assert_close(bits_of_quantised(bits, Quantised(u, None)), bits(u))
