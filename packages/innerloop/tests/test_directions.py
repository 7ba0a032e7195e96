"""The directions of docs/architecture.md, read out of the code: who may import whom, who may touch
the disk, who may start a program."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "packages/innerloop/src/innerloop"
# `template` is what a new experiment begins with; `debugger` and `there` run in an experiment's
# environment.
GUESTS = {"template", "debugger", "there"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not GUESTS & set(path.parts))
EXPERIMENT_CODE = sorted(
    path for path in (ROOT / "src").rglob("*.py") if "outputs" not in path.parts
)

PURE = ("spec", "workflows", "render", "merge", "tools")
# What the commands are made of; the parts below it are not to know it.
OUTER = {
    "runs", "records", "images", "containers", "experiments", "cloud", "parity", "working", "serving",
    "checkup", "cluster", "cleaning", "syncing", "transaction", "completing",
}  # fmt: skip
# part -> parts it must not know
FORBIDDEN = {
    "spec": {"render", "merge", "places", "commands", "tools", "process", "files", "cli"} | OUTER,
    "workflows": {"render", "merge", "places", "commands", "process", "files", "cli"} | OUTER,
    "render": {"places", "commands", "process", "files", "cli", "loading"} | OUTER,
    "merge": {"spec", "render", "places", "commands", "tools", "process", "files", "cli"} | OUTER,
    "tools": {"spec", "render", "merge", "places", "commands", "process", "files", "cli"} | OUTER,
    "places": {"commands", "render", "merge", "cli"},
    "process": {"spec", "render", "places", "commands", "files", "cli"} | OUTER,
    "files": {"spec", "render", "places", "commands", "process", "cli"} | OUTER,
    "errors": {"spec", "render", "places", "commands", "process", "files", "cli", "tools"} | OUTER,
}
STARTS = {"subprocess", "pty", "multiprocessing"}
TOUCHES = STARTS | {"shutil", "tempfile", "socket", "urllib", "http"}
WRITING = {
    "write_text",
    "write_bytes",
    "unlink",
    "rename",
    "mkdir",
    "rmdir",
    "symlink_to",
    "touch",
    "rmtree",
    "copytree",
    "copyfile",
    "makedirs",
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Absolute names: `from ..spec import job` in places/here.py is innerloop.spec and
    innerloop.spec.job."""
    package = ("innerloop", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            full = ".".join(filter(None, [base, node.module or ""]))
            yield full
            yield from (f"{full}.{alias.name}" for alias in node.names)


def parts(path: Path) -> set[str]:
    """The parts of innerloop that a module knows."""
    names = [name.split(".") for name in imports(path)]
    return {name[1] for name in names if name[0] == "innerloop" and len(name) > 1}


def top(path: Path) -> set[str]:
    """The first part of each name; urllib.parse takes text apart and fetches nothing."""
    names = {name for name in imports(path) if not name.startswith("urllib.parse")}
    return {name.split(".")[0] for name in names}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_part_knows_only_what_is_further_in(path: Path) -> None:
    known = parts(path) & FORBIDDEN.get(part_of(path), set())
    assert known == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_doors_start_programs(path: Path) -> None:
    if part_of(path) != "process":
        assert top(path) & STARTS == set()
        called = {f"{owner}.{name}" for owner, name in calls(path)}
        assert not {c for c in called if c.startswith(("os.exec", "os.spawn", "os.system"))}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_specification_rendering_and_merging_are_pure(path: Path) -> None:
    if part_of(path) in PURE:
        assert top(path) & TOUCHES == set()
        assert "open" not in {name for owner, name in calls(path) if not owner}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_files_writes(path: Path) -> None:
    if part_of(path) in ("files", "environments", "bench"):
        return  # environments makes the cache folder before anything else of the tool is there
    # A method of a value of ours (or of `files`) may have such a name; the disk's have not.
    written = {
        name for owner, name in calls(path) if name in WRITING and owner not in ("files", "process")
    }
    assert written == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_client_of_kubernetes_is_known_only_to_its_own_place(path: Path) -> None:
    if path.parent != PACKAGE / "places" / "argo":
        assert {"kubernetes", "urllib3"} & top(path) == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_azure_is_known_only_to_its_own_place(path: Path) -> None:
    if "azureml" not in path.parts[-1] and path.parent.name != "azureml":
        assert "azure" not in top(path)


def test_one_place_does_not_know_another() -> None:
    shared = {"here", "binding", "processes", "__init__"}
    for path in (PACKAGE / "places").glob("*.py"):
        known = {
            name.split(".")[2]
            for name in imports(path)
            if name.startswith("innerloop.places.") and name.split(".")[2].islower()
        }
        others = {other.stem for other in (PACKAGE / "places").glob("*.py")} - shared - {path.stem}
        assert known & others == set(), path


def test_the_first_start_needs_nothing_but_the_standard_library() -> None:
    """What bootstrap imports, and what that imports, is there before any package is."""
    seen, todo = set(), ["bootstrap.py"]
    while todo:
        path = PACKAGE / todo.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        assert top(path) - {"innerloop"} <= set(sys.stdlib_module_names), path
        todo += [f"{part}.py" for part in parts(path)]


@pytest.mark.parametrize("path", EXPERIMENT_CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_experiment_knows_the_orchestrator(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert {name.split(".")[0] for name in imported(text)} & {"innerloop", "scripts"} == set()


def imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """(owner, name) of each call: ("os", "makedirs") for os.makedirs(...), ("", "open")."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else "?"
                yield owner, function.attr
            elif isinstance(function, ast.Name):
                yield "", function.id
