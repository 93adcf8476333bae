"""μ and σ from hyperprior and context together (Minnen et al. 2018, figure 1)."""

from jahp_gui.codec.priors.gaussian import GaussianPrior


class Joint(GaussianPrior):
    name = "joint"
    code = 4
    has_hyperprior = True
    has_context = True
