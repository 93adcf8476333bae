"""Lessons: each walked to its end in the real window, what they may hold, and what they give back."""

import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import WAIT_MS, card_without_context, make_picture, window_of
from PIL import Image
from PySide6.QtCore import QPoint, Qt, QUrl
from pytestqt.qtbot import QtBot

from jahp_gui.codec import Analysis, Model, analyse, decode, encode, metrics
from jahp_gui.codec.latent_views import BITS, STRIDES, plane
from jahp_gui.evaluation.curves import bd_rate
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.lessons import course as course_module
from jahp_gui.gui.lessons.commands import COMMANDS, GROUND, Action, read_action
from jahp_gui.gui.lessons.live_values import PENDING, UNDEFINED, VALUES, ValueName, read_value_name
from jahp_gui.gui.lessons.text import VALUE, Lesson, LessonError, Step, lessons_folder, load_lessons, read_lesson
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels.lessons_panel import LessonText
from jahp_gui.gui.panels.rd_panel import KEY_ROLE
from jahp_gui.gui.plotting import drawable, name_of_series
from jahp_gui.gui.results import DECODER, Source
from jahp_gui.gui.settings import Settings

LANGUAGES = ("en", "zh_CN")
PATHS = [path for language in LANGUAGES for path in sorted(lessons_folder(language).glob("*.md"))]
TICK = 16  # gain indices


def wait_for_file(qtbot: QtBot, explorer: Explorer) -> None:
    session = explorer.session
    qtbot.waitUntil(lambda: session.exact is not None and session.latents is not None, timeout=WAIT_MS)


# ------------------------------------------------------------ what a step says, read from the widgets


def check(window: MainWindow, line: str) -> None:
    """The widgets of the window show what a line of a lesson says."""
    name, *words = line.split()
    if name in ("a", "b"):
        box = window.compare.pickers[name].box
        kinds = {kind: (kind, "") for kind in ("original", "current", "decoder")}
        wanted = kinds.get(words[0]) or ({"prior": "prior", "codec": "classical"}[words[0]], words[1])
        assert tuple(box.itemData(box.currentIndex())) == wanted, line
        held = getattr(window.session.compare, name).gain_index
        assert held == ((int(words[2]) - 1) * TICK if len(words) > 2 else None), line
    elif name in SHOWN:
        assert SHOWN[name](window) == EXPECTED.get(name, lambda words: words[0])(words), line
    else:
        pytest.fail(f"no check for {line}")


SHOWN: dict[str, Callable[[MainWindow], object]] = {
    "prior": lambda window: window.codec.prior.currentData(),
    "lambda": lambda window: window.codec.slider.value(),
    "effort": lambda window: str(window.session.choice.effort),
    "mode": lambda window: ("side", "swipe", "blink", "difference")[window.compare.modes.checkedId()],
    "overlay": lambda window: window.compare.overlay.isChecked(),
    "gain": lambda window: window.compare.gain.value(),
    "zoom": lambda window: "fit" if window.session.view.fitted else f"{100 * window.session.view.scale:g}",
    "select": lambda window: window.session.selection,
    "mark": lambda window: window.session.marked,
    "map": lambda window: (
        window.maps.quantity.currentData(),
        window.maps.latents.currentData(),
        window.maps.channel.value(),
    ),
    "minus": lambda window: window.maps.reference.currentData(),
    "page": lambda window: window.maps.pages.currentWidget() is window.maps.grid,
    "tab": lambda window: window.right_switch.title(),
    "play": lambda window: playing(window),
    "plot": lambda window: window.plot.measure.currentText(),
    "log-rate": lambda window: window.plot.log_rate.isChecked(),
    "kodak": lambda window: window.plot.with_references.isChecked(),
    "bd-against": lambda window: window.session.plot.anchor.rpartition("/")[2],
    "curves": lambda window: hidden_curves(window) & {"joint", "factorized", "jpeg420", "webp"},
}
EXPECTED: dict[str, Callable[[list[str]], object]] = {
    "lambda": lambda words: (int(words[1]) - 1) * TICK,
    "overlay": lambda words: words == ["on"],
    "gain": lambda words: int(words[0]),
    "select": lambda words: None,
    "mark": lambda words: None if words == ["nothing"] else ("y", int(words[0]) * 6 // 100, int(words[1]) * 4 // 100),
    "map": lambda words: (words[0], "z" if words[1:] == ["of", "z"] else "y", -1),
    "minus": lambda words: "" if words == ["nothing"] else words[0],
    "page": lambda words: words == ["channels"],
    "tab": lambda words: tr(words[0].capitalize()),
    "plot": lambda words: words[0].upper(),
    "log-rate": lambda words: words == ["on"],
    "kodak": lambda words: words == ["on"],
    "bd-against": lambda words: "" if words == ["nothing"] else words[0],
    "curves": lambda words: set() if words == ["all"] else {"joint", "factorized", "jpeg420", "webp"} - set(words),
}


def playing(window: MainWindow) -> str:
    """The order in which the decoder shows its work."""
    at_work = DECODER in (window.session.compare.a, window.session.compare.b)
    return str(window.inside.decoder.order.currentData()) if at_work else "nothing"


def hidden_curves(window: MainWindow) -> set[str]:
    """Which the legend says, too, as far as they are measured."""
    legend = window.plot.legend
    for entry in (legend.item(row) for row in range(legend.count())):
        key = entry.data(KEY_ROLE)
        if key is not None:
            is_hidden = name_of_series(key) in window.session.plot.hidden
            assert (entry.checkState() == Qt.CheckState.Unchecked) == is_hidden, key
    return {name.rpartition("/")[2] for name in window.session.plot.hidden}


def check_state(window: MainWindow, *actions: tuple[Action, ...]) -> None:
    """The ground, and what the step changes in it."""
    lines = {line.split()[0]: line for line in GROUND}
    lines |= {action.name: action.line for some in actions for action in some}
    for line in lines.values():
        check(window, line)


# ------------------------------------------------------------ what a value is, computed by the codec


@cache
def file_of(prior: str, lmbda: float) -> tuple[int, int, int, float]:
    """Bytes of the file, of ẑ and of ŷ, and PSNR."""
    model, picture = tiny(), make_picture(64, 96)
    encoded = encode(model, picture, prior=prior, lmbda=lmbda)
    psnr = metrics.psnr(picture, decode(encoded.data, model=model).rgb)
    return len(encoded.data), len(encoded.container.z), len(encoded.container.y), psnr


@cache
def latents_of(prior: str, lmbda: float) -> Analysis:
    return analyse(tiny(), make_picture(64, 96), prior=prior, lmbda=lmbda)


@cache
def tiny() -> Model:
    return Model.load("tiny")


def expected(session, name: ValueName) -> float:
    """A value from the codec alone; NaN where it has none."""
    assert session.card is not None
    lmbda = session.card.lmbda_anchors[name.tick - 1] if name.tick else session.lmbda
    priors = name.priors or (session.choice.prior,)
    total, z, y, psnr = file_of(priors[0], lmbda)
    latents = latents_of(priors[0], session.lmbda)
    y_hat, maps = latents.y_hat.astype(float), latents.maps
    if name.name == "saving":
        return 100 * (1 - sum(file_of(priors[1], lmbda)[1:3]) / (y + z))
    if name.name == "growth":
        assert name.tick is not None
        return 100 * (total / file_of(priors[0], session.card.lmbda_anchors[name.tick - 2])[0] - 1)
    if name.name == "bd":
        points = {
            f"{key.kind}/{key.name}": drawable(of, session.plot.metric) for key, of in session.curves.points.items()
        }
        found = bd_rate(points[session.plot.anchor], points[f"prior/{priors[0]}"])
        return math.nan if found is None else found.percent
    bits = np.sort(plane(maps, latents.y_hat, BITS).ravel())
    return {
        "lambda": lmbda,
        "bytes": total,
        "bpp": total * 8 / (64 * 96),
        "psnr": psnr,
        "y-bytes": y,
        "z-bytes": z,
        "z-share": 100 * z / (y + z),
        "samples": 64 * 96 * 3,
        "latents": y_hat.size,
        "zeros": 100 * (y_hat == 0).mean(),
        "explained": 100 * (1 - ((y_hat - maps.mu) ** 2).sum() / (y_hat**2).sum()),
        "dearest-share": 100 * bits[-2:].sum() / bits.sum(),  # a tenth of 24 positions
        "positions": 24,
        "fronts": 6 + 3 * 3,
        "speed-up": 24 / 15,
    }[name.name]


def number_in(text: str) -> float:
    return float(re.sub(r"[\s%,]", "", text).replace("−", "-")) if text != UNDEFINED else math.nan


def check_values(window: MainWindow, qtbot: QtBot, text: str) -> None:
    """Every value of a text stands in the panel, and is the codec's to the last digit shown."""
    values, shown = window.course.values, window.lessons.text
    qtbot.waitUntil(lambda: PENDING not in shown.toPlainText(), timeout=WAIT_MS)
    for found in VALUE.findall(text):
        name = read_value_name(found)
        written = values.text(name).replace("\xa0", " ")  # as toPlainText has it
        assert written in shown.toPlainText(), found
        if name.name == "decode-seconds":
            assert number_in(written) >= 0
        else:
            decimals = len(written.rpartition(".")[2].rstrip(" %")) if "." in written else 0
            np.testing.assert_allclose(
                number_in(written), expected(window.session, name), atol=0.51 * 10**-decimals, err_msg=found
            )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_lesson_can_be_taken_to_its_end(
    make_explorer: Callable[..., Explorer],
    settings_file: Path,
    picture_file: Path,
    qtbot: QtBot,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jahp_gui.gui.controller.REST_MS", 0)  # nobody is dragging a slider
    Settings(str(settings_file)).set("language", language)
    explorer = make_explorer(picture_file)
    wait_for_file(qtbot, explorer)
    lessons = window_of(explorer).course.lessons
    assert [lesson.key for lesson in lessons] == [path.stem for path in PATHS if path.parent.name == language]
    for lesson in lessons:
        take(explorer, lesson, qtbot)


def take(explorer: Explorer, lesson: Lesson, qtbot: QtBot) -> None:
    """The lesson from the list to its last step: all that it says of window and image is so."""
    window = window_of(explorer)
    session, course, panel = window.session, window.course, window.lessons
    if lesson.key == "7-rd-plot":
        qtbot.waitUntil(lambda: session.curves.complete, timeout=WAIT_MS)
    window.open_lesson(lesson)
    for number, step in enumerate(lesson.steps):
        assert course.step is step and course.number == number and not course.problem
        check_state(window, step.do)
        wait_for_file(qtbot, explorer)
        assert panel.text.isVisible() and step.title in panel.text.toPlainText()
        check_values(window, qtbot, step.text)
        if step.question is not None:
            assert [button.text() for button in panel.choices] == [choice.text for choice in step.question.choices]
            assert step.question.reveal_title not in panel.text.toPlainText()
            qtbot.mouseClick(panel.choices[-1], Qt.MouseButton.LeftButton)
            check_state(window, step.do, step.question.do)
            wait_for_file(qtbot, explorer)
            assert step.question.choices[-1].text in panel.text.toPlainText() and not panel.choices
            check_values(window, qtbot, step.question.reveal)
            check_verdict(window, step)
        assert not panel.again.isEnabled() and course.in_place()
        qtbot.mouseClick(panel.forward, Qt.MouseButton.LeftButton)
    assert course.lesson is None and course.progress(lesson) == "done"
    assert "✓" in panel.list.item(course.lessons.index(lesson)).text()


def check_verdict(window: MainWindow, step: Step) -> None:
    """Exactly the answer that the measured value makes right is called so."""
    question = step.question
    assert question is not None
    rights = [choice.is_right(window.course.values.value) for choice in question.choices]
    if None in rights:
        return
    assert rights.count(True) == 1
    shown = window.lessons.text.toPlainText()
    assert ("✓" in shown) == rights[-1]
    assert question.choices[rights.index(True)].text in shown


# ------------------------------------------------------------ translations


@pytest.mark.parametrize("english", PATHS[: len(PATHS) // 2], ids=lambda path: path.stem)
def test_every_lesson_is_translated_with_the_same_steps(english: Path) -> None:
    ours, theirs = read_lesson(english), read_lesson(lessons_folder("zh_CN") / english.name)
    assert shape(ours) == shape(theirs)
    assert 2 <= len(ours.steps) <= 5
    assert ours.title != theirs.title


def test_there_is_no_translation_without_its_lesson_and_all_can_be_read() -> None:
    names = [{path.name for path in PATHS if path.parent.name == language} for language in LANGUAGES]
    assert names[0] == names[1] and len(names[0]) >= 8
    assert all(load_lessons(lessons_folder(language))[1] == [] for language in LANGUAGES)


def shape(lesson: Lesson) -> list:
    """What of a lesson does not depend on its language."""
    found: list = [lesson.order, lesson.minutes]
    for step in lesson.steps:
        question = step.question
        found.append([action.line for action in step.do])
        found.append(sorted(VALUE.findall(step.text)))
        if question is not None:
            found.append([choice.right for choice in question.choices])
            found.append([action.line for action in question.do])
            found.append(sorted(VALUE.findall(question.reveal)))
    return found


def test_the_description_of_the_format_names_every_command_and_value() -> None:
    text = (lessons_folder("en").parent / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`{name} " in text, name
    for name in VALUES:
        assert re.search(rf"[`{{]{name}[`:}}]", text), name


# ------------------------------------------------------------ files that are not as they should be

HEAD = "---\ntitle: T\norder: 1\nminutes: 2\n---\n"
STEP = HEAD + "## Step\n\nText.\n"
ASKED = STEP + "### Question?\n- [ ] one\n- [ ] two\n### Revealed\nText.\n"
MALFORMED = {
    "empty": ("", 1, "starts with"),
    "no head": ("## Step\n", 1, "starts with"),
    "head without end": ("---\ntitle: T\n", 2, "second line"),
    "no title": ("---\norder: 1\n---\n## Step\n", 1, "title:"),
    "unknown field": ("---\ntitle: T\nauthor: me\n---\n", 3, "only title:"),
    "order is no number": ("---\ntitle: T\norder: first\n---\n## Step\n", 1, "no number"),
    "order is infinite": ("---\ntitle: T\nminutes: inf\n---\n## Step\n", 1, "no number"),
    "no step": (HEAD, 5, "no step"),
    "text before the first step": (HEAD + "Text.\n", 6, "below a heading"),
    "unknown command": (STEP + "```do\npriors joint\n```\n", 10, "no command “priors”"),
    "wrong words": (STEP + "```do\nprior jointt\n```\n", 10, "“prior NAME”"),
    "no words": (STEP + "```do\nlambda\n```\n", 10, "lambda VALUE"),
    "λ that is none": (STEP + "```do\nlambda nan\n```\n", 10, "lambda VALUE"),
    "block without end": (STEP + "```do\nprior joint\n", 9, "no end"),
    "code": (STEP + "```python\nprint()\n```\n", 9, "```do"),
    "unknown value": (STEP + "{size}\n", 9, "no value “size”"),
    "unknown prior": (STEP + "{bpp:jointt}\n", 9, "which priors"),
    "tick of no prior": (STEP + "{samples@3}\n", 9, "which priors"),
    "one prior of two": (STEP + "{saving:joint}\n", 9, "which priors"),
    "question without reveal": (STEP + "### Question?\n- [ ] one\n- [ ] two\n", 6, "two: the question"),
    "one answer": (STEP + "### Question?\n- [ ] one\n### R\n", 9, "at least two"),
    "answer without box": (STEP + "### Question?\n- one\n- two\n### R\n", 10, "at least two"),
    "condition": (STEP + "### Question?\n- [bpp = 3] one\n- [ ] two\n### R\n", 10, "no condition"),
    "condition on nothing": (STEP + "### Question?\n- [bit < 3] one\n- [ ] two\n### R\n", 10, "no value “bit”"),
    "long answer": (STEP + f"### Question?\n- [ ] {'x' * 45}\n- [ ] two\n### R\n", 10, "at most 44"),
    "HTML": (STEP + "<b>bold</b>\n", 9, "no HTML"),
    "HTML comment": (STEP + "<!-- x -->\n", 9, "no HTML"),
    "script in a title": (HEAD + "## <script>x</script>\n", 6, "no HTML"),
    "picture": (STEP + "![x](http://example.com/x.png)\n", 9, "no HTML"),
    "picture by reference": (STEP + "![x][y]\n\n[y]: file:///etc/passwd\n", 9, "no HTML"),
    "link": (STEP + "[passwords](file:///etc/passwd)\n", 9, "no HTML"),
    "bare address": (STEP + "https://example.com\n", 9, "no HTML"),
    "link in what is revealed": (ASKED + "[a](b)\n", 14, "no HTML"),
}


@pytest.mark.parametrize(("content", "line", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_lesson_is_one_sentence_with_its_line(tmp_path: Path, content: str, line: int, reason: str) -> None:
    path = tmp_path / "mine.md"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LessonError) as caught:
        read_lesson(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"The lesson mine.md cannot be shown, line {line}: ") and sentence.endswith(".")
    assert reason in sentence and "\n" not in sentence


def test_what_the_malformed_lessons_are_made_of_is_right(tmp_path: Path) -> None:
    for content in (STEP, ASKED):
        (tmp_path / "mine.md").write_text(content, encoding="utf-8")
        assert read_lesson(tmp_path / "mine.md").steps[0].title == "Step"


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.md").write_text(STEP + "x" * 200_000, encoding="utf-8")
    (tmp_path / "folder.md").mkdir()
    lessons, broken = load_lessons(tmp_path)
    assert lessons == [] and len(broken) == 3
    assert ["UTF-8" in broken[0], "cannot be read" in broken[1], "larger" in broken[2]] == [True] * 3


def test_a_broken_lesson_is_listed_with_its_sentence_and_the_others_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_explorer: Callable[..., Explorer], picture_file: Path
) -> None:
    (tmp_path / "good.md").write_text(STEP, encoding="utf-8")
    (tmp_path / "bad.md").write_text(STEP + "```do\nfly\n```\n", encoding="utf-8")
    monkeypatch.setattr(course_module, "lessons_folder", lambda language: tmp_path)
    window = window_of(make_explorer(picture_file))
    window.actions_table["lessons"].trigger()
    entries = window.lessons.list
    assert [entries.item(row).text().split()[0] for row in range(entries.count())] == ["1", "The"]
    assert "bad.md cannot be shown, line 10: there is no command “fly”." in entries.item(1).text()
    entries.itemClicked.emit(entries.item(1))
    assert window.course.lesson is None
    entries.itemClicked.emit(entries.item(0))
    assert window.course.lesson is not None and window.course.lesson.key == "good"


def test_the_text_of_a_lesson_loads_nothing_and_follows_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    """Should a lesson get past the reader all the same."""
    path = tmp_path / "red.png"
    Image.fromarray(np.full((60, 60, 3), (255, 0, 0), np.uint8)).save(path)
    url = QUrl.fromLocalFile(str(path))
    shown = LessonText()
    qtbot.addWidget(shown)
    shown.resize(200, 200)
    shown.show_markdown(
        f"![x]({url.toString()})\n\n<img src='{path}'> <b>b</b>\n\n[link]({url.toString()})", jump_to=""
    )
    shown.show()
    image = shown.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(0, 200, 2) for y in range(0, 200, 2)}
    assert "#ff0000" not in colours
    assert "<img" in shown.toPlainText() and "<b>" in shown.toPlainText()  # letters, not markup
    shown.anchorClicked.emit(url)
    assert shown.source().isEmpty()


# ------------------------------------------------------------ around a lesson


def first_lesson(window: MainWindow, key: str = "1-transform-coding") -> Lesson:
    return next(lesson for lesson in window.course.lessons if lesson.key == key)


def test_leaving_gives_every_setting_back(explorer: Explorer, qtbot: QtBot) -> None:
    window, session = window_of(explorer), explorer.session
    session.set_choice(prior="context", gain_index=37)
    session.set_effort(1)
    session.set_compare(mode="swipe", a=Source("prior", "factorized", 5), overlay=True, difference_gain=3.0)
    session.set_map(quantity="mu", channel=1, fixed=(-1.0, 2.0))
    session.set_plot(metric="ms_ssim", log_rate=True, hidden=frozenset({"prior/joint"}))
    session.mark(("y", 2, 1))
    session.view.zoom_to(3.0)
    window.bottom.setVisible(False)
    window.maps.show_page(1)
    before = (session.choice, session.compare, session.map_choice, session.plot, session.marked, session.view.scale)
    widths = window.splitter.sizes()
    window.open_lesson(first_lesson(window, "5-context"))
    assert session.choice.prior == "context" and session.choice.gain_index == 48 and window.bottom.isVisible()
    assert session.choice.effort == 0
    window.course.forward()
    window.course.predict(0)
    window.lessons.close_button.click()
    after = (session.choice, session.compare, session.map_choice, session.plot, session.marked, session.view.scale)
    assert after == before and session.choice.effort == session.effort == 1 and not session.view.fitted
    assert window.bottom.isHidden() and window.maps.pages.currentIndex() == 1
    assert window.lessons.isHidden() is False and not window.lessons.isVisible() and window.images.isVisible()
    assert window.splitter.sizes() == widths


def test_a_target_is_sought_again_after_the_lesson(explorer: Explorer, qtbot: QtBot) -> None:
    window, session = window_of(explorer), explorer.session
    session.set_target("bpp", 2.0)
    window.open_lesson(first_lesson(window))
    assert session.target == ("lambda", 0.0) or session.choice.gain_index == 48
    window.course.leave()
    assert session.target == ("bpp", 2.0)


def test_what_was_changed_in_a_step_can_be_set_up_again(explorer: Explorer, qtbot: QtBot) -> None:
    window, session = window_of(explorer), explorer.session
    window.open_lesson(first_lesson(window, "4-means"))
    session.set_choice(prior="joint", gain_index=3)
    session.set_map(quantity="bits")
    qtbot.waitUntil(window.lessons.again.isEnabled, timeout=WAIT_MS)
    window.actions_table["lesson_again"].trigger()
    check_state(window, window.course.step.do)  # type: ignore[union-attr]
    assert not window.lessons.again.isEnabled()


def test_a_lesson_goes_on_with_another_image(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    window, session = window_of(explorer), explorer.session
    window.open_lesson(first_lesson(window, "8-wavefront"))
    window.course.forward()
    path = tmp_path / "other.png"
    Image.fromarray(make_picture(128, 160, seed=3)).save(path)
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: session.current is not None and session.current.name == "other.png", timeout=WAIT_MS)
    wait_for_file(qtbot, explorer)
    assert session.marked == ("y", 5, 4) and STRIDES["y"] == 16  # the middle of 10 × 8 latents
    window.course.predict(2)
    qtbot.waitUntil(lambda: "31 steps in place of 80" in window.lessons.text.toPlainText(), timeout=WAIT_MS)


def test_a_model_without_a_prior_is_told_and_the_lesson_goes_on(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_without_context()
    monkeypatch.setattr("jahp_gui.gui.controller.installed_models", lambda *_: [card])
    explorer = make_explorer(picture_file)
    wait_for_file(qtbot, explorer)
    window = window_of(explorer)
    window.open_lesson(first_lesson(window, "5-context"))
    for _ in range(2):
        window.course.forward()
        window.course.predict(0)
        qtbot.waitUntil(lambda: PENDING not in window.lessons.text.toPlainText(), timeout=WAIT_MS)
        assert "has no prior" in window.lessons.text.toPlainText()
    assert UNDEFINED in window.lessons.text.toPlainText()


def test_a_lesson_opened_before_the_model_is_there_sets_itself_up_when_it_comes(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path
) -> None:
    explorer = make_explorer(picture_file)
    window = window_of(explorer)
    window.open_lesson(first_lesson(window, "4-means"))
    assert explorer.session.card is None and window.course.problem
    qtbot.waitUntil(lambda: not window.course.problem, timeout=WAIT_MS)
    wait_for_file(qtbot, explorer)
    check_state(window, window.course.step.do)  # type: ignore[union-attr]


def test_lessons_are_driven_by_keys_alone(explorer: Explorer, qtbot: QtBot) -> None:
    window = window_of(explorer)
    qtbot.keyClick(window, Qt.Key.Key_F2)
    assert window.lessons.isVisible() and not window.images.isVisible()
    assert window.lessons.list.hasFocus() or window.focusWidget() is window.lessons.list
    qtbot.keyClick(window.lessons.list, Qt.Key.Key_Return)
    course = window.course
    assert course.lesson is course.lessons[0]
    qtbot.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert course.number == 1
    window.lessons.choices[0].setFocus()
    qtbot.keyClick(window.lessons.choices[0], Qt.Key.Key_Space)
    assert course.predicted == 0
    qtbot.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert course.number == 0
    qtbot.keyClick(window, Qt.Key.Key_F2)
    assert course.lesson is None and window.images.isVisible()


def test_progress_is_kept_for_the_next_run(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path
) -> None:
    first = make_explorer(picture_file)
    wait_for_file(qtbot, first)
    window = window_of(first)
    before = first.session.choice
    window.open_lesson(first_lesson(window, "3-side-information"))
    window.course.forward()
    window.close()  # in the middle of the lesson
    assert first.session.choice == before
    second = make_explorer()
    window = window_of(second)
    window.show_lessons(True)
    row = window.course.lessons.index(first_lesson(window, "3-side-information"))
    assert "step 2 of 3" in window.lessons.list.item(row).text()
    assert second.settings.text("prior") == before.prior


def test_the_lessons_leave_room_for_what_they_talk_about_at_1280_by_800(explorer: Explorer, qtbot: QtBot) -> None:
    window = window_of(explorer)
    window.resize(1280, 800)
    for key in ("1-transform-coding", "2-entropy-model", "7-rd-plot"):
        window.open_lesson(first_lesson(window, key))
        for _ in window.course.lesson.steps:  # type: ignore[union-attr]
            qtbot.wait(30)
            assert window.size().width() == 1280 and window.size().height() == 800
            assert window.compare.canvas.width() > 500 and window.maps.width() > 250
            assert window.plot.view.height() > 120 and window.codec.isVisible()
            assert window.lessons.text.height() > 100
            assert window.rect().contains(window.lessons.forward.mapTo(window, QPoint(0, 0)))
            window.course.forward()


@pytest.mark.parametrize("line", ["select 25 25 50 50", "a codec jpeg420", "lambda 0.05", "mode swipe"])
def test_commands_that_no_lesson_uses_yet_work(explorer: Explorer, line: str) -> None:
    window = window_of(explorer)
    action = read_action(line)
    assert not action.holds(window)
    action.do(window)
    assert action.holds(window)
    session = explorer.session
    {
        "select": lambda: session.selection is not None and session.selection.getRect() == (24, 16, 48, 32),
        "a": lambda: session.compare.a == Source("classical", "jpeg420"),
        "lambda": lambda: session.choice.gain_index == 80,
        "mode": lambda: session.compare.mode == "swipe",
    }[action.name]() or pytest.fail(line)


def test_another_language_leaves_the_lesson_and_speaks_in_the_new_window(explorer: Explorer, qtbot: QtBot) -> None:
    window, session = window_of(explorer), explorer.session
    before = session.choice
    window.open_lesson(first_lesson(window, "3-side-information"))
    assert session.choice != before
    window.language_chosen.emit("zh_CN")
    renewed = window_of(explorer)
    assert renewed is not window and session.choice == before
    assert first_lesson(renewed, "3-side-information").title == "边信息"
    assert renewed.images.isVisible() and not renewed.lessons.isVisible()
