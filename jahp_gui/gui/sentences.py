"""The codec's sentences in the language of the user. The codec itself speaks English: it knows no GUI.

A sentence is recognised by its template, in which {…} stands for names and numbers; one that is not listed stays as it
is. `tests/gui/test_sentences.py` makes the codec say them.
"""

import re
from functools import cache

from jahp_gui.gui.i18n import tr

TEMPLATES = (
    # .jahp files
    "{name} is not a .jahp file; choose one that JAHP Explorer has written.",
    "{name} is empty; copy or download the file again.",
    "{name} is cut off within its header; copy or download the file again.",
    "{name} is cut off after {size} of {declared} bytes; copy or download the file again.",
    "{name} has {count} bytes after its declared end; copy or download the file again.",
    "{name} is damaged, because its checksum does not agree with its bytes; copy or download the file again.",
    "{name} is damaged, because its header has {fault}; copy or download the file again.",
    "{name} is damaged: what it decodes to is not what the encoder wrote.",
    "{name} is damaged: its gain index {index} is outside the model's λ range.",
    "{name}: The compressed data is damaged: the range coder cannot read it.",
    "{name}: The compressed data is damaged: it ends before its latents do.",
    "{name}: The side information is damaged: it holds a value that no encoder writes.",
    "{name} uses version {version} of the format, and this program knows only version {known}; update JAHP Explorer.",
    "{name} declares {width} x {height} pixels, more than the limit of {limit}; raise the limit if you trust the file.",
    "{name} does not exist; check the name and the folder.",
    "{name} may not be read by this user; change its permissions.",
    "{name} cannot be read ({reason}); check the name and the disk.",
    # images
    "{name} is not an image of a known kind: use {kinds}.",
    "{name} is damaged, cut short or of an unsupported kind: "
    "get a fresh copy of it, or save it as PNG in another program.",
    "{name} is empty: get a fresh copy of it.",
    "{name} has {width} x {height} = {pixels} pixels, more than the limit of {limit}: scale it down or cut it first.",
    "{name} has more pixels than the limit of {limit}: scale it down or cut it first.",
    "{name} needs more memory than there is free: close other programs or scale it down first.",
    "{name} is a HEIC image, which needs an optional package: run `pip install pillow-heif`.",
    "{name} does not exist: check the name and the folder.",
    "{name} cannot be opened ({reason}): check its name and permissions.",
    "{name} has values that are infinite or not a number: replace them and save it again.",
    "{folder} is no folder that can be listed ({reason}).",
    # what was done to an image while it was read
    "only the first frame of the animation taken",
    "only the first picture of the file taken",
    "transparency composited on white",
    "rotated as its EXIF orientation asks",
    "mirrored as its EXIF orientation asks",
    "16 bits per channel rounded to 8",
    "16 bits per channel cut to 8",
    "{bits} bits per channel reduced to 8",
    "converted from CMYK to sRGB without a profile",
    "converted from CIELAB to sRGB",
    "converted from ICC profile '{profile}' to sRGB",
    "ICC profile ignored, as it is damaged or not for this kind of image",
    # headers of files
    "The file names a prior that JAHP Explorer does not know (code {code}); update it.",
    "the prior code {code} (0 to {most} are allowed)",
    "the gain index {index} (0 to {most} are allowed)",
    "a width of {count} pixels (1 to {most} are allowed)",
    "a height of {count} pixels (1 to {most} are allowed)",
    "a section {part} of {length} bytes (at most {most} for {width} x {height} pixels)",
    "a section {part} of {length} bytes (not a multiple of {word})",
    "a {field} spelled with superfluous zeros",
    "a {field} of more than {count} bytes",
    "the format version {version}, which never existed",
    # models
    "The models in {folder} cannot be listed ({reason}); change its permissions, or JAHP_MODELS.",
    "There is no model named '{model}' here (installed: {have}); set JAHP_MODELS to the folder that holds it.",
    "{name} was made with model '{model}', which is not installed; set JAHP_MODELS to the folder that holds it.",
    "{name} was made with model '{model}', which was replaced after release {release}; decode it with that release, "
    "or set JAHP_MODELS to the folder that holds the model.",
    "{name} was made with other weights of model '{model}' (digest {digest}) than those installed; "
    "decode it with the release of JAHP Explorer that made it.",
    "The weights {path} cannot be read ({reason}); install the model again.",
    "The weights {path} are damaged ({reason}); install the model again.",
    "their digest differs",
    "they cannot be unpacked",
    "The model configuration's {name} must be {demand}.",
    "The weights do not fit the configuration on the model's card; install it again.",
    "Model '{model}' in {folder} is unusable, because its weights are not what its card and this release expect "
    "({reason}); install it again.",
    "A frozen network breaks the bound under which its sums are exact; the model is unusable.",
    "The model configuration has unknown keys ({keys}); remove them.",
    "The model configuration has values of the wrong kind: {keys}.",
    "The model card {path} cannot be read ({reason}).",
    "The model card {path} is damaged ({reason}); install the model again.",
    # writing
    "{path} exists already: choose another name, or ask for it to be replaced.",
    "{path} has a suffix that no image is written with: use one of {known}.",
    "{path} cannot be written: {reason}.",
    "its folder does not exist; create it first",
    "permission denied; choose another folder",
    "the disk is read-only; choose another",
    "the disk is full; free some space",
    "The mask is the same everywhere: paint what matters lighter than the rest.",
    # targets and classical codecs
    "The target of {target} cannot be reached with this image, model and prior: "
    "the nearest is more, {value}, at λ = {λ}.",
    "The target of {target} cannot be reached with this image, model and prior: "
    "the nearest is less, {value}, at λ = {λ}.",
    "{codec} is not available in this installation.",
    "{codec} cannot store an image of {width} by {height} pixels ({reason}).",
    "{codec} ended unexpectedly over this image; there may be too little memory.",
)
_PLACE = re.compile(r"\\{(\w+)\\}")  # as re.escape leaves it


def translated(text: str) -> str:
    """A sentence of the codec in the current language, itself where it is none of TEMPLATES."""
    for template, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            values = {key: translated(value) for key, value in found.groupdict().items()}
            return tr(template).format(**values)
    return text


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (template, re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(template)), re.DOTALL)) for template in TEMPLATES
    ]
