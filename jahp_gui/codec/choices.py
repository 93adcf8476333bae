"""What a user chooses: names of priors, efforts. Imports neither torch nor numpy, unlike what does the work."""

PRIOR_NAMES = {  # by their codes in a file
    0: "factorized",
    1: "scale-hyperprior",
    2: "mean-scale-hyperprior",
    3: "context",
    4: "joint",
}
DEFAULT_PRIOR = "joint"
EFFORTS = (0, 1, 2, 3)  # of the encoder's search for latents: see `codec.effort`
SEARCHED_FROM = 2  # effort whose latents have a synthesis of their own; what is only rounded better has not
SEARCH_VERSION = 3  # grows when any of them finds other latents: measurements that were kept are of one search


def place_of(prior: str) -> int:
    """Where a prior stands in every list: from the simplest to the joint one, those of other releases last."""
    known = list(PRIOR_NAMES.values())
    return known.index(prior) if prior in known else len(known)
