"""Bounded memory, exact sums in float32, threads, devices, and what measures them. No time is asserted."""

import argparse
import hashlib
import io
import os
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jahp_gui import bench_mbt2018, cli
from jahp_gui.bench_goals import GOALS
from jahp_gui.codec import Target, decode, encode, encode_to_target, fixed_point, threads
from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.device import choose_device
from jahp_gui.codec.errors import ModelError, UsageError
from jahp_gui.codec.fixed_point import ACTIVATION_LIMIT, CHUNK, SINGLE_LIMIT, FrozenLayer, convolve3, spans
from jahp_gui.codec.latent_coding import latents_digest
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import find_model, installed_models
from jahp_gui.codec.priors import frozen_gaussian
from jahp_gui.evaluation.trust import __main__ as trust
from jahp_gui.evaluation.trust import sizes, times
from jahp_gui.evaluation.trust.subjects import picture

# ---------------------------------------------------------------- exact sums


def layer_of(weight: torch.Tensor) -> FrozenLayer:
    outputs = weight.shape[1]
    return FrozenLayer(weight.double(), torch.zeros(outputs).double(), torch.ones(outputs).double(), leaky=False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    inputs=st.integers(1, 5 * CHUNK),
    magnitude=st.integers(0, 17),
    bits=st.sampled_from([8, 16]),
    in_bytes=st.booleans(),
)
def test_products_are_the_integers_whatever_the_size_of_the_inputs(
    seed: int, inputs: int, magnitude: int, bits: int, in_bytes: bool
) -> None:
    generator = np.random.default_rng(seed)
    limit = 1 << (bits - 1)
    weight = generator.integers(1 - limit, limit, (inputs, 7))
    x = generator.integers(-(1 << magnitude), (1 << magnitude) + 1, (5, inputs))
    x[0] = np.sign(weight[:, 0]) << magnitude  # the largest sum there can be
    layer = layer_of(torch.from_numpy(weight))
    if not in_bytes:
        layer.__dict__["bytes"] = None  # as on a processor that does not multiply them
    assert layer.products(torch.from_numpy(x.astype(np.float32))).long().tolist() == (x @ weight).tolist()


@pytest.mark.skipif(not fixed_point.multiplies_bytes(), reason="this processor does not multiply 8-bit integers")
def test_bytes_are_multiplied_only_where_they_fit_and_the_processor_is_seen_to_do_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight = torch.randint(-127, 128, (40, 9), generator=torch.Generator().manual_seed(3))
    x = torch.full((2, 40), 3001.0)
    expected = x.double() @ weight.double()
    layer = layer_of(weight)
    assert layer.bytes is not None
    assert torch.equal(layer.products(x), expected)
    assert layer_of(weight * 2).bytes is None
    right = torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda *factors: right(*factors).clamp(-(1 << 15), (1 << 15) - 1))
    saturating = layer_of(weight)
    assert saturating.bytes is None and torch.equal(saturating.products(x), expected)
    monkeypatch.setattr(fixed_point, "multiplies_bytes", lambda: False)
    assert layer_of(weight).bytes is None


@pytest.mark.skipif(not fixed_point.multiplies_bytes(), reason="this processor does not multiply 8-bit integers")
def test_what_has_more_than_two_bytes_is_not_multiplied_in_bytes() -> None:
    weight = torch.ones(3, 2, dtype=torch.int8)
    largest = torch.full((1, 3), float(fixed_point.DIGITS_LIMIT))
    assert fixed_point.product_of_digits(largest + 1, weight) is None
    product = fixed_point.product_of_digits(-largest, weight)
    assert product is not None and product.tolist() == [[-3.0 * fixed_point.DIGITS_LIMIT] * 2]


def test_chunks_go_together_as_long_as_their_bounds_allow() -> None:
    half = SINGLE_LIMIT / 2
    assert list(spans([half, half, 1.0])) == [(slice(0, 2 * CHUNK), True), (slice(2 * CHUNK, 3 * CHUNK), True)]
    assert list(spans([1.0, 3 * half, 1.0])) == [
        (slice(0, CHUNK), True),
        (slice(CHUNK, 2 * CHUNK), False),
        (slice(2 * CHUNK, 3 * CHUNK), True),
    ]


def new_switches() -> str:
    raise RuntimeError("mix of the legacy and new APIs")


@pytest.mark.parametrize("told", ["medium", "new switches", "autocast"])
def test_float32_is_not_used_where_torch_may_round_its_inputs(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    assert fixed_point.float32_is_exact("highest")
    assert not fixed_point.float32_is_exact("medium")
    layer = layer_of(torch.full((3, 1), 127.0))
    monkeypatch.setattr(FrozenLayer, "single", property(lambda self: pytest.fail("float32 was used")))
    if told != "autocast":
        answer = new_switches if told == "new switches" else lambda: told
        monkeypatch.setattr(torch, "get_float32_matmul_precision", answer)
    with torch.autocast("cpu", enabled=told == "autocast"):
        product = layer.products(torch.full((1, 3), float(ACTIVATION_LIMIT)))
    assert product.item() == 3 * 127 * ACTIVATION_LIMIT


@pytest.mark.parametrize("prior", PRIOR_NAMES.values())
def test_a_file_made_and_read_under_autocast_is_one_like_any_other(prior: str) -> None:
    """As in a loop of somebody's own that validates in bfloat16: its products are not those of the entropy model."""
    rgb = picture(96, 160)
    with torch.autocast("cpu"):
        within = encode(Model.load("tiny"), rgb, prior=prior)
        assert np.array_equal(decode(within.data, model=Model.load("tiny")).y_hat, within.y_hat)
    assert np.array_equal(decode(within.data, model=Model.load("tiny")).y_hat, within.y_hat)


@pytest.mark.parametrize("size", [(3, 61), (1, 45), (4, 20), (50, 3)], ids=str)
def test_a_convolution_in_parts_is_that_of_the_whole_and_no_part_exceeds_the_bound(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    generator = np.random.default_rng(5)
    weight = torch.from_numpy(generator.integers(-99, 99, (9 * 2, 3)).astype(np.float64))
    layer = FrozenLayer(weight, torch.zeros(3).double(), torch.full((3,), 2.0**-6).double(), leaky=False)
    x = torch.from_numpy(generator.integers(-999, 999, (*size, 2)).astype(np.float32))
    kernel = weight.reshape(3, 3, 2, 3).permute(3, 2, 0, 1)
    sums = torch.nn.functional.conv2d(x.double().permute(2, 0, 1)[None], kernel, padding=1)[0].permute(1, 2, 0)
    whole = torch.floor(sums * 2.0**-6 + 0.5).float()
    positions: list[int] = []
    plain = FrozenLayer.__call__

    def watched(layer: FrozenLayer, inputs: torch.Tensor) -> torch.Tensor:
        positions.append(len(inputs))
        return plain(layer, inputs)

    monkeypatch.setattr(FrozenLayer, "__call__", watched)
    monkeypatch.setattr(fixed_point, "BAND_POSITIONS", 20)
    assert torch.equal(convolve3(layer, x), whole)
    assert torch.equal(convolve3(layer, x, slice(1, size[0])), whole[1:])
    assert max(positions) <= 20 < whole[..., 0].numel()


@pytest.mark.parametrize("size", [(70, 9), (5, 3), (19, 18), (33, 7), (3, 90), (1, 41)], ids=str)
def test_hyper_features_in_bands_are_those_of_the_whole(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    prior = tiny_model.prior("joint")
    assert isinstance(prior, frozen_gaussian.FrozenGaussian)
    shape = -(-size[0] // 4), -(-size[1] // 4), tiny_model.config.hyper_channels
    z_hat = np.random.default_rng(2).integers(-8, 8, shape).astype(np.int16)
    whole = prior._hyper_features(z_hat, *size, 60)
    monkeypatch.setattr(frozen_gaussian, "FEATURE_ROWS", 4)
    monkeypatch.setattr(fixed_point, "BAND_POSITIONS", 20)
    assert torch.equal(prior._hyper_features(z_hat, *size, 60), whole)
    monkeypatch.setattr(frozen_gaussian, "FEATURE_SIDE", 12)
    longest: list[int] = []
    plain = frozen_gaussian.pixel_shuffle

    def watched(x: torch.Tensor) -> torch.Tensor:
        longest.append(2 * max(x.shape[:2]))
        return plain(x)

    monkeypatch.setattr(frozen_gaussian, "pixel_shuffle", watched)
    assert torch.equal(prior._hyper_features(z_hat, *size, 60), whole)
    assert max(longest) <= 12 + 2 * frozen_gaussian.FEATURE_MARGIN


@pytest.mark.parametrize("size", [(1, 500), (500, 1)], ids=str)
def test_context_of_a_narrow_image_takes_at_most_two_rows_and_two_columns_more(
    tiny_model: Model, size: tuple[int, int]
) -> None:
    state = tiny_model.prior("context").start(None, *size, 60)
    assert isinstance(state, frozen_gaussian.GaussianState)
    assert len(state.latents) == len(state.reduced) == (size[0] + 2) * (size[1] + 2)


def test_the_digest_of_one_long_row_needs_no_copy_of_it() -> None:
    y_hat = np.arange(40_000 * 32).reshape(1, 40_000, 32).astype(np.int16)
    head = np.array([640_000, 16, 48], "<u4").tobytes()
    expected = hashlib.blake2b(head + y_hat.astype("<i4").tobytes(), digest_size=4).digest()
    tracemalloc.start()
    try:
        assert latents_digest(y_hat, 640_000, 16, 48) == expected
        assert tracemalloc.get_traced_memory()[1] < y_hat.nbytes / 4
    finally:
        tracemalloc.stop()


def test_a_search_for_a_target_gives_the_latents_of_its_file(tiny_model: Model) -> None:
    rgb = picture(90, 70)
    wanted = len(encode(tiny_model, rgb, lmbda=0.02).data)
    found = encode_to_target(tiny_model, rgb, Target("bytes", wanted))
    np.testing.assert_array_equal(found.y_hat, decode(found.data, model=tiny_model).y_hat)


# ---------------------------------------------------------------- threads and devices


def test_two_threads_of_one_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cpus", lambda: [0, 1, 4, 5])
    for cpu, siblings in {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}.items():
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert threads.physical_cores(tmp_path) == 2
    assert threads.physical_cores(tmp_path / "elsewhere") == 4


def test_threads_are_those_asked_for_then_those_of_the_environment_then_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(threads, "physical_cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads.use_threads(2)
    threads.use_threads()
    monkeypatch.delenv("OMP_NUM_THREADS")
    threads.use_threads()
    assert taken == [2, 6]


class Machine:
    """Steps take `seconds[n]` with n threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, threads_of_torch: int, seconds: dict[int, float]):
        self.threads, self.seconds, self.now = threads_of_torch, seconds, 0.0
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.threads)
        monkeypatch.setattr(torch, "set_num_threads", lambda number: setattr(self, "threads", number))
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def run(self, team: threads.Team, steps: int) -> list[int]:
        """How many threads each step had."""
        taken = []
        for _ in range(steps):
            with team.step():
                taken.append(self.threads)
                self.now += self.seconds[self.threads]
        return taken


def test_a_team_takes_the_number_of_threads_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 4, {1: 0.002, 4: 0.001})
    team = threads.Team()
    taken = machine.run(team, 200)
    assert taken.count(4) > 150
    assert machine.threads == 4
    machine.seconds[4] = 0.1  # somebody else has a core now
    assert machine.run(team, 20)[-1] == 1
    machine.seconds[4] = 0.0001
    assert machine.run(team, 1000)[-1] == 4


def test_a_team_tries_seldom_what_is_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 2, {1: 0.002, 2: 0.03})
    taken = machine.run(threads.Team(), 500)
    assert 2 <= taken.count(2) <= 6  # once at a time, and ever less often
    alone = Machine(monkeypatch, 1, {1: 0.002})
    assert set(alone.run(threads.Team(), 50)) == {1}


def test_a_step_that_fails_leaves_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 3, {1: 0.002})
    with pytest.raises(ValueError, match="damaged"), threads.Team().step():
        raise ValueError("damaged")
    assert machine.threads == 3


def test_waiting_threads_fall_asleep_soon_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    with pytest.raises(UsageError):
        cli.run(["train", "--nonsense"])
    assert not environment
    with pytest.raises(UsageError):
        cli.run(["decode", "--nonsense"])
    assert environment == {"GOMP_SPINCOUNT": threads.SPINS}
    for choice in ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}):
        environment.clear()
        environment.update(choice)
        threads.spin_shortly()
        assert environment == choice


def test_a_device_is_chosen_and_a_missing_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (choose_device("auto"), choose_device("cpu")) == ("cpu", "cpu")
    with pytest.raises(UsageError, match="There is no GPU here"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (choose_device("auto"), choose_device("cuda")) == ("cuda", "cuda")


def test_transforms_run_on_the_device_and_everything_else_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device "meta" stands for a GPU: what arrives there has left the processor."""
    here, there = Model.load("tiny"), Model.load("tiny", "meta")
    rgb = picture(40, 56)
    y = here.analysis(rgb)
    y_hat = here.quantise(y, 60)
    loaded = there._loaded()
    assert {weight.device.type for weight in loaded.analysis.parameters()} == {"meta"}
    assert {weight.device.type for weight in loaded.synthesis.parameters()} == {"meta"}

    def analysis(x: torch.Tensor) -> torch.Tensor:
        assert x.device.type == "meta"
        return torch.from_numpy(y).permute(2, 0, 1)[None]

    def synthesis(y: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        assert (y.device.type, position.device.type) == ("meta", "meta")
        return torch.full((1, 3, 48, 64), 0.5)

    monkeypatch.setattr(loaded, "analysis", analysis)
    monkeypatch.setattr(loaded, "synthesis", synthesis)
    np.testing.assert_array_equal(there.quantise(there.analysis(rgb), 60), y_hat)
    assert there.synthesis(y_hat, 60, 40, 56).shape == (40, 56, 3)


def test_the_command_line_takes_a_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    photo, packed = tmp_path / "photo.png", tmp_path / "photo.jahp"
    Image.fromarray(picture(20, 30)).save(photo)
    assert cli.main(["encode", str(photo), "--model", "tiny", "--device", "cpu"]) == 0
    assert cli.main(["decode", str(packed), str(tmp_path / "back.png"), "--device", "cpu"]) == 0
    if not torch.cuda.is_available():
        assert cli.main(["decode", str(packed), str(tmp_path / "more.png"), "--device", "cuda"]) == 2
        assert "There is no GPU here" in capsys.readouterr().err


# ---------------------------------------------------------------- what is told


def test_standard_input_is_read_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jahp_gui.commands.common.STREAM_LIMIT", 3 << 20)
    pipe = io.BytesIO(bytes(100 << 20))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
    monkeypatch.setattr("jahp_gui.commands.encode.check_output", lambda path, force: None)
    assert cli.main(["encode", "-", "-", "--model", "tiny"]) == 2
    assert "Standard input holds more than 3 MB, the most that is read from it" in capsys.readouterr().err
    assert pipe.tell() <= 5 << 20


def test_a_damaged_card_is_told_by_the_list_of_models_and_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "card.json").write_text("{")
    monkeypatch.setenv("JAHP_MODELS", f"{tmp_path}{os.pathsep}{Path(__file__).parent / 'models'}")
    sentences: list[str] = []
    assert "tiny" in [card.model_id for card in installed_models(sentences)]
    assert len(sentences) == 1
    assert cli.main(["models"]) == 0
    captured = capsys.readouterr()
    assert "tiny" in captured.out
    assert captured.err == f"jahp: {sentences[0]}\n"
    with pytest.raises(ModelError, match="is damaged"):
        find_model("mine")


# ---------------------------------------------------------------- beside mbt2018

SMALL = ModelConfig(
    transform="paper",
    latent_channels=8,
    transform_widths=(8,),
    hyper_channels=4,
    hyper_width=8,
    hyper_features=8,
    context_reduction=8,
    context_features=8,
    parameter_widths=(12, 8),
)


def test_a_random_model_has_latents_of_the_wished_spread_and_few_escapes(tmp_path: Path) -> None:
    rgb = picture(128, 192)
    model = Model(bench_mbt2018.random_model(tmp_path, SMALL, rgb, 2.0, 0.0128))
    encoded = encode(model, rgb, lmbda=0.0128)
    assert encoded.y_hat.std() == pytest.approx(2.0, rel=0.1)
    gaussian = np.log2(2.0 * np.sqrt(2 * np.pi * np.e)) * encoded.y_hat.size  # bits of N(0, 2), had it that shape
    assert 8 * len(encoded.data) < 1.3 * gaussian
    np.testing.assert_array_equal(decode(encoded.data, model=model).y_hat, encoded.y_hat)


def test_the_sizes_of_the_papers_architecture_are_those_of_mbt2018() -> None:
    config = bench_mbt2018.paper_config(192, 192)
    assert (config.transform_widths, config.parameter_widths) == ((192,), (640, 512))
    assert config.hyper_features == config.context_features == 384


def test_ratios_are_theirs_by_ours() -> None:
    seconds = {"mbt2018": {"encode": 8.0, "decode": 24.0}}
    seconds |= {name: {"encode": 2.0, "decode": 1.5} for name in GOALS}
    assert bench_mbt2018.ratios(seconds) == {name: {"encode": 4.0, "decode": 16.0} for name in GOALS}


def test_compressai_takes_its_turn(tiny_model: Model) -> None:
    pytest.importorskip("compressai")
    with torch.inference_mode():  # as `measure` is
        encode_job, decode_job = bench_mbt2018.mbt2018_jobs(8, 8, picture(64, 64), 2.0)
        encode_job()
        decode_job()


# ---------------------------------------------------------------- the table


def test_sections_that_are_not_measured_again_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def section(name: str, held: bool) -> trust.Section:
        def measure(args: argparse.Namespace) -> trust.Measured:
            calls.append(name)
            return trust.Measured(f"{name} {args.files}", held)

        return trust.Section(f"Title {name}", measure)

    monkeypatch.setattr(trust, "SECTIONS", {"a": section("a", True), "b": section("b", False)})
    out = tmp_path / "TRUST.md"
    assert trust.main(["--files", "1", "--out", str(out)]) == 1
    assert trust.main(["--files", "2", "--only", "a", "--out", str(out)]) == 0
    assert calls == ["a", "b", "a"]
    text = out.read_text()
    assert "a 2" in text
    assert "a 1" not in text
    assert text.index("Title a") < text.index("a 2") < text.index("Title b") < text.index("b 1")


def test_the_table_in_the_repository_has_sections_that_the_command_knows() -> None:
    kept = trust.read_sections(Path(trust.__file__).with_name("TRUST.md"))
    assert kept
    assert set(kept) <= {section.title for section in trust.SECTIONS.values()}


def test_an_image_goes_there_and_back_in_processes_whose_memory_is_known() -> None:
    result = sizes.measure("17x33", str(Path(__file__).parent / "models" / "tiny"))
    assert result.fault == ""
    assert result.bytes > 0
    assert result.row().startswith("| 17 × 33 | 0.000561 |")
    over = sizes.Result("9x9", 81, 5, sizes.Way(1.0, sizes.LIMIT + 1, ""), result.decode)
    assert over.fault == "2,861 MB of memory"


def test_times_are_told_with_and_without_compressai() -> None:
    stages = {"total": 2.0, "transforms": 0.5, "entropy networks": 1.0, "range coder": 0.5}
    results: dict[str, Any] = {
        "start-up": {"jahp --version": 0.1, "import codec": 2.0},
        "sizes": [{"size": "1000x500", "encode": stages, "decode": stages, "peak memory MB": 700.0}],
    }
    results["beside"] = results["sizes"][0]
    text = times.text(results)
    assert "1000 × 500 beside another program that keeps one core busy: encode 2.00 s, decode 2.00 s." in text
    assert "| 1000 × 500 | 2.00 s, 0.2 MP/s | 2.00 s, 0.2 MP/s | 75% | 700 MB |" in text
    assert "no ratios" in text
    pair = {"encode": 4.0, "decode": 16.0}
    ratios = dict.fromkeys(GOALS, pair)
    beside = {"size": "768x512", "N": 192, "M": 320, "repetitions": 3, "threads": 2, "seconds": {"mbt2018": pair}}
    text = times.text({**results, "mbt2018": {**beside, "ratios": ratios, "processor ratios": ratios}})
    assert "| the shipped default | 4.0 × (4.0), goal of 15 missed | 16.0 × (16.0), goal of 30 missed |" in text
