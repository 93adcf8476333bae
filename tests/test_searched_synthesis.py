"""The synthesis for searched latents: how it is made, which files name it, and that all others stay what they were."""

import copy
import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jahp_gui.codec import decode, encode
from jahp_gui.codec.codec import encode_searched, encode_y_hat
from jahp_gui.codec.effort import Problem
from jahp_gui.codec.errors import ModelError, ModelMismatchError, OutputError, UsageError
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import CARD, SEARCHED, read_card
from jahp_gui.codec.target import Target, encode_to_target
from jahp_gui.commands.info import describe, facts
from jahp_gui.evaluation.card import is_of
from jahp_gui.training import searched, searched_synthesis

LMBDA = 0.0128


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    """Waves and noise, uint8 (100, 70, 3)."""
    y, x = np.mgrid[:100, :70]
    waves = np.stack([np.sin(x / 9 + k) + np.cos(y / (7 + k)) for k in range(3)], -1)
    return np.clip(127 + 50 * waves + np.random.default_rng(0).normal(0, 4, waves.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def plain_folder(tiny_model: Model, tmp_path: Path) -> Path:
    """The small model as it was before there was such a part."""
    folder = Path(shutil.copytree(tiny_model.card.folder, tmp_path / "models" / "tiny"))
    content = json.loads((folder / CARD).read_text())
    del content["files"][SEARCHED]
    (folder / CARD).write_text(json.dumps(content))
    (folder / f"{SEARCHED}.safetensors").unlink()
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with one image of 160 × 160 pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(noise).resize((160, 160), Image.Resampling.BICUBIC).save(folder / "noise.png")
    return folder


def test_only_searched_latents_name_it(tiny_model: Model, rgb: np.ndarray) -> None:
    card = tiny_model.card
    assert card.digest("joint", searched=True) != card.digest("joint") and SEARCHED not in card.priors
    for effort in (0, 1, 2, 3):
        encoded = encode(tiny_model, rgb, lmbda=LMBDA, effort=effort)
        assert encoded.container.header.model_digest == card.digest("joint", searched=effort >= 2)
        assert np.array_equal(decode(encoded.data).y_hat, encoded.y_hat)


def test_whichever_model_is_at_hand_the_digest_chooses_the_synthesis(tiny_model: Model, rgb: np.ndarray) -> None:
    height, width, _ = rgb.shape
    y_hat = encode(tiny_model, rgb, lmbda=LMBDA, effort=2).y_hat
    pictures = []
    for model in (tiny_model, tiny_model.for_searched):
        data = encode_y_hat(model, y_hat, height, width, "joint", model.gain_index(LMBDA)).data
        decoded = [decode(data, model=at_hand) for at_hand in (None, tiny_model, tiny_model.for_searched)]
        pictures.append(decoded[0].rgb)
        assert all(np.array_equal(each.rgb, pictures[-1]) for each in decoded)
        assert all(each.model.is_searched is model.is_searched for each in decoded)
    assert not np.array_equal(*pictures)


def test_files_of_rounded_latents_are_what_they_were(
    tiny_model: Model, plain_folder: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Model.load(plain_folder)
    assert before.for_effort(2) is before and not before.is_searched
    old = [encode(before, rgb, lmbda=LMBDA, effort=effort) for effort in (0, 2)]
    for model in (tiny_model, tiny_model.for_searched):
        assert encode(model, rgb, lmbda=LMBDA).data == old[0].data
    for encoded in old:  # those of effort 2, too, name the synthesis that they were written for
        assert np.array_equal(decode(encoded.data, model=tiny_model).rgb, decode(encoded.data, model=before).rgb)
    new = encode(tiny_model, rgb, lmbda=LMBDA, effort=2)
    monkeypatch.setenv("JAHP_MODELS", str(plain_folder.parent))
    with pytest.raises(ModelMismatchError, match="other weights of model 'tiny'"):
        decode(new.data, model=before)


def test_a_search_is_of_the_picture_that_will_be_decoded(tiny_model: Model, rgb: np.ndarray) -> None:
    problem = Problem(tiny_model.for_searched, rgb, tiny_model.analysis(rgb), "joint", tiny_model.gain_index(LMBDA))
    encoded = encode_searched(problem, 2)
    assert encoded.data == encode(tiny_model, rgb, lmbda=LMBDA, effort=2).data
    picture = decode(encoded.data).rgb
    assert np.array_equal(picture, tiny_model.for_searched.synthesis(encoded.y_hat, problem.gain_index, 100, 70))


@pytest.mark.parametrize("kind", ["flat", "steps", "waves"])
def test_what_no_step_betters_keeps_the_plain_synthesis(tiny_model: Model, rgb: np.ndarray, kind: str) -> None:
    pictures = {"flat": np.full((80, 80, 3), 90, np.uint8), "steps": np.zeros((80, 80, 3), np.uint8), "waves": rgb}
    picture = pictures[kind]
    if kind == "steps":
        picture[:, 40:] = 255
    costs = []
    for effort in (1, 2):
        decoded = decode(encode(tiny_model, picture, lmbda=LMBDA, effort=effort).data)
        y = tiny_model.analysis(picture)
        problem = Problem(decoded.model, picture, y, "joint", decoded.container.header.gain_index)
        costs.append(problem.cost(decoded.y_hat))
    assert costs[1] <= costs[0]


def test_a_model_that_gets_the_part_later_is_read_again(
    plain_folder: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAHP_MODELS", str(plain_folder.parent))
    model = Model.load(plain_folder)
    old = encode(model, rgb, lmbda=LMBDA, effort=2).data
    picture = decode(old).rgb  # by the model as it was, which is kept
    network = searched_synthesis.SynthesisInTraining(model)
    network.gain.log_inverse.data += 0.05
    searched_synthesis.add_part(model, network, {})
    new = encode_y_hat(Model.load(plain_folder).for_searched, decode(old).y_hat, 100, 70, "joint", 48).data
    assert decode(new).model.is_searched and not np.array_equal(decode(new).rgb, picture)
    assert np.array_equal(decode(old).rgb, picture)


def test_a_target_is_refined_with_it(tiny_model: Model, rgb: np.ndarray) -> None:
    target = Target("bytes", len(encode(tiny_model, rgb, lmbda=LMBDA).data))
    for effort in (1, 2):
        found = encode_to_target(tiny_model, rgb, target, effort=effort)
        assert found.container.header.model_digest == tiny_model.card.digest("joint", searched=effort == 2)


def test_info_says_so(tiny_model: Model, rgb: np.ndarray) -> None:
    for effort in (0, 2):
        entry = facts(encode(tiny_model, rgb, lmbda=LMBDA, effort=effort).container)
        assert entry["searched"] is (effort == 2)
        said = describe("name", {"input": "name", **entry})[-1]
        assert said.endswith("synthesis for searched latents") is (effort == 2)


def test_copies_of_it_are_of_it(tiny_model: Model, rgb: np.ndarray) -> None:
    model = tiny_model.for_searched
    y_hat = model.quantise(model.analysis(rgb), 40)
    for other in (copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert other.is_searched and np.array_equal(
            other.synthesis(y_hat, 40, 100, 70), model.synthesis(y_hat, 40, 100, 70)
        )


def test_a_part_that_does_not_fit_is_refused_by_name(tiny_model: Model, plain_folder: Path, rgb: np.ndarray) -> None:
    model = Model.load(plain_folder)
    network = searched_synthesis.SynthesisInTraining(model)
    network.gain.log_inverse.data += 0.1
    searched_synthesis.add_part(model, network, {})
    path = plain_folder / f"{SEARCHED}.safetensors.gz"
    assert encode(Model.load(plain_folder), rgb, lmbda=LMBDA, effort=1)
    content = json.loads((plain_folder / CARD).read_text())
    wrong = searched_synthesis.write_part(plain_folder, SEARCHED, {"gain.log_inverse": np.zeros((8, 3), np.float16)})
    (plain_folder / CARD).write_text(json.dumps(content | {"files": content["files"] | {SEARCHED: wrong}}))
    with pytest.raises(ModelError, match=r"change of 'gain\.log_inverse' fits no weights"):
        encode(Model.load(plain_folder), rgb, lmbda=LMBDA, effort=2)
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="searched.safetensors.gz are damaged"):
        encode(Model.load(plain_folder), rgb, lmbda=LMBDA, effort=2)
    assert encode(Model.load(plain_folder), rgb, lmbda=LMBDA).data == encode(tiny_model, rgb, lmbda=LMBDA).data


def test_it_learns_from_what_the_search_writes(
    plain_folder: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "crops.npz"
    command = ["searched", str(plain_folder), str(out), str(images), "--minutes", "0.02", "--crop", "64"]
    monkeypatch.setattr(sys, "argv", command)
    searched.main()
    assert capsys.readouterr().out.endswith(f" crops in {out}\n")
    with pytest.raises(OutputError, match="exists already"):
        searched.main()
    command = ["searched_synthesis", str(plain_folder), str(out), "--validation", str(out), "--minutes"]
    monkeypatch.setattr(sys, "argv", [*command, "0"])
    before = Model.load(plain_folder)
    with pytest.raises(UsageError, match="no better than before"):
        searched_synthesis.main()
    assert not read_card(plain_folder).has_searched
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", [*command, "0.05"])
    searched_synthesis.main()
    first, *_, last = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines())
    assert last < first
    with pytest.raises(SystemExit):
        searched_synthesis.main()
    assert "--force replaces it" in capsys.readouterr().err
    model = Model.load(plain_folder)
    assert model.card.has_searched and model.card.training["searched"]["minutes"] == 0.05
    crops = searched_synthesis.load_crops([out], model.config)
    loss = searched_synthesis.mean_loss(searched_synthesis.SynthesisInTraining(model), crops)
    assert loss == pytest.approx(first, abs=1e-4), "the synthesis of rounded latents stays"
    stored = searched_synthesis.SynthesisInTraining(model.for_searched)
    assert searched_synthesis.mean_loss(stored, crops) == pytest.approx(last, rel=0.01)
    settings = {"models": {"tiny": {"digests": {"joint": model.card.digest("joint").hex()}}}}
    assert is_of({"settings": settings}, before.card.folder)
    for digest, same in ((model.card.files[SEARCHED], True), ("0" * 64, False)):
        settings["models"]["tiny"]["searched"] = digest  # type: ignore[assignment]
        assert is_of({"settings": settings}, plain_folder) is same


def test_crops_of_other_models_are_refused(tiny_model: Model, images: Path, tmp_path: Path) -> None:
    source = searched.CropSource.from_folders((str(images),), 64, 1, 1.0, 0, searched.torch.device("cpu"))
    arrays = searched.search_crops(tiny_model, source, 1, 0, 0.0)
    files = {
        "good": arrays,
        "narrow": arrays | {"latents": arrays["latents"][..., :5]},
        "far": arrays | {"anchors": arrays["anchors"] + 8},
        "large": {
            "pixels": arrays["pixels"].repeat(2, 1).repeat(2, 2),
            "latents": arrays["latents"].repeat(2, 1).repeat(2, 2),
        }
        | {"anchors": arrays["anchors"]},
    }
    for name, content in files.items():
        np.savez(tmp_path / f"{name}.npz", **content)  # type: ignore[arg-type]
    np.save(tmp_path / "array.npy", arrays["pixels"])
    (tmp_path / "text.npz").write_text("no crops")
    (tmp_path / "empty.npz").write_bytes(b"")
    good = tmp_path / "good.npz"
    assert len(searched_synthesis.load_crops([good, good], tiny_model.config).pixels) == 2
    for name in ("narrow.npz", "far.npz", "large.npz", "array.npy", "text.npz", "empty.npz", "none.npz"):
        with pytest.raises(UsageError, match=f"{name} (has crops of several sizes|holds no searched crops)"):
            searched_synthesis.load_crops([good, tmp_path / name], tiny_model.config)
    x, latents, position = searched_synthesis.load_crops([good], tiny_model.config).of(searched.torch.arange(1))
    assert x.shape == (1, 3, 64, 64) and latents.shape == (1, 8, 4, 4) and position.shape == (1,)


def test_the_part_is_read_only_when_it_is_needed(plain_folder: Path, rgb: np.ndarray) -> None:
    content = json.loads((plain_folder / CARD).read_text())
    (plain_folder / CARD).write_text(json.dumps(content | {"files": content["files"] | {SEARCHED: "0" * 64}}))
    model = Model.load(read_card(plain_folder).folder)
    assert encode(model, rgb, lmbda=LMBDA, effort=1).data
    with pytest.raises(ModelError, match="cannot be read"):
        encode(model, rgb, lmbda=LMBDA, effort=2)
