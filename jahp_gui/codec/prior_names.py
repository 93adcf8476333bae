"""What the prior codes in a file are called. Imports neither torch nor numpy, unlike the priors themselves."""

PRIOR_NAMES = {
    0: "factorized",
    1: "scale-hyperprior",
    2: "mean-scale-hyperprior",
    3: "context",
    4: "joint",
}
DEFAULT_PRIOR = "joint"
