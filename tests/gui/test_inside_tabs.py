"""Decoder at work, latent surgery and the damaged file in the window: what they show is what the codec does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_helpers import WAIT_MS
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from jahp_gui.codec import container, decode, metrics
from jahp_gui.codec import damage as codec_damage
from jahp_gui.codec.errors import ChecksumError
from jahp_gui.codec.latent_views import Region, channel_bits, region_bits
from jahp_gui.codec.replay import Replay, record
from jahp_gui.codec.surgery import Erase, KeepTop, Perturb, ZeroChannel, edited
from jahp_gui.gui import captions, inside_commands
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.decoder import RASTER
from jahp_gui.gui.exact_settings import caption_of, exact_settings
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels.byte_strip import ByteStrip
from jahp_gui.gui.results import (
    CURRENT,
    DAMAGED,
    DECODER,
    EDITED,
    DamagedResult,
    DecoderFrame,
    EditedResult,
    FileResult,
)


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    assert explorer.window is not None
    explorer.window.resize(1280, 800)
    QApplication.processEvents()
    return explorer.window


def file_of(window: MainWindow) -> FileResult:
    file = window.session.shown_file
    assert file is not None
    return file


# ---------------------------------------------------------------- the decoder at work


def frame_of(window: MainWindow) -> DecoderFrame:
    frame = window.session.exhibits[DECODER.kind]
    assert isinstance(frame, DecoderFrame)
    return frame


def wait_for_moment(qtbot: QtBot, window: MainWindow, moment: int) -> DecoderFrame:
    decoder = window.inside.decoder.decoder
    qtbot.waitUntil(lambda: decoder.frame is not None and decoder.frame.moment == moment, timeout=WAIT_MS)
    return frame_of(window)


def test_playing_ends_with_the_decoders_picture_and_all_bytes_read(window: MainWindow, qtbot: QtBot) -> None:
    panel, file = window.inside.decoder, file_of(window)
    window.actions_table["decoder_play"].trigger()
    assert window.right_tabs.currentWidget() is panel and window.session.compare.b == DECODER
    seen: list[int] = []
    panel.decoder.changed.connect(lambda: panel.decoder.frame and seen.append(panel.decoder.frame.moment))
    qtbot.waitUntil(lambda: panel.decoder.last > 0 and not panel.decoder.playing, timeout=WAIT_MS)
    frame = wait_for_moment(qtbot, window, panel.decoder.last)
    assert sorted(set(seen)) == list(range(panel.decoder.last + 1)), "every step is shown at speed 1"
    np.testing.assert_array_equal(frame.picture.rgb, file.picture.rgb)
    assert frame.bits[0] / 8 == pytest.approx(len(file.container.z), abs=12)
    assert frame.bits[1] / 8 == pytest.approx(len(file.container.y), abs=12)
    side = window.session.sides["b"]
    assert side is not None and side.of is frame
    assert panel.values["step"].text() == f"{frame.steps} of {frame.steps}"
    size = len(file.container.y)
    assert panel.values["y"].text() == f"{size:,} of {size:,} bytes"
    assert panel.strip.read == (1.0, 1.0)


def test_a_step_shows_the_front_and_scrubbing_goes_both_ways(window: MainWindow, qtbot: QtBot) -> None:
    panel, file = window.inside.decoder, file_of(window)
    replay = Replay(record(file.data, model=window.session.model))
    window.actions_table["decoder_step"].trigger()
    assert not wait_for_moment(qtbot, window, 0).bits[0]
    for moment in (1, 2):
        window.actions_table["decoder_step"].trigger()
        frame = wait_for_moment(qtbot, window, moment)
    assert frame.front.tolist() == [[0, 0]] and frame.steps_done == 1
    for moment in (9, 4):
        panel.slider.setValue(moment)
        frame = wait_for_moment(qtbot, window, moment)
        expected = replay.front(moment)
        assert frame.front.tolist() == [[index % 6, index // 6] for index in expected]
        assert frame.bits == replay.bits(moment)
        assert np.abs(frame.picture.rgb.astype(int) - replay.picture(moment)).max() <= 1
        known = replay.known(moment)
        assert panel.map.values is not None
        np.testing.assert_allclose(panel.map.values, np.where(known, replay.recording.bits, np.nan), rtol=1e-6)
    assert panel.text_at(QPoint(0, 0)).startswith(f"y (0, 0): {replay.recording.bits[0, 0]:,.1f} bit, read in step 1")
    last = f"y (5, 3): comes in step {len(replay.steps)}"
    panel.map.hovered.emit(QPoint(5, 3))
    assert panel.text_at(QPoint(5, 3)) == panel.map_title.text() == last
    window.actions_table["decoder_back"].trigger()
    wait_for_moment(qtbot, window, 3)
    panel.map.hovered.emit(None)
    assert "read so far" in panel.map_title.text()


def test_one_by_one_takes_a_step_for_every_position_and_is_measured(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.inside.decoder
    panel.end.click()
    qtbot.waitUntil(lambda: panel.decoder.frame is not None, timeout=WAIT_MS)
    panel.order.setCurrentIndex(panel.order.findData(RASTER))
    panel.order.activated.emit(1)
    frame = wait_for_moment(qtbot, window, 1 + 4 * 6)
    assert frame.steps == 24
    np.testing.assert_array_equal(frame.picture.rgb, file_of(window).picture.rgb)
    qtbot.waitUntil(lambda: panel.decoder.raster_seconds is not None, timeout=WAIT_MS)
    assert "One by one: 24 steps, " in panel.times.text() and "Wavefront: 15 steps" in panel.times.text()


def test_a_prior_without_context_decodes_everything_at_once(window: MainWindow, qtbot: QtBot) -> None:
    window.session.set_choice(prior="mean-scale-hyperprior")
    qtbot.waitUntil(lambda: window.session.exact is not None, timeout=WAIT_MS)
    panel = window.inside.decoder
    panel.end.click()
    frame = wait_for_moment(qtbot, window, 2)
    assert frame.steps == 1 and not panel.order.isEnabled() and len(frame.front) == 0
    assert panel.values["front"].text().startswith("24 × ")


def test_another_setting_is_decoded_anew_while_the_decoder_is_on_show(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.inside.decoder
    panel.end.click()
    qtbot.waitUntil(lambda: panel.decoder.frame is not None, timeout=WAIT_MS)
    before = frame_of(window)
    window.session.set_choice(gain_index=20)
    qtbot.waitUntil(
        lambda: panel.decoder.frame is not None and panel.decoder.frame.choice.gain_index == 20, timeout=WAIT_MS
    )
    after = frame_of(window)
    assert after is not before and after.moment == panel.decoder.last
    np.testing.assert_array_equal(after.picture.rgb, file_of(window).picture.rgb)


def test_pausing_keeps_the_moment_and_playing_goes_on(window: MainWindow, qtbot: QtBot) -> None:
    decoder = window.inside.decoder.decoder
    decoder.go_to(5)
    wait_for_moment(qtbot, window, 5)
    decoder.set_speed(4)
    decoder.play()
    qtbot.waitUntil(lambda: frame_of(window).moment > 5, timeout=WAIT_MS)
    decoder.pause()
    qtbot.waitUntil(lambda: not decoder.jobs.is_active("decoder frame"), timeout=WAIT_MS)
    stopped = frame_of(window).moment
    assert (stopped - 5) % 4 == 0 or stopped == decoder.last
    assert not decoder.playing and "Play" in window.inside.decoder.play.text()


@pytest.mark.parametrize("prior", ["joint", "mean-scale-hyperprior"])
def test_side_information_comes_first(window: MainWindow, qtbot: QtBot, prior: str) -> None:
    window.session.set_choice(prior=prior)
    qtbot.waitUntil(lambda: window.session.exact is not None, timeout=WAIT_MS)
    panel, file = window.inside.decoder, file_of(window)
    panel.decoder.go_to(0)
    assert wait_for_moment(qtbot, window, 0).bits == (0.0, 0.0) and panel.strip.read == (0.0, 0.0)
    panel.forward.click()
    frame = wait_for_moment(qtbot, window, 1)
    assert frame.bits[0] / 8 == pytest.approx(len(file.container.z), abs=12) and frame.bits[1] == 0
    assert "ẑ" in panel.values["front"].text() and panel.strip.read == (1.0, 0.0)
    side = window.session.sides["b"]
    assert side is not None
    label = captions.side_caption(side, window.session.lmbda_at, 96 * 64)
    assert label.startswith("side information ẑ decoded")
    assert panel.map.values is not None and np.isnan(panel.map.values).all()


# ---------------------------------------------------------------- surgery


def edited_of(qtbot: QtBot, window: MainWindow) -> EditedResult:
    surgery = window.inside.surgery.surgery
    qtbot.waitUntil(lambda: surgery.result is not None, timeout=WAIT_MS)
    assert surgery.result is not None
    return surgery.result


class Counted(np.ndarray):
    """Counts how often values of every latent are added up."""

    sums = 0

    def sum(self, *arguments: Any, **how: Any) -> Any:
        Counted.sums += self.ndim == 3 and self.shape[2] > 1
        return np.asarray(self).sum(*arguments, **how)


def test_a_moving_mouse_adds_up_no_latents(window: MainWindow, qtbot: QtBot) -> None:
    """They are thirty million of a large image."""
    session, sums = window.session, []
    latents = session.latents
    assert latents is not None
    maps = replace(latents.maps, bits=latents.maps.bits.view(Counted))
    session.latents = replace(latents, maps=maps, y_hat=latents.y_hat.view(Counted))
    window.inside.surgery.surgery.add(KeepTop(3))
    edited_of(qtbot, window)
    for height in (8, 16, 24, 32):
        session.set_selection(QRect(0, 0, 40, height))
        window.maps._hover(None)
        sums.append(Counted.sums)
    assert len(set(sums)) == 1
    bits = region_bits(latents.maps, Region(0, 0, 40, 32), 96, 64)
    assert f"{bits:,.0f} bit" in window.numbers.values["region"].text()


def test_a_zeroed_channel_is_a_real_file_and_its_numbers_are_shown(
    window: MainWindow, qtbot: QtBot, picture: np.ndarray
) -> None:
    panel, file, latents = window.inside.surgery, file_of(window), window.session.latents
    assert latents is not None
    costliest = int(latents.maps.bits.sum((0, 1)).argmax())
    window.session.set_map(channel=costliest)
    assert panel.channel.value() == costliest
    window.actions_table["surgery_zero"].trigger()
    result = edited_of(qtbot, window)
    assert result.edits == (ZeroChannel(costliest),) and not result.y_hat[..., costliest].any()
    decoded = decode(result.data, model=window.session.model)
    np.testing.assert_array_equal(decoded.rgb, result.picture.rgb)
    np.testing.assert_array_equal(decoded.y_hat, result.y_hat)
    shown = panel.values["bytes"].text().replace("−", "-")
    assert f"{len(result.data):,} bytes · {len(result.data) - len(file.data):+,}" in shown
    psnr = metrics.psnr(picture, decoded.rgb)
    assert file.psnr is not None
    assert panel.values["psnr"].text() == f"{psnr:.2f} dB · {psnr - file.psnr:+.2f} dB".replace("-", "−")
    changed = (result.y_hat != latents.y_hat).sum(2)
    assert panel.map.values is not None
    np.testing.assert_array_equal(panel.map.values, changed)
    side = window.session.sides["b"]
    assert side is not None and side.of is result


def test_edits_are_made_anew_when_a_search_finds_other_latents_at_the_same_setting(
    window: MainWindow, qtbot: QtBot
) -> None:
    session, surgery = window.session, window.inside.surgery.surgery
    window.actions_table["surgery_zero"].trigger()
    first = edited_of(qtbot, window)
    assert session.latents is not None
    session.latents = replace(session.latents, y_hat=np.roll(session.latents.y_hat, 1, 0))
    session.maps_changed.emit()
    second = edited_of(qtbot, window)
    assert second is not first and second.base is session.latents
    np.testing.assert_array_equal(
        second.y_hat, edited(session.latents.y_hat, surgery.edits, channel_bits(session.latents.maps))
    )


def test_regions_are_edited_undone_redone_and_reset(window: MainWindow, qtbot: QtBot) -> None:
    panel, surgery = window.inside.surgery, window.inside.surgery.surgery
    assert not panel.erase.isEnabled()
    window.session.set_selection(QRect(20, 10, 30, 30))
    assert panel.erase.isEnabled()
    window.actions_table["surgery_erase"].trigger()
    result = edited_of(qtbot, window)
    assert not result.y_hat[0:3, 1:4].any()
    panel.strength.setValue(3)
    panel.perturb.click()
    assert [type(edit) for edit in surgery.edits] == [Erase, Perturb] and panel.edits.count() == 2
    result = edited_of(qtbot, window)
    assert 0 < np.abs(result.y_hat[0:3, 1:4]).max() <= 3
    window.actions_table["surgery_undo"].trigger()
    assert panel.edits.count() == 1 and panel.redo.isEnabled()
    window.actions_table["surgery_redo"].trigger()
    assert panel.edits.count() == 2
    window.actions_table["surgery_reset"].trigger()
    assert surgery.edits == () and window.session.compare.b == CURRENT and EDITED.kind not in window.session.exhibits
    window.actions_table["surgery_undo"].trigger()
    assert panel.edits.count() == 2


def test_a_channel_that_another_model_lacks_is_no_edit_any_more(window: MainWindow, qtbot: QtBot) -> None:
    surgery = window.inside.surgery.surgery
    surgery.add(ZeroChannel(1))
    surgery.add(ZeroChannel(300))
    edited_of(qtbot, window)
    assert surgery.edits == (ZeroChannel(1),)


def test_the_slider_of_kept_channels_is_one_edit(window: MainWindow, qtbot: QtBot) -> None:
    panel, latents = window.inside.surgery, window.session.latents
    assert latents is not None
    for count in (10, 7, 4):
        panel.top.setValue(count)
    assert panel.surgery.edits == (KeepTop(4),)
    result = edited_of(qtbot, window)
    best = np.argsort(-latents.maps.bits.sum((0, 1), dtype=np.float64), kind="stable")[:4]
    np.testing.assert_array_equal(result.y_hat[..., best], latents.y_hat[..., best])
    assert not np.delete(result.y_hat, best, 2).any()
    panel.undo.click()
    assert panel.surgery.edits == () and panel.top.value() == latents.y_hat.shape[2]


def test_one_key_resets_the_latents_even_while_a_number_is_being_set(window: MainWindow, qtbot: QtBot) -> None:
    panel, surgery = window.inside.surgery, window.inside.surgery.surgery
    window.activateWindow()
    window.show_right_tab(panel)
    panel.channel.setFocus()
    panel.channel.selectAll()
    qtbot.keyClicks(panel.channel, "5")
    assert panel.channel.value() == 5
    qtbot.keyClick(panel.channel, Qt.Key.Key_Z)
    assert surgery.edits == (ZeroChannel(5),)
    edited_of(qtbot, window)
    panel.map.hovered.emit(QPoint(1, 1))
    assert panel.map_title.text() in [f"y (1, 1): {count} of 8 channels changed" for count in (0, 1)]
    qtbot.keyClick(panel.channel, Qt.Key.Key_R)
    assert surgery.edits == () and window.session.compare.b == CURRENT
    assert "at each place" in panel.map_title.text()


def test_edits_follow_the_prior_and_end_with_the_image(window: MainWindow, qtbot: QtBot) -> None:
    window.inside.surgery.surgery.add(KeepTop(3))
    first = edited_of(qtbot, window)
    window.session.set_choice(prior="factorized")
    qtbot.waitUntil(lambda: window.session.exact is not None, timeout=WAIT_MS)
    second = edited_of(qtbot, window)
    assert second.choice.prior == "factorized" and second.data != first.data
    window.session.select(None)
    assert window.inside.surgery.surgery.edits == () and window.session.compare.b == CURRENT


# ---------------------------------------------------------------- damage


def damaged_of(qtbot: QtBot, window: MainWindow) -> DamagedResult:
    damage = window.inside.damage.damage
    qtbot.waitUntil(lambda: damage.result is not None, timeout=WAIT_MS)
    assert damage.result is not None
    return damage.result


def middle_of_y(window: MainWindow) -> int:
    section = container.sections(file_of(window).container)[2]
    return (section.start + section.stop) // 2


def test_a_flipped_bit_is_refused_shown_and_marked(window: MainWindow, qtbot: QtBot) -> None:
    panel, file, latents = window.inside.damage, file_of(window), window.session.latents
    byte = middle_of_y(window)
    panel.strip.pressed.emit(byte, False)
    result = damaged_of(qtbot, window)
    with pytest.raises(ChecksumError) as refused:
        decode(result.data, model=window.session.model, name="waves.jahp")
    assert result.refusal == str(refused.value) and result.refusal in panel.verdict.text()
    assert "not what the encoder wrote" in panel.verdict.text() or "damaged" in result.objection
    wreck = codec_damage.decode_unchecked(codec_damage.flipped(file.data, [8 * byte]), model=window.session.model)
    assert result.picture is not None and latents is not None and result.wrong is not None
    np.testing.assert_array_equal(result.picture.rgb, wreck.rgb)
    assert result.first_wrong == codec_damage.first_difference(wreck, latents.y_hat)
    assert window.session.compare.b == DAMAGED
    side = window.session.sides["b"]
    assert side is not None and captions.side_caption(side, window.session.lmbda_at, 96 * 64).startswith("DAMAGED")
    assert f"step {result.first_wrong} of 15" in panel.values["first"].text()


def test_dragging_moves_the_flip_and_shift_adds_one(window: MainWindow, qtbot: QtBot) -> None:
    panel, damage = window.inside.damage, window.inside.damage.damage
    byte = middle_of_y(window)
    panel.strip.pressed.emit(byte, False)
    panel.strip.dragged.emit(byte + 1)
    panel.strip.dragged.emit(byte + 2)
    assert damage.flips == (8 * byte + 16,) and panel.byte.value() == byte + 2
    panel.strip.pressed.emit(byte - 4, True)
    assert damage.flips == (8 * byte + 16, 8 * byte - 32) and panel.strip.marks == (byte + 2, byte - 4)
    assert damaged_of(qtbot, window).flips == damage.flips
    panel.strip.setFocus()
    qtbot.keyClick(panel.strip, Qt.Key.Key_Right)
    assert damage.flips[-1] == 8 * byte - 24


def test_the_mouse_drags_the_damage_over_the_strip(window: MainWindow, qtbot: QtBot) -> None:
    panel, strip = window.inside.damage, window.inside.damage.strip
    window.show_right_tab(panel)
    QApplication.processEvents()
    start, end = (round(strip.x_of(byte)) for byte in (middle_of_y(window), middle_of_y(window) + 40))
    qtbot.mousePress(strip, Qt.MouseButton.LeftButton, pos=QPoint(start, 10))
    first = damaged_of(qtbot, window).flips
    assert first == (8 * (strip.byte_at(start) or 0),)
    for x in (start + (end - start) // 2, end):
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(x, 10),
            QPointF(strip.mapToGlobal(QPoint(x, 10))),
            Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(strip, move)
    qtbot.mouseRelease(strip, Qt.MouseButton.LeftButton, pos=QPoint(end, 10))
    result = damaged_of(qtbot, window)
    assert result.flips == (8 * (strip.byte_at(end) or 0),) != first
    assert panel.map.values is not None and result.wrong is not None
    cell = QPoint(*reversed([int(index) for index in np.unravel_index(result.wrong.argmax(), result.wrong.shape)]))
    panel.map.hovered.emit(cell)
    assert panel.map_title.text().endswith(f"{result.wrong.max()} of 8 channels wrong")


def test_restoring_brings_the_file_back(window: MainWindow, qtbot: QtBot) -> None:
    panel, damage = window.inside.damage, window.inside.damage.damage
    assert panel.byte.value() == middle_of_y(window) or panel.byte.value() > 40
    window.actions_table["damage_flip"].trigger()
    assert window.right_tabs.currentWidget() is panel and len(damage.flips) == 1
    damaged_of(qtbot, window)
    window.actions_table["damage_restore"].trigger()
    assert damage.flips == () and window.session.compare.b == CURRENT and "intact" in panel.verdict.text()
    window.actions_table["damage_flip"].trigger()
    window.actions_table["damage_flip"].trigger()
    assert damage.flips == ()


def test_a_header_that_cannot_be_read_is_told_and_nothing_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    window.inside.damage.damage.move(0)
    result = damaged_of(qtbot, window)
    assert result.picture is None and "not a .jahp file" in result.objection
    verdict = window.inside.damage.verdict.text()
    assert verdict.count(result.objection) == 1 and verdict.endswith("Nothing of it can be decoded.")
    assert window.session.sides["b"] is None
    assert not window.inside.damage.export.isEnabled()


def test_damage_is_compared_with_latents_that_come_after_it(window: MainWindow, qtbot: QtBot) -> None:
    session, damage = window.session, window.inside.damage.damage
    latents, session.latents = session.latents, None
    damage.move(8 * middle_of_y(window))
    assert damaged_of(qtbot, window).wrong is None
    session.latents = latents
    session.results_changed.emit()
    qtbot.waitUntil(lambda: damaged_of(qtbot, window).wrong is not None, timeout=WAIT_MS)


def test_another_file_is_not_damaged(window: MainWindow, qtbot: QtBot) -> None:
    damage = window.inside.damage.damage
    damage.move(8 * middle_of_y(window))
    window.session.set_choice(gain_index=30)
    qtbot.waitUntil(lambda: window.session.exact is not None, timeout=WAIT_MS)
    assert damage.flips == () and damage.file is window.session.exact and window.session.compare.b == CURRENT


def test_the_strip_finds_every_byte_where_it_draws_it(window: MainWindow, qtbot: QtBot) -> None:
    strip = ByteStrip(interactive=True)
    qtbot.addWidget(strip)
    strip.resize(3000, 34)
    sections = container.sections(file_of(window).container)
    strip.show_sections(sections)
    for byte in (0, sections[0].stop - 1, sections[1].start, sections[2].start + 5, sections[3].stop - 1):
        assert strip.byte_at(strip.x_of(byte)) == byte
    with qtbot.waitSignal(strip.pressed) as pressed:
        place = QPoint(round(strip.x_of(sections[1].start)), 10)
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, place)
    assert pressed.args is not None and abs(pressed.args[0] - sections[1].start) <= 1 and pressed.args[1] is True


def test_no_line_goes_through_the_name_of_a_section(window: MainWindow, qtbot: QtBot) -> None:
    strip = ByteStrip(interactive=True)
    qtbot.addWidget(strip)
    strip.resize(300, 34)
    strip.show_sections(container.sections(file_of(window).container))
    section, whole = strip.rects()[2]
    assert strip.clear_part(whole, whole) == whole
    for share in (0.3, 0.8):
        byte = round(section.start + share * (section.stop - section.start))
        strip.show_marks([byte])
        part = strip.clear_part(whole, whole)
        line = strip.x_of(byte)
        assert (part.left() == line) if share < 0.5 else (part.right() == line)
        assert part.width() > 0.6 * whole.width()


def test_latents_are_marked_and_opened_in_every_map(window: MainWindow, qtbot: QtBot) -> None:
    session, inside = window.session, window.inside
    inside.decoder.end.click()
    inside.surgery.surgery.add(KeepTop(2))
    edited_of(qtbot, window)
    inside.damage.damage.move(8 * middle_of_y(window))
    damaged_of(qtbot, window)
    qtbot.waitUntil(lambda: inside.decoder.decoder.frame is not None, timeout=WAIT_MS)
    for number, panel in enumerate((inside.decoder, inside.surgery, inside.damage)):
        window.show_right_tab(panel)
        QApplication.processEvents()
        target = panel.map.target()
        point = target.topLeft() + QPointF((number + 0.5) * target.width() / 6, 2.5 * target.height() / 4)
        qtbot.mouseClick(panel.map, Qt.MouseButton.LeftButton, pos=point.toPoint())
        assert session.marked == ("y", number, 2) and panel.map.marked == QPoint(number, 2)
        qtbot.mouseClick(panel.map, Qt.MouseButton.LeftButton, pos=point.toPoint())
        assert session.marked is None and panel.map.marked is None
        qtbot.mouseDClick(panel.map, Qt.MouseButton.LeftButton, pos=point.toPoint())
        assert session.marked == ("y", number, 2) and window.right_tabs.currentWidget() is window.inspector


# ---------------------------------------------------------------- exports


def test_each_view_is_exported_as_picture_and_arrays(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session, inside = window.session, window.inside
    inside.decoder.decoder.go_to(7)
    wait_for_moment(qtbot, window, 7)
    inside.surgery.surgery.add(KeepTop(2))
    edited = edited_of(qtbot, window)
    inside.damage.damage.move(8 * middle_of_y(window))
    damaged = damaged_of(qtbot, window)
    for source in (DECODER, EDITED, DAMAGED):
        for suffix in (".png", ".svg", ".npz"):
            path = tmp_path / f"{source.kind}{suffix}"
            inside.export(source, path)
            qtbot.waitUntil(lambda path=path: path.exists(), timeout=WAIT_MS)
    with Image.open(tmp_path / "damaged.png") as image:
        assert image.width > 400
    for kind, word in (("decoder", "step 6 of 15"), ("edited", "edited latents"), ("damaged", "DAMAGED")):
        assert word in (tmp_path / f"{kind}.svg").read_text(encoding="utf-8")
    assert session.exact is not None and session.latents is not None
    for source in (DECODER, EDITED, DAMAGED):
        with np.load(tmp_path / f"{source.kind}.npz") as arrays:
            assert arrays["prior"] == "joint" and arrays["lmbda"] == pytest.approx(session.lmbda)
            assert arrays["file_bytes"] == len(session.exact.data) and arrays["image"] == "waves.png"
            named = {name for name in arrays.files if arrays[name].ndim and not name.endswith("_axes")}
            assert all(len(arrays[f"{name}_axes"]) == arrays[name].ndim for name in named) and len(named) > 3
            assert arrays["rgb_axes"].tolist() == ["row", "column", "rgb"]
        with Image.open(tmp_path / f"{source.kind}.png") as image:
            assert caption_of(exact_settings(session)) in image.info["Description"]
    with np.load(tmp_path / "decoder.npz") as arrays:
        assert arrays["y_hat_axes"].tolist() == ["row", "column", "channel"]
        np.testing.assert_array_equal(arrays["y_hat"], session.latents.y_hat)
        known = arrays["step_of_position"] <= arrays["steps_done"]
        np.testing.assert_array_equal(arrays["latents_shown"][known], arrays["y_hat"][known])
    with np.load(tmp_path / "edited.npz") as arrays:
        np.testing.assert_array_equal(arrays["y_hat_edited"], edited.y_hat)
        assert arrays["edited_file_bytes"] == len(edited.data) and arrays["edited_psnr_db"] == edited.psnr
        assert arrays["edits"].tolist() == ["Only the 2 most expensive channels"]
    with np.load(tmp_path / "damaged.npz") as arrays:
        assert arrays["bytes"].tobytes() == damaged.data and arrays["flipped_bits"].tolist() == list(damaged.flips)


def test_an_export_says_what_its_picture_shows_while_the_next_one_is_made(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, byte = window.inside, middle_of_y(window)
    surgery, damage, decoder = inside.surgery.surgery, inside.damage.damage, inside.decoder.decoder
    decoder.go_to(3)
    wait_for_moment(qtbot, window, 3)
    surgery.add(KeepTop(2))
    edited_of(qtbot, window)
    damage.move(8 * byte)
    damaged_of(qtbot, window)
    for controller in (surgery, damage):
        monkeypatch.setattr(controller, "_start", lambda: None)
    surgery.add(ZeroChannel(1))
    damage.move(8 * byte + 8)
    for source, old, new in (
        (EDITED, "Only the 2 most expensive channels", "Channel 1 is zero"),
        (DAMAGED, f"{byte}.0", f"{byte + 1}.0"),
    ):
        for suffix in (".svg", ".npz"):
            inside.export(source, tmp_path / f"{source.kind}{suffix}")
            qtbot.waitUntil((tmp_path / f"{source.kind}{suffix}").exists, timeout=WAIT_MS)
        text = (tmp_path / f"{source.kind}.svg").read_text(encoding="utf-8")
        assert old in text and new not in text
    with np.load(tmp_path / "edited.npz") as arrays:
        assert arrays["edits"].tolist() == ["Only the 2 most expensive channels"]
    with np.load(tmp_path / "damaged.npz") as arrays:
        assert arrays["flipped_bits"].tolist() == [8 * byte]
    decoder.recording = None  # another file is being recorded
    with qtbot.waitSignal(window.session.message) as told:
        inside.export(DECODER, tmp_path / "decoder.npz")
    assert told.args is not None and told.args[1] == "warning" and not (tmp_path / "decoder.npz").exists()


def test_exporting_asks_for_a_place_only_where_there_is_something(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(title: str, suffix: str, filters: str, ending: str) -> None:
        asked.append((title, ending))

    monkeypatch.setattr(window.inside, "_ask", ask)
    window.actions_table["export_edited"].trigger()
    assert asked == []
    window.inside.surgery.surgery.add(KeepTop(2))
    edited_of(qtbot, window)
    window.actions_table["export_edited"].trigger()
    assert asked == [("Export Edited latents", "-edited")] and "*.npz" in inside_commands.FILTERS


# ---------------------------------------------------------------- a file without its original


def test_an_opened_file_can_be_watched_edited_and_damaged(
    window: MainWindow, explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "alone.jahp"
    path.write_bytes(file_of(window).data)
    session = window.session
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: session.is_fixed and session.latents is not None, timeout=WAIT_MS)
    window.inside.decoder.end.click()
    decoder = window.inside.decoder.decoder
    qtbot.waitUntil(lambda: decoder.frame is not None, timeout=WAIT_MS)
    np.testing.assert_array_equal(frame_of(window).picture.rgb, file_of(window).picture.rgb)
    window.inside.surgery.surgery.add(KeepTop(2))
    edited = edited_of(qtbot, window)
    assert edited.psnr is None and window.inside.surgery.values["psnr"].text() == "–"
    window.inside.damage.damage.move(8 * middle_of_y(window))
    assert "alone.jahp" in damaged_of(qtbot, window).refusal


def test_a_cancelled_recording_can_be_begun_anew(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.inside.decoder
    panel.play.click()
    window.jobs.cancel_shown()
    qtbot.waitUntil(lambda: "Play" in panel.play.text(), timeout=WAIT_MS)
    assert not panel.decoder.playing and panel.decoder.frame is None
    panel.play.click()
    qtbot.waitUntil(lambda: panel.decoder.last > 0 and not panel.decoder.playing, timeout=WAIT_MS)
    assert frame_of(window).moment == panel.decoder.last


def test_another_language_keeps_what_was_done(window: MainWindow, explorer: Explorer, qtbot: QtBot) -> None:
    window.inside.surgery.surgery.add(KeepTop(2))
    edited_of(qtbot, window)
    window.language_chosen.emit("zh_CN")
    new = explorer.window
    assert new is not None and new is not window
    item = new.inside.surgery.edits.item(0)
    assert item is not None and item.text() == "只保留最贵的 2 个通道"
    new.actions_table["surgery_reset"].trigger()
    assert new.inside.surgery.edits.count() == 0
