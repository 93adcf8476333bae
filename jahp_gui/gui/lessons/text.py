"""A lesson as its Markdown file has it. The format is described in `assets/lessons/README.md`.

A lesson holds text alone: HTML, pictures and links are refused here, and the panel would not follow them either.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jahp_gui.codec.errors import JahpError
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.lessons.commands import Action, read_action
from jahp_gui.gui.lessons.live_values import ValueName, read_value_name
from jahp_gui.paths import assets_dir

MAX_BYTES = 100_000
LONGEST_CHOICE = 44  # letters; a button has one line
FENCE, DO = "```", "```do"
VALUE = re.compile(r"{([^{}\n]*)}")
CHOICE = re.compile(r"[-*] \[([^\]]*)\] +(\S.*)")
RANGE = re.compile(r"(?P<name>\S+) +(?:(?P<sign><|>=) *(?P<bound>-?[\d.]+)|(?P<low>-?[\d.]+)\.\.(?P<high>-?[\d.]+))")
MARKUP = re.compile(r"<[A-Za-z/!?]|\]\s*[(\[]|!\[|^\s*\[[^\]]+\]:|https?:|file:", re.MULTILINE)

Lookup = Callable[[ValueName], float | None]


class LessonError(JahpError):
    """A lesson's file is not as it should be; the sentence names the file and the line."""


@dataclass(frozen=True)
class Condition:
    """A value in [low, high): when a prediction was right."""

    value: ValueName
    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """One answer. right: always, never, when its condition holds, or None where there is no right one."""

    text: str
    right: Condition | bool | None

    def is_right(self, lookup: Lookup) -> bool | None:
        """None where there is no right answer, or the number is still to come."""
        if not isinstance(self.right, Condition):
            return self.right
        value = lookup(self.right.value)
        if value is None or not math.isfinite(value):
            return None
        return self.right.low <= value < self.right.high


@dataclass(frozen=True)
class Question:
    """Predict, then reveal. do: what the reveal changes in the window."""

    text: str
    choices: tuple[Choice, ...]
    reveal_title: str
    reveal: str
    do: tuple[Action, ...]


@dataclass(frozen=True)
class Step:
    """One step; `text` and `reveal` are Markdown with values in braces."""

    title: str
    text: str
    do: tuple[Action, ...]
    question: Question | None

    def value_names(self) -> list[ValueName]:
        """Every value that the step may show or judge by."""
        question = self.question
        texts = [self.text] + ([question.reveal] if question else [])
        named = [read_value_name(found) for text in texts for found in VALUE.findall(text)]
        choices = question.choices if question else ()
        return named + [choice.right.value for choice in choices if isinstance(choice.right, Condition)]


@dataclass(frozen=True)
class Lesson:
    """key: the file's name without suffix, by which progress is kept."""

    key: str
    title: str
    order: float
    minutes: int
    steps: tuple[Step, ...]


def filled(text: str, write: Callable[[ValueName], str]) -> str:
    """A text with its values written in."""
    return VALUE.sub(lambda found: write(read_value_name(found[1])), text)


# ------------------------------------------------------------ files


def lessons_folder(language: str) -> Path:
    """Where the lessons of a language are, those in English where it has none."""
    folder = assets_dir() / "lessons"
    return folder / language if (folder / language).is_dir() else folder / "en"


def load_lessons(folder: Path) -> tuple[list[Lesson], list[str]]:
    """The lessons of a folder in their order, and one sentence for each that cannot be read."""
    lessons, broken = [], []
    for path in sorted(folder.glob("*.md")):
        try:
            lessons.append(read_lesson(path))
        except LessonError as error:
            broken.append(str(error))
    return sorted(lessons, key=lambda lesson: (lesson.order, lesson.key)), broken


def read_lesson(path: Path) -> Lesson:
    """Raises `LessonError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _Wrong(1, tr("it is larger than {count:,} bytes").format(count=MAX_BYTES))
        return _Reader(data.decode("utf-8-sig")).lesson(path.stem)
    except _Wrong as wrong:
        text = tr("The lesson {name} cannot be shown, line {line}: {reason}.")
        raise LessonError(text.format(name=path.name, line=wrong.line, reason=wrong.reason)) from None
    except UnicodeDecodeError:
        raise LessonError(
            tr("The lesson {name} cannot be shown: it is no UTF-8 text.").format(name=path.name)
        ) from None
    except OSError as error:
        text = tr("The lesson {name} cannot be read: {reason}.")
        raise LessonError(text.format(name=path.name, reason=error.strerror or error)) from error


class _Wrong(Exception):
    def __init__(self, line: int, reason: str):
        super().__init__(reason)
        self.line, self.reason = line, reason


@dataclass
class _Part:
    """What stands below a heading, with the number of the line it starts at."""

    title: str
    line: int
    text: list[str]
    do: list[Action]

    def markdown(self) -> str:
        return "\n".join(self.text).strip()


class _Reader:
    """Reads the lines of a lesson from top to bottom."""

    def __init__(self, content: str):
        self.lines = content.splitlines()
        self.number = 0  # of lines read so far, which is the number of the last one

    def lesson(self, key: str) -> Lesson:
        head = self._head()
        title = head.get("title", "")
        if not title:
            raise _Wrong(1, tr("there is no “title:” between the first two lines of ---"))
        _check_text(title, 1)
        order = _number(head.get("order", "999"))
        minutes = _number(head.get("minutes", "5"))
        steps = tuple(self._steps())
        if not steps:
            raise _Wrong(max(self.number, 1), tr("there is no step, a heading that starts with ##"))
        return Lesson(key, title, order, round(minutes), steps)

    def _next(self) -> str | None:
        if self.number == len(self.lines):
            return None
        self.number += 1
        return self.lines[self.number - 1]

    def _head(self) -> dict[str, str]:
        """The front matter: "name: value" lines between two lines of ---."""
        if (self._next() or "").strip() != "---":
            raise _Wrong(1, tr("a lesson starts with a line of ---"))
        head: dict[str, str] = {}
        while (line := self._next()) is not None:
            if line.strip() == "---":
                return head
            name, colon, value = line.partition(":")
            if not colon or name.strip() not in ("title", "order", "minutes"):
                raise _Wrong(self.number, tr("only title:, order: and minutes: can stand here"))
            head[name.strip()] = value.strip()
        raise _Wrong(self.number, tr("the second line of --- is missing"))

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        parts: list[_Part] = []
        while (line := self._next()) is not None:
            if line.startswith("## "):
                steps += [_step(parts)] if parts else []
                parts = [self._part(line)]
            elif line.startswith("### ") and parts:
                parts.append(self._part(line))
            elif line.strip() == DO and parts:
                parts[-1].do += self._actions()
            elif parts:
                self._take(parts[-1], line)
            elif line.strip():
                raise _Wrong(self.number, tr("text belongs below a heading that starts with ##"))
        return steps + ([_step(parts)] if parts else [])

    def _part(self, line: str) -> _Part:
        title = line.lstrip("#").strip()
        _check_text(title, self.number)
        return _Part(title, self.number, [], [])

    def _take(self, part: _Part, line: str) -> None:
        if line.startswith(("# ", "####", FENCE)):
            raise _Wrong(self.number, tr("only headings with ## and ###, text, and blocks of ```do can stand here"))
        _check_text(line, self.number)
        part.text.append(line)

    def _actions(self) -> list[Action]:
        actions: list[Action] = []
        first = self.number
        while (line := self._next()) is not None:
            if line.strip() == FENCE:
                return actions
            if line.strip():
                try:
                    actions.append(read_action(line))
                except ValueError as error:
                    raise _Wrong(self.number, str(error)) from None
        raise _Wrong(first, tr("the block of ```do has no end"))


def _step(parts: Sequence[_Part]) -> Step:
    body, *rest = parts
    if len(rest) not in (0, 2):
        raise _Wrong(body.line, tr("a step has no ### headings, or two: the question and what is revealed"))
    question = _question(*rest) if rest else None
    return Step(body.title, body.markdown(), tuple(body.do), question)


def _question(asked: _Part, revealed: _Part) -> Question:
    choices = []
    for offset, line in enumerate(asked.text, 1):
        if line.strip():
            choices.append(_choice(line.strip(), asked.line + offset))
    if asked.do or len(choices) < 2:
        raise _Wrong(asked.line, tr("below a question stand at least two choices, lines of “- [ ] answer”"))
    if any(choice.right for choice in choices):  # else nobody is told that he was wrong
        choices = [Choice(choice.text, choice.right or False) for choice in choices]
    return Question(asked.title, tuple(choices), revealed.title, revealed.markdown(), tuple(revealed.do))


def _choice(line: str, number: int) -> Choice:
    found = CHOICE.fullmatch(line)
    if found is None:
        raise _Wrong(number, tr("below a question stand at least two choices, lines of “- [ ] answer”"))
    mark, text = found[1].strip(), found[2].strip()
    if len(text) > LONGEST_CHOICE:
        raise _Wrong(number, tr("an answer has at most {count} letters").format(count=LONGEST_CHOICE))
    return Choice(text, {"": None, "x": True}[mark] if mark in ("", "x") else _condition(mark, number))


def _condition(text: str, number: int) -> Condition:
    """ "saving:context→joint < 10", "… >= 10" or "… 5..10"."""
    found = RANGE.fullmatch(text)
    try:
        if found is None:
            raise ValueError(tr("“{text}” is no condition such as “bpp:joint < 0.5”").format(text=text))
        value = read_value_name(found["name"])
        if found["sign"] == "<":
            return Condition(value, -math.inf, float(found["bound"]))
        if found["sign"] == ">=":
            return Condition(value, float(found["bound"]), math.inf)
        return Condition(value, float(found["low"]), float(found["high"]))
    except ValueError as error:
        raise _Wrong(number, str(error)) from None


def _check_text(text: str, number: int) -> None:
    """No markup that could load or run anything, and only values that exist."""
    if MARKUP.search(text):
        raise _Wrong(number, tr("a lesson holds no HTML, pictures or links"))
    for name in VALUE.findall(text):
        try:
            read_value_name(name)
        except ValueError as error:
            raise _Wrong(number, str(error)) from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Wrong(1, tr("“{text}” is no number").format(text=text))
    return value
