"""black and isort over the team's code.

They run with the locked versions of the tool and the settings of pyproject.toml, so that the task,
the editor on saving and CI agree.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..model.paths import is_within
from ..model.workspace import Workspace
from ..sync import engine
from ..util import diffs, files, locked_environments, process, undo_journal, venvs
from ..util.errors import UserError
from ..util.undo_journal import Write
from ..workspace import text_links

# Folders that neither black nor isort enters. Source: the defaults of their exclude and skip.
_NOT_FORMATTED = {".direnv", ".eggs", ".git", ".hg", ".mypy_cache", ".nox", ".svn", ".tox", ".venv"}
# The folders with the team's code.
CODE_FOLDERS = ("src", "notebooks", "tests")
CODE = {".py", ".pyi", ".ipynb"}
# What isort and black read besides.
SETTINGS = {"pyproject.toml", ".gitignore", ".isort.cfg", "setup.cfg", "tox.ini", ".editorconfig"}
MIRROR = f"{undo_journal.FOLDER}/format"
_NO_CODE = {".innerloop", "outputs", "__pycache__", ".git", ".venv", "node_modules", "mlruns"}


@dataclass(frozen=True, slots=True)
class FormatFinding:
    """A file that would change, or that is not valid Python, and where.

    `path` is relative to the root, with "/"; `severity` is "warning" for the first and "error" for
    the second.
    """

    path: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    text: str

    @property
    def message(self) -> str:
        """One line, as problem matchers read it."""
        return f"{self.path}:{self.line}:{self.column}: {self.severity}: {self.text}"


def folders_of(root: Path, workspace: Workspace) -> list[str]:
    """The folders with the team's code: the usual ones, and those that declarations name."""
    named = [
        folder
        for paths in workspace.located.values()
        for folder in (paths.folder, paths.tests)
        if folder and not any(is_within(folder, usual) for usual in CODE_FOLDERS)
    ]
    if "." in named:
        return ["."]
    return [name for name in dict.fromkeys((*CODE_FOLDERS, *named)) if (root / name).exists()]


def write(root: Path, folders: Sequence[str]) -> tuple[list[str], list[FormatFinding]]:
    """Formats all files or, if it is interrupted, none.

    Returns the files that changed, and those that are not valid Python. Both programs work on a
    copy of the code, since they write a file piece by piece.
    """
    for folder in folders:
        files.require_inside(root / folder)
    python = _python()
    links = _links(root, folders)
    with engine.change(root, "the formatting", accepts_newer=True) as change:
        copy = root / MIRROR
        before = dict(_mirror(root, copy, folders))
        # One after the other, because both write: isort first, so that black decides the layout.
        isort = process.run(_isort(python, folders, links), cwd=copy)
        black = process.run(_black(python, folders, links), cwd=copy)
        broken = list(_unreadable(copy, black.err))
        _raise_on_failure(isort, black, broken)
        changed = {
            path: new
            for path, old in before.items()
            if (new := _content(copy / path)) != old and _content(root / path) == old
        }
        change.carry_out(Write(path, text) for path, text in changed.items())
    return sorted(changed), broken


def _mirror(root: Path, copy: Path, folders: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Copies what the formatters read; yields the code's files by path, with their content."""
    texts = {link.path for link in text_links.below(root)}
    seen: set[str] = set()
    for name in dict.fromkeys((*SETTINGS, *CODE_FOLDERS, *folders)):
        for path in _files_below(root / name):
            relative = path.relative_to(root).as_posix()
            if relative in texts or relative in seen:
                continue
            seen.add(relative)
            files.make_folder((copy / relative).parent)
            files.copy(path, copy / relative)
            if name not in SETTINGS:
                yield relative, _content(path)


def _files_below(path: Path) -> Iterator[Path]:
    """The file itself, or the code and settings below a folder; links are left out."""
    if path.is_symlink():
        return
    if path.is_file():
        if path.name in SETTINGS or path.suffix in CODE:
            yield path
    elif path.is_dir() and path.name not in _NO_CODE:
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            yield from _files_below(Path(entry.path))


def _content(path: Path) -> str:
    """The file's text, where bytes that are not UTF-8 survive; "" if it does not exist."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def check(root: Path, folders: Sequence[str]) -> list[FormatFinding]:
    """What `write` would change, with the line of the first change in each file. Writes nothing."""
    python = _python()
    links = _links(root, folders)
    isort, black = process.run_together(
        [*_isort(python, folders, links), "--check-only", "--diff"],
        [*_black(python, folders, links), "--check", "--diff"],
        cwd=root,
    )
    broken = list(_unreadable(root, black.err))
    _raise_on_failure(isort, black, broken)
    changes = [
        FormatFinding(_relative(root, path), line, 1, "warning", f"{text} [format]")
        for diff, text in (
            (isort.out, "isort would change the imports"),
            (black.out, "black would change the layout"),
        )
        for path, line in first_changes(diff)
    ]
    return sorted([*changes, *broken], key=lambda finding: (finding.path, finding.line))


def difference(root: Path, findings: Sequence[FormatFinding]) -> str:
    """What `write` would change, as one diff for `git apply`."""
    paths = [*dict.fromkeys(finding.path for finding in findings if finding.severity == "warning")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(functools.partial(_difference_of, root, _python()), paths))


def _difference_of(root: Path, python: str, path: str) -> str:
    before = (files.read_text(root / path) or "").replace("\r\n", "\n")
    isort = process.run([*_isort(python, ["-"], []), "--filename", path], cwd=root, stdin=before)
    words = [*_black(python, ["-"], []), "--quiet", "--stdin-filename", path]
    black = process.run(words, cwd=root, stdin=isort.out)
    if not (isort.ok and black.ok):
        return ""
    return diffs.of(path, before, black.out)


def first_changes(diff: str) -> Iterator[tuple[str, int]]:
    """(file, line of its first change, in the old text) for each file of a unified diff."""
    path, line = "", 0
    for text in diff.splitlines():
        if head := re.match(r"--- (.+?)(?::before)?\t", text):
            path, line = head[1], 0
        elif path and (hunk := re.match(r"@@ -(\d+)", text)):
            line = int(hunk[1])
        elif path and line and text[:1] in ("-", "+") and not text.startswith("+++"):
            yield path, line
            path = ""
        elif line:
            line += 1


def _python() -> str:
    return str(venvs.python_of(locked_environments.ensure("format")))


def _isort(python: str, folders: Sequence[str], links: Sequence[str]) -> list[str]:
    skipped = [word for link in links for word in ("--extend-skip", link)]
    words = ["--profile", "black", "--dont-follow-links", *skipped, *folders]
    return [python, "-m", "isort", *words]


def _black(python: str, folders: Sequence[str], links: Sequence[str]) -> list[str]:
    excluded = "|".join(f"/{re.escape(link)}(/|$)" for link in links)
    return [python, "-m", "black", *(["--force-exclude", excluded] if links else []), *folders]


def _links(root: Path, folders: Sequence[str]) -> list[str]:
    """The links below the folders: shared code is formatted in src/common, not through each link."""
    below = [root / folder for folder in folders if (root / folder).is_dir()]
    links = [link for folder in below for link in _links_below(root, folder)]
    return [*links, *(link.path for folder in folders for link in text_links.below(root, folder))]


def _links_below(root: Path, folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_symlink():
            yield Path(entry.path).relative_to(root).as_posix()
        elif entry.is_dir() and entry.name not in _NOT_FORMATTED:
            yield from _links_below(root, Path(entry.path))


def _unreadable(root: Path, text: str) -> Iterator[FormatFinding]:
    """The files that black could not parse.

    Source: black 26 prints "error: cannot parse: PATH:LINE:COLUMN" with the line of code below it
    (with a target version "cannot parse for target version Python 3.11: PATH..."), or "error: cannot
    format PATH: REASON".
    """
    for path, line, column, code in re.findall(
        r"(?m)^error: cannot parse(?: for target version[^:\n]*)?: (.+):(\d+):(\d+)\n\s*(.*)$", text
    ):
        what = f"not valid Python: {code.strip()}"
        yield FormatFinding(_relative(root, path), int(line), int(column), "error", what)
    for path, reason in re.findall(r"(?m)^error: cannot format (.+?): (.+)$", text):
        yield FormatFinding(_relative(root, path), 1, 1, "error", reason)


def _raise_on_failure(
    isort: process.CompletedCommand,
    black: process.CompletedCommand,
    broken: Sequence[FormatFinding],
) -> None:
    """0 and 1 are results; black's 123 is one if it names the files."""
    for name, command, results in (("isort", isort, (0, 1)), ("black", black, (0, 1, 123))):
        if command.code not in results or (command.code == 123 and not broken):
            raise UserError(
                f"{name} failed:\n{(command.err or command.out).strip()}\n ",
                code="formatter-failed",
            )


def _relative(root: Path, path: str) -> str:
    full = os.path.join(root, path)
    return os.path.relpath(full, root).replace("\\", "/")
