"""A map of the latents y beside the picture: what is clicked is marked for the inspector, as in the picture."""

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QWidget

from jahp_gui.gui.panels.map_view import MapView
from jahp_gui.gui.session import Session


class MarkingMap(MapView):
    """A click marks a latent, a second one takes the mark away; a double click or Enter opens the inspector."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self._cell: QPoint | None = None
        self.hovered.connect(self._hover)
        self.clicked.connect(self._mark)
        session.marked_changed.connect(self._refresh_mark)
        self._refresh_mark()

    def _mark(self, cell: QPoint) -> None:
        place = ("y", cell.x(), cell.y())
        self.session.mark(None if self.session.marked == place else place)

    @property
    def hovered_cell(self) -> QPoint | None:
        """The cell under the cursor, also after other values have come."""
        rows, columns = (0, 0) if self.values is None else self.values.shape
        cell = self._cell
        return cell if cell is not None and cell.x() < columns and cell.y() < rows else None

    def _hover(self, cell: QPoint | None) -> None:
        self._cell = cell

    def _refresh_mark(self) -> None:
        marked = self.session.marked
        self.marked = QPoint(marked[1], marked[2]) if marked is not None and marked[0] == "y" else None
        self.update()
