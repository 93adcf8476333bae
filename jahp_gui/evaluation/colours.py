"""The colour of every prior and classical codec, the same in the explorer and in reports."""

# Told apart by the colour-blind (after Okabe and Ito), readable on light and dark ground.
SERIES_COLOURS = {
    "joint": "#d55e00",
    "context": "#cc79a7",
    "mean-scale-hyperprior": "#0072b2",
    "scale-hyperprior": "#4f99cc",
    "factorized": "#009e73",
    "jpeg420": "#8c8c8c",
    "jpeg444": "#6f6f6f",
    "jpeg2000": "#b8860b",
    "webp": "#7a6fd0",
    "avif": "#2c9f98",
    "heic": "#a0522d",
}
