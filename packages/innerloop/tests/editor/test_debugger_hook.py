"""The start-up hook's own decisions, without a debugger: whom it leaves alone, which paths it maps."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support import ROOT

FOLDER = ROOT / "packages/innerloop/src/innerloop/in_env_scripts/debugger"


@pytest.fixture(scope="module")
def hook() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER / "startup"))
    spec = importlib.util.spec_from_file_location(
        "innerloop_debugger", FOLDER / "startup" / "innerloop_debugger.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER / "startup"))
    yield module


@pytest.mark.parametrize(
    "line",
    [
        "python -m pip install x",
        "python -m pip.__main__ list",
        "/usr/bin/python3 /usr/local/bin/pip3.11 install x",
        "python -X dev -W ignore -m venv here",
        "python -Im ensurepip",
        "python /opt/conda/bin/conda install x",
        "python.exe Scripts\\pip.exe list",
        "python -m debugpy --listen 1 a.py",
    ],
)
def test_tools(hook: ModuleType, line: str) -> None:
    assert hook.is_tool(line.replace("Scripts\\", "Scripts/").split(" "))


@pytest.mark.parametrize(
    "line",
    [
        "python train.py pip",
        "python -m train --with pip",
        "python -m pipeline",
        "python pip_like.py",
        "python",
        "python - pip",
        "python -W pip train.py",
        "python /opt/venv/bin/torchrun train.py",
        "python -m accelerate.commands.launch train.py",
    ],
)
def test_the_persons_own(hook: ModuleType, line: str) -> None:
    assert not hook.is_tool(line.split(" "))


def test_multiprocessings_helper_is_a_tool_and_its_workers_are_not(hook: ModuleType) -> None:
    tracker = "from multiprocessing.resource_tracker import main;main(3)"
    worker = "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)"
    assert hook.is_tool(["python", "-c", tracker])
    assert not hook.is_tool(["python", "-c", worker, "--multiprocessing-fork"])


def test_the_editors_folder_is_mapped_to_where_the_run_has_it(hook: ModuleType) -> None:
    folders = [("src/line", "/view"), ("/elsewhere/data", "/mnt/data"), ("", "/home/me/ws")]
    assert hook.paths([("/home/me/ws/", "/workspaces/ws")], folders) == [
        ("/home/me/ws/src/line", "/view"),
        ("/elsewhere/data", "/mnt/data"),
        ("/home/me/ws", "/home/me/ws"),
    ]


def test_a_window_on_windows_and_one_on_a_link_to_the_workspace(hook: ModuleType) -> None:
    folders = [("", "/workspaces/ws")]
    assert hook.paths([("C:\\me\\ws", "/workspaces/ws")], folders) == [
        ("C:\\me\\ws", "/workspaces/ws")
    ]
    assert hook.paths([("/link/ws", "/workspaces/ws")], [("", "/real/ws")]) == [
        ("/link/ws", "/real/ws")
    ]


def test_what_a_person_maps_stays(hook: ModuleType) -> None:
    own = ("/home/me/lib", "/usr/lib/python3/lib")
    assert hook.paths([own, ("/a/ws", "/workspaces/ws")], [("", "/b")]) == [own, ("/a/ws", "/b")]


def editor_names(hook: ModuleType, root: Path) -> Any:
    """The editor has the folder `root` as /w; all else keeps its path."""

    def to_editor(path: str) -> tuple[str, bool]:
        is_inside = path.startswith(f"{root}/")
        return (f"/w{path[len(str(root)) :]}" if is_inside else path), is_inside

    return hook.EditorNames(lambda name: name.replace("/w", str(root), 1), to_editor)


def test_shared_code_has_the_name_under_which_the_editor_has_it_open(
    hook: ModuleType, tmp_path: Path
) -> None:
    root = tmp_path.resolve()
    (root / "common").mkdir()
    (root / "line").mkdir()
    (root / "common" / "a.py").touch()
    (root / "line" / "a.py").symlink_to("../common/a.py")
    link, file = f"{root}/line/a.py", f"{root}/common/a.py"
    names = editor_names(hook, root)
    assert names.in_editor(link) == names.in_editor(file) == ("/w/common/a.py", True)
    assert names.here("/w/line/a.py") == link
    assert names.in_editor(link) == names.in_editor(file) == ("/w/line/a.py", True)
    assert names.here("/w/common/a.py") == file
    assert names.in_editor(link) == ("/w/common/a.py", True)


def test_links_out_of_the_workspace_and_views_keep_their_names(
    hook: ModuleType, tmp_path: Path
) -> None:
    root = tmp_path.resolve() / "ws"
    (root / ".innerloop").mkdir(parents=True)
    (root / ".innerloop" / "a.py").touch()
    (tmp_path / "out.py").touch()
    (root / "out.py").symlink_to("../out.py")
    (root / "view.py").symlink_to(".innerloop/a.py")
    names = editor_names(hook, root)
    for name in ("out.py", "view.py", "missing.py"):
        assert names.in_editor(f"{root}/{name}") == (f"/w/{name}", True)
    assert names.in_editor("<string>") == ("<string>", False)


@pytest.mark.parametrize(
    "name", [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.py"))]
)
def test_python_3_8_can_read_it(name: str) -> None:
    ast.parse((FOLDER / name).read_text(encoding="utf-8"), feature_version=(3, 8))
