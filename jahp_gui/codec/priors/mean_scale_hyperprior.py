"""μ and σ from the hyperprior (Minnen et al. 2018, section 2)."""

from jahp_gui.codec.priors.gaussian import GaussianPrior


class MeanScaleHyperprior(GaussianPrior):
    name = "mean-scale-hyperprior"
    code = 2
    has_hyperprior = True
    has_context = False
    has_coarse_means = True
