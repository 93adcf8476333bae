"""What travels with the program: models, desktop entries, and where the wheel puts them. `.ci/wheel` installs one."""

import configparser
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

from jahp_gui.codec.container import MAGIC
from jahp_gui.codec.models import Card, installed_models

ROOT = Path(__file__).parents[1]
DESKTOP = ROOT / "assets" / "desktop"
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
MIME = "{http://www.freedesktop.org/standards/shared-mime-info}"


def test_the_desktop_entry_opens_the_type_that_the_mime_file_defines() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DESKTOP / "jahp-explorer.desktop", encoding="utf-8")
    entry = parser["Desktop Entry"]
    (kind,) = ET.parse(DESKTOP / "jahp.xml").getroot().findall(f"{MIME}mime-type")
    assert (entry["Type"], entry["Exec"], entry["Terminal"]) == ("Application", "jahp-gui %F", "false")
    assert entry["MimeType"] == kind.attrib["type"] + ";"
    (match,) = kind.iter(f"{MIME}match")
    assert match.attrib == {"type": "string", "offset": "0", "value": MAGIC.decode()}
    assert [glob.attrib["pattern"] for glob in kind.iter(f"{MIME}glob")] == ["*.jahp"]


def test_what_the_wheel_carries_is_there_and_the_icon_has_the_size_of_its_folder() -> None:
    wheel = BUILD["wheel"]
    for path in (*wheel["force-include"], *wheel["shared-data"], *BUILD["sdist"]["include"]):
        assert (ROOT / path).exists(), path
    with Image.open(ROOT / "assets" / "icons" / "jahp.png") as icon:
        assert f"/{icon.width}x{icon.height}/" in wheel["shared-data"]["assets/icons/jahp.png"]


@pytest.mark.parametrize(
    "document", ["README.md", "models/README.md", "assets/reports/effort.md", "assets/reports/kodak/report.md"]
)
def test_what_a_document_links_to_is_there(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if not (path.parent / link).exists()]
    assert links and not missing


@pytest.mark.parametrize("card", installed_models(), ids=lambda card: card.model_id)
def test_every_file_of_an_installed_model_is_the_one_on_its_card(card: Card) -> None:
    for name in card.files:
        assert card.read(name)
    assert {path.name.split(".")[0] for path in card.folder.glob("*.safetensors*")} == set(card.files)
    assert card.folder.name == card.model_id
