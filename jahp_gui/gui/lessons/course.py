"""The lesson that is being taken: which step, what was predicted, and the user's own settings for afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, QRect, Signal
from PySide6.QtWidgets import QWidget

from jahp_gui.gui.comparison import FileOf
from jahp_gui.gui.lessons.commands import Action, Unavailable, read_action, wanted_actions
from jahp_gui.gui.lessons.live_values import LiveValues
from jahp_gui.gui.lessons.text import Lesson, Step, lessons_folder, load_lessons
from jahp_gui.gui.results import CURRENT, EXHIBITS, Choice, ImageItem
from jahp_gui.gui.view_choices import CompareChoice, MapChoice, PlotChoice

if TYPE_CHECKING:
    from jahp_gui.gui.main_window import MainWindow

OF_THE_IMAGE = ("zoom", "select", "mark")  # what another image loses
DONE = "done"


@dataclass(frozen=True)
class Kept:
    """The user's settings from before the lesson."""

    item: ImageItem | None
    choice: Choice
    effort: int
    target: tuple[str, float]
    compare: CompareChoice
    map_choice: MapChoice
    plot: PlotChoice
    selection: QRect | None
    marked: tuple[str, int, int] | None
    centre: QPointF
    scale: float | None  # None: the image was fitted
    page: int
    tab: int
    decoding_order: str
    hidden: tuple[QWidget, ...]


class Course(QObject):
    """Sets the window up for each step and gives the user's settings back at the end."""

    changed = Signal()  # another lesson, step or prediction

    def __init__(self, window: "MainWindow", file_of: FileOf):
        super().__init__(window)
        self.window, self.session, self.settings = window, window.session, window.settings
        self.values = LiveValues(self.session, window.jobs, file_of, window.plot.bd_rate, self)
        self.lessons, self.broken = load_lessons(lessons_folder(window.language))
        self.lesson: Lesson | None = None
        self.number = 0  # of the step, from 0
        self.predicted: int | None = None
        self.problem = ""  # why the step could not be set up as it should be
        self._kept: Kept | None = None
        self.session.current_changed.connect(self._on_image)
        self.session.model_changed.connect(self._on_model)

    @property
    def step(self) -> Step | None:
        return self.lesson.steps[self.number] if self.lesson is not None else None

    @property
    def is_last(self) -> bool:
        return self.lesson is not None and self.number == len(self.lesson.steps) - 1

    # ------------------------------------------------------------ through a lesson

    def start(self, lesson: Lesson) -> None:
        """From its first step; the user's settings are kept until `leave`."""
        if self._kept is None:
            self._kept = self._look()
        self.lesson = lesson
        self.go(0)

    def go(self, number: int) -> None:
        """Set a step up."""
        assert self.lesson is not None
        self.number, self.predicted = number, None
        self._note_progress(str(number + 1))
        self.set_up()

    def forward(self) -> None:
        """The next step, or after the last one the end."""
        if self.lesson is not None and self.is_last:
            self._note_progress(DONE)
            self.leave()
        elif self.lesson is not None:
            self.go(self.number + 1)

    def back(self) -> None:
        if self.lesson is not None and self.number > 0:
            self.go(self.number - 1)

    def predict(self, choice: int) -> None:
        """Answer the step's question; what is revealed may change the window."""
        if self.step is not None and self.step.question is not None and self.predicted is None:
            self.predicted = choice
            self.set_up()

    def leave(self) -> None:
        """Back to the settings that the user had."""
        if self.lesson is None:
            return
        self.lesson, self.problem = None, ""
        self.values.stop()
        assert self._kept is not None
        kept, self._kept = self._kept, None
        read_action("play nothing").do(self.window)
        self._give_back(kept)
        self.changed.emit()

    # ------------------------------------------------------------ setting the window up

    def wanted(self) -> list[Action]:
        """Everything that the step, and its reveal once there, say of the window."""
        step = self.step
        if step is None:
            return []
        revealed = step.question.do if step.question is not None and self.predicted is not None else ()
        return wanted_actions(step.do, revealed)

    def set_up(self) -> None:
        """Bring the window into the state of the step; what is in it already is left alone."""
        for panel in (self.window.right, self.window.bottom):
            panel.setVisible(True)
        self.problem = self._do(self.wanted())
        if self.step is not None:
            for name in self.step.value_names():  # asked for now, they are there when the answer is revealed
                self.values.value(name)
        self.changed.emit()

    def _do(self, actions: Sequence[Action]) -> str:
        problem = ""
        for action in actions:
            try:
                if not action.holds(self.window):
                    action.do(self.window)
            except Unavailable as unavailable:
                problem = problem or str(unavailable)
        return problem

    def in_place(self) -> bool:
        """Whether the window is as the step set it up, as far as it could be."""
        if self.problem:
            return False
        return all(action.holds(self.window) for action in self.wanted())

    def _on_image(self) -> None:
        """Another image, or its pixels: places are found anew on it."""
        if self.lesson is not None and self.session.current is not None and self.session.current.size is not None:
            self._do([action for action in self.wanted() if action.name in OF_THE_IMAGE])
            if self.problem:
                self.set_up()
            self.changed.emit()

    def _on_model(self) -> None:
        if self.lesson is not None and self.problem:
            self.set_up()

    # ------------------------------------------------------------ what is kept

    def _look(self) -> Kept:
        window, session = self.window, self.session
        return Kept(
            session.current,
            session.choice,
            session.effort,
            session.target,
            session.compare,
            session.map_choice,
            session.plot,
            session.selection,
            session.marked,
            session.view.centre,
            None if session.view.fitted else session.view.scale,
            window.maps.pages.currentIndex(),
            window.right_tabs.currentIndex(),
            window.inside.decoder.decoder.order,
            tuple(panel for panel in (window.right, window.bottom) if panel.isHidden()),
        )

    def _give_back(self, kept: Kept) -> None:
        window, session = self.window, self.session
        if session.card is not None:
            prior = kept.choice.prior if kept.choice.prior in session.card.priors else None
            same = session.current is kept.item  # a painted region and what was refined belong to their image
            session.set_choice(
                prior=prior,
                gain_index=kept.choice.gain_index,
                effort=kept.choice.effort if same else None,
                mask=kept.choice.mask if same else None,
            )
            session.set_target(*kept.target)
            session.effort = kept.effort
            session.effort_changed.emit()
        for side in ("a", "b"):
            shown = getattr(kept.compare, side)  # what the decoder showed was stopped for the lesson
            if shown in EXHIBITS and shown.kind not in session.exhibits:
                kept = replace(kept, compare=replace(kept.compare, **{side: CURRENT}))  # type: ignore[arg-type]
        for setter, table in (
            (session.set_compare, kept.compare),
            (session.set_map, kept.map_choice),
            (session.set_plot, kept.plot),
        ):
            setter(**{name: getattr(table, name) for name in table.__dataclass_fields__})
        if session.current is kept.item:
            session.set_selection(kept.selection)
            session.mark(kept.marked)
            if kept.scale is None:
                session.view.fit()
            else:
                session.view.look_at(kept.centre, kept.scale)
        window.maps.show_page(kept.page)
        window.right_tabs.setCurrentIndex(kept.tab)
        window.inside.decoder.decoder.set_order(kept.decoding_order)
        for panel in kept.hidden:
            panel.setVisible(False)

    # ------------------------------------------------------------ progress

    def progress(self, lesson: Lesson) -> str:
        """ "" before it was begun, "done", or the number of the step that was reached."""
        return self.settings.text(f"lessons/{lesson.key}")

    def _note_progress(self, reached: str) -> None:
        assert self.lesson is not None
        known = self.progress(self.lesson)
        if known != DONE and (reached == DONE or not known.isdecimal() or int(reached) > int(known)):
            self.settings.set(f"lessons/{self.lesson.key}", reached)
