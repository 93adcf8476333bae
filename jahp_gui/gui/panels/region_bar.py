"""The row of tools with which a region of interest is painted."""

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.widgets import button, faint
from jahp_gui.gui.region import LARGEST_BRUSH, SMALLEST_BRUSH
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import PAINT_TOOLS

TOOL_NAMES = {"brush": "Brush", "eraser": "Eraser", "rectangle": "Rectangle"}
TOOL_TERMS = {
    "brush": "Paint what matters. Arrow keys move the brush, Enter paints; [ and ] change its size.",
    "eraser": "Take painted parts away again.",
    "rectangle": "Drag a rectangle to add it to the region.",
}


class RegionBar(QWidget):
    """Shown while the region is painted; writes to `session.paint` and the mask."""

    load_asked = Signal()
    save_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.tools = QButtonGroup(self)
        self.size_box, self.outside = QSpinBox(), QSpinBox()
        self.clear = button(tr("Clear"), tr("No region: all pixels count alike again."))
        self.load = button(tr("Load…"), tr("A grey image of the same size: white matters, black hardly."))
        self.save = button(tr("Save…"), tr("The region as a grey PNG, which `jahp encode --importance` reads, too."))
        self.done = button(tr("Done"), tr("Put the tools away; the region stays."))
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    def _describe(self) -> None:
        self.size_box.setRange(SMALLEST_BRUSH, LARGEST_BRUSH)
        self.size_box.setSuffix(" px")
        self.size_box.setAccessibleName(tr("Brush size"))
        self.size_box.setToolTip(tr("Diameter of brush and eraser in pixels of the image; [ and ] change it."))
        self.outside.setRange(0, 100)
        self.outside.setSuffix(" %")
        self.outside.setAccessibleName(tr("Importance outside"))
        self.outside.setToolTip(tr("What squared errors outside the region count for, against those inside."))
        for box in (self.size_box, self.outside):
            box.setKeyboardTracking(False)

    def _lay_out(self) -> None:
        """In two rows: in one they would make the window wider than a small screen."""
        tools, region = QHBoxLayout(), QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(tools)
        layout.addLayout(region)
        for number, tool in enumerate(PAINT_TOOLS):
            entry = button(tr(TOOL_NAMES[tool]), tr(TOOL_TERMS[tool]))
            entry.setAccessibleName(tr(TOOL_NAMES[tool]))
            entry.setCheckable(True)
            entry.setAutoRaise(True)
            self.tools.addButton(entry, number)
            tools.addWidget(entry)
        tools.addWidget(self.size_box)
        tools.addStretch(1)
        tools.addWidget(self.done)
        region.addWidget(faint(tr("Outside")))
        region.addWidget(self.outside)
        region.addStretch(1)
        for widget in (self.clear, self.load, self.save):
            region.addWidget(widget)

    def _connect(self) -> None:
        session = self.session
        self.tools.idClicked.connect(lambda number: session.set_paint(tool=PAINT_TOOLS[number]))
        self.size_box.valueChanged.connect(lambda value: session.set_paint(size=value))
        self.outside.valueChanged.connect(self._set_outside)
        self.clear.clicked.connect(lambda: session.set_mask(None))
        self.load.clicked.connect(self.load_asked)
        self.save.clicked.connect(self.save_asked)
        self.done.clicked.connect(lambda: session.set_paint(on=False))
        for signal in (session.paint_changed, session.choice_changed, session.current_changed):
            signal.connect(self.refresh)

    def refresh(self) -> None:
        session, mask = self.session, self.session.mask
        self.setVisible(session.paint.on)
        self.tools.button(PAINT_TOOLS.index(session.paint.tool)).setChecked(True)
        with QSignalBlocker(self.size_box), QSignalBlocker(self.outside):
            self.size_box.setValue(session.paint.size)
            self.outside.setValue(round(100 * (mask.outside if mask is not None else session.paint.outside)))
        self.size_box.setEnabled(session.paint.tool != "rectangle")
        for widget in (self.clear, self.save):
            widget.setEnabled(mask is not None)

    def _set_outside(self, percent: int) -> None:
        """For the region that there is, and those to come."""
        self.session.set_outside(percent / 100)
