"""BD-rate against curves made by hand, the published curves, and where they are found."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator  # type: ignore[import-untyped]

from jahp_gui import paths
from jahp_gui.codec.errors import JahpError
from jahp_gui.evaluation.curves import MIN_OVERLAP_DB, BdRate, bd_rate
from jahp_gui.evaluation.references import load_references

ANCHOR = [(0.1, 27.0), (0.2, 29.5), (0.45, 32.0), (0.9, 35.0), (1.8, 39.0)]


def scaled(points: list[tuple[float, float]], factor: float) -> list[tuple[float, float]]:
    return [(factor * rate, quality) for rate, quality in points]


def percent(result: BdRate | None) -> float:
    assert result is not None
    return result.percent


@pytest.mark.parametrize("interval", [None, (28, 37), (30.3, 34.9)])
def test_a_curve_with_all_rates_times_0_7_saves_30_percent(interval: tuple[float, float] | None) -> None:
    assert percent(bd_rate(ANCHOR, scaled(ANCHOR, 0.7), interval=interval)) == pytest.approx(-30, abs=1e-9)


def test_a_curve_against_itself_is_zero() -> None:
    assert bd_rate(ANCHOR, ANCHOR) == BdRate(0, 27, 39)


def test_swapping_the_curves_inverts_the_ratio() -> None:
    test = [(0.12, 28.0), (0.3, 31.5), (1.0, 36.5), (2.0, 40.0)]
    there, back = percent(bd_rate(ANCHOR, test)), percent(bd_rate(test, ANCHOR))
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1, abs=1e-12)


def test_straight_lines_in_log_rate_have_the_mean_of_their_distance() -> None:
    anchor = [(10 ** ((q - 30) / 10), q) for q in (28.0, 31.0, 35.0, 40.0)]
    test = [(10 ** ((q - 30) / 20), q) for q in (26.0, 29.0, 37.0)]
    result = bd_rate(anchor, test)
    # The overlap is 28 to 37 dB and log10 of the ratio -(q - 30)/20, on average -(32.5 - 30)/20.
    assert percent(result) == pytest.approx(100 * (10**-0.125 - 1))
    assert result is not None and (result.low_db, result.high_db) == (28, 37)


def test_without_an_interval_the_result_is_that_of_the_library() -> None:
    import bjontegaard  # type: ignore[import-untyped]

    test = [(0.12, 28.0), (0.3, 31.5), (1.0, 36.5), (2.0, 40.0)]
    expected = bjontegaard.bd_rate(
        *np.transpose(ANCHOR), *np.transpose(test), method="pchip", require_matching_points=False, min_overlap=0
    )
    assert percent(bd_rate(ANCHOR, test)) == pytest.approx(expected, abs=1e-9)


def test_an_interval_restricts_the_integral_and_leaves_the_interpolants_alone() -> None:
    test = [(0.12, 28.0), (0.3, 31.5), (1.0, 36.5), (2.0, 40.0)]
    qualities = np.linspace(29, 36, 200_001)
    anchor_curve, test_curve = (
        PchipInterpolator([q for _, q in points], np.log([r for r, _ in points])) for points in (ANCHOR, test)
    )
    ratio = np.trapezoid(test_curve(qualities) - anchor_curve(qualities), qualities) / 7
    result = bd_rate(ANCHOR, test, interval=(29, 36))
    assert percent(result) == pytest.approx(100 * (math.exp(ratio) - 1), abs=1e-6)


def test_an_interval_is_cut_to_the_overlap() -> None:
    result = bd_rate(ANCHOR, scaled(ANCHOR[1:], 0.9), interval=(20, 37))
    assert result is not None
    assert (result.low_db, result.high_db) == (29.5, 37)


def test_less_than_four_db_of_overlap_has_no_result() -> None:
    assert MIN_OVERLAP_DB == 4
    assert bd_rate(ANCHOR, [(1.0, 35.1), (3.0, 45.0)]) is None
    assert bd_rate(ANCHOR, [(1.0, 45.0), (3.0, 55.0)]) is None
    assert bd_rate(ANCHOR, ANCHOR, interval=(30, 33.9)) is None
    assert bd_rate(ANCHOR, [(1.0, 35.0), (3.0, 45.0)]) is not None


@pytest.mark.parametrize("points", [[], [(1.0, 30.0)], [(1.0, 30.0), (1.0, 30.0)]])
def test_fewer_than_two_points_have_no_result(points: list[tuple[float, float]]) -> None:
    assert bd_rate(ANCHOR, points) is None
    assert bd_rate(points, ANCHOR) is None


def test_order_and_duplicates_do_not_matter() -> None:
    test = scaled(ANCHOR, 0.8)
    shuffled = [test[i] for i in (3, 0, 4, 3, 1, 2, 0)]
    assert bd_rate(ANCHOR[::-1], shuffled) == bd_rate(ANCHOR, test)


def test_points_that_another_beats_in_rate_and_quality_are_left_out() -> None:
    dips = [(0.5, 31.0), (0.45, 31.9), (0.46, 32.0)]  # more bits than (0.45, 32.0) and no better
    assert bd_rate(ANCHOR, ANCHOR + dips) == bd_rate(ANCHOR, ANCHOR)


def test_lossless_points_and_empty_files_are_left_out() -> None:
    extra = [(9.0, math.inf), (0.0, 5.0), (0.3, math.nan)]
    assert bd_rate(ANCHOR, ANCHOR + extra) == bd_rate(ANCHOR, ANCHOR)


def test_published_curves_name_their_sources_and_rise_with_the_rate() -> None:
    references = load_references()
    assert len({reference.key for reference in references}) == len(references)
    assert {"paper-joint", "bpg444", "jpeg420", "webp", "j2k-openjpeg"} <= {reference.key for reference in references}
    for reference in references:
        assert reference.source and reference.label
        assert reference.kind in ("learned", "classical") and reference.optimised_for in ("mse", "ms-ssim")
        rates = [rate for rate, _ in reference.bpp_psnr]
        assert len(rates) >= 4 and rates == sorted(rates)
        assert all(15 < quality < 60 for _, quality in reference.bpp_psnr)
        assert all(0 < quality < 1 for _, quality in reference.bpp_ms_ssim)


@pytest.mark.parametrize("anchor, expected", [("bpg444", -8.9), ("jpeg420", -60.8), ("paper-scale", -17.2)])
def test_the_paper_saves_what_it_claims(anchor: str, expected: float) -> None:
    curves = {reference.key: reference.bpp_psnr for reference in load_references()}
    result = bd_rate(curves[anchor], curves["paper-joint"], interval=(28, 37))
    assert percent(result) == pytest.approx(expected, abs=0.1)


def test_data_inside_the_package_wins_over_data_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "jahp_gui"
    package.mkdir()
    with pytest.raises(JahpError, match="'assets' is missing"):
        paths._data_dir("assets", package)
    (tmp_path / "assets").mkdir()
    assert paths._data_dir("assets", package) == tmp_path / "assets"
    (package / "_assets").mkdir()
    assert paths._data_dir("assets", package) == package / "_assets"


def test_an_installation_without_the_curves_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jahp_gui.evaluation.references.assets_dir", lambda: tmp_path)
    with pytest.raises(JahpError, match="install JAHP Explorer again"):
        load_references()
