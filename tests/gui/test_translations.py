"""Chinese: every text of the window is translated, and nothing else is in the catalogue."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox

import jahp_gui.gui
from jahp_gui.evaluation.classical import CODECS
from jahp_gui.gui import actions, captions, sentences
from jahp_gui.gui.i18n import load_catalogue, set_language, tr
from jahp_gui.gui.panels import (
    byte_strip,
    codec_panel,
    compare_panel,
    damage_panel,
    decoder_panel,
    maps_panel,
    numbers_panel,
    region_bar,
    surgery_panel,
)


def texts_in_calls() -> Iterator[str]:
    for path in Path(jahp_gui.gui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr"
            if is_call and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def texts_in_tables() -> Iterator[str]:
    for command in actions.COMMANDS:
        if command.key != actions.SEPARATOR:
            yield from (command.name, command.tip, command.menu)
    for table in (
        captions.PRIOR_NAMES,
        captions.PRIOR_TERMS,
        captions.QUANTITY_NAMES,
        captions.QUANTITY_UNITS,
        captions.QUANTITY_TERMS,
        captions.EXHIBIT_NAMES,
        dict(enumerate(captions.EFFORT_NAMES)),
        dict(enumerate(captions.EFFORT_TERMS)),
        region_bar.TOOL_NAMES,
        region_bar.TOOL_TERMS,
        byte_strip.NAMES,
        decoder_panel.ORDER_NAMES,
        decoder_panel.ORDER_TERMS,
        codec_panel.TARGET_NAMES,
        compare_panel.MODE_NAMES,
        compare_panel.MODE_TERMS,
        maps_panel.SUMMARIES,
    ):
        yield from table.values()
    yield maps_panel.OTHER_SUMMARY
    for _, name, term in (*numbers_panel.ROWS, *decoder_panel.ROWS, *surgery_panel.ROWS, *damage_panel.ROWS):
        yield from (name, term)
    yield from (codec.quality_name for codec in CODECS)
    yield from sentences.TEMPLATES


def test_every_text_is_translated_and_none_is_left_over() -> None:
    assert set(load_catalogue("zh_CN")) == {*texts_in_calls(), *texts_in_tables()}


def test_translations_keep_their_places_for_values() -> None:
    for text, translation in load_catalogue("zh_CN").items():
        assert sorted(re.findall(r"{[^}]*}", text)) == sorted(re.findall(r"{[^}]*}", translation)), text


@pytest.mark.usefixtures("qapp")
def test_the_language_can_be_set_and_taken_back() -> None:
    set_language("zh_CN")
    assert tr("Side by side") == "并排" and tr("no such text") == "no such text"
    set_language("en")
    assert tr("Side by side") == "Side by side"


@pytest.mark.usefixtures("qapp")
def test_qts_own_dialogs_speak_the_language_too() -> None:
    buttons = QMessageBox.StandardButton

    def texts() -> list[str]:
        box = QMessageBox(QMessageBox.Icon.Question, "", "", buttons.Save | buttons.Discard | buttons.Cancel)
        return [box.button(button).text() for button in (buttons.Save, buttons.Discard, buttons.Cancel)]

    set_language("zh_CN")
    assert not any(text.isascii() for text in texts())
    set_language("en")
    assert all(text.isascii() for text in texts())
