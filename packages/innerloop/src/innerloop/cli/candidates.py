"""Candidates for the completion of a command line, derived from the commands' own arguments."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import experiment_names
from .command_table import BY_NAME
from .help_topics import TITLES

if TYPE_CHECKING:
    import argparse

# A key press waits for this module: what few candidates need is imported where they are found.

# The commands' modules and the tables of backends: the cached arguments depend on them.
PACKAGE = Path(__file__).resolve().parent.parent
COMMANDS = PACKAGE / "commands"
BACKENDS = (PACKAGE / "local" / "__init__.py", PACKAGE / "remote" / "base.py")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word, and a text that shells may show with it.

    After a word that ends in "=" or "/" the person continues to type.
    """

    word: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The complete words before the cursor, the incomplete one, and the folders."""

    before: tuple[str, ...]
    current: str
    root: Path
    cwd: Path

    @property
    def experiment(self) -> str | None:
        return next((word for word in self.before[1:] if not word.startswith("-")), None)


@dataclass(frozen=True, slots=True)
class Argument:
    """What completion needs of an argparse action.

    `options` is empty for a positional argument; `takes`: a value follows the option; `many`: the
    argument takes any number of words.
    """

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
    """`words` are those after the program's name, up to the cursor; the last one may be empty."""
    line = Line(tuple(words[:-1]), words[-1] if words else "", root, cwd)
    matching = [candidate for candidate in _all(line) if candidate.word.startswith(line.current)]
    return list(dict.fromkeys(matching))


def _all(line: Line) -> Iterator[Candidate]:
    known = commands()
    if not line.before:
        yield from (Candidate(name, signature.summary) for name, signature in known.items())
        return
    if "--" in line.before or line.before[0] not in known:
        return  # arguments of another program
    arguments = known[line.before[0]].arguments
    argument = _open_option(arguments, line.before[1:])
    if argument is None and not line.current.startswith("-"):
        argument = _positional(arguments, line.before[1:])
    if argument is not None:
        yield from _values(argument, line)
    else:
        options = (argument for argument in arguments if argument.options)
        yield from (Candidate(max(option.options, key=len), option.text) for option in options)


def _open_option(arguments: Sequence[Argument], words: Sequence[str]) -> Argument | None:
    """The option directly before the cursor, if it takes a value."""
    last = words[-1] if words else ""
    options = (argument for argument in arguments if argument.takes)
    return next((option for option in options if last in option.options), None)


def _positional(arguments: Sequence[Argument], words: Sequence[str]) -> Argument | None:
    """The positional argument at the cursor, if any."""
    options = {option: argument for argument in arguments for option in argument.options}
    count, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word in options:
            skip = options[word].takes
        elif not word.startswith("-"):
            count += 1
    positional = [argument for argument in arguments if not argument.options]
    if count < len(positional):
        return positional[count]
    return positional[-1] if positional and positional[-1].many else None


def _values(argument: Argument, line: Line) -> Iterator[Candidate]:
    name = line.before[0]
    if argument.choices:
        yield from map(Candidate, argument.choices)
        if argument.dest == "backend":
            from ..remote import base

            if base.A_MACHINE in argument.text:
                yield from map(Candidate, base.machine_names(line.root))
    elif argument.metavar == "EXP" and name == "runs" and len(line.before) > 1:
        yield from _runs(line)
    elif argument.metavar == "EXP":
        if name == "runs":
            from ..commands.runs import VERBS

            yield from map(Candidate, VERBS)
        names = experiment_names.names(line.root)
        yield from map(Candidate, names)
        # The last part of a name is enough if it is unique.
        yield from (Candidate(name.split("/")[-1]) for name in names)
    elif argument.metavar == "COMMAND":
        yield from (Candidate(name, command.summary) for name, command in commands().items())
        yield from (Candidate(topic, title) for topic, title in TITLES.items())
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
        from ..model.shared_code import COMMON

        yield from _below(line.root / COMMON, line.current)
    elif name == "notebook":
        yield from _below(line.root / "notebooks", line.current, ".ipynb")
        yield from _below(line.cwd, line.current, ".ipynb")
    elif argument.metavar in ("FILE", "F") or argument.dest == "file":
        yield from _below(_folder(line), line.current)


def _settings(line: Line) -> Iterator[Candidate]:
    """The job's inputs or the notebook's parameters, with their current values."""
    from ..util import files
    from ..workspace import loader

    if line.before[0] == "notebook":
        from ..model.notebook import parameters

        file = next((word for word in line.before[2:] if word.endswith(".ipynb")), "")
        for path in (line.cwd / file, line.root / file, line.root / "notebooks" / file):
            if path.is_file():
                text = files.read_text(path) or ""
                yield from (Candidate(f"{parameter}=") for parameter in parameters(text, file))
                return
        return
    workspace = loader.open_workspace(line.root)
    experiment = loader.choose_experiment(workspace, line.experiment, line.cwd, asks=False)
    for input_ in loader.open_job(workspace, experiment).inputs.values():
        value = input_.literal_text if input_.kind == "literal" else input_.path or ""
        yield Candidate(f"inputs.{input_.name}=", f"now {value}")


def _runs(line: Line, left: str = ".run") -> Iterator[Candidate]:
    """The runs whose folder contains `left`, newest first.

    They are those of the experiment, or of all experiments if none is named.
    """
    from ..workspace import loader

    try:
        workspace = loader.open_workspace(line.root)
        slug = loader.choose_experiment(workspace, line.experiment, line.cwd, asks=False).slug
    except UserError:
        slug = "*"
    runs = {path.parent.name for path in line.root.glob(f"outputs/{slug}/*/{left}")}
    yield from map(Candidate, sorted(runs, reverse=True))


def _folder(line: Line) -> Path:
    """The folder of a file argument: the experiment's for a job or a script, else the current."""
    if line.before[0] not in ("run", "check", "submit"):
        return line.cwd
    from ..workspace import loader

    workspace = loader.open_workspace(line.root)
    return (
        line.root
        / loader.choose_experiment(workspace, line.experiment, line.cwd, asks=False).folder
    )


def _below(folder: Path, typed: str, ending: str = "") -> Iterator[Candidate]:
    """The entries of the folder that is typed so far."""
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
    """The arguments of all commands.

    Importing every command takes too long for a Tab, so they are cached until a command's file
    changes.
    """
    path = cache_folder() / "completion" / f"{_key()}.json"
    try:
        return {name: _command(value) for name, value in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    from ..util import files

    signatures = {name: _signature(name) for name in BY_NAME}
    with suppress(UserError):  # without the cache, completion is only slower
        value = {name: asdict(signature) for name, signature in signatures.items()}
        files.write_text(path, json.dumps(value))
    return signatures


def _key() -> str:
    stamps = [
        f"{entry.name} {entry.stat().st_mtime_ns}"
        for entry in sorted(os.scandir(COMMANDS), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    ]
    stamps += [f"{path} {path.stat().st_mtime_ns}" for path in BACKENDS]  # values of --backend
    return f"{zlib.crc32(chr(10).join([str(COMMANDS), *BY_NAME, *stamps]).encode()):08x}"


def _command(value: dict[str, object]) -> Signature:
    listed = value["arguments"]
    assert isinstance(listed, list)
    arguments = [
        Argument(**{**item, "options": tuple(item["options"]), "choices": tuple(item["choices"])})
        for item in listed
    ]
    return Signature(str(value["summary"]), tuple(arguments))


def _signature(name: str) -> Signature:
    import argparse

    from .arguments import parser_of

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


def candidates_or_none(words: Sequence[str], root: Path, cwd: Path) -> list[Candidate]:
    """The candidates; empty on any error: a message within the command line would not help."""
    try:
        return candidates(words, root, cwd)
    except (UserError, OSError, UnicodeDecodeError):
        return []
