"""μ = 0, and σ from the hyperprior (Ballé et al. 2018)."""

from jahp_gui.codec.priors.gaussian import GaussianPrior


class ScaleHyperprior(GaussianPrior):
    name = "scale-hyperprior"
    code = 1
    has_hyperprior = True
    has_context = False
    has_means = False
