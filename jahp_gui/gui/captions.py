"""What things are called: priors, sources, sides, quantities. One place, so that labels always agree."""

import math
from collections.abc import Callable, Iterable

from jahp_gui.codec.choices import place_of
from jahp_gui.codec.errors import UsageError
from jahp_gui.evaluation.classical import get_codec
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import (
    REFINED,
    ROUNDED,
    Choice,
    ClassicalResult,
    DamagedResult,
    DecoderFrame,
    EditedResult,
    FileResult,
    LivePicture,
    SeriesKey,
    Side,
    Source,
)

LmbdaAt = Callable[[int], float]

PRIOR_NAMES = {
    "factorized": "Factorized",
    "scale-hyperprior": "Scale hyperprior",
    "mean-scale-hyperprior": "Mean-scale hyperprior",
    "context": "Context",
    "joint": "Joint",
}
PRIOR_TERMS = {
    "factorized": "Every channel has one fixed distribution; nothing is known of the place. No side information.",
    "scale-hyperprior": "Side information ẑ tells how widely the latents spread at each place (σ); their mean is zero.",
    "mean-scale-hyperprior": "Side information ẑ tells both mean μ and spread σ of the latents at each place.",
    "context": "Mean and spread are predicted from the latents decoded before, above and left. No side information.",
    "joint": "Side information ẑ and the latents already decoded predict together: the paper's model.",
}
QUANTITY_NAMES = {
    "bits": "Bits",
    "mu": "Mean μ",
    "sigma": "Scale σ",
    "latent": "Latent ŷ",
    "residual": "Residual (ŷ−μ)/σ",
}
QUANTITY_UNITS = {"bits": "bit", "mu": "steps", "sigma": "steps", "latent": "steps", "residual": "σ"}
QUANTITY_TERMS = {
    "bits": "What each latent costs in the file: −log2 of the probability that the prior gave it.",
    "mu": "The mean of the distribution that the coder used for each latent, in quantiser steps.",
    "sigma": "The spread of the distribution that the coder used: how unsure the prior was.",
    "latent": "The quantised latents themselves: what the file stores and the decoder turns into a picture.",
    "residual": "How far each latent lay from its mean, in units of the predicted spread. "
    "Where the spread is judged rightly, their root mean square is 1.",
}


EFFORT_NAMES = ("none", "quick", "refine", "thorough")
EFFORT_TERMS = (
    "Every latent is rounded to the nearest integer: the fastest, and much like what most learned codecs do.",
    "Rate–distortion-optimised quantisation: each latent takes the neighbouring integer, or zero, of the least "
    "estimated λ·D + R; the rate is judged by the image's own statistics. Takes three quarters longer.",
    "Mean-field annealing: at first no latent is decided, and each counts as its average; step by step, as the "
    "temperature falls, all settle together on the integers of the least λ·D + R. A few seconds for half a megapixel; "
    "press Refine to start, stop at any time. Models that have one make the picture with a synthesis trained on such "
    "latents.",
    "The same in forty steps instead of twelve: a little better again, for three times as long.",
)
EXHIBIT_NAMES = {"decoder": "Decoder at work", "edited": "Edited latents", "damaged": "Damaged file"}


def prior_name(prior: str) -> str:
    return tr(PRIOR_NAMES[prior]) if prior in PRIOR_NAMES else prior


def ordered_priors(names: Iterable[str]) -> list[str]:
    """From the simplest to the joint one; those of other releases last."""
    return sorted(names, key=place_of)


def lmbda_text(lmbda: float) -> str:
    return f"{lmbda:.3g}" if lmbda >= 1 else f"{lmbda:.4f}".rstrip("0")


def read_lmbda(text: str) -> float | None:
    """What was typed, with a point or a comma; None for anything but a positive number."""
    try:
        lmbda = float(text.replace(",", "."))
    except ValueError:
        return None
    return lmbda if 0 < lmbda < math.inf else None


def codec_name(key: str) -> str:
    try:
        return get_codec(key).label
    except UsageError:
        return key


def series_name(key: SeriesKey) -> str:
    return prior_name(key.name) if key.kind == "prior" else codec_name(key.name)


def source_name(source: Source) -> str:
    """As the menus of the two sides call it."""
    if source.kind == "original":
        return tr("Original")
    if source.kind == "current":
        return tr("Current setting")
    if source == ROUNDED:
        return tr("Rounded (effort 0)")
    if source == REFINED:
        return tr("Refined")
    if source.kind in EXHIBIT_NAMES:
        return tr(EXHIBIT_NAMES[source.kind])
    return prior_name(source.name) if source.kind == "prior" else codec_name(source.name)


def side_caption(side: Side, lmbda_at: LmbdaAt, pixels: int) -> str:
    """The label on the picture: what it is, at what setting and price."""
    of = side.of
    if of is None:
        return tr("Original")
    if isinstance(of, ClassicalResult):
        quality = f"{tr(of.quality_name)} {of.quality:.4g}"
        return f"{of.label} · {quality} · {len(of.data) * 8 / pixels:.3f} bpp · {of.psnr:.2f} dB"
    name = _choice_name(of.choice, lmbda_at)
    if isinstance(of, DecoderFrame):
        return f"{moment_text(of)} · {name}"  # the end may have to be left out
    if isinstance(of, DamagedResult):
        return f"{tr('DAMAGED: not what the encoder wrote')} · {name}" if of.objection else name
    psnr = f" · {of.psnr:.2f} dB" if of.psnr is not None else ""
    if isinstance(of, EditedResult):
        return f"{tr('edited latents')} · {of.container.bpp:.3f} bpp{psnr} · {name}"
    if isinstance(of, FileResult):
        if side.patch is not None:  # the fresh part first: a narrow pane cuts the end off
            around = f"λ {lmbda_text(lmbda_at(of.choice.gain_index))}"
            fresh = _choice_name(side.patch.choice, lmbda_at)
            return tr("{fresh} outlined, {around} around").format(fresh=fresh, around=around)
        return f"{name} · {of.container.bpp:.3f} bpp{psnr}"
    assert isinstance(of, LivePicture)
    return f"{name} · {tr('live')}{psnr}"


def side_name(side: Side, lmbda_at: LmbdaAt) -> str:
    """What a side is and at which setting, without its price: where both are named in one line."""
    of = side.of
    if of is None:
        return tr("Original")
    if isinstance(of, ClassicalResult):
        return f"{of.label} {tr(of.quality_name)} {of.quality:.4g}"
    if side.source.kind in EXHIBIT_NAMES:
        return source_name(side.source)
    return _choice_name(of.choice, lmbda_at)


def _choice_name(choice: Choice, lmbda_at: LmbdaAt) -> str:
    return f"{prior_name(choice.prior)} · λ {lmbda_text(lmbda_at(choice.gain_index))}{search_text(choice)}"


def search_text(choice: Choice) -> str:
    """What was searched for, to follow the setting; nothing for plain rounding."""
    if choice.effort == 0:
        return ""
    region = f" · {tr('region')}" if choice.mask else ""
    return f" · {tr('effort')} {choice.effort}{region}"


def moment_text(frame: DecoderFrame) -> str:
    """How far a decoder is."""
    if frame.steps_done < 0:
        return tr("nothing decoded yet")
    read = tr("≈ {size:,.0f} bytes read").format(size=sum(frame.bits) / 8)
    if frame.steps_done == 0 and frame.bits[0]:
        return tr("side information ẑ decoded") + f" · {read}"
    return tr("step {done:,} of {steps:,}").format(done=frame.steps_done, steps=frame.steps) + f" · {read}"
