"""The decoder watched, latents changed by hand, files damaged on purpose: all against the codec's ordinary path."""

import numpy as np
import pytest
import skimage.data

from jahp_gui.codec import container, damage, surgery, tiling
from jahp_gui.codec.codec import Encoded, analyse, decode, encode, encode_y_hat
from jahp_gui.codec.errors import ChecksumError, DigestError, JahpError
from jahp_gui.codec.latent_coding import LatentDecoder, encode_latents
from jahp_gui.codec.latent_views import Region, channel_bits, region_bits
from jahp_gui.codec.model import Model
from jahp_gui.codec.partial_synthesis import PartialSynthesis
from jahp_gui.codec.priors import PRIORS
from jahp_gui.codec.replay import RASTER, WAVEFRONT, Recording, Replay, raster_seconds, record
from jahp_gui.codec.surgery import Erase, KeepTop, Perturb, ZeroChannel
from jahp_gui.codec.wavefront import raster_steps

HEIGHT, WIDTH = 150, 210  # neither a multiple of 16
LMBDA = 0.05


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = 127 + 80 * np.sin(x / 7) * np.cos(y / 11)
    noise = np.random.default_rng(3).normal(0, 8, (HEIGHT, WIDTH, 3))
    return np.clip(np.stack([waves, waves[::-1], 255 * x / WIDTH], 2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def encoded(tiny_model: Model, rgb: np.ndarray) -> Encoded:
    return encode(tiny_model, rgb, prior="joint", lmbda=LMBDA)


@pytest.fixture(scope="module")
def recording(tiny_model: Model, encoded: Encoded) -> Recording:
    return record(encoded.data, model=tiny_model)


# ---------------------------------------------------------------- the decoder at work


@pytest.mark.parametrize("prior", PRIORS)
def test_the_last_moment_is_the_decoders_picture_and_its_bits_are_the_files(
    tiny_model: Model, rgb: np.ndarray, prior: str
) -> None:
    file = encode(tiny_model, rgb, prior=prior, lmbda=LMBDA)
    replay = Replay(record(file.data, model=tiny_model))
    picture = replay.picture(replay.last)
    np.testing.assert_array_equal(picture, decode(file.data, model=tiny_model).rgb)
    z_bits, y_bits = replay.bits(replay.last)
    assert len(file.container.z) == pytest.approx(z_bits / 8, abs=12)
    assert len(file.container.y) == pytest.approx(y_bits / 8, abs=12)
    assert replay.bits(0) == (0.0, 0.0)


def test_a_context_prior_takes_the_wavefronts_and_the_others_one_step(tiny_model: Model, rgb: np.ndarray) -> None:
    columns, rows = -(-WIDTH // 16), -(-HEIGHT // 16)
    lengths = {}
    for prior in PRIORS:
        replay = Replay(record(encode(tiny_model, rgb, prior=prior).data, model=tiny_model))
        lengths[prior] = (replay.side, len(replay.steps))
    fronts = columns + 3 * (rows - 1)
    assert lengths == {
        "factorized": (0, 1),
        "scale-hyperprior": (1, 1),
        "mean-scale-hyperprior": (1, 1),
        "context": (0, fronts),
        "joint": (1, fronts),
    }


@pytest.mark.parametrize("order", [WAVEFRONT, RASTER])
def test_bits_rise_step_by_step_to_the_sum_of_all_positions(recording: Recording, order: str) -> None:
    replay = Replay(recording, order)
    bits = [sum(replay.bits(moment)) for moment in range(replay.last + 1)]
    assert (np.diff(bits) >= 0).all()
    assert bits[-1] == pytest.approx(recording.z_bits + recording.bits.sum())
    done = 17
    seen = np.concatenate(replay.steps[:done])
    assert bits[replay.side + done] == pytest.approx(recording.z_bits + recording.bits.ravel()[seen].sum())
    np.testing.assert_array_equal(np.flatnonzero(replay.known(replay.side + done)), np.sort(seen))
    np.testing.assert_array_equal(replay.front(replay.side + done), replay.steps[done - 1])


def test_at_any_moment_latents_are_known_or_what_the_prior_expects(tiny_model: Model, recording: Recording) -> None:
    """The means of the next step are those of a decoder that has got there; the others ẑ alone gives."""
    replay, done = Replay(recording), 12
    latents = replay.latents(replay.side + done)
    known = replay.known(replay.side + done)
    np.testing.assert_array_equal(latents[known], recording.y_hat[known])
    prior, (height, width, channels) = tiny_model.prior("joint"), recording.y_hat.shape
    moments = prior.tables.moments[0]  # type: ignore[attr-defined]
    flat = recording.y_hat.reshape(-1, channels)
    state = prior.start(recording.z_hat, height, width, recording.gain_index)
    later = np.concatenate(replay.steps[done + 1 :])
    rows, offsets = state.rows(later)
    np.testing.assert_allclose(latents.reshape(-1, channels)[later], moments[rows] + offsets, atol=1e-5)
    for step in replay.steps[:done]:
        state.reveal(step, flat[step])
    rows, offsets = state.rows(replay.steps[done])
    np.testing.assert_allclose(latents.reshape(-1, channels)[replay.steps[done]], moments[rows] + offsets, atol=1e-5)


def test_before_the_side_information_nothing_is_known(recording: Recording) -> None:
    replay = Replay(recording)
    assert not replay.latents(0).any() and not replay.known(0).any() and len(replay.front(1)) == 0
    assert replay.latents(1).any()
    assert replay.bits(1) == (recording.z_bits, 0.0)


@pytest.mark.parametrize("order", [WAVEFRONT, RASTER])
def test_partial_pictures_are_those_of_the_full_synthesis(tiny_model: Model, recording: Recording, order: str) -> None:
    """Forwards step by step, in leaps, and backwards."""
    replay = Replay(recording, order)
    moments = [*range(0, 30), 60, 61, 58, 57, 20, 1, 0, 2, replay.last, replay.last - 1, replay.last - 2]
    for moment in moments:
        full = tiny_model.synthesis(replay.latents(moment), recording.gain_index, HEIGHT, WIDTH)
        assert np.abs(replay.picture(moment).astype(int) - full).max() <= 1, moment


def test_partial_pictures_of_the_shipped_model_are_those_of_the_full_synthesis() -> None:
    model = Model.load()
    rgb = skimage.data.astronaut()[40:230, 140:350]
    recording = record(encode(model, rgb, prior="joint", lmbda=LMBDA).data, model=model)
    replay = Replay(recording)
    for moment in (0, 1, 2, 3, 20, 21, 22, 19, replay.last - 1, replay.last):
        full = model.synthesis(replay.latents(moment), recording.gain_index, *rgb.shape[:2])
        assert np.abs(replay.picture(moment).astype(int) - full).max() <= 1, moment


def test_pictures_already_shown_are_not_written_to(recording: Recording) -> None:
    replay = Replay(recording)
    first = replay.picture(5)
    copy = first.copy()
    replay.picture(9)
    np.testing.assert_array_equal(first, copy)


def test_a_change_is_synthesised_without_the_rest_of_the_picture(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    y_hat = np.random.default_rng(5).integers(-6, 7, (40, 60, tiny_model.config.latent_channels)).astype(np.int16)
    partial = PartialSynthesis(tiny_model, 70, 633, 951)
    partial.picture(y_hat)
    changed = np.zeros((40, 60), bool)
    changed[[3, 4, 36], [50, 47, 2]] = True
    y_hat[changed] = 9
    computed = []
    whole = Model.synthesis

    def counted(self: Model, latents: np.ndarray, *rest: int) -> np.ndarray:
        computed.append(latents.shape[0] * latents.shape[1])
        return whole(self, latents, *rest)

    monkeypatch.setattr(Model, "synthesis", counted)
    picture = partial.picture(y_hat, changed)
    assert 0 < sum(computed) < 40 * 60 / 2
    expected = whole(tiny_model, y_hat, 70, 633, 951)
    assert np.abs(picture.astype(int) - expected).max() <= 1
    computed.clear()
    partial.picture(y_hat, np.zeros_like(changed))
    assert not computed


def test_strips_reach_everything_around_a_change() -> None:
    rng = np.random.default_rng(6)
    for density in (0.001, 0.01, 0.2):
        changed = rng.random((70, 90)) < density
        seen = np.zeros(changed.shape, int)
        for tile in tiling.covering(changed, 3):
            seen[tile.rows, tile.columns] += 1
        assert seen.max(initial=0) <= 1
        for row, column in np.argwhere(changed):
            assert seen[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4].all()


def test_latents_in_raster_order_are_the_same_latents(tiny_model: Model, recording: Recording) -> None:
    prior, y_hat = tiny_model.prior("joint"), recording.y_hat
    schedule = raster_steps(*y_hat.shape[:2])
    z, y = encode_latents(prior, y_hat, recording.gain_index, schedule=schedule)
    decoded = np.empty_like(y_hat).reshape(-1, y_hat.shape[2])
    for step in LatentDecoder(prior, z, y, y_hat.shape, recording.gain_index, schedule=schedule).steps():
        decoded[step.positions] = step.latents
    np.testing.assert_array_equal(decoded.reshape(y_hat.shape), y_hat)
    assert len(y) == pytest.approx(len(recording.opened.container.y), abs=64)


def test_decoding_one_by_one_is_measured_on_every_position_of_a_small_picture(recording: Recording) -> None:
    seconds, measured = raster_seconds(recording)
    assert seconds > 0 and measured == recording.bits.size


def test_a_damaged_file_is_not_recorded(tiny_model: Model, encoded: Encoded) -> None:
    broken = damage.with_checksum(damage.flipped(encoded.data, [8 * (len(encoded.data) - 40)]))
    with pytest.raises(DigestError, match="photo is damaged"):
        record(broken, model=tiny_model, name="photo")


def test_recording_can_be_ended(tiny_model: Model, encoded: Encoded) -> None:
    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(encoded.data, model=tiny_model, progress=stop)


# ---------------------------------------------------------------- surgery


@pytest.fixture(scope="module")
def bits_of_channels(tiny_model: Model, rgb: np.ndarray) -> np.ndarray:
    return channel_bits(analyse(tiny_model, rgb, prior="joint", lmbda=LMBDA).maps)


REGION = Region(40, 30, 60, 20)  # touches latent rows 1 … 3, columns 2 … 6


def test_each_edit_changes_what_it_says_and_nothing_else(encoded: Encoded, bits_of_channels: np.ndarray) -> None:
    y_hat = encoded.y_hat
    zeroed = surgery.edited(y_hat, [ZeroChannel(2)], bits_of_channels)
    assert not zeroed[..., 2].any()
    np.testing.assert_array_equal(np.delete(zeroed, 2, 2), np.delete(y_hat, 2, 2))
    kept = surgery.edited(y_hat, [KeepTop(3)], bits_of_channels)
    stay = set(np.argsort(-bits_of_channels)[:3].tolist())
    for channel in range(y_hat.shape[2]):
        expected = y_hat[..., channel] if channel in stay else 0
        np.testing.assert_array_equal(kept[..., channel], np.broadcast_to(expected, y_hat.shape[:2]))
    outside = np.ones(y_hat.shape[:2], bool)
    outside[1:4, 2:7] = False
    erased = surgery.edited(y_hat, [Erase(REGION)], bits_of_channels)
    assert not erased[1:4, 2:7].any()
    np.testing.assert_array_equal(erased[outside], y_hat[outside])
    moved = surgery.edited(y_hat, [Perturb(REGION, 4)], bits_of_channels)
    np.testing.assert_array_equal(moved[outside], y_hat[outside])
    difference = moved[1:4, 2:7].astype(int) - y_hat[1:4, 2:7]
    assert difference.min() == -4 and difference.max() == 4
    np.testing.assert_array_equal(moved, surgery.edited(y_hat, [Perturb(REGION, 4)], bits_of_channels))


def test_edits_are_done_in_turn_and_leave_the_latents_alone(encoded: Encoded, bits_of_channels: np.ndarray) -> None:
    before = encoded.y_hat.copy()
    result = surgery.edited(encoded.y_hat, [Perturb(REGION, 3), Erase(REGION), ZeroChannel(0)], bits_of_channels)
    assert not result[surgery.blocks(REGION)].any() and not result[..., 0].any()
    np.testing.assert_array_equal(encoded.y_hat, before)
    np.testing.assert_array_equal(surgery.edited(encoded.y_hat, [], bits_of_channels), before)


def test_moves_stay_within_what_a_file_can_hold(bits_of_channels: np.ndarray) -> None:
    full = np.full((4, 4, len(bits_of_channels)), surgery.LIMIT, np.int16)
    moved = surgery.edited(full, [Perturb(Region(0, 0, 64, 64), 9)], bits_of_channels)
    assert moved.max() == surgery.LIMIT and moved.min() == surgery.LIMIT - 9


@pytest.mark.parametrize("prior", PRIORS)
def test_the_bytes_of_edited_latents_are_those_of_a_real_file(
    tiny_model: Model, encoded: Encoded, bits_of_channels: np.ndarray, prior: str
) -> None:
    y_hat = surgery.edited(encoded.y_hat, [KeepTop(5), Perturb(REGION, 2)], bits_of_channels)
    file = encode_y_hat(tiny_model, y_hat, HEIGHT, WIDTH, prior, encoded.container.header.gain_index)
    decoded = decode(file.data, model=tiny_model)
    assert decoded.intact
    np.testing.assert_array_equal(decoded.y_hat, y_hat)


def test_keeping_fewer_channels_takes_fewer_bytes(
    tiny_model: Model, encoded: Encoded, bits_of_channels: np.ndarray
) -> None:
    index = encoded.container.header.gain_index
    sizes = []
    for count in (len(bits_of_channels), len(bits_of_channels) // 2, 1):
        y_hat = surgery.edited(encoded.y_hat, [KeepTop(count)], bits_of_channels)
        sizes.append(len(encode_y_hat(tiny_model, y_hat, HEIGHT, WIDTH, "joint", index).data))
    assert sizes[0] == len(encoded.data) > sizes[1] > sizes[2]


def test_a_region_touches_the_blocks_that_bits_are_counted_in(tiny_model: Model, rgb: np.ndarray) -> None:
    maps = analyse(tiny_model, rgb, prior="context", lmbda=LMBDA).maps
    rows, columns = surgery.blocks(REGION)
    grown = Region(16 * columns.start, 16 * rows.start, 16 * (columns.stop - 2), 16 * (rows.stop - 1))
    assert region_bits(maps, grown, WIDTH, HEIGHT) == pytest.approx(float(maps.bits[rows, columns].sum()), rel=1e-5)


# ---------------------------------------------------------------- damage


def test_sections_are_the_whole_file_in_order(encoded: Encoded) -> None:
    parts = {
        section.name: encoded.data[section.start : section.stop] for section in container.sections(encoded.container)
    }
    assert b"".join(parts.values()) == encoded.data
    assert parts["z"] == encoded.container.z and parts["y"] == encoded.container.y
    assert parts["header"].startswith(b"JAHP") and len(parts["checksum"]) == 4


def test_a_flipped_bit_is_one_bit_and_flipping_it_again_restores_the_file(encoded: Encoded) -> None:
    once = damage.flipped(encoded.data, [77])
    changed = [i for i, (a, b) in enumerate(zip(once, encoded.data, strict=True)) if a != b]
    assert changed == [9] and once[9] ^ encoded.data[9] == 1 << 5
    assert damage.flipped(once, [77]) == encoded.data


def test_the_ordinary_path_refuses_a_damaged_file_twice(tiny_model: Model, encoded: Encoded) -> None:
    broken = damage.flipped(encoded.data, [8 * (len(encoded.data) - 60)])
    with pytest.raises(ChecksumError) as refused:
        decode(broken, model=tiny_model, name="photo.jahp")
    assert damage.refusal(broken, name="photo.jahp") == str(refused.value)
    assert damage.refusal(encoded.data) == ""
    with pytest.raises(DigestError) as objected:
        decode(damage.with_checksum(broken), model=tiny_model, name="photo.jahp")
    assert damage.decode_unchecked(broken, model=tiny_model, name="photo.jahp").objection == str(objected.value)


@pytest.mark.parametrize("prior", ["joint", "context"])  # which alone have steps before the bit
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_latents_differ_only_from_the_flipped_bit_on(
    tiny_model: Model, rgb: np.ndarray, prior: str, where: float
) -> None:
    file = encode(tiny_model, rgb, prior=prior, lmbda=0.2)
    section = container.sections(file.container)[2]
    bit = int(8 * (section.start + where * (section.stop - section.start)))
    wreck = damage.decode_unchecked(damage.flipped(file.data, [bit]), model=tiny_model)
    first = damage.first_difference(wreck, file.y_hat)
    assert wreck.objection and first is not None
    recording = record(file.data, model=tiny_model)
    ends = np.cumsum([recording.bits.ravel()[step].sum() for step in recording.steps])
    # What a step reads ends at most two words of the coder's state before the bit it is decided by.
    read_before = bit - 8 * section.start - 64
    intact = [step for step, end in zip(recording.steps, ends, strict=True) if end < read_before]
    assert intact
    flat, expected = wreck.y_hat.reshape(-1, wreck.y_hat.shape[2]), file.y_hat.reshape(-1, wreck.y_hat.shape[2])
    for step in intact:
        np.testing.assert_array_equal(flat[step], expected[step])
    assert first > len(intact)


@pytest.mark.parametrize("prior", ["joint", "factorized"])
def test_what_is_decoded_is_what_the_unchecked_decode_gives_and_then_some(
    tiny_model: Model, rgb: np.ndarray, prior: str
) -> None:
    file = encode(tiny_model, rgb, prior=prior, lmbda=LMBDA)
    section, compared = container.sections(file.container)[2], 0
    for byte in range(section.start + 2, section.stop, (section.stop - section.start) // 8):
        broken = damage.flipped(file.data, [8 * byte + 3])
        wreck = damage.decode_unchecked(broken, model=tiny_model, name="data")
        try:
            decoded = decode(damage.with_checksum(broken), model=tiny_model, check=False)
        except DigestError as error:
            assert wreck.steps_done < wreck.steps and wreck.objection == str(error)
        else:
            compared += 1
            assert wreck.steps_done == wreck.steps
            np.testing.assert_array_equal(wreck.y_hat, decoded.y_hat)
            np.testing.assert_array_equal(wreck.rgb, decoded.rgb)
            assert decoded.intact == (not wreck.objection)
    assert compared


def test_a_lost_decoder_reads_on_to_the_end(tiny_model: Model, encoded: Encoded) -> None:
    """Where the ordinary one stops, the steps before are the same, and those after are not left empty."""
    section = container.sections(encoded.container)[2]
    lost = None
    for byte in range(section.start, section.stop):
        lost = damage.decode_unchecked(damage.flipped(encoded.data, [8 * byte]), model=tiny_model)
        if 0 < lost.steps_done < lost.steps - 10:
            break
    assert lost is not None and lost.steps_done < lost.steps - 10
    steps = tiny_model.prior("joint").schedule(*encoded.y_hat.shape[:2])
    first = damage.first_difference(lost, encoded.y_hat)
    assert first is not None and first <= lost.steps_done + 1
    flat = lost.y_hat.reshape(-1, lost.y_hat.shape[2])
    assert sum(flat[step].any() for step in steps[lost.steps_done :]) > (lost.steps - lost.steps_done) / 2
    again = damage.decode_unchecked(with_flip(encoded.data, lost), model=tiny_model)
    np.testing.assert_array_equal(again.y_hat, lost.y_hat)


def with_flip(data: bytes, wreck: damage.Wreck) -> bytes:
    """The bytes that a wreck was decoded from, its checksum right."""
    parsed = wreck.opened.container
    return container.pack(parsed.header, parsed.z, parsed.y)


def test_an_undamaged_file_has_nothing_to_object_to(tiny_model: Model, encoded: Encoded) -> None:
    wreck = damage.decode_unchecked(encoded.data, model=tiny_model)
    assert wreck.objection == "" and wreck.steps_done == wreck.steps
    assert damage.first_difference(wreck, encoded.y_hat) is None
    np.testing.assert_array_equal(wreck.y_hat, encoded.y_hat)


def test_a_flip_in_the_checksum_alone_is_repaired_with_it(tiny_model: Model, encoded: Encoded) -> None:
    broken = damage.flipped(encoded.data, [8 * len(encoded.data) - 5])
    assert damage.refusal(broken) and not damage.decode_unchecked(broken, model=tiny_model).objection


def test_every_bit_of_the_header_ends_in_a_sentence_or_a_picture(tiny_model: Model, encoded: Encoded) -> None:
    header = container.sections(encoded.container)[0]
    pictures = 0
    for bit in range(8 * header.stop):
        try:
            wreck = damage.decode_unchecked(
                damage.flipped(encoded.data, [bit]), model=tiny_model, max_pixels=4 * HEIGHT * WIDTH
            )
        except JahpError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
        else:
            pictures += 1
            assert wreck.objection and damage.first_difference(wreck, np.zeros((1, 1, 1), np.int16)) == 1
    assert pictures


def test_damaged_side_information_ends_before_the_first_step_or_goes_astray(
    tiny_model: Model, encoded: Encoded
) -> None:
    section = container.sections(encoded.container)[1]
    assert section.name == "z" and section.stop > section.start
    wreck = damage.decode_unchecked(damage.flipped(encoded.data, [8 * section.start + 30]), model=tiny_model)
    assert wreck.objection and damage.first_difference(wreck, encoded.y_hat) is not None
    assert container.parse(encoded.data).z == encoded.container.z
