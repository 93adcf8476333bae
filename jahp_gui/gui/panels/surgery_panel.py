"""Latent surgery: edits of channels and regions, the list of them, and what they do to bytes and picture."""

import numpy as np
from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QListWidget, QSlider, QVBoxLayout, QWidget

from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.surgery import Edit, Erase, KeepTop, Perturb, ZeroChannel, top_channels
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import SEQUENTIAL
from jahp_gui.gui.panels.map_view import ColourBar
from jahp_gui.gui.panels.marking_map import MarkingMap
from jahp_gui.gui.panels.widgets import NumberBox, button, faint, value_rows
from jahp_gui.gui.session import Session
from jahp_gui.gui.surgery import SurgeryController

ROWS = (
    ("bytes", "File", "Bytes of the real file of the edited latents, against the file that is shown."),
    ("psnr", "PSNR", "Of the picture decoded from the edited file, and how much that is less."),
    ("latents", "Changed", "How many of the latents are not what the encoder chose."),
)
NONE = "–"
STRONGEST = 64
LIST_ROWS = 5  # of edits that are seen without scrolling


class SurgeryPanel(QWidget):
    """Adds edits to the controller's list and shows what comes of them."""

    export_asked = Signal()

    def __init__(self, session: Session, surgery: SurgeryController, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.surgery = session, surgery
        self.channel, self.strength = NumberBox(), NumberBox()
        self.zero = button(tr("Zero"), tr("Set this channel to zero everywhere: what does the picture lose?"))
        self.top = QSlider(Qt.Orientation.Horizontal)
        self.top_value = faint("")
        self.erase = button(tr("Erase"), tr("Set all latents of the selected region to zero (Del)."))
        self.perturb = button(tr("Perturb"), tr("Move every latent of the selected region by a few steps at random."))
        self.region = faint("")
        self.edits = QListWidget()
        self.map, self.bar, self.map_title = MarkingMap(session), ColourBar(), faint("")
        self.undo, self.redo = button(tr("Undo"), tr("Undo edit")), button(tr("Redo"), tr("Redo edit"))
        self.reset = button(tr("Reset"), tr("Back to the latents of the encoder (R)"))
        self.export = button(tr("Export…"), tr("The picture with its caption, or all arrays as NPZ."))
        self.rows, self.values = value_rows(ROWS)
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    def _describe(self) -> None:
        self.channel.setAccessibleName(tr("Channel"))
        self.channel.setToolTip(tr("A channel of y, numbered as in the maps; the map's channel comes first."))
        self.strength.setRange(1, STRONGEST)
        self.strength.setValue(4)
        self.strength.setPrefix("± ")
        self.strength.setAccessibleName(tr("Strength"))
        self.strength.setToolTip(tr("The most quantiser steps that a latent is moved by."))
        self.top.setAccessibleName(tr("Channels kept"))
        self.top.setToolTip(tr("Keep only the channels that cost most bits; all others are zero."))
        self.top.setPageStep(16)
        self.region.setWordWrap(True)
        self.edits.setAccessibleName(tr("Edits"))
        self.edits.setToolTip(tr("Done one after the other, from the top."))
        self.edits.setFixedHeight(LIST_ROWS * self.fontMetrics().lineSpacing() + 12)
        self.map.text = tr("The latents that were changed appear here.")
        self.map.setAccessibleName(tr("Changed latents"))

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, (text, widget, last) in enumerate(
            (
                (tr("Channel"), self.channel, self.zero),
                (tr("Keep top"), self.top, self.top_value),
                (tr("Region"), self.strength, self.perturb),
            )
        ):
            grid.addWidget(faint(text), row, 0)
            grid.addWidget(widget, row, 1)
            grid.addWidget(last, row, 2)
        grid.addWidget(self.region, 3, 1)
        grid.addWidget(self.erase, 3, 2, Qt.AlignmentFlag.AlignTop)
        for widget in (self.zero, self.perturb, self.erase):
            widget.setSizePolicy(self.strength.sizePolicy())
        history = QHBoxLayout()
        for widget in (self.undo, self.redo, self.reset):
            history.addWidget(widget)
        history.addStretch(1)
        history.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(grid)
        layout.addWidget(faint(tr("Edits")))
        layout.addWidget(self.edits)
        layout.addLayout(history)
        layout.addLayout(self.rows)
        layout.addWidget(self.map_title)
        layout.addWidget(self.map, 1)
        layout.addWidget(self.bar)

    def _connect(self) -> None:
        session, surgery = self.session, self.surgery
        self.zero.clicked.connect(self.zero_channel)
        self.top.valueChanged.connect(lambda count: surgery.add(KeepTop(count)))
        self.erase.clicked.connect(self.erase_region)
        self.perturb.clicked.connect(self.perturb_region)
        self.undo.clicked.connect(surgery.undo)
        self.redo.clicked.connect(surgery.redo)
        self.reset.clicked.connect(surgery.reset)
        self.export.clicked.connect(self.export_asked)
        self.map.hovered.connect(self._hover)
        surgery.changed.connect(self.refresh)
        for signal in (session.maps_changed, session.results_changed):
            signal.connect(self.refresh)
        session.selection_changed.connect(self._refresh_region)
        session.map_choice_changed.connect(self._follow_map)

    # ------------------------------------------------------------ widgets → controller

    def zero_channel(self) -> None:
        self.surgery.add(ZeroChannel(self.channel.value()))

    def erase_region(self) -> None:
        if (region := self._region()) is not None:
            self.surgery.add(Erase(region))

    def perturb_region(self) -> None:
        """Each time otherwise."""
        if (region := self._region()) is not None:
            self.surgery.add(Perturb(region, self.strength.value(), seed=len(self.surgery.edits)))

    def _region(self) -> Region | None:
        selection = self.session.selection
        if selection is None or self.surgery.base is None:
            return None
        return Region(selection.x(), selection.y(), selection.width(), selection.height())

    # ------------------------------------------------------------ session → widgets

    def _follow_map(self) -> None:
        choice = self.session.map_choice
        if choice.latents == "y" and choice.channel is not None:
            self.channel.setValue(choice.channel)

    def refresh(self) -> None:
        surgery, base = self.surgery, self.surgery.base
        for widget in (self.channel, self.zero, self.top, self.strength):
            widget.setEnabled(base is not None)
        if base is not None:
            channels = base.y_hat.shape[2]
            with QSignalBlocker(self.top):
                self.channel.setRange(0, channels - 1)
                self.top.setRange(0, channels)
                kept = [edit.count for edit in surgery.edits if isinstance(edit, KeepTop)]
                self.top.setValue(min(kept, default=channels))
            self.top_value.setText(self._share_text(self.top.value()))
        self._refresh_region()
        self.undo.setEnabled(surgery.can_undo)
        self.redo.setEnabled(surgery.can_redo)
        self.reset.setEnabled(bool(surgery.edits))
        self.export.setEnabled(surgery.result is not None)
        self._refresh_list()
        self._refresh_values()

    def _refresh_region(self) -> None:
        region = self._region()
        for widget in (self.erase, self.perturb):
            widget.setEnabled(region is not None)
        self.region.setText(
            tr("Shift+drag selects one, Ctrl+A what is seen.") if region is None else _region_text(region)
        )

    def _share_text(self, count: int) -> str:
        """How many channels stay, and which part of the bits they have."""
        base = self.surgery.base
        assert base is not None
        bits = base.channel_bits
        share = bits[top_channels(bits, count)].sum() / max(bits.sum(), 1e-9)
        return f"{count} · {100 * share:.0f} %"

    def _refresh_list(self) -> None:
        texts = [edit_text(edit) for edit in self.surgery.edits]
        if texts != [self.edits.item(row).text() for row in range(self.edits.count())]:
            self.edits.clear()
            self.edits.addItems(texts)
            self.edits.scrollToBottom()

    def _refresh_values(self) -> None:
        surgery, result, file = self.surgery, self.surgery.result, self.session.shown_file
        base = surgery.base
        self.bar.setVisible(result is not None)
        if result is None or file is None or base is None:
            self.map.show_values(None, 0, 1, SEQUENTIAL)
            self._hover(None)
            text = "…" if surgery.edits and base is not None else NONE
            for label in self.values.values():
                label.setText(text)
            return
        change = len(result.data) - len(file.data)
        percent = 100 * change / len(file.data)
        text = tr("{size:,} bytes").format(size=len(result.data))
        self.values["bytes"].setText(f"{text} · {change:+,} ({percent:+.1f} %)".replace("-", "−"))
        psnr = NONE
        if result.psnr is not None and file.psnr is not None:
            psnr = f"{result.psnr:.2f} dB · {result.psnr - file.psnr:+.2f} dB".replace("-", "−")
        self.values["psnr"].setText(psnr)
        changed = result.changed
        text = tr("{changed:,} of {all:,} latents").format(changed=int(changed.sum()), all=base.y_hat.size)
        self.values["latents"].setText(text)
        most = max(int(changed.max()), 1)
        self.map.show_values(changed.astype(np.float32), 0, most, SEQUENTIAL)
        self.bar.show_range(0, most, tr("channels"), SEQUENTIAL)
        self._hover(self.map.hovered_cell)

    def _hover(self, cell: QPoint | None) -> None:
        base, values = self.surgery.base, self.map.values
        text = tr("Changed channels at each place")
        if cell is not None and base is not None and values is not None:
            text = tr("y ({x}, {y}): {count} of {all} channels changed")
            count = int(values[cell.y(), cell.x()])
            text = text.format(x=cell.x(), y=cell.y(), count=count, all=base.y_hat.shape[2])
        self.map_title.setText(text)
        self.map.setAccessibleDescription(text)


def _region_text(region: Region) -> str:
    return f"{region.width}×{region.height} ({region.left}, {region.top})"


def edit_text(edit: Edit) -> str:
    """An edit in words."""
    if isinstance(edit, ZeroChannel):
        return tr("Channel {channel} is zero").format(channel=edit.channel)
    if isinstance(edit, KeepTop):
        return tr("Only the {count} most expensive channels").format(count=edit.count)
    if isinstance(edit, Erase):
        return tr("Erased: {region}").format(region=_region_text(edit.region))
    text = tr("Moved by ± {strength}: {region}")
    return text.format(strength=edit.strength, region=_region_text(edit.region))
