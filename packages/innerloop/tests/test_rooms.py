"""The rooms of docs/architecture.md, read out of the code.

Who may import whom, who may touch the disk, who may start a program. The import graph is read once;
each law is one test over all of it.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from innerloop import local
from innerloop.remote import base
from tests.support import ROOT

PACKAGE = ROOT / "packages/innerloop/src/innerloop"
# Files that run in an experiment's environment, or that a new experiment begins with: no rooms.
GUESTS = ("templates", "in_env_scripts")
# A room may import rooms that stand below it.
ROOMS = (
    "cli", "commands", "mcp_server", "parity", "doctor", "scaffold", "remote", "serving", "runner", "local",
    "devcontainers", "apptainer", "docker", "history", "sync", "workspace", "argo_manifest", "model", "util",
)  # fmt: skip
PURE = ("model", "argo_manifest", "sync/render")
# The doors: the modules that start programs, and those that write to the disk.
STARTING = ("util/process.py",)
WRITING = ("util/files.py", "util/confined.py")
SDKS = {
    "azure": "remote/azureml/worker",
    "kubernetes": "remote/argo/worker",
    "mcp": "mcp_server/worker",
    "optuna": "runner/sampler/worker",
    "scipy": "runner/sampler/worker",
}

_STARTS = {"subprocess", "pty", "multiprocessing"}
_TOUCHES = _STARTS | {"shutil", "tempfile", "socket", "urllib", "http"}
# What changes the disk, whichever module or path it is called on.
_WRITES = {
    "write_text", "write_bytes", "unlink", "rename", "renames", "mkdir", "rmdir", "symlink_to",
    "hardlink_to", "touch", "chmod", "lchmod", "fchmod", "chown", "rmtree", "copytree", "copyfile",
    "copy2", "copymode", "makedirs", "removedirs", "symlink", "utime", "truncate", "ftruncate",
    "mkfifo", "mknod", "mkdtemp", "mkstemp", "mktemp", "TemporaryDirectory", "TemporaryFile",
    "NamedTemporaryFile", "SpooledTemporaryFile", "extractall", "unpack_archive", "make_archive",
}  # fmt: skip
# These have a second meaning (str.replace, list.remove) unless they are called on the module.
_WRITES_OF = {"os": {"replace", "remove", "link", "setxattr"}, "shutil": {"copy", "move"}}


@dataclass(frozen=True)
class Module:
    """`imports` are absolute names, those inside functions and TYPE_CHECKING included.

    `calls` are (owner, name) pairs: ("os", "makedirs") for os.makedirs(...), ("", "open").
    `opens` are the lines that open a file to write it.
    """

    path: str
    imports: frozenset[str]
    calls: frozenset[tuple[str, str]]
    opens: frozenset[int]

    @property
    def room(self) -> str:
        return self.path.split("/")[0]

    @property
    def rooms(self) -> set[str]:
        """The rooms that it imports."""
        ours = [name.split(".") for name in self.imports if name.startswith("innerloop.")]
        return {parts[1] for parts in ours}

    @property
    def outside(self) -> set[str]:
        """Top-level packages; urllib.parse takes text apart and fetches nothing."""
        names = {name for name in self.imports if not name.startswith("urllib.parse")}
        return {name.split(".")[0] for name in names}


@functools.cache
def modules() -> tuple[Module, ...]:
    paths = sorted(path for path in PACKAGE.rglob("*.py"))
    found = [(path, path.relative_to(PACKAGE).as_posix()) for path in paths]
    return tuple(
        read(path, name) for path, name in found if "/" in name and name.split("/")[0] not in GUESTS
    )


def read(path: Path, name: str) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ("innerloop", *name.split("/")[:-1])
    calls, opens = frozenset(_calls(tree)), frozenset(_opens_to_write(tree))
    return Module(name, frozenset(_imports(tree, package)), calls, opens)


def _imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            full = ".".join(filter(None, [base, node.module or ""]))
            yield full
            yield from (f"{full}.{alias.name}" for alias in node.names)


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else "?"
                yield owner, function.attr
            elif isinstance(function, ast.Name):
                yield "", function.id


def _opens_to_write(tree: ast.Module) -> Iterator[int]:
    """Lines with open(..., "w") and os.open(..., os.O_WRONLY), other than of the null device."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _last_name(node.func) != "open":
            continue
        if "devnull" in ast.unparse(node):
            continue
        name = ast.unparse(node.func)
        words = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name == "os.open":
            if re.search("O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", ast.unparse(node)):
                yield node.lineno
        else:
            modes = [word.value for word in words if isinstance(word, ast.Constant)]
            if any(re.fullmatch("[rbt]*[wax+][rwbt+]*", str(mode)) for mode in modes):
                yield node.lineno


def _last_name(function: ast.expr) -> str:
    """`open` of `path.open` and of `open`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_every_module_is_in_a_room() -> None:
    assert {module.room for module in modules()} == set(ROOMS)
    loose = {path.name for path in PACKAGE.glob("*.py")}
    assert loose <= {"__init__.py", "__main__.py"}


def test_imports_go_downwards_only() -> None:
    rank = {room: index for index, room in enumerate(ROOMS)}
    upward = {
        (module.path, room)
        for module in modules()
        for room in module.rooms & set(ROOMS)
        if rank[room] < rank[module.room]
    }
    assert upward == set()


def test_pure_rooms_touch_neither_disk_nor_programs() -> None:
    impure = {
        (module.path, name)
        for module in modules()
        if module.path.startswith(tuple(f"{room}/" for room in PURE))
        for name in (module.outside & _TOUCHES) | ({"open"} & {n for o, n in module.calls if not o})
    }
    assert impure == set()
    doors = {
        module.path
        for module in modules()
        if module.path.startswith(tuple(f"{room}/" for room in PURE))
        and {"innerloop.util.files", "innerloop.util.process"} & module.imports
    }
    assert doors == set()


def test_only_the_process_door_starts_programs() -> None:
    starting = set()
    for module in modules():
        called = {f"{owner}.{name}" for owner, name in module.calls}
        direct = {c for c in called if c.startswith(("os.exec", "os.spawn", "os.system"))}
        if module.outside & _STARTS or direct:
            starting.add(module.path)
    assert starting == set(STARTING)


def test_only_the_files_door_writes() -> None:
    """A method of a value of ours (or of `files`) may have such a name; the disk's have not."""
    writing = set()
    for module in modules():
        names = {name for owner, name in module.calls if owner not in ("files", "process")}
        direct = {name for owner, name in module.calls if name in _WRITES_OF.get(owner, ())}
        if names & _WRITES or direct or module.opens:
            writing.add(module.path)
    assert writing == set(WRITING), writing ^ set(WRITING)


def test_a_writing_open_is_recognized() -> None:
    text = (
        'open(a)\nopen(a, "w")\nos.open(a, os.O_RDONLY)\nos.open(a, os.O_CREAT | 1)\na.open("ab")'
    )
    assert set(_opens_to_write(ast.parse(text))) == {2, 4, 5}


def test_an_sdk_is_imported_by_its_worker_alone() -> None:
    for sdk, room in SDKS.items():
        importing = {module.path for module in modules() if sdk in module.outside}
        assert importing and all(path.startswith(f"{room}/") for path in importing), importing


def test_a_backend_does_not_import_another() -> None:
    """Nor do the modules that backends share import one of them: the tables name modules as text."""
    for room, table in (("local", local.BACKENDS), ("remote", base.BACKENDS)):
        backends = {name.removeprefix("innerloop.").split(".")[1] for name in table.values()}
        for module in modules():
            if module.room != room:
                continue
            own = module.path.split("/")[1].removesuffix(".py")
            prefix = f"innerloop.{room}."
            imported = {
                name.removeprefix(prefix).split(".")[0]
                for name in module.imports
                if name.startswith(prefix)
            }
            assert not imported & backends - {own}, module.path


def test_backend_names_are_compared_nowhere() -> None:
    """What differs between backends is in their modules; the tables and `parity` name them."""
    names = "|".join([*local.BACKENDS, *base.BACKENDS])
    name = f"""["'](?:{names})["']"""
    comparison = re.compile(rf"[=!]= *{name}|\bin *[(\[{{]{name}|\bcase {name}")
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.relative_to(PACKAGE).as_posix().startswith(GUESTS):
            found = comparison.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path}: {found}"


def test_class_names_are_unique() -> None:
    paths: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] == "templates":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                paths.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: where for name, where in paths.items() if len(where) > 1} == {}


def test_no_experiment_imports_the_tool() -> None:
    code = [path for path in (ROOT / "src").rglob("*.py") if "outputs" not in path.parts]
    assert code
    for path in code:
        names = _imports(ast.parse(path.read_text(encoding="utf-8")), ())
        assert {name.split(".")[0] for name in names} & {"innerloop", "scripts"} == set(), path
