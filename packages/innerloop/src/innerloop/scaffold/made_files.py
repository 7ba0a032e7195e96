"""Which files of a workspace are still as the tool made them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..model import naming, shared_code
from ..model.settings import adoption
from ..model.settings.orchestrators import KNOWN
from ..util import files, regular_files
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..workspace import loader, text_links
from . import create, init, marked_block, workspace_template
from .adopt import proposal
from .init import NewWorkspace
from .workspace_template import EXAMPLES, PIN, PYPROJECT, TINY, File

# The tool's own files. The launcher and its pin come last: without them no command runs.
LAUNCHER = ("scripts/loop", PIN)
SCRIPTS = ("scripts/test", "scripts/test.cmd", "scripts/loop.cmd", *LAUNCHER)
# What tests and notebooks leave in folders of code.
CACHES = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
_ORCHESTRATORS = late_pattern(r"(?m)^orchestrators = \[(.*)\]$")
_NAME = late_pattern(r"\A# The settings of the workspace (.*)\.$", re.MULTILINE)
_TITLE = late_pattern(r"\A# (.*)$", re.MULTILINE)


def tools(template: Mapping[str, File]) -> tuple[str, ...]:
    """The files of a workspace that belong to the tool, the launcher and its pin last."""
    scripts = (path for path in SCRIPTS if path in template)
    return (*workspace_template.extension_files(template), *scripts)


def as_shipped(root: Path, path: str, template: Mapping[str, File]) -> bool:
    """Whether a file of the tool's is as this version has it. Line ends may differ.

    Of the pin, the hash of the tool's own wheel may differ.
    """
    text = read(root / path)
    wanted = text_of(template[path])
    if path == PIN:
        return text is not None and _dependencies(text) == _dependencies(wanted)
    return text == wanted


def _dependencies(lock: str) -> str:
    """A lock without the line of the tool and the comment at its top."""
    without = re.sub(r"(?m)^innerloop==(?:[^\n]*\\\n)*[^\n]*\n?", "", lock)
    return re.sub(r"\A(#.*\n)*", "", without)


def of_workspace(root: Path, template: Mapping[str, File]) -> Iterator[str]:
    """The team's files that `init` made and nobody has changed, and whole folders of examples.

    The folders end with a slash. An example goes as a whole, or not at all.
    """
    if PYPROJECT not in template:
        yield from _of_adopted(root)
        return
    examples = tuple(part for parts in EXAMPLES.values() for part in parts)
    others = {*tools(template), *marked_block.FILES, PYPROJECT}
    for path, file in template.items():
        if path in others or path.startswith(examples) or file.link:
            continue
        if read(root / path) == text_of(file):
            yield path
    if _is_personal(root, template):
        yield PYPROJECT
    if _is_readme(root):
        yield workspace_template.README
    for parts in [*EXAMPLES.values()]:
        yield from _example(root, template, parts)
    yield from _tiny(root)


def _of_adopted(root: Path) -> Iterator[str]:
    """What `init --here` wrote for the team of an adopted repository."""
    folder = root / proposal.MADE
    made = sorted(folder.glob("*.yml")) if folder.is_dir() and not folder.is_symlink() else []
    for path in (root / adoption.FILE, *made):
        if proposal.is_as_written(read(path) or ""):
            yield path.relative_to(root).as_posix()


def _is_personal(root: Path, template: Mapping[str, File]) -> bool:
    text = read(root / PYPROJECT) or ""
    listed, name = _ORCHESTRATORS.search(text), _NAME.search(text)
    if listed is None or name is None:
        return False
    chosen = [word for word in KNOWN if f'"{word}"' in listed[1]]
    wanted = text_of(template[PYPROJECT])
    return text == workspace_template.personal(wanted, name[1], chosen)


def _is_readme(root: Path) -> bool:
    """Whether it is that of some workspace of the name in its title."""
    text = read(root / workspace_template.README) or ""
    name = _TITLE.search(text)
    variants = [
        NewWorkspace(root, example, orchestrators)
        for example in (None, *EXAMPLES)
        for orchestrators in ((), KNOWN)
    ]
    return name is not None and any(text == init.readme(name[1], each) for each in variants)


def _example(root: Path, template: Mapping[str, File], parts: tuple[str, ...]) -> Iterator[str]:
    """The folders of an example, if all of them are as they were made."""
    made = {path: file for path, file in template.items() if path.startswith(parts)}
    depth = {part: 2 if part == "src/" else 1 for part in parts}
    folders = sorted(
        {
            "/".join(path.split("/")[: depth[part]]) + "/"
            for path in made
            for part in parts
            if path.startswith(part)
        }
    )
    there = {path for folder in folders for path in _files_below(root, folder)}
    is_whole = there == set(made) and all(_is_same(root, path, file) for path, file in made.items())
    if made and is_whole and not _leads_in(root, folders):
        yield from folders


def _tiny(root: Path) -> Iterator[str]:
    folder = f"src/{init.FIRST[TINY]}/"
    made = {}
    for path in create.TEMPLATE.rglob("*"):
        inner = path.relative_to(create.TEMPLATE)
        if path.is_file() and not create.LEFT_OUT & set(inner.parts):
            text = path.read_text(encoding="utf-8")
            if create.is_text(path.name):
                text = naming.filled_in(inner.as_posix(), text, init.FIRST[TINY])
            made[f"{folder}{inner.as_posix()}"] = File(text.encode())
    is_whole = set(_files_below(root, folder)) == set(made)
    is_whole = is_whole and all(_is_same(root, path, file) for path, file in made.items())
    if is_whole and not _leads_in(root, [folder]):
        yield folder


def _files_below(root: Path, folder: str) -> Iterator[str]:
    """The files and links below a folder, but for caches."""
    for parent, folders, names in os.walk(root / folder):
        folders[:] = [name for name in folders if name not in CACHES]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            yield Path(parent, name).relative_to(root).as_posix()


def _is_same(root: Path, path: str, file: File) -> bool:
    full = root / path
    if file.link and (text := text_links.below(root, path)):
        return text[0].text == file.link
    if file.link or full.is_symlink():
        return full.is_symlink() and os.readlink(full).replace(os.sep, "/") == file.link
    try:
        content = regular_files.read_bytes(full)
    except (OSError, UserError):
        return False
    return content.replace(b"\r\n", b"\n") == file.content.replace(b"\r\n", b"\n")


def _leads_in(root: Path, folders: list[str]) -> bool:
    """Whether something else in `src/` uses what is in these folders."""
    return any(
        not link.startswith(tuple(folders))
        and f"{shared_code.leads(link, text)}/".startswith(tuple(folders))
        for link, text in loader.WorkspaceFiles(root).links("src")
    )


def text_of(file: File) -> str:
    """The text of a file of the template, with line feeds."""
    return file.content.decode("utf-8").replace("\r\n", "\n")


def read(path: Path) -> str | None:
    """A text with line feeds; None if there is none that can be read."""
    try:
        text = files.read_own(path, plain=True)
    except UserError:
        return None
    return None if text is None else text.replace("\r\n", "\n")
