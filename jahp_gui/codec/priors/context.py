"""μ and σ from the causal context alone: no side information."""

from jahp_gui.codec.priors.gaussian import GaussianPrior


class Context(GaussianPrior):
    name = "context"
    code = 3
    has_hyperprior = False
    has_context = True
