"""The lessons: a list with progress, and the step that is being taken, in letters that a projector shows well."""

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QFont, QImage, QTextCursor, QTextDocument
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.lessons.course import DONE, Course
from jahp_gui.gui.lessons.text import Lesson, Question, filled

LARGER = 1.25  # than the other panels' letters: for the last row of a lecture room
REFRESH_MS = 40
WIDTH, TALL = 326, 980
LESSON_ROLE = Qt.ItemDataRole.UserRole


class LessonText(QTextBrowser):
    """Shows Markdown and nothing besides: no HTML, no pictures, no file or address is ever opened."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName(tr("Lesson"))
        self._shown = ""

    def loadResource(self, kind: int, name: QUrl | str) -> object:  # noqa: N802
        """An empty picture whatever the name: given none, Qt would read the file itself."""
        nothing = QImage(1, 1, QImage.Format.Format_ARGB32)
        nothing.fill(Qt.GlobalColor.transparent)
        return nothing

    def show_markdown(self, text: str, *, jump_to: str | None) -> None:
        """jump_to: a text that is brought to the top; None stays where the reader is."""
        if text != self._shown:
            self._shown = text
            position = self.verticalScrollBar().value()
            self.document().setMarkdown(text, QTextDocument.MarkdownFeature.MarkdownNoHTML)
            self.verticalScrollBar().setValue(position)
        if jump_to is not None:
            found = self.document().find(jump_to) if jump_to else QTextCursor()
            layout = self.document().documentLayout()
            top = 0 if found.isNull() else int(layout.blockBoundingRect(found.block()).top()) - 6
            self.verticalScrollBar().setValue(top)


class LessonsPlace:
    """Makes room for the lessons in the left column, where the list of images is, and gives it back."""

    def __init__(
        self, lessons: QWidget, images: QWidget, numbers: QWidget, column: QWidget, splitter: QSplitter, course: Course
    ):
        self.lessons, self.images, self.numbers, self.column = lessons, images, numbers, column
        self.splitter, self.course = splitter, course
        self._before: tuple[list[int], bool] | None = None  # widths, whether the column was hidden
        lessons.hide()

    @property
    def is_shown(self) -> bool:
        return self._before is not None

    def show(self) -> None:
        if self._before is None:
            self._before = self.splitter.sizes(), self.column.isHidden()
            self.images.hide()
            self.lessons.show()
            self.column.show()
            self.fit()
            widths = self.splitter.sizes()
            wider = max(0, WIDTH - widths[0])
            self.splitter.setSizes([widths[0] + wider, widths[1] - wider, *widths[2:]])

    def fit(self) -> None:
        """Beside a lesson there is room for the table of numbers in a tall window only."""
        self.numbers.setVisible(not self.is_shown or self.column.window().height() >= TALL)

    def hide(self) -> None:
        """Leaves the lesson, too."""
        self.course.leave()
        if self._before is not None:
            widths, was_hidden = self._before
            self._before = None
            self.lessons.hide()
            self.images.show()
            self.fit()
            self.column.setHidden(was_hidden)
            self.splitter.setSizes(widths)


class LessonsPanel(QWidget):
    """Reads and drives a `Course`."""

    closed = Signal()

    def __init__(self, course: Course, parent: QWidget | None = None):
        super().__init__(parent)
        self.course = course
        self.large = QFont(self.font())
        self.large.setPointSizeF(self.font().pointSizeF() * LARGER)
        self.pages = QStackedWidget()
        self.list = QListWidget()
        self.title, self.heading, self.place = QLabel(tr("Lessons")), QLabel(), QLabel()
        self.to_list, self.close_button = QToolButton(), QToolButton()
        self.bar = QProgressBar()
        self.text = LessonText()
        self.question = QLabel()
        self.choices: list[QPushButton] = []
        self.choice_box = QVBoxLayout()
        self.back, self.again, self.forward = QPushButton(), QPushButton(), QPushButton()
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._at: tuple[str, int, int | None] | None = None  # what the buttons are made for
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    # ------------------------------------------------------------ building

    def _describe(self) -> None:
        for button, text, term in (
            (self.to_list, "‹ " + tr("All lessons"), tr("Leave this lesson and get your settings back.")),
            (self.close_button, "✕", tr("Close the lessons and get your settings back.")),
            (self.back, tr("Back"), tr("The step before this one.")),
            (self.again, tr("Set up again"), tr("Bring the window back to what this step shows.")),
            (self.forward, tr("Next"), tr("The next step.")),
        ):
            button.setText(text)
            button.setToolTip(term)
            button.setAccessibleName(text if button is not self.close_button else tr("Close the lessons"))
        for tool in (self.to_list, self.close_button):
            tool.setAutoRaise(True)
        for widget in (self.list, self.text, self.question, self.back, self.again, self.forward):
            widget.setFont(self.large)
        self.heading.setFont(self.large)
        for label in (self.heading, self.question):
            label.setProperty("heading", True)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setProperty("heading", True)
        self.place.setProperty("faint", True)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(5)
        self.bar.setAccessibleName(tr("Progress"))
        self.list.setWordWrap(True)
        self.list.setSpacing(4)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName(tr("Lessons"))
        self.list.setFrameShape(QFrame.Shape.NoFrame)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title)
        head.addWidget(self.to_list)
        head.addWidget(self.place, 1, Qt.AlignmentFlag.AlignRight)
        head.addWidget(self.close_button)
        buttons = QHBoxLayout()
        buttons.addWidget(self.back)
        buttons.addWidget(self.again, 1)
        buttons.addWidget(self.forward)
        step = QWidget()
        lines = QVBoxLayout(step)
        lines.setContentsMargins(0, 0, 0, 0)
        for widget in (self.heading, self.bar):
            lines.addWidget(widget)
        lines.addWidget(self.text, 1)
        lines.addWidget(self.question)
        lines.addLayout(self.choice_box)
        lines.addLayout(buttons)
        self.pages.addWidget(self.list)
        self.pages.addWidget(step)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self.pages, 1)

    def _connect(self) -> None:
        course, session = self.course, self.course.session
        self.list.itemClicked.connect(self._open)
        self.list.itemActivated.connect(self._open)
        self.to_list.clicked.connect(course.leave)
        self.close_button.clicked.connect(self.closed)
        self.back.clicked.connect(course.back)
        self.again.clicked.connect(course.set_up)
        self.forward.clicked.connect(course.forward)
        self._timer.timeout.connect(self.refresh)
        course.changed.connect(self.refresh)
        for signal in (
            course.values.changed,
            session.results_changed,
            session.maps_changed,
            session.choice_changed,
            session.compare_changed,
            session.map_choice_changed,
            session.plot_changed,
            session.selection_changed,
            session.marked_changed,
            session.view.changed,
            course.window.plot.bd_rates_changed,
            course.window.right_tabs.currentChanged,
        ):
            signal.connect(self._refresh_soon)
        theme.switch.changed.connect(self._refresh_soon)

    # ------------------------------------------------------------ course → widgets

    def _refresh_soon(self) -> None:
        if self.course.lesson is not None and not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        course, lesson = self.course, self.course.lesson
        at = None if lesson is None else (lesson.key, course.number, course.predicted)
        self.title.setVisible(lesson is None)
        self.to_list.setVisible(lesson is not None)
        if lesson is None:
            self._fill_list()
            self.place.clear()
            self.pages.setCurrentIndex(0)
        else:
            if at != self._at:
                self._show_place(lesson)
                self._make_choices()
            self._show_text(moved=at != self._at)
            self.again.setEnabled(not course.in_place())
            self.pages.setCurrentIndex(1)
        self._at = at

    def _fill_list(self) -> None:
        row = self.list.currentRow()
        self.list.clear()
        for number, lesson in enumerate(self.course.lessons, 1):
            entry = QListWidgetItem(f"{number}  {lesson.title}\n{self._progress_text(lesson)}")
            entry.setData(LESSON_ROLE, lesson)
            self.list.addItem(entry)
        for sentence in self.course.broken:
            entry = QListWidgetItem(sentence)
            entry.setFlags(Qt.ItemFlag.NoItemFlags)
            entry.setForeground(theme.colour("error"))
            self.list.addItem(entry)
        self.list.setCurrentRow(max(row, 0))

    def _progress_text(self, lesson: Lesson) -> str:
        reached, count = self.course.progress(lesson), len(lesson.steps)
        if reached == DONE:
            return "✓ " + tr("done")
        minutes = tr("{minutes} min").format(minutes=lesson.minutes)
        if not reached.isdecimal():
            return minutes
        step = min(int(reached), count)
        return minutes + " · " + tr("step {step} of {count}").format(step=step, count=count)

    def _show_place(self, lesson: Lesson) -> None:
        number, count = self.course.number + 1, len(lesson.steps)
        self.heading.setText(lesson.title)
        self.place.setText(tr("step {step} of {count}").format(step=number, count=count))
        self.bar.setRange(0, count)
        self.bar.setValue(number)
        self.back.setEnabled(number > 1)
        last = self.course.is_last
        self.forward.setText(tr("Finish") if last else tr("Next"))
        self.forward.setToolTip(tr("Leave this lesson and get your settings back.") if last else tr("The next step."))

    def _make_choices(self) -> None:
        """A button for each answer, until one is chosen."""
        for button in self.choices:
            button.hide()
            self.choice_box.removeWidget(button)
            button.deleteLater()
        self.choices = []
        step = self.course.step
        question = step.question if step is not None and self.course.predicted is None else None
        self.question.setVisible(question is not None)
        if question is None:
            return
        self.question.setText(question.text)
        for number, choice in enumerate(question.choices):
            button = QPushButton(choice.text)
            button.setFont(self.large)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # never widens the window
            button.setStyleSheet("text-align: left; padding: 3px 6px;")
            button.setToolTip(tr("Predict this; then the answer is measured and shown."))
            button.clicked.connect(lambda _=False, number=number: self.course.predict(number))
            self.choice_box.addWidget(button)
            self.choices.append(button)

    def _show_text(self, *, moved: bool) -> None:
        step, predicted = self.course.step, self.course.predicted
        assert step is not None
        parts = [f"### {step.title}", filled(step.text, self.course.values.text)]
        if step.question is not None and predicted is not None:
            parts += ["---", *self._revealed(step.question, predicted)]
        if self.course.problem:
            parts.append(f"*{self.course.problem}*")
        jump_to = None
        if moved:
            jump_to = step.question.text if step.question is not None and predicted is not None else ""
        self.text.show_markdown("\n\n".join(parts), jump_to=jump_to)

    def _revealed(self, question: Question, predicted: int) -> list[str]:
        """Question, prediction, whether it was right, and what was measured."""
        rights = [choice.is_right(self.course.values.value) for choice in question.choices]
        said = tr("You said: {answer}").format(answer=f"*{question.choices[predicted].text}*")
        right = [choice.text for choice, is_right in zip(question.choices, rights, strict=True) if is_right]
        if rights[predicted]:
            said += "  **✓**"
        elif right:
            said += "\n\n" + tr("Here it is: {answer}").format(answer=f"**{right[0]}**")
        reveal = filled(question.reveal, self.course.values.text)
        return [f"**{question.text}**", said, f"**{question.reveal_title}**", reveal]

    # ------------------------------------------------------------ widgets → course

    def _open(self, entry: QListWidgetItem) -> None:
        lesson = entry.data(LESSON_ROLE)
        if lesson is not None and self.course.lesson is None:
            self.course.start(lesson)
            self.text.setFocus()

    def take_focus(self) -> None:
        (self.list if self.course.lesson is None else self.text).setFocus()
