"""What a file or a model can make the program do: nothing but read numbers."""

import ast
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jahp_gui.codec.output import write_atomically

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jahp_gui"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Modules that run what they read, and those that reach for a network.
FORBIDDEN = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "code", "codeop", "runpy"),
    *("socket", "ssl", "urllib", "http", "ftplib", "smtplib", "xmlrpc", "socketserver", "webbrowser"),
    *("requests", "httpx", "aiohttp", "urllib3", "huggingface_hub"),
    *("PySide6.QtNetwork", "PySide6.QtWebEngineWidgets", "torch.hub", "torch.utils.model_zoo"),
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and name_of(node.func).split(".")[-1] in ("import_module", "__import__"):
        return [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return []


def name_of(node: ast.expr) -> str:
    """ "torch.load" of the expression torch.load; "" for anything but a dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := name_of(node.value)):
        return f"{start}.{node.attr}"
    return ""


def calls(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """The dotted name and the constant keyword arguments of every call."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            keywords = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
            yield name_of(node.func), keywords


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_runs_what_it_reads_or_reaches_for_a_network(path: Path) -> None:
    names = {name for node in ast.walk(tree(path)) for name in imported(node)}
    starts = {".".join(name.split(".")[:length]) for name in names for length in (1, 2)}
    assert not starts & FORBIDDEN
    for name, keywords in calls(path):
        assert name not in ("eval", "exec", "compile", "os.system", "os.popen", "tempfile.mktemp")
        assert not keywords.get("shell")
        assert not keywords.get("allow_pickle")
        if name.endswith("torch.load"):
            assert keywords.get("weights_only") is True


def test_the_check_above_sees_what_it_forbids(tmp_path: Path) -> None:
    guilty = "import pickle\nfrom urllib import request\ntorch.load(f)\neval(x)\nnp.load(f, allow_pickle=True)\n"
    for line in guilty.splitlines():
        path = tmp_path / "guilty.py"
        path.write_text(line)
        with pytest.raises(AssertionError):
            test_no_module_runs_what_it_reads_or_reaches_for_a_network(path)


WATCHED = """
import sys

events = []
sys.addaudithook(lambda event, _: events.append(event) if event.startswith(("pickle.", "socket.", "urllib.")) else None)
from jahp_gui.codec import Model, analyse, decode, encode
from jahp_gui.codec.images import load_image

imported = len(events)
rgb = load_image("assets/samples/astronaut.png").rgb[:64, :64]
model = Model.load("tests/models/tiny")
for prior in model.card.priors:
    decode(encode(model, rgb, prior=prior).data, model=model)
print(events[imported:], {"socket.connect", "socket.getaddrinfo", "urllib.Request"} & set(events))
"""


def test_nothing_is_unpickled_and_no_network_is_used_from_image_and_weights_to_picture() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[] set()"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_that_is_being_written_can_be_read_by_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def look(handle: int) -> None:
        seen.extend((path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir())

    monkeypatch.setattr(os, "fsync", look)
    write_atomically(tmp_path / "photo.jahp", b"data")
    ((name, mode),) = seen
    assert re.fullmatch(r"\.jahp-\w+\.tmp", name)
    assert mode == 0o600
