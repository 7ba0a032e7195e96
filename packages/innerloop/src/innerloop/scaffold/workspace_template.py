"""The template of a workspace: the files that `innerloop init` begins with.

The one copy of them in git is the root of the tool's own repository. The wheel and the source
distribution get them from there at build time (`hatch_build.py` reads this module by its path, so
it needs nothing but the standard library), below `templates/workspace`. A wheel holds neither
links nor, on every system, modes: `templates/workspace.json` has both, and which files are copies
of another one.

Generated files are not in the template. `sync` makes them in the new workspace.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass  # hatch_build.py runs this file alone
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
FOLDER = "templates/workspace"
DATA = "templates/workspace.json"
PIN = "scripts/loop-requirements.txt"

# VS Code's extension of the workspace: a folder that is the tool's own.
EXTENSION = ".vscode/extensions/innerloop/"

# Files, and folders that end with a slash. Whatever else lies at the root of the repository is the
# tool's, or is generated.
PARTS = (
    ".dockerignore",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    EXTENSION,
    "data/",
    "notebooks/",
    "orchestration/README.md",
    "pyproject.toml",
    "scripts/",
    "src/",
    "tests/",
)
# What an example adds: example -> the parts of the template that belong to it. `tiny` has none: it is
# an experiment as `loop new` makes it.
DIGITS, TINY = "digits", "tiny"
EXAMPLES: Mapping[str, tuple[str, ...]] = {DIGITS: ("src/", "notebooks/"), TINY: ()}
# Of the tool's repository; a workspace from before the package has it too, and its migration merges it.
_OF_THE_TOOL = (".pre-commit-config.yaml",)
README = "README.md"
_README = "templates/workspace-readme.md"
# What a workspace with an orchestrator has of the template.
ORCHESTRATION = "orchestration/"
PYPROJECT = "pyproject.toml"
_TITLE = re.compile(r"(?m)\A# The settings of the workspace .*$")
_ORCHESTRATORS = re.compile(r"(?m)^orchestrators = \[.*\]$")
# What a run leaves behind, where there is no git to ask.
RUN_LEFTOVERS = {
    *("__pycache__", "outputs", "logs", "mlruns", ".venv", ".ipynb_checkpoints", ".azureml"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "htmlcov", ".git"),
    *(".env", ".coverage", ".DS_Store"),
}


@dataclass(frozen=True, slots=True)
class File:
    """One file: its content, or the target of a link ("" when it is none)."""

    content: bytes
    link: str = ""
    executable: bool = False


def repository() -> Path | None:
    """The root of the tool's repository when this module runs from its sources, else None."""
    if (PACKAGE / DATA).is_file():
        return None
    root = PACKAGE.parents[3]
    return root if (root / "packages" / "innerloop" / "pyproject.toml").is_file() else None


def names(root: Path, tracked: Iterable[str]) -> list[str]:
    """The template's files at a repository's root, sorted.

    `tracked` is what git lists; when it lists nothing (an export without .git), the folders are
    read instead.
    """
    listed = [name for name in tracked if os.path.lexists(root / name)] or _walk(root)
    return sorted(name for name in listed if _belongs(name))


def read(root: Path, name: str) -> File:
    path = root / name
    if path.is_symlink():
        return File(b"", link=os.readlink(path).replace(os.sep, "/"))
    content = path.read_bytes()
    return File(content, executable=content.startswith(b"#!"))


def copies(files: Mapping[str, File]) -> dict[str, str]:
    """Path -> the path of an equal file. Locks are large, and a serving image repeats the model's."""
    first: dict[bytes, str] = {}
    found = {}
    for name, file in sorted(files.items()):
        if not file.link and first.setdefault(file.content, name) != name:
            found[name] = first[file.content]
    return found


def data(files: Mapping[str, File]) -> str:
    """The text of `templates/workspace.json`."""
    links = {name: file.link for name, file in sorted(files.items()) if file.link}
    executable = sorted(name for name, file in files.items() if file.executable)
    known = {"links": links, "copies": copies(files), "executable": executable}
    return json.dumps(known, indent=1) + "\n"


def packaged(package: Path = PACKAGE) -> dict[str, File]:
    """The template of an installed package: path -> file."""
    known = json.loads((package / DATA).read_text(encoding="utf-8"))
    root = package / FOLDER
    files = {name: File(b"", link=target) for name, target in known["links"].items()}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        # Installers compile every .py file.
        if path.is_file() and "__pycache__" not in path.parts:
            files[name] = File(path.read_bytes(), executable=name in known["executable"])
    for name, original in known["copies"].items():
        files[name] = files[original]
    return dict(sorted(files.items()))


def of_workspace(
    files: Mapping[str, File], name: str, example: str | None, orchestrators: Sequence[str]
) -> dict[str, File]:
    """The template's files for a workspace of this name.

    With an example or without one (None), with the orchestrators that start and check it.
    """
    left_out = [part for key, parts in EXAMPLES.items() if key != example for part in parts]
    left_out += [*_OF_THE_TOOL, *([] if orchestrators else [ORCHESTRATION])]
    chosen = {path: file for path, file in files.items() if not path.startswith(tuple(left_out))}
    settings = personal(chosen[PYPROJECT].content.decode(), name, orchestrators)
    return {**chosen, PYPROJECT: File(settings.encode())}


def personal(settings: str, name: str, orchestrators: Sequence[str]) -> str:
    """The template's pyproject.toml with the workspace's name and its orchestrators."""
    listed = ", ".join(f'"{orchestrator}"' for orchestrator in orchestrators)
    for pattern, line in (
        (_TITLE, f"# The settings of the workspace {name}."),
        (_ORCHESTRATORS, f"orchestrators = [{listed}]"),
    ):
        settings, count = pattern.subn(lambda _, line=line: line, settings)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the template's {PYPROJECT} has no line for: {line}")
    return settings


def extension_files(names: Iterable[str]) -> list[str]:
    """Those of the paths that are of VS Code's extension, sorted."""
    return sorted(name for name in names if name.startswith(EXTENSION))


def _belongs(name: str) -> bool:
    return any(name == part or (part[-1] == "/" and name.startswith(part)) for part in PARTS)


def _walk(root: Path) -> Iterator[str]:
    for part in PARTS:
        if not part.endswith("/"):
            if os.path.lexists(root / part):
                yield part
            continue
        for folder, folders, found in os.walk(root / part):
            folders[:] = [name for name in folders if name not in RUN_LEFTOVERS]
            for name in found:
                path = Path(folder, name).relative_to(root).as_posix()
                if name in RUN_LEFTOVERS or name.endswith((".pyc", ".pyo")):
                    continue
                if not path.startswith("data/") or path == "data/README.md":
                    yield path


def readme(name: str, first: str, *, is_empty: bool, has_ci: bool) -> str:
    """The workspace's README, about what it has; `first` is the experiment that it names.

    `is_empty`: nobody has created that experiment yet.
    """
    text = (PACKAGE / _README).read_text(encoding="utf-8")
    for word, is_kept in (("new", is_empty), ("example", not is_empty), ("ci", has_ci)):
        replacement = r"\1\2\n" if is_kept else ""
        text = re.sub(rf"(?m)^(.*\S) *<!-- {word} -->(.*)\n", replacement, text)
    return text.replace("WORKSPACE", name).replace("EXPERIMENT", first)


def text(name: str) -> str:
    """A file of the template as `init` writes it, in a workspace whose name is not known."""
    if name == README:
        return readme("Experiments", "my_experiment", is_empty=True, has_ci=True)
    if (root := repository()) is not None:
        path = root / name
    else:
        known = json.loads((PACKAGE / DATA).read_text(encoding="utf-8"))
        path = PACKAGE / FOLDER / known["copies"].get(name, name)
    return path.read_text(encoding="utf-8")
