"""Put measured results and what is known about the training on a model's card.

    python -m jahp_gui.evaluation.card MODEL_FOLDER RESULTS.json [--notes NOTES.json]

RESULTS.json is what `jahp evaluate` wrote; averages and the BD-rates of the model's priors against all other curves, on
what the model was trained for, become the card's "results". The object in NOTES.json (data, licences, course of the
run) is merged into "training". The card is not part of the digest: files made with the model stay decodable.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jahp_gui.codec.models import CARD, SEARCHED, read_card
from jahp_gui.codec.output import write_atomically
from jahp_gui.evaluation.results import METRIC_NAMES, USUAL_INTERVAL, Metric


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--notes", type=Path)
    args = parser.parse_args(argv)
    path = args.model / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    if args.notes:
        card["training"] |= json.loads(args.notes.read_text(encoding="utf-8"))
    results = json.loads(args.results.read_text(encoding="utf-8"))
    if not is_of(results, args.model):
        parser.error(f"{args.results} is not of the weights in {args.model}; evaluate them first.")
    card["results"] = summary(card, results)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode(), force=True)
    return 0


def is_of(results: dict[str, Any], folder: Path) -> bool:
    """Whether an evaluation was of the weights in a model's folder."""
    card = read_card(folder)
    model = results["settings"]["models"].get(card.model_id, {})
    digests = model.get("digests", {})
    same = (prior in card.priors and card.digest(prior).hex() == digest for prior, digest in digests.items())
    return bool(digests) and all(same) and model.get("searched") in (None, card.files.get(SEARCHED))


def summary(card: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """What of an evaluation belongs on a model's card: averages by prior and λ, BD-rates and the qualities they are of.

    The rates are on PSNR within 28 to 37 dB, or on MS-SSIM over all common qualities, by the model's objective.
    """
    own = f"{card['id']}/"
    metric: Metric = "ms-ssim" if card["config"]["objective"] == "ms-ssim" else "psnr"
    averages = [
        {key: round(value, 4) if isinstance(value, float) else value for key, value in entry.items()}
        for entry in results["averages"]
        if entry["codec"].startswith(own)
    ]
    rates: dict[str, dict[str, str]] = {}
    for entry in results["bd_rates"]:
        wanted = entry["test"].startswith(own) and (entry["metric"], entry["interval"]) == (
            metric,
            USUAL_INTERVAL[metric],
        )
        if wanted and entry["percent"] is not None:
            text = "{percent:+.2f} ({low_db:.1f} to {high_db:.1f} dB)".format(**entry)
            rates.setdefault(entry["test"], {})[entry["anchor"]] = text
    images = "Kodak, 24 images" if results["settings"]["kodak"] else f"{results['settings']['images']} images"
    return {
        "images": images,
        "command": results["settings"]["command"],
        "averages": averages,
        f"BD-rate on {METRIC_NAMES[metric]}, percent": rates,
    }


if __name__ == "__main__":
    raise SystemExit(main())
