"""What may stand at the cursor of a command line that is being typed, from the commands' own
arguments: nothing about them is written twice."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import local
from ..model.shared_code import COMMON
from ..remote import base
from ..util import files, venvs
from ..util.errors import UserError
from ..workspace import loader
from .command_table import BY_NAME
from .help_topics import TITLES
from .main import parser_of

# What a completion depends on besides the table: the commands with their arguments.
COMMANDS = Path(__file__).resolve().parent.parent / "commands"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word, and what a shell may show beside it. After one that ends in "=" or "/" the person
    types on."""

    word: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The words before the cursor's, that one as far as it is typed, and where the person is."""

    before: tuple[str, ...]
    current: str
    root: Path
    cwd: Path

    @property
    def experiment(self) -> str | None:
        return next((word for word in self.before[1:] if not word.startswith("-")), None)


@dataclass(frozen=True, slots=True)
class Argument:
    """What completion needs of an argparse action. `options` is empty for a positional one;
    `takes`: a value follows the option; `many`: it stays the next one."""

    options: tuple[str, ...]
    dest: str
    metavar: str
    choices: tuple[str, ...]
    text: str
    takes: bool
    many: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What completion needs of a command."""

    summary: str
    arguments: tuple[Argument, ...]


def candidates(words: Sequence[str], root: Path, cwd: Path) -> list[Candidate]:
    """`words` are all behind the program's name up to the cursor; the last one may be empty."""
    line = Line(tuple(words[:-1]), words[-1] if words else "", root, cwd)
    found = [one for one in _all(line) if one.word.startswith(line.current)]
    return list(dict.fromkeys(found))


def _all(line: Line) -> Iterator[Candidate]:
    known = commands()
    if not line.before:
        yield from (Candidate(name, one.summary) for name, one in known.items())
        return
    if "--" in line.before or line.before[0] not in known:
        return  # behind it stand the person's own program's words
    arguments = known[line.before[0]].arguments
    wanted = _waiting(arguments, line.before[1:])
    if wanted is None and not line.current.startswith("-"):
        wanted = _positional(arguments, line.before[1:])
    if wanted is not None:
        yield from _values(wanted, line)
    else:
        yield from (
            Candidate(max(one.options, key=len), one.text) for one in arguments if one.options
        )


def _waiting(arguments: Sequence[Argument], words: Sequence[str]) -> Argument | None:
    """The option before the cursor that has not got its value yet."""
    last = words[-1] if words else ""
    return next((one for one in arguments if one.takes and last in one.options), None)


def _positional(arguments: Sequence[Argument], words: Sequence[str]) -> Argument | None:
    """The argument that is next; one that takes any number stays the next one."""
    options = {word: one for one in arguments for word in one.options}
    given, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word in options:
            skip = options[word].takes
        elif not word.startswith("-"):
            given += 1
    places = [one for one in arguments if not one.options]
    if given < len(places):
        return places[given]
    return places[-1] if places and places[-1].many else None


def _values(argument: Argument, line: Line) -> Iterator[Candidate]:
    name = line.before[0]
    if argument.choices:
        yield from map(Candidate, argument.choices)
    elif argument.metavar == "EXP":
        names = loader.open_workspace(line.root).experiments
        yield from map(Candidate, names)
        # The last part alone will do where it is the only one.
        yield from (Candidate(one.split("/")[-1]) for one in names)
    elif argument.metavar == "COMMAND":
        yield from (Candidate(one, command.summary) for one, command in commands().items())
        yield from (Candidate(one, title) for one, title in TITLES.items())
    elif argument.metavar == "SHELL":
        yield from map(Candidate, ("bash", "zsh", "fish", "powershell"))
    elif argument.dest == "set":
        yield from _settings(line)
    elif argument.metavar == "WHAT":
        from ..doctor.cleanup import KINDS

        yield from map(Candidate, KINDS)
    elif argument.metavar == "RUN":
        yield from _runs(line)
    elif argument.dest == "model":
        yield from _runs(line, "model")
        yield from _below(line.cwd, line.current)
    elif name == "share":
        yield from _below(line.root / COMMON, line.current)
    elif name == "notebook":
        yield from _below(line.root / "notebooks", line.current, ".ipynb")
        yield from _below(line.cwd, line.current, ".ipynb")
    elif argument.metavar in ("FILE", "F") or argument.dest == "file":
        yield from _below(_folder(line), line.current)


def _settings(line: Line) -> Iterator[Candidate]:
    """The job's inputs, or the parameters of the notebook, each with its value now."""
    if line.before[0] == "notebook":
        from ..model.notebook import parameters

        file = next((word for word in line.before[2:] if word.endswith(".ipynb")), "")
        for place in (line.cwd / file, line.root / file, line.root / "notebooks" / file):
            if place.is_file():
                text = files.read_text(place) or ""
                yield from (Candidate(f"{one}=") for one in parameters(text, file))
                return
        return
    workspace = loader.open_workspace(line.root)
    experiment = loader.choose_experiment(workspace, line.experiment, line.cwd)
    for one in loader.open_job(workspace, experiment).inputs.values():
        value = one.literal_text if one.kind == "literal" else one.path or ""
        yield Candidate(f"inputs.{one.name}=", f"now {value}")


def _runs(line: Line, left: str = ".run") -> Iterator[Candidate]:
    """The runs that left something of that name, the newest first: those of the experiment, or of
    all where the command does without one."""
    try:
        workspace = loader.open_workspace(line.root)
        slug = loader.choose_experiment(workspace, line.experiment, line.cwd).slug
    except UserError:
        slug = "*"
    found = {folder.parent.name for folder in line.root.glob(f"outputs/{slug}/*/{left}")}
    yield from map(Candidate, sorted(found, reverse=True))


def _folder(line: Line) -> Path:
    """Where a file is looked for: in the experiment's folder, for a job or a script."""
    if line.before[0] not in ("run", "check", "submit"):
        return line.cwd
    workspace = loader.open_workspace(line.root)
    return line.root / loader.choose_experiment(workspace, line.experiment, line.cwd).folder


def _below(folder: Path, typed: str, ending: str = "") -> Iterator[Candidate]:
    """The files and folders of the folder that is typed so far."""
    head, slash, _ = typed.rpartition("/")
    try:
        entries = sorted(os.scandir(folder / head), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith((".", "__pycache__")):
            continue
        if entry.is_dir():
            yield Candidate(f"{head}{slash}{entry.name}/")
        elif entry.name.endswith(ending):
            yield Candidate(f"{head}{slash}{entry.name}")


def commands() -> dict[str, Signature]:
    """All of them. Reading them means importing every command, which takes longer than a person
    waits at a Tab: what is read is kept in the cache, until one of their files changes."""
    path = venvs.cache_folder() / "completion" / f"{_key()}.json"
    try:
        return {name: _command(value) for name, value in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    known = {name: _described(name) for name in BY_NAME}
    with suppress(UserError):  # It is only slower without.
        files.write_text(path, json.dumps({name: asdict(one) for name, one in known.items()}))
    return known


def _key() -> str:
    stamps = [
        f"{entry.name} {entry.stat().st_mtime_ns}"
        for entry in sorted(os.scandir(COMMANDS), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    ]
    backends = [*local.BACKENDS, *base.BACKENDS]  # values of --backend
    text = "\n".join([str(COMMANDS), *BY_NAME, *backends, *stamps])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _command(value: dict[str, object]) -> Signature:
    listed = value["arguments"]
    assert isinstance(listed, list)
    arguments = [
        Argument(**{**one, "options": tuple(one["options"]), "choices": tuple(one["choices"])})
        for one in listed
    ]
    return Signature(str(value["summary"]), tuple(arguments))


def _described(name: str) -> Signature:
    actions = parser_of(name)._actions
    shown = [_argument(action) for action in actions if action.help != argparse.SUPPRESS]
    return Signature(BY_NAME[name].summary, tuple(shown))


def _argument(action: argparse.Action) -> Argument:
    text = (action.help or "") % vars(action)
    return Argument(
        options=tuple(action.option_strings),
        dest=action.dest,
        metavar=str(action.metavar or ""),
        choices=tuple(str(choice) for choice in action.choices or ()),
        text=text,
        takes=bool(action.option_strings) and action.nargs != 0,
        many=action.nargs in ("*", "+"),
    )


def safely(words: Sequence[str], root: Path, cwd: Path) -> list[Candidate]:
    """Nothing where anything is wrong: a sentence in the middle of a command line helps nobody."""
    try:
        return candidates(words, root, cwd)
    except (UserError, OSError, UnicodeDecodeError):
        return []
