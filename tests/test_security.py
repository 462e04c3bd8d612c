"""What must not be in the package: code from files, listening, and ways out of a folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tomotui
from tomotui.formats.errors import FormatError
from tomotui.formats.names import file_name

PACKAGE = Path(tomotui.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "socketserver",
    "http", "http.server", "xmlrpc", "xmlrpc.server", "wsgiref", "ftplib", "telnetlib",
}  # fmt: skip
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput",
    "subprocess.getstatusoutput", "tempfile.mktemp", "socket.socket", "socket.create_server",
    "asyncio.start_server", "asyncio.start_unix_server",
}  # fmt: skip


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def _said(call: ast.Call, keyword: str) -> object:
    """Return the constant that a keyword of a call has; ``None`` when it has none."""
    for one in call.keywords:
        if one.arg == keyword:
            return one.value.value if isinstance(one.value, ast.Constant) else "not constant"
    return None


def _faults(path: Path, package: Path = PACKAGE) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(package)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name in FORBIDDEN_MODULES:
                yield f"{where}:{node.lineno}: imports {name}"
    for name, call in _calls(tree):
        at = f"{where}:{call.lineno}: {name}"
        if name in FORBIDDEN_CALLS:
            yield at
        elif name == "torch.load" and _said(call, "weights_only") is not True:
            yield f"{at} without weights_only=True"
        elif _said(call, "shell") not in (None, False):
            yield f"{at} with a shell"
        elif _said(call, "allow_pickle") not in (None, False):  # numpy's default is not to.
            yield f"{at} with pickles"


def test_nothing_runs_code_from_files_or_listens_on_a_network() -> None:
    assert len(FILES) > 300
    assert [fault for path in FILES for fault in _faults(path)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from yaml import load", "eval('1')", "torch.load(p)",
        "np.load(p, allow_pickle=x)",
        "torch.load(p, weights_only=False)", "subprocess.run('x', shell=True)",
        "np.load(p, allow_pickle=True)", "asyncio.start_server(f)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(code: str, tmp_path: Path) -> None:
    path = tmp_path / "somewhere.py"
    path.write_text(code)
    assert list(_faults(path, tmp_path))


@pytest.mark.parametrize("name", ["../other", "a/b", "/etc/passwd", "..", ".", "", "a\0b", "a\\b"])
def test_a_name_does_not_lead_out_of_a_folder(name: str) -> None:
    with pytest.raises(FormatError, match="cannot be the name of a file"):
        file_name(name)


def test_plain_names_are_left_alone() -> None:
    for name in ("ts_01", "..ts", "a b", "näher", "-x"):
        assert file_name(name) == name
