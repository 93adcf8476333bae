"""What exactly is shown: every setting and number that a figure's caption, a table and an NPZ file carry with them."""

from jahp_gui import __version__
from jahp_gui.gui import captions
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import Choice
from jahp_gui.gui.session import Session

Settings = dict[str, str | int | float]


def exact_settings(session: Session, choice: Choice | None = None) -> Settings:
    """Names as `jahp maps` and `jahp evaluate` have them; what is not known yet is left out.

    Sizes and qualities are those of the real file, at rest; while it is being made there is only `estimated_bytes`.
    choice: of a view that may be of another setting than the one that is chosen now.
    """
    item, choice = session.current, choice or session.shown_choice
    found: dict[str, str | int | float | None] = {"image": item.name if item is not None else None}
    size = item.size if item is not None else None
    if size is not None:
        found |= {"width": size[0], "height": size[1]}
    found |= {"model": choice.model_id, "prior": choice.prior}
    found |= {"lmbda": session.lmbda_at(choice.gain_index), "gain_index": choice.gain_index}
    if choice.effort > 0:
        found["effort"] = choice.effort
    mask = session.masks.get(choice.mask)
    if mask is not None:
        found |= {"region_share": mask.share, "importance_outside": mask.outside}
    file, latents = session.shown_file, session.latents
    if file is not None and file.choice == choice:
        container = file.container
        found |= {"model_digest": container.header.model_digest.hex(), "file_bytes": len(file.data)}
        found |= {"header_bytes": container.header_bytes, "z_bytes": len(container.z), "y_bytes": len(container.y)}
        found |= {"bpp": container.bpp, "psnr_db": file.psnr, "ms_ssim": file.ms_ssim}
        found |= {"encode_seconds": file.encode_seconds, "decode_seconds": file.decode_seconds}
    elif latents is not None and latents.choice in (choice, choice.rounded):
        found["estimated_bytes"] = round(latents.estimated_bytes)
    found["program"] = f"JAHP Explorer {__version__}"
    return {name: value for name, value in found.items() if value is not None}


def caption_of(settings: Settings) -> str:
    """One line below a figure."""
    parts = []
    if "image" in settings:
        size = f", {settings['width']} × {settings['height']}" if "width" in settings else ""
        parts.append(f"{settings['image']}{size}")
    digest = f" ({str(settings['model_digest'])[:8]})" if "model_digest" in settings else ""
    parts.append(f"{tr('Model')} {settings['model']}{digest}")
    lmbda = captions.lmbda_text(float(settings["lmbda"]))
    parts.append(f"{captions.prior_name(str(settings['prior']))}, λ {lmbda} ({tr('step')} {settings['gain_index']})")
    if "effort" in settings:
        region = ""
        if "region_share" in settings:
            share, outside = 100 * float(settings["region_share"]), 100 * float(settings["importance_outside"])
            region = f", {tr('region')} {share:.0f} %, {tr('outside')} {outside:.0f} %"
        parts.append(f"{tr('effort')} {settings['effort']}{region}")
    if "file_bytes" in settings:
        parts.append(tr("{size:,} bytes").format(size=settings["file_bytes"]) + f", {settings['bpp']:.4f} bpp")
    elif "estimated_bytes" in settings:
        parts.append("≈ " + tr("{size:,} bytes").format(size=settings["estimated_bytes"]))
    if "psnr_db" in settings:
        parts.append(f"PSNR {settings['psnr_db']:.2f} dB")
    if "ms_ssim" in settings:
        parts.append(f"MS-SSIM {settings['ms_ssim']:.4f}")
    return " · ".join([*parts, str(settings["program"])])
