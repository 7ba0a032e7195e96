"""The environment of a new experiment as a project of uv, in place of requirements files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..local import uv
from ..model.naming import slug_of
from ..util import files, locked_environments, regular_files

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "experiment"
_DOCKERFILE = TEMPLATE.parent / "uv-environment" / "Dockerfile"
_GROUPS = ("test", "dev")
# uv's own lock, which the Dockerfile installs; it is that of the tool.
UV_ITSELF = "uv-itself.txt"


def texts_of(root: Path, name: str) -> Mapping[str, str]:
    """The files of environment/, with a lock of today.

    UserError if no index answers; nothing is written in the workspace.
    """
    project = _project(name)
    with files.temporary_folder("innerloop-lock-") as folder:
        files.write_text(folder / "pyproject.toml", project)
        uv.lock_project(folder, locked_environments.reach(root))
        lock = regular_files.read_bytes(folder / "uv.lock").decode("utf-8")
    return {
        "Dockerfile": _DOCKERFILE.read_text(encoding="utf-8"),
        "pyproject.toml": project,
        "uv.lock": lock,
        UV_ITSELF: locked_environments.lock_of("uv").read_text(encoding="utf-8"),
    }


def replace_in(environment: Path, texts: Mapping[str, str]) -> None:
    """Replace the requirements files of a folder that was copied from the template."""
    for path in sorted(environment.glob("requirements*")):
        files.remove(path)
    for name, text in texts.items():
        files.write_text(environment / name, text)


def _project(name: str) -> str:
    """What the template's requirements files name, as a project that is not itself a package."""
    project = re.sub(r"[^a-z0-9]+", "-", slug_of(name).lower()).strip("-")
    lines = [
        "# What this experiment needs. After an edit: `uv lock`, or `uv add PACKAGE`, in this folder.",
        "[project]",
        f'name = "{project}"',
        'version = "0"',
        'requires-python = ">=3.10"',
        "# What train.py imports.",
        *_listed("dependencies", _names("requirements.in")),
        "",
        "[dependency-groups]",
        "# What the tests need, and what people need besides.",
    ]
    for group in _GROUPS:
        lines += _listed(group, _names(f"requirements-{group}.in"))
    lines += ["", "[tool.uv]", "package = false", ""]
    return "\n".join(lines)


def _listed(key: str, names: list[str]) -> Iterator[str]:
    if not names:
        yield f"{key} = []"
        return
    yield f"{key} = ["
    yield from (f'    "{name}",' for name in names)
    yield "]"


def _names(file: str) -> list[str]:
    text = (TEMPLATE / "environment" / file).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line[0] not in "#-"]
