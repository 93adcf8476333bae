"""What the codec says of bad files, in Chinese: the sentences are made by the codec itself, so that none goes stale."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import make_picture
from PIL import Image

from jahp_gui.codec import Model, Target, decode, encode, encode_to_target
from jahp_gui.codec.container import Header, pack, read_file, sealed
from jahp_gui.codec.errors import JahpError
from jahp_gui.codec.images import load_image
from jahp_gui.codec.models import find_model, model_of_file
from jahp_gui.codec.output import save_image
from jahp_gui.evaluation.classical import get_codec
from jahp_gui.gui.i18n import set_language
from jahp_gui.gui.sentences import TEMPLATES, translated

HAN = re.compile(r"[\u4e00-\u9fff]")
WORDS = re.compile(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}")  # three English words in a row: something was left over


@pytest.fixture
def chinese(qapp: object) -> Iterator[None]:
    set_language("zh_CN")
    yield
    set_language("en")


def sentence(action: Callable[[], object]) -> str:
    with pytest.raises(JahpError) as caught:
        action()
    return str(caught.value)


@pytest.fixture
def jahp(tiny_model: Model) -> bytes:
    return encode(tiny_model, make_picture(32, 48)).data


def file_sentences(folder: Path, data: bytes) -> dict[str, str]:
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    contents = {
        "cut": data[:-9],
        "within": data[:6],
        "empty": b"",
        "longer": data + b"123",
        "flipped": bytes(flipped),
        "other": b"GIF89a" + data,
        "newer": data[:4] + b"\x63" + data[5:],
        "prior": sealed(data[:5] + b"\x7f" + data[6:-4]),
        "gain": sealed(data[:6] + b"\xff" + data[7:-4]),
    }
    found = {}
    for name, content in contents.items():
        path = folder / f"{name}.jahp"
        path.write_bytes(content)
        found[name] = sentence(lambda path=path: read_file(path))  # type: ignore[misc]
    found["missing"] = sentence(lambda: read_file(folder / "missing.jahp"))
    replaced = pack(Header(4, 64, "psnr-1", bytes(6), 20, 20, bytes(4)), b"", b"")
    found["replaced"] = sentence(lambda: decode(replaced, name="old.jahp"))
    found["too large"] = sentence(lambda: decode(data, max_pixels=100, name="large.jahp"))
    return found


def image_sentences(folder: Path) -> dict[str, str]:
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(make_picture(64, 96)).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:200])
    return {
        "text": sentence(lambda: load_image(folder / "text.png")),
        "empty": sentence(lambda: load_image(folder / "empty.png")),
        "cut": sentence(lambda: load_image(folder / "cut.png")),
        "missing": sentence(lambda: load_image(folder / "missing.png")),
        "large": sentence(lambda: load_image(folder / "whole.png", max_pixels=100)),
    }


def test_a_bad_jahp_file_is_told_in_chinese(chinese: None, tmp_path: Path, jahp: bytes) -> None:
    for name, text in file_sentences(tmp_path, jahp).items():
        spoken = translated(text)
        assert HAN.search(spoken) and not WORDS.search(spoken), (name, text, spoken)
    path = tmp_path / "flipped.jahp"
    assert translated(sentence(lambda: read_file(path))) == (
        f"{path} 已损坏：校验和与内容不符；请重新复制或下载该文件。"
    )


def test_a_bad_image_is_told_in_chinese(chinese: None, tmp_path: Path) -> None:
    for name, text in image_sentences(tmp_path).items():
        spoken = translated(text)
        assert HAN.search(spoken) and not WORDS.search(spoken), (name, text, spoken)


def test_pictures_that_were_left_out_are_told_in_chinese(chinese: None, tmp_path: Path) -> None:
    pages = [Image.fromarray(make_picture(32, 48, seed)) for seed in (1, 2)]
    for name in ("frames.gif", "pages.tif"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        note = load_image(tmp_path / name).notes[0]
        assert note.startswith("only the first") and HAN.search(translated(note)), note


def test_models_targets_and_places_are_told_in_chinese(chinese: None, tmp_path: Path, tiny_model: Model) -> None:
    rgb = make_picture(32, 48)
    texts = (
        sentence(lambda: find_model("elsewhere")),
        sentence(lambda: model_of_file("elsewhere", b"", "joint", "a.jahp")),
        sentence(lambda: model_of_file("tiny", b"\0" * 6, "joint", "a.jahp")),
        sentence(lambda: encode_to_target(tiny_model, rgb, Target("bytes", 3))),
        sentence(lambda: encode_to_target(tiny_model, rgb, Target("psnr", 90))),
        sentence(lambda: save_image(rgb, tmp_path / "a.xyz")),
        sentence(lambda: save_image(rgb, tmp_path / "none" / "a.png")),
        sentence(lambda: get_codec("webp").encode(np.zeros((4, 20_000, 3), np.uint8), 50)),
    )
    for text in texts:
        spoken = translated(text)
        assert HAN.search(spoken) and not WORDS.search(re.sub(r"[（(].*[)）]", "", spoken)), (text, spoken)


def test_english_and_unknown_sentences_stay_as_they_are(qapp: object) -> None:
    text = "a.jahp is damaged: what it decodes to is not what the encoder wrote."
    assert translated(text) == text and translated("Something else.") == "Something else."
    for template in TEMPLATES:
        assert translated(template) == template
