"""Environments that a tool keeps in the code folder (`.venv` of uv, poetry, PDM, Pipenv; `.pixi`).

The person's own is of this machine: a program in a container cannot use it, and its tool would
remove it and make another one in its place. So a run has environments of its own, in
`.innerloop/environments/<slug>-<key>/`, and finds them under the usual names. They are kept for the
next run in the same image, and `loop clean environments` removes them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from ..model.paths import OWN_ENVIRONMENTS as FOLDER
from ..model.run import Run
from ..util.digests import sha256
from ..util.late_patterns import late_pattern

# Files of a project, and the folder beside them where its tool keeps the environment.
_LOCKS: Mapping[str, str] = {
    "uv.lock": ".venv",
    "poetry.lock": ".venv",
    "pdm.lock": ".venv",
    "Pipfile": ".venv",
    "Pipfile.lock": ".venv",
    "pylock.toml": ".venv",
    "pixi.toml": ".pixi",
    "pixi.lock": ".pixi",
}
_NAMES = (".venv", ".pixi", "__pypackages__")
_TOOLS = late_pattern(r"(?<![\w./-])(uv|uvx|poetry|pdm|pipenv|hatch|rye|pixi)(?![\w./-])")
# `python -m venv X`, `virtualenv X`, `uv venv X`: what follows, up to the end of the command.
_MAKES = late_pattern(
    r"(?:-m[ \t]+(?:venv|virtualenv)|(?<![\w./-])(?:virtualenv|(uv)[ \t]+venv))"
    r"((?:[ \t]|\\\n)(?:\\\n|[^;&|()<>\n])*)?(?![\w./-])"
)
_NAME = late_pattern(r"(?:\./)?([\w.][\w.-]*)/?")
# Their options that have a value.
_WITH_VALUE = late_pattern(
    "-[pif]|--(python|prompt|seeder|creator|activators|app-data|pip|setuptools|link-mode"
    "|(default-|extra-)?index(-url)?|find-links|cache-dir|directory|project|config-file"
    "|exclude-newer|python-preference)"
)
UV = "UV_PROJECT_ENVIRONMENT"


def is_environment(folder: Path) -> bool:
    """Whether a folder is an environment: of venv or virtualenv, conda, pixi, or PDM's packages."""
    if folder.name in (".pixi", "__pypackages__"):
        return True
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def names_in(folder: str, command: str = "") -> tuple[str, ...]:
    """The names directly in a folder that stand for an environment.

    They are environments that are there, links to one included, and those that the project's tool or
    the `command` makes there.
    """
    found: dict[str, None] = dict.fromkeys(created_by(command))
    has_project = False
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            has_project = has_project or entry.name in ("pyproject.toml", "setup.py")
            if entry.name in _LOCKS and entry.is_file():
                found[_LOCKS[entry.name]] = None
            elif entry.is_dir() and (entry.name == ".venv" or is_environment(Path(entry.path))):
                found[entry.name] = None
    if has_project and _TOOLS.search(command):
        found[".venv"] = None
    return tuple(sorted(found))


def created_by(command: str) -> tuple[str, ...]:
    """The names directly in the working directory that a command creates environments under.

    Their tools end with an error where an environment or a link is already there, and a command may
    ask for the folder first (`[ -d .venv ] || python -m venv .venv`).
    Source: CPython's `venv.EnvBuilder.ensure_directories`; uv since 0.8.
    """
    found: dict[str, None] = {}
    for match in _MAKES.finditer(command):
        words = (match[2] or "").replace("\\\n", " ").split()
        names = [
            word.strip("\"'")
            for last, word in pairwise(["", *words])
            if not word.startswith("-") and not _WITH_VALUE.fullmatch(last)
        ]
        for name in names or [".venv"] * bool(match[1]):
            if named := _NAME.fullmatch(name):
                found[named[1]] = None
    return tuple(name for name in found if name not in (".", "..", "outputs"))


def folder_of(run: Run, backend: str, where: str = "", *, python: str = "") -> str:
    """The folder of a run's environments, relative to the workspace's root.

    It is that of all runs of the experiment with the same image, or with the same `python` of this
    machine. `where` tells several projects of one run apart.
    """
    image = run.environment.image
    name = "" if python or image is None else image.digest or image.name
    key = sha256("\0".join((backend, where, python, name)).encode()).hexdigest()[:12]
    return f"{FOLDER}/{run.experiment.slug}-{key}"


def variables(names: Collection[str], folder: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which uv finds the environment under a path that stays the same."""
    if ".venv" not in names or UV in environ:
        return {}
    return {UV: os.path.join(folder, ".venv")}


def of_workspace(root: Path) -> Iterator[Path]:
    """The folders of environments of all experiments."""
    with suppress(OSError):
        yield from sorted(path for path in (root / FOLDER).iterdir() if path.is_dir())
