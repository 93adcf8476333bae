"""The priors, from the simplest to the joint one. Adding one takes its module and a line here."""

from jahp_gui.codec.errors import InvalidHeaderError, UsageError
from jahp_gui.codec.priors.base import FrozenPrior, Prior
from jahp_gui.codec.priors.context import Context
from jahp_gui.codec.priors.factorized import Factorized
from jahp_gui.codec.priors.joint import Joint
from jahp_gui.codec.priors.mean_scale_hyperprior import MeanScaleHyperprior
from jahp_gui.codec.priors.scale_hyperprior import ScaleHyperprior

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
    for prior in PRIORS.values():
        if prior.code == code:
            return prior
    raise InvalidHeaderError(f"The file names a prior (code {code}) that this version of JAHP Explorer does not know.")
