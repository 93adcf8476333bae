"""The decoder at work: transport, what it is at, how much of the file it has read, and what each place cost so far."""

import numpy as np
from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QSlider, QVBoxLayout, QWidget

from jahp_gui.codec import container
from jahp_gui.gui.decoder import ORDERS, RASTER, SPEEDS, WAVEFRONT, DecoderController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import SEQUENTIAL
from jahp_gui.gui.panels.byte_strip import ByteStrip
from jahp_gui.gui.panels.map_view import ColourBar
from jahp_gui.gui.panels.maps_panel import automatic_range
from jahp_gui.gui.panels.marking_map import MarkingMap
from jahp_gui.gui.panels.widgets import button, faint, value_rows
from jahp_gui.gui.results import DecoderFrame
from jahp_gui.gui.session import Session

ORDER_NAMES = {WAVEFRONT: "Wavefront", RASTER: "One by one"}
ORDER_TERMS = {
    WAVEFRONT: "As the file is written: all positions whose neighbours above and left are known are decoded together.",
    RASTER: "Position by position, row by row: the same latents in many more steps, each waiting for the one before.",
}
ROWS = (
    ("step", "Step", "Steps done. In each, the decoder reads the latents of all positions of one front."),
    ("front", "At once", "Latent positions decoded in this step, each with all its channels."),
    ("z", "ẑ read", "Side information: decoded first, it tells roughly what to expect where."),
    ("y", "ŷ read", "The latents themselves. The cost of a step is −log2 of the probability its latents were given."),
)
NONE = "–"


class DecoderPanel(QWidget):
    """Shows what the controller plays and asks it for more."""

    export_asked = Signal()

    def __init__(self, session: Session, decoder: DecoderController, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.decoder = session, decoder
        self.play, self.restart = button("", tr("Play or pause (K)")), button("|◀", tr("To the start"))
        self.back, self.forward = button("◀", tr("One step back (Shift+L)")), button("▶", tr("One step on (L)"))
        self.end = button("▶|", tr("To the end"))
        self.export = button(tr("Export…"), tr("The picture with its caption, or all arrays as NPZ."))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.order, self.speed = QComboBox(), QComboBox()
        self.rows, self.values = value_rows(ROWS)
        self.strip, self.map, self.bar = ByteStrip(interactive=False), MarkingMap(session), ColourBar()
        self.map_title = faint("")
        self.times = faint("")
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    def _describe(self) -> None:
        self.slider.setAccessibleName(tr("Moment of the decoding"))
        self.slider.setToolTip(tr("Any moment of the decoding; the arrow keys move by one step."))
        self.slider.setPageStep(16)
        for order in ORDERS:
            self.order.addItem(tr(ORDER_NAMES[order]), order)
            self.order.setItemData(self.order.count() - 1, tr(ORDER_TERMS[order]), Qt.ItemDataRole.ToolTipRole)
        self.order.setAccessibleName(tr("Order"))
        self.order.setToolTip(tr("The order in which latents are decoded; only priors with context need one."))
        for speed in SPEEDS:
            self.speed.addItem(f"{speed}×", speed)
        self.speed.setAccessibleName(tr("Speed"))
        self.speed.setToolTip(tr("Steps from one picture to the next."))
        self.map.text = tr("What each place has cost appears here.")
        self.map.setAccessibleName(tr("Bits read so far"))
        self.times.setWordWrap(True)
        self.play.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _lay_out(self) -> None:
        transport, choices, last = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for widget in (self.restart, self.back, self.play, self.forward, self.end):
            transport.addWidget(widget)
        for text, box in ((tr("Order"), self.order), (tr("Speed"), self.speed)):
            label = faint(text)
            label.setBuddy(box)
            choices.addWidget(label)
            choices.addWidget(box, 1)
        last.addWidget(self.times, 1)
        last.addWidget(self.export, 0, Qt.AlignmentFlag.AlignBottom)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(transport)
        layout.addWidget(self.slider)
        layout.addLayout(choices)
        layout.addLayout(self.rows)
        layout.addWidget(self.strip)
        layout.addWidget(self.map_title)
        layout.addWidget(self.map, 1)
        layout.addWidget(self.bar)
        layout.addLayout(last)

    def _connect(self) -> None:
        decoder = self.decoder
        self.play.clicked.connect(decoder.toggle)
        self.restart.clicked.connect(lambda: self._jump(0))
        self.end.clicked.connect(lambda: self._jump(decoder.last if decoder.replay else 1 << 40))
        self.back.clicked.connect(lambda: decoder.step(-1))
        self.forward.clicked.connect(lambda: decoder.step(1))
        self.slider.valueChanged.connect(self._jump)
        self.order.activated.connect(lambda: decoder.set_order(self.order.currentData()))
        self.speed.activated.connect(lambda: decoder.set_speed(self.speed.currentData()))
        self.export.clicked.connect(self.export_asked)
        self.map.hovered.connect(self._hover)
        decoder.changed.connect(self.refresh)
        decoder.jobs.activity_changed.connect(self._refresh_play)  # the recording may be cancelled from outside
        self.session.results_changed.connect(self.refresh)

    def _jump(self, moment: int) -> None:
        """A moment chosen by hand; playing goes on from there."""
        self.decoder.go_to(moment)

    # ------------------------------------------------------------ controller → widgets

    def refresh(self) -> None:
        decoder, frame = self.decoder, self.decoder.frame
        self._refresh_play()
        for widget in (self.play, self.restart, self.back, self.forward, self.end):
            widget.setEnabled(self.session.shown_file is not None)
        for box, value in ((self.order, decoder.order), (self.speed, decoder.speed)):
            box.setCurrentIndex(box.findData(value))
        has_context = decoder.recording is None or decoder.recording.has_context
        self.order.setEnabled(has_context)
        with QSignalBlocker(self.slider):
            self.slider.setEnabled(decoder.replay is not None)
            self.slider.setRange(0, max(decoder.last, 1))
            if not self.slider.isSliderDown():
                self.slider.setValue(frame.moment if frame is not None else 0)
        self.export.setEnabled(frame is not None)
        self.times.setText(self._times_text())
        if frame is None:
            self._show_nothing()
        else:
            self._show(frame)

    def _refresh_play(self) -> None:
        self.play.setText("❚❚  " + tr("Pause") if self.decoder.under_way else "▶  " + tr("Play"))

    def _show_nothing(self) -> None:
        for label in self.values.values():
            label.setText(NONE)
        file = self.session.shown_file
        self.strip.show_sections(container.sections(file.container) if file is not None else [])
        self.strip.show_read(0, 0)
        self.map.show_values(None, 0, 1, SEQUENTIAL)
        self.bar.setVisible(False)
        self._hover(None)

    def _show(self, frame: DecoderFrame) -> None:
        recording, replay = self.decoder.recording, self.decoder.replay
        assert recording is not None and replay is not None
        parsed = recording.opened.container
        z_bits, y_bits = frame.bits
        z_all, y_all = replay.bits(replay.last)
        done = max(frame.steps_done, 0)
        self.values["step"].setText(tr("{done:,} of {steps:,}").format(done=done, steps=frame.steps))
        self.values["front"].setText(self._front_text(frame))
        z_share, y_share = z_bits / z_all if z_all else 1.0, y_bits / max(y_all, 1.0)
        size = tr("{read:,.0f} of {all:,} bytes")
        self.values["z"].setText(size.format(read=z_share * len(parsed.z), all=len(parsed.z)) if z_all else tr("none"))
        self.values["y"].setText(size.format(read=y_share * len(parsed.y), all=len(parsed.y)))
        self.strip.show_sections(container.sections(parsed))
        self.strip.show_read(z_share, y_share)
        known = replay.known(frame.moment)
        low, high = automatic_range(recording.bits, SEQUENTIAL)
        self.map.show_values(np.where(known, recording.bits, np.nan).astype(np.float32), low, high, SEQUENTIAL)
        self.bar.setVisible(True)
        self.bar.show_range(low, high, tr("bit"), SEQUENTIAL)
        self._hover(self.map.hovered_cell)

    def _hover(self, cell: QPoint | None) -> None:
        text = tr("Bits of each place, read so far") if cell is None else self.text_at(cell)
        self.map_title.setText(text)
        self.map.setAccessibleDescription(text)

    def text_at(self, cell: QPoint) -> str:
        """When a position is decoded, and what it costs as soon as that is known."""
        replay = self.decoder.replay
        assert replay is not None and self.map.values is not None
        step, bits = int(replay.step_number[cell.y(), cell.x()]), float(self.map.values[cell.y(), cell.x()])
        if np.isnan(bits):
            text = tr("y ({x}, {y}): comes in step {step:,}")
        else:
            text = tr("y ({x}, {y}): {bits:,.1f} bit, read in step {step:,}")
        return text.format(x=cell.x(), y=cell.y(), bits=bits, step=step)

    def _front_text(self, frame: DecoderFrame) -> str:
        replay = self.decoder.replay
        assert replay is not None
        positions, channels = len(replay.front(frame.moment)), replay.recording.y_hat.shape[2]
        if frame.steps_done < 0:
            return NONE
        if frame.steps_done == 0:
            return tr("ẑ, all of it") if frame.bits[0] else NONE
        return tr("{positions:,} × {channels} latents").format(positions=positions, channels=channels)

    def _times_text(self) -> str:
        """Why the front: steps and seconds of both orders, as measured here."""
        decoder, recording = self.decoder, self.decoder.recording
        if recording is None:
            return tr("The real file is decoded step by step; then any moment of it can be seen.")
        seconds = float(recording.seconds.sum())
        if not recording.has_context:
            seconds += recording.z_seconds  # else of both orders, and in neither
            return tr("No latent waits for another: all of ŷ at once, {seconds:.2f} s.").format(seconds=seconds)
        text = tr("Wavefront: {steps:,} steps, {seconds:.2f} s.").format(steps=len(recording.steps), seconds=seconds)
        positions = recording.bits.size
        if decoder.raster_seconds is None:
            return text + " " + tr("One by one: {steps:,} steps.").format(steps=positions)
        slow, measured = decoder.raster_seconds
        about = "≈ " if measured < positions else ""
        one_by_one = tr("One by one: {steps:,} steps, {about}{seconds:.2f} s.")
        return text + " " + one_by_one.format(steps=positions, about=about, seconds=slow)
