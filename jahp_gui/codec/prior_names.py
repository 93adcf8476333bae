"""What the prior codes in a file are called. Without torch, unlike the priors themselves: `jahp info` needs it at once."""

PRIOR_NAMES = {
    0: "factorized",
    1: "scale-hyperprior",
    2: "mean-scale-hyperprior",
    3: "context",
    4: "joint",
}
