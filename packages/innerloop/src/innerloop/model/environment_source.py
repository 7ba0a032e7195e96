"""The file that says what an environment needs, and what kind of file it is. Pure.

A kind is decided by the file's name, and by its content where a name says too little.

Sources: Python Packaging User Guide, "pylock.toml" and "pyproject.toml"; uv's, Poetry's and pixi's
documentation of uv.lock, poetry.lock (2.1) and pixi.lock.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..util.errors import UserError, join_names
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..util.toml_positions import position_of

# "asset": the YAML file of an Azure ML environment. "requirements": pip's own form.
SourceKind = Literal[
    "dockerfile", "conda", "asset", "requirements", "uv", "pylock", "poetry", "pixi"
]
# The kinds that a program installs from: in the image, and in the backend venv if pip or uv can.
LOCK_KINDS: tuple[SourceKind, ...] = ("requirements", "uv", "pylock", "poetry", "pixi")
# The text of a file by its path relative to the workspace's root; None without such a file.
Read = Callable[[str], "str | None"]

_DOCKERFILE = late_pattern(
    r"(?i)(?:dockerfile|containerfile)(?:[.-].+)?|.+\.(?:dockerfile|containerfile)"
)
# By the name alone. "pylock.NAME.toml": several in one folder, as the specification has it.
_NAMES: tuple[tuple[re.Pattern[str], SourceKind], ...] = (
    (_DOCKERFILE, "dockerfile"),
    (late_pattern(r"uv\.lock"), "uv"),
    (late_pattern(r"pylock(?:\.[^.]+)?\.toml"), "pylock"),
    (late_pattern(r"poetry\.lock"), "poetry"),
    (late_pattern(r"pixi\.lock"), "pixi"),
    (late_pattern(r".+\.(?:txt|in)"), "requirements"),
)
# The locks of a project that lie beside its pyproject.toml or pixi.toml.
LOCKS: Mapping[str, SourceKind] = {
    "uv.lock": "uv", "poetry.lock": "poetry", "pixi.lock": "pixi", "pylock.toml": "pylock",
}  # fmt: skip
# What the backend venv installs beside a Dockerfile; the first counts.
OF_VENV = ("requirements.txt", "uv.lock", "pylock.toml", "poetry.lock")
# What a folder is known by, in this order: a Dockerfile says how the others are installed.
_IN_FOLDERS = ("Dockerfile", *LOCKS, "requirements.txt", "conda.yml", "conda.yaml",
               "environment.yml", "environment.yaml")  # fmt: skip
# The command that writes a lock, by the table of pyproject.toml.
_LOCKING = {"poetry": "poetry lock", "pixi": "pixi lock", "pdm": "pdm export --format pylock"}
# Versions of Python for a lock that admits several, the first that it admits.
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.10", "3.9", "3.8")


@dataclass(frozen=True, slots=True)
class EnvironmentSource:
    """`path` is relative to the workspace's root.

    `manifest` is the project's file that belongs to a lock, "" for none. `python` is the version of
    Python that is asked for, as a specifier such as ">=3.10,<3.13"; "" for any.
    """

    kind: SourceKind
    path: str
    manifest: str = ""
    python: str = ""

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path) or "."

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    def accepts(self, python: str) -> bool:
        """Whether a version of Python, "3.11", fits."""
        return _accepts(self.python, python)

    @property
    def usual_python(self) -> str:
        """The version for an image; the newest known one if none of them fits."""
        return next((one for one in PYTHONS if self.accepts(one)), "3.14")


def source_of(path: str, read: Read, where: Position | str) -> EnvironmentSource:
    """The source that a path names: a file, or a folder with exactly one.

    Raises `UserError` at `where` if there is none, if there are several, and for a file of no known
    kind; at the file's own line if a project has no lock.
    """
    path = file_of(path, read, where)
    text = read(path) or ""
    if kind := kind_by_name(posixpath.basename(path)):
        return _with_python(kind, path, text, read)
    return EnvironmentSource(_kind_of_yaml(text, path), path)


def file_of(path: str, read: Read, where: Position | str) -> str:
    """The file that a path names: itself, the one in a folder, or the lock of a project.

    Raises as `source_of`. Nothing is read of a file but that it is there, where no error is raised.
    """
    path = posixpath.normpath(path.replace("\\", "/"))
    text = read(path)
    if text is None:
        return file_of(_in_folder(path, read, where), read, where)
    name = posixpath.basename(path)
    if kind_by_name(name) or is_yaml(name):
        return path
    if name in ("pyproject.toml", "pixi.toml"):
        return _lock_of_project(path, text, read, where)
    raise UserError(
        f"{path} is no kind of environment that is known",
        code="environment-kind-unknown",
        where=where,
        hint="Name a Dockerfile, a conda file, requirements.txt, uv.lock, pylock.toml, poetry.lock, "
        "pixi.lock, pyproject.toml or an image",
    )


def is_yaml(name: str) -> bool:
    """Whether a file's name leaves open which kind it is: a conda file, or an Azure ML environment."""
    return name.lower().endswith((".yml", ".yaml"))


def kind_by_name(name: str) -> SourceKind | None:
    """The kind of a file by its name alone; None if that says too little."""
    return next((kind for pattern, kind in _NAMES if pattern.fullmatch(name)), None)


def lock_in(folder: str, read: Read) -> EnvironmentSource | None:
    """The lock in a folder that has a Dockerfile, for a backend without images; None without one.

    requirements.txt comes first: where there is another lock too, it is compiled from that.
    """
    for name in (*OF_VENV, "pixi.lock"):
        path = posixpath.normpath(posixpath.join(folder, name))
        if (text := read(path)) is not None:
            return _with_python(kind_by_name(name) or "requirements", path, text, read)
    return None


def _in_folder(path: str, read: Read, where: Position | str) -> str:
    there = [name for name in _IN_FOLDERS if read(_joined(path, name)) is not None]
    if there[:1] == ["Dockerfile"]:
        return _joined(path, "Dockerfile")
    if len(there) > 1:
        raise UserError(
            f"{path} has several kinds of environments: {join_names(there)}",
            code="environment-source-ambiguous",
            where=where,
            hint=f"Name one of them: {_joined(path, there[0])}",
        )
    if there:
        return _joined(path, there[0])
    project = _joined(path, "pyproject.toml")
    if read(project) is not None:
        return project
    raise UserError(
        f"there is no {path} with an environment",
        code="environment-source-missing",
        where=where,
        hint="Name a file, or a folder with one: a Dockerfile, a conda file or a lock",
    )


def _joined(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))


def _kind_of_yaml(text: str, path: str) -> SourceKind:
    from ..util import yaml_text  # YAML takes long to import

    parsed = yaml_text.parse(text, path)
    document = parsed.value if isinstance(parsed.value, dict) else {}
    if isinstance(document.get("dependencies"), list):
        return "conda"
    if {"image", "build", "conda_file"} & {str(key) for key in document}:
        return "asset"
    raise UserError(
        "this is neither a conda file nor an Azure ML environment",
        code="environment-kind-unknown",
        where=Position(path, 1, 1),
        hint="Write dependencies: and a list, or image: or build:",
    )


def _lock_of_project(path: str, text: str, read: Read, where: Position | str) -> str:
    """A project is its lock: without one, each day installs something else."""
    folder = posixpath.dirname(path)
    there = [name for name in LOCKS if read(posixpath.join(folder, name)) is not None]
    if len(there) > 1:
        raise UserError(
            f"several locks lie beside {path}: {join_names(there)}",
            code="environment-source-ambiguous",
            where=where,
            hint=f"Name one of them: {posixpath.join(folder, there[0])}",
        )
    if there:
        return posixpath.join(folder, there[0])
    tools = toml_of(text, path).get("tool")
    tool = next((one for one in _LOCKING if isinstance(tools, dict) and one in tools), "")
    command = "pixi lock" if path.endswith("pixi.toml") else _LOCKING.get(tool, "uv lock")
    line = position_of(text, path, "tool", tool) if tool else position_of(text, path, "project")
    raise UserError(
        "the project has no lock, so nobody knows which versions to install",
        code="environment-not-locked",
        where=Position(path, max(line.line, 1), 1),
        hint=f"Write one with `{command}`, in {folder or 'this folder'}, and commit it",
    )


def _with_python(kind: SourceKind, path: str, text: str, read: Read) -> EnvironmentSource:
    folder = posixpath.dirname(path)
    manifests = ("pixi.toml", "pyproject.toml") if kind == "pixi" else ("pyproject.toml",)
    beside = [posixpath.join(folder, name) for name in manifests]
    manifest = next((one for one in beside if kind in _OF_PROJECTS and read(one) is not None), "")
    if kind in ("uv", "pixi") and not manifest:
        raise UserError(
            f"there is no {join_names(manifests)} beside {path}",
            code="environment-source-missing",
            where=path,
            hint="Commit the project's file beside its lock",
        )
    return EnvironmentSource(kind, path, manifest, _python_of(kind, path, text, read))


_OF_PROJECTS = ("uv", "poetry", "pixi")


def _python_of(kind: SourceKind, path: str, text: str, read: Read) -> str:
    """What a lock asks for; a `.python-version` beside it says which one is used."""
    pin = read(posixpath.join(posixpath.dirname(path), ".python-version")) or ""
    if (found := re.match(r"\s*(?:cpython-)?(3\.\d{1,3})(?:[.\s]|$)", pin)) and kind != "pixi":
        return f"=={found[1]}.*"
    if kind in ("uv", "pylock"):
        value = toml_of(text, path).get("requires-python")
    elif kind == "poetry":
        metadata = toml_of(text, path).get("metadata")
        value = metadata.get("python-versions") if isinstance(metadata, dict) else ""
    else:
        value = ""
    return value if isinstance(value, str) else ""


def toml_of(text: str, path: str) -> dict[str, Any]:
    """The values of a lock or a project's file. Raises `UserError` at the line if it is no TOML."""
    from ..util import toml_text  # here, since most environments have none

    try:
        return toml_text.parse(text)
    except (ValueError, RecursionError) as error:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        last = Position(path, max(len(text.splitlines()), 1), 1)  # "at end of document"
        where = Position(path, int(found[1]), int(found[2])) if found else last
        raise UserError(
            f"not TOML: {str(error)[: found.start()] if found else error}",
            code="not-toml",
            where=where,
            hint="Correct the file, or write the lock again",
        ) from error


_CLAUSE = late_pattern(
    r"\s*(?P<op>>=|<=|==|!=|~=|>|<|\^|~)?\s*(?P<version>\d+(?:\.\d+)*)(?P<any>\.\*)?\s*"
)


def _accepts(specifier: str, python: str) -> bool:
    """Whether some patch of a version fits; a clause that is not understood always does.

    Poetry's `^3.10` is `>=3.10,<4`, and its `||` separates alternatives.
    """
    asked = tuple(map(int, python.split(".")))
    return any(
        all(_fits(clause, asked) for clause in one.split(",") if clause.strip())
        for one in specifier.split("||")
    )


def _fits(clause: str, asked: tuple[int, ...]) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None or len(found["version"]) > 30:
        return True
    version = tuple(map(int, found["version"].split(".")))
    near, operator = version[:2], found["op"] or "=="
    same = asked[: len(near)] == near
    if operator in (">=", "^", "~=", "~"):
        above = asked >= near
        if operator == "^" or (operator == "~=" and len(version) == 2):
            return above and asked[0] == version[0]
        return above and (operator == ">=" or same)
    if operator == ">":
        return asked > near or (same and len(version) > 2)
    if operator == "<":
        return asked < near or (same and len(version) > 2 and version[2] > 0)
    if operator == "<=":
        return asked <= near
    # A patch that is left out leaves the others of that version.
    return not same if operator == "!=" and len(version) <= 2 else (same or operator == "!=")
