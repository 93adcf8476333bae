"""Damage the stream: flip bits of the file, see where the decoder loses its way, and that the ordinary path refuses."""

import numpy as np
from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from jahp_gui.codec import container
from jahp_gui.gui import theme
from jahp_gui.gui.damage import DamageController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import SEQUENTIAL
from jahp_gui.gui.panels.byte_strip import NAMES, ByteStrip
from jahp_gui.gui.panels.map_view import ColourBar
from jahp_gui.gui.panels.marking_map import MarkingMap
from jahp_gui.gui.panels.widgets import NumberBox, ValueLabel, button, faint, value_rows
from jahp_gui.gui.results import DamagedResult, FileResult
from jahp_gui.gui.sentences import translated
from jahp_gui.gui.session import Session

ROWS = (
    (
        "first",
        "First wrong",
        "The first step whose latents are not those of the intact file. The ordinary decoder gives up where its words "
        "cannot be right; for you to see, this one reads on.",
    ),
    ("wrong", "Wrong", "Share of the latents that differ from those of the intact file."),
    ("psnr", "Picture", "PSNR against the picture of the intact file."),
)
NONE = "–"


class DamagePanel(QWidget):
    """A strip of the file's bytes to press and drag on, and what came of it."""

    export_asked = Signal()

    def __init__(self, session: Session, damage: DamageController, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.damage = session, damage
        self._shown: FileResult | None = None
        self.strip = ByteStrip(interactive=True)
        self.byte, self.bit = NumberBox(), NumberBox()
        self.flip = button(tr("Flip"), tr("Turn this bit over, or back."))
        self.restore = button(tr("Restore"), tr("The file as it was (Shift+R)"))
        self.export = button(tr("Export…"), tr("The picture with its caption, or all arrays as NPZ."))
        self.here, self.verdict = QLabel(), ValueLabel(tr("What the ordinary decoder says"))
        self.rows, self.values = value_rows(ROWS)
        self.map, self.bar, self.map_title = MarkingMap(session), ColourBar(), faint("")
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    def _describe(self) -> None:
        self.strip.setToolTip(tr("Press or drag to flip a bit there; Shift+press flips one more."))
        self.strip.setAccessibleDescription(tr("Arrow keys move the flipped bit by a byte, with Shift far."))
        self.byte.setAccessibleName(tr("Byte"))
        self.byte.setToolTip(tr("Offset in the file, from 0."))
        self.byte.setKeyboardTracking(False)
        self.bit.setAccessibleName(tr("Bit"))
        self.bit.setRange(0, 7)
        self.bit.setToolTip(tr("0 is the lowest bit of the byte, 7 the highest."))
        self.here.setFont(theme.numbers_font(self.font()))
        self.here.setTextFormat(Qt.TextFormat.PlainText)
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.map.text = tr("Flip a bit: the latents that go wrong appear here.")
        self.map.setAccessibleName(tr("Wrong latents"))

    def _lay_out(self) -> None:
        place, last = QHBoxLayout(), QHBoxLayout()
        for text, spin in ((tr("Byte"), self.byte), (tr("Bit"), self.bit)):
            label = faint(text)
            label.setBuddy(spin)
            place.addWidget(label)
            place.addWidget(spin, 1 if spin is self.byte else 0)
        place.addWidget(self.flip)
        last.addWidget(self.restore)
        last.addStretch(1)
        last.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.strip)
        layout.addLayout(place)
        layout.addWidget(self.here)
        layout.addWidget(self.verdict)
        layout.addLayout(self.rows)
        layout.addWidget(self.map_title)
        layout.addWidget(self.map, 1)
        layout.addWidget(self.bar)
        layout.addLayout(last)

    def _connect(self) -> None:
        damage = self.damage
        self.strip.pressed.connect(self._press)
        self.strip.dragged.connect(lambda byte: damage.move(8 * byte + self.bit.value()))
        self.byte.valueChanged.connect(self._refresh_here)
        self.bit.valueChanged.connect(self._refresh_here)
        self.flip.clicked.connect(self.flip_chosen)
        self.restore.clicked.connect(damage.restore)
        self.export.clicked.connect(self.export_asked)
        self.map.hovered.connect(self._hover)
        damage.changed.connect(self.refresh)
        theme.switch.changed.connect(self._refresh_verdict)

    def _press(self, byte: int, one_more: bool) -> None:
        bit = 8 * byte + self.bit.value()
        if one_more:
            self.damage.toggle(bit)
        else:
            self.damage.move(bit)

    def flip_chosen(self) -> None:
        self.damage.toggle(8 * self.byte.value() + self.bit.value())

    # ------------------------------------------------------------ controller → widgets

    def refresh(self) -> None:
        damage, file = self.damage, self.damage.file
        for widget in (self.strip, self.byte, self.bit, self.flip):
            widget.setEnabled(file is not None)
        self.restore.setEnabled(bool(damage.flips))
        self.export.setEnabled(damage.result is not None and damage.result.picture is not None)
        self.strip.show_sections(container.sections(file.container) if file is not None else [])
        self.strip.show_marks([flip // 8 for flip in damage.flips])
        with QSignalBlocker(self.byte), QSignalBlocker(self.bit):
            self.byte.setRange(0, len(file.data) - 1 if file is not None else 0)
            if file is not self._shown and file is not None:  # to begin with, where a flip does most
                self._shown = file
                self.byte.setValue((container.sections(file.container)[2].start + len(file.data)) // 2)
            if damage.flips:
                self.byte.setValue(damage.flips[-1] // 8)
                self.bit.setValue(damage.flips[-1] % 8)
        self._refresh_here()
        self._refresh_verdict()
        self._refresh_values(damage.result)

    def _refresh_here(self) -> None:
        """What the chosen byte is and holds."""
        file, byte = self.damage.file, self.byte.value()
        section = self.strip.section_of(byte)
        if file is None or section is None:
            self.here.setText("")
            return
        before = after = file.data[byte]
        for flip in self.damage.flips:
            if flip // 8 == byte:
                after ^= 1 << flip % 8
        text = f"{tr(NAMES[section.name])}: {before:08b}"
        self.here.setText(f"{text} → {after:08b}" if after != before else text)

    def _refresh_verdict(self) -> None:
        damage, result = self.damage, self.damage.result
        colour = theme.current().text
        if not damage.flips:
            text = tr("The file is intact. Press on the strip to flip a bit; drag to move it.")
        elif result is None:
            text = tr("Decoding without checks…")
        else:
            colour = theme.current().error
            text = tr("The ordinary decoder refuses: {sentence}").format(sentence=translated(result.refusal))
            if result.objection == result.refusal:
                text += "\n" + tr("Nothing of it can be decoded.")
            elif result.objection:
                text += "\n" + tr("With a right checksum it would say: “{sentence}”").format(
                    sentence=translated(result.objection)
                )
            else:
                text += "\n" + tr("Only the checksum is wrong; what it guards is intact.")
        self.verdict.setText(text)
        self.verdict.setStyleSheet(f"color: {colour}")

    def _refresh_values(self, result: DamagedResult | None) -> None:
        for label in self.values.values():
            label.setText("…" if self.damage.flips and result is None else NONE)
        self.bar.setVisible(result is not None and result.wrong is not None)
        if result is None or result.wrong is None or result.y_hat is None:
            self.map.show_values(None, 0, 1, SEQUENTIAL)
            self._hover(None)
            return
        channels = result.y_hat.shape[2]
        first = tr("none") if result.first_wrong is None else self._first_text(result)
        self.values["first"].setText(first)
        self.values["wrong"].setText(
            tr("{share:.1f} % of the latents").format(share=100 * result.wrong.sum() / result.y_hat.size)
        )
        self.values["psnr"].setText(tr("the same") if result.psnr is None else f"{result.psnr:.2f} dB")
        self.map.show_values(result.wrong.astype(np.float32), 0, channels, SEQUENTIAL)
        self.bar.show_range(0, channels, tr("channels"), SEQUENTIAL)
        self._hover(self.map.hovered_cell)

    def _hover(self, cell: QPoint | None) -> None:
        result, text = self.damage.result, tr("Wrong channels at each place")
        if cell is not None and result is not None and result.wrong is not None and result.y_hat is not None:
            text = tr("y ({x}, {y}): {count} of {all} channels wrong")
            count = int(result.wrong[cell.y(), cell.x()])
            text = text.format(x=cell.x(), y=cell.y(), count=count, all=result.y_hat.shape[2])
        self.map_title.setText(text)
        self.map.setAccessibleDescription(text)

    def _first_text(self, result: DamagedResult) -> str:
        text = tr("step {done:,} of {steps:,}").format(done=result.first_wrong, steps=result.steps)
        if result.steps_done < result.steps:
            text += " · " + tr("given up in step {step:,}").format(step=result.steps_done + 1)
        return text
