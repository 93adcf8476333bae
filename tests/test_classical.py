"""The classical codecs: files, qualities, sizes, errors."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from jahp_gui.codec.errors import ImageError, UsageError
from jahp_gui.codec.metrics import bpp, psnr
from jahp_gui.evaluation.classical import CODECS, ClassicalCodec, available_codecs, encode_to_size, get_codec

PHOTO = np.ascontiguousarray(astronaut()[:96, 180:308])  # 128 by 96


@pytest.fixture(params=CODECS, ids=lambda codec: codec.key)
def codec(request: pytest.FixtureRequest) -> ClassicalCodec:
    if not request.param.available():
        pytest.skip(f"{request.param.label} does not work in this installation")
    return request.param


def test_jpeg_jpeg2000_and_webp_come_with_pillow() -> None:
    assert {"jpeg420", "jpeg444", "jpeg2000", "webp"} <= {codec.key for codec in available_codecs()}


def test_keys_and_labels_are_unique() -> None:
    assert len({codec.key for codec in CODECS}) == len({codec.label for codec in CODECS}) == len(CODECS)


def test_a_file_decodes_to_the_picture_it_was_made_from(codec: ClassicalCodec) -> None:
    decoded = codec.decode(codec.encode(PHOTO, codec.default_qualities[-1]))
    assert decoded.shape == PHOTO.shape and decoded.dtype == np.uint8
    assert psnr(PHOTO, decoded) > 33


def test_ten_default_qualities_go_from_a_small_file_to_a_large_one(codec: ClassicalCodec) -> None:
    assert len(codec.default_qualities) == 10
    smallest, largest = (codec.encode(PHOTO, codec.default_qualities[i]) for i in (0, -1))
    assert bpp(len(smallest), 128, 96) < 0.75
    assert bpp(len(largest), 128, 96) > 1.5


def test_encoding_twice_gives_the_same_bytes(codec: ClassicalCodec) -> None:
    quality = codec.default_qualities[4]
    assert codec.encode(PHOTO, quality) == codec.encode(PHOTO, quality)


def test_settings_name_the_library_with_its_version(codec: ClassicalCodec) -> None:
    assert any(character.isdigit() for character in codec.settings.split(":")[0])
    assert "\n" not in codec.settings


@pytest.mark.parametrize("height, width", [(1, 1), (3, 2), (65, 5)])
def test_tiny_and_odd_images_keep_their_size(codec: ClassicalCodec, height: int, width: int) -> None:
    image = np.full((height, width, 3), (200, 30, 90), np.uint8)
    decoded = codec.decode(codec.encode(image, codec.default_qualities[-1]))
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= 12


def test_a_view_that_is_not_contiguous_is_encoded_as_its_copy(codec: ClassicalCodec) -> None:
    view, quality = PHOTO[::2, ::-1], codec.default_qualities[5]
    assert codec.encode(view, quality) == codec.encode(view.copy(), quality)


def test_a_quality_outside_the_range_is_a_usage_error(codec: ClassicalCodec) -> None:
    for quality in (-1, 0.5, 5000):
        with pytest.raises(UsageError, match=codec.label):
            codec.encode(PHOTO, quality)


def test_a_fractional_quality_is_for_jpeg_2000_only() -> None:
    assert get_codec("jpeg2000").encode(PHOTO, 31.4)
    with pytest.raises(UsageError, match="whole number"):
        get_codec("jpeg420").encode(PHOTO, 31.4)


def test_an_array_that_is_no_rgb_image_is_a_value_error(codec: ClassicalCodec) -> None:
    wrong: Any
    for wrong in (PHOTO[..., 0], PHOTO.astype(np.float32), PHOTO[..., :2]):
        with pytest.raises(ValueError, match="uint8"):
            codec.encode(wrong, codec.default_qualities[0])


def test_damaged_and_foreign_data_is_an_image_error(codec: ClassicalCodec) -> None:
    png = io.BytesIO()
    Image.fromarray(PHOTO).save(png, "PNG")
    whole = codec.encode(PHOTO, codec.default_qualities[5])
    for data in (b"", png.getvalue(), whole[: len(whole) // 2]):
        with pytest.raises(ImageError, match=codec.label):
            codec.decode(data)


def test_an_image_too_wide_for_the_format_is_an_image_error() -> None:
    with pytest.raises(ImageError, match="70000 by 1 pixels"):
        get_codec("webp").encode(np.zeros((1, 70000, 3), np.uint8), 50)


def test_noise_that_overflows_the_optimising_buffer_of_pillow_is_still_a_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    jpeg = get_codec("jpeg444")
    assert psnr(noise, jpeg.decode(jpeg.encode(noise, 90))) > 20


def test_jpeg_2000_uses_the_colour_transform() -> None:
    j2k = get_codec("jpeg2000")
    without = io.BytesIO()
    Image.fromarray(PHOTO).save(without, "JPEG2000", quality_mode="rates", quality_layers=[30], irreversible=True)
    assert psnr(PHOTO, j2k.decode(j2k.encode(PHOTO, 30))) > psnr(PHOTO, j2k.decode(without.getvalue())) + 1


def test_encode_to_size_finds_the_largest_file_that_fits(codec: ClassicalCodec) -> None:
    target = 2500
    quality, data = encode_to_size(codec, PHOTO, target)
    assert len(data) <= target
    assert data == codec.encode(PHOTO, quality)
    next_quality = codec.ladder[codec.ladder.index(quality) + 1]
    assert len(codec.encode(PHOTO, next_quality)) > target


def test_encode_to_size_comes_within_a_percent_with_jpeg_2000() -> None:
    _, data = encode_to_size(get_codec("jpeg2000"), np.ascontiguousarray(astronaut()[:256, :256]), 8000)
    assert 7920 <= len(data) <= 8000


def test_encode_to_size_returns_the_smallest_file_when_nothing_fits(codec: ClassicalCodec) -> None:
    quality, data = encode_to_size(codec, PHOTO, 10)
    assert quality == codec.ladder[0]
    assert data == codec.encode(PHOTO, codec.ladder[0])


def test_encode_to_size_returns_the_best_quality_when_everything_fits() -> None:
    jpeg = get_codec("jpeg444")
    assert encode_to_size(jpeg, PHOTO, 10**6) == (100, jpeg.encode(PHOTO, 100))


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'bpg'.*jpeg420, jpeg444, jpeg2000"):
        get_codec("bpg")


def test_heic_without_its_package_is_unavailable_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from jahp_gui.evaluation import classical

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = classical.HeicCodec("heic-test", "HEIC test", "quality", (30,), range(101))
    assert not heic.available()
    with pytest.raises(UsageError, match="not available"):
        heic.encode(PHOTO, 30)


def test_importing_the_codecs_imports_neither_torch_nor_pillow_heif() -> None:
    program = "import sys, jahp_gui.evaluation.classical; sys.exit(bool({'torch', 'pillow_heif'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
