"""The team's formatter over the team's code: black and isort, or Ruff.

black and isort run with the locked versions of the tool and the settings of pyproject.toml, so that
the task, the editor on saving and CI agree. Ruff is the one on PATH, in the version that the team
has.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from ..model.paths import is_within
from ..model.team_formatter import TeamFormatter
from ..model.workspace import Workspace
from ..sync import engine
from ..util import diffs, files, locked_environments, process, undo_journal, venvs
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Write
from ..workspace import formatter_files, text_links

# Folders that neither black nor isort enters. Source: the defaults of their exclude and skip.
_NOT_FORMATTED = {".direnv", ".eggs", ".git", ".hg", ".mypy_cache", ".nox", ".svn", ".tox", ".venv"}
# The folders with the team's code.
CODE_FOLDERS = ("src", "notebooks", "tests")
CODE = {".py", ".pyi", ".ipynb"}
# What the formatters read besides.
SETTINGS = {"pyproject.toml", ".gitignore", ".isort.cfg", "setup.cfg", "tox.ini", ".editorconfig"}
SETTINGS |= {"ruff.toml", ".ruff.toml"}
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


@dataclass(frozen=True, slots=True)
class FormatterProgram:
    """A formatter that writes files in place.

    `words` start it, without folders; with `diff` it changes nothing and prints what it would
    change; with `filter` it formats its input, as the file that follows. `results` are the exit
    codes of a program that did its work; the last one is that of files that are not valid Python.
    """

    name: str
    words: tuple[str, ...]
    diff: tuple[str, ...]
    filter: tuple[str, ...]
    results: tuple[int, ...]
    change: str


def folders_of(root: Path, workspace: Workspace) -> list[str]:
    """The folders with the team's code: the usual ones, and those that declarations name.

    In an adopted repository: every folder and file at its root that may hold code.
    """
    if workspace.settings.adopted is not None:
        return _adopted(root)
    named = [
        folder
        for paths in workspace.located.values()
        for folder in (paths.folder, paths.tests)
        if folder and not any(is_within(folder, usual) for usual in CODE_FOLDERS)
    ]
    if "." in named:
        return ["."]
    return [name for name in dict.fromkeys((*CODE_FOLDERS, *named)) if (root / name).exists()]


def _adopted(root: Path) -> list[str]:
    left_out = _NO_CODE | _NOT_FORMATTED | {"data", "build", "dist", "venv", "env"}
    return sorted(
        entry.name
        for entry in os.scandir(root)
        if not entry.name.startswith(".")
        and not entry.is_symlink()
        and entry.name not in left_out
        and (entry.is_dir() or Path(entry.name).suffix in CODE)
    )


def _programs(team: TeamFormatter, links: Sequence[str]) -> list[FormatterProgram]:
    """The programs in the order in which they run: isort first, so that the layout is decided last.

    Raises UserError for a formatter that is not run from here, or is not on PATH.
    """
    found = []
    if team.kind == "none":
        return []
    if team.kind == "other":
        raise UserError(
            f"the code of this repository is formatted by {team.name}, which does not run from here",
            code="formatter-unknown",
            where=team.where,
            hint=f"Run {team.name} itself: only black, isort and Ruff run by `scripts/loop format`",
        )
    if team.sorts:
        skipped = [word for link in links for word in ("--extend-skip", link)]
        words = ("-m", "isort", "--profile", "black", "--dont-follow-links", *skipped)
        found.append(
            FormatterProgram(
                "isort",
                (_python(), *words),
                ("--check-only", "--diff"),
                ("-", "--filename"),
                (0, 1),
                "isort would change the imports",
            )
        )
    found.append(_ruff(team) if team.kind == "ruff" else _black(links))
    return found


def _black(links: Sequence[str]) -> FormatterProgram:
    excluded = "|".join(f"/{re.escape(link)}(/|$)" for link in links)
    left_out = ("--force-exclude", excluded) if links else ()
    return FormatterProgram(
        "black",
        (_python(), "-m", "black", *left_out),
        ("--check", "--diff"),
        ("-", "--quiet", "--stdin-filename"),
        (0, 1, 123),
        "black would change the layout",
    )


def _ruff(team: TeamFormatter) -> FormatterProgram:
    """Source: `ruff format --help` of Ruff 0.17; its exit code 2 is also that of a wrong option."""
    program = process.which("ruff")
    if program is None:
        raise UserError(
            "the code of this repository is formatted by Ruff, which is not on PATH",
            code="formatter-missing",
            where=team.where,
            hint="Install the version that your team uses: `uv tool install ruff` or "
            "`pip install ruff`",
        )
    return FormatterProgram(
        "ruff",
        (program, "format", "--no-cache"),
        ("--diff",),
        ("-", "--quiet", "--stdin-filename"),
        (0, 1, 2),
        "Ruff would change the layout",
    )


def write(root: Path, folders: Sequence[str]) -> tuple[list[str], list[FormatFinding]]:
    """Formats all files or, if it is interrupted, none.

    Returns the files that changed, and those that are not valid Python. The programs work on a copy
    of the code, since they write a file piece by piece.
    """
    for folder in folders:
        files.require_inside(root / folder)
    programs = _programs(formatter_files.formatter_of(root), _links(root, folders))
    broken: list[FormatFinding] = []
    with engine.change(root, "the formatting", accepts_newer=True) as change:
        copy = root / MIRROR
        before = dict(_mirror(root, copy, folders))
        for folder in folders:  # one without code as well, since it is named to the programs
            if (root / folder).is_dir():
                files.make_folder(copy / folder)
        for program in programs:  # one after the other, since each writes
            done = process.run([*program.words, *folders], cwd=copy)
            broken = list(_unreadable(copy, done.err))
            _raise_on_failure(program, done, broken)
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
    links = _links(root, folders)
    programs = _programs(formatter_files.formatter_of(root), links)
    if not programs:
        return []
    results = process.run_together(
        *([*program.words, *program.diff, *folders] for program in programs), cwd=root
    )
    changes, broken = [], []
    for program, done in zip(programs, results, strict=True):
        broken = list(_unreadable(root, done.err))
        _raise_on_failure(program, done, broken)
        changes += [
            FormatFinding(_relative(root, path), line, 1, "warning", f"{program.change} [format]")
            for path, line in first_changes(done.out)
            if _relative(root, path) not in links
        ]
    return sorted([*changes, *broken], key=lambda finding: (finding.path, finding.line))


def difference(root: Path, findings: Sequence[FormatFinding]) -> str:
    """What `write` would change, as one diff for `git apply`."""
    paths = [*dict.fromkeys(finding.path for finding in findings if finding.severity == "warning")]
    programs = _programs(formatter_files.formatter_of(root), []) if paths else []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(functools.partial(_difference_of, root, programs), paths))


def _difference_of(root: Path, programs: Sequence[FormatterProgram], path: str) -> str:
    before = after = (files.read_text(root / path) or "").replace("\r\n", "\n")
    for program in programs:
        done = process.run([*program.words, *program.filter, path], cwd=root, stdin=after)
        if not done.ok:
            return ""
        after = done.out
    return diffs.of(path, before, after)


def first_changes(diff: str) -> Iterator[tuple[str, int]]:
    """(file, line of its first change, in the old text) for each file of a unified diff."""
    path, line = "", 0
    for text in diff.splitlines():
        if head := re.match(r"--- (.+?)(?::before)?(?:\t|$)", text):
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
    """The files that black or Ruff could not parse.

    Source: black 26 prints "error: cannot parse: PATH:LINE:COLUMN" with the line of code below it
    (with a target version "cannot parse for target version Python 3.11: PATH..."), or "error: cannot
    format PATH: REASON". Ruff 0.17 prints "error: Failed to parse PATH:LINE:COLUMN: REASON".
    """
    for path, line, column, reason in re.findall(
        r"(?m)^error: Failed to parse (.+?):(\d+):(\d+): (.*)$", text
    ):
        what = f"not valid Python: {reason.strip()}"
        yield FormatFinding(_relative(root, path), int(line), int(column), "error", what)
    for path, line, column, code in re.findall(
        r"(?m)^error: cannot parse(?: for target version[^:\n]*)?: (.+):(\d+):(\d+)\n\s*(.*)$", text
    ):
        what = f"not valid Python: {code.strip()}"
        yield FormatFinding(_relative(root, path), int(line), int(column), "error", what)
    for path, reason in re.findall(r"(?m)^error: cannot format (.+?): (.+)$", text):
        yield FormatFinding(_relative(root, path), 1, 1, "error", reason)


def _raise_on_failure(
    program: FormatterProgram, done: process.CompletedCommand, broken: Sequence[FormatFinding]
) -> None:
    """0 and 1 are results; the code of files that are not valid Python is one if it names them."""
    if done.code not in program.results or (done.code > 1 and not broken):
        raise UserError(
            f"{program.name} failed:\n{(done.err or done.out).strip()}\n ",
            code="formatter-failed",
        )


def _relative(root: Path, path: str) -> str:
    full = os.path.join(root, path)
    return os.path.relpath(full, root).replace("\\", "/")
