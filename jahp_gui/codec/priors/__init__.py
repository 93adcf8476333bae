"""The priors, from the simplest to the joint one. Adding one takes its module, a line here and one in `choices`.

The tests then want a tiny model that has it (`tests/models`), and a prior that is no `GaussianPrior` its way back in
`training.thaw`.
"""

from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.errors import InvalidHeaderError, UsageError
from jahp_gui.codec.priors.base import FrozenPrior, Prior
from jahp_gui.codec.priors.context import Context
from jahp_gui.codec.priors.factorized import Factorized
from jahp_gui.codec.priors.joint import Joint
from jahp_gui.codec.priors.mean_scale_hyperprior import MeanScaleHyperprior
from jahp_gui.codec.priors.scale_hyperprior import ScaleHyperprior

__all__ = ["PRIORS", "FrozenPrior", "Prior", "prior_class", "prior_of_code"]

PRIORS: dict[str, type[Prior]] = {
    prior.name: prior for prior in (Factorized, ScaleHyperprior, MeanScaleHyperprior, Context, Joint)
}


def prior_class(name: str) -> type[Prior]:
    """The class of a prior by its name. Raises `UsageError` for a name that is not registered."""
    if name not in PRIORS:
        raise UsageError(f"There is no prior named '{name}'; choose one of {', '.join(PRIORS)}.")
    return PRIORS[name]


def prior_of_code(code: int) -> type[Prior]:
    """The class of a prior by the code in a file. Raises `InvalidHeaderError` for a code that names none."""
    if code not in PRIOR_NAMES:
        raise InvalidHeaderError(f"The file names a prior that JAHP Explorer does not know (code {code}); update it.")
    return PRIORS[PRIOR_NAMES[code]]
