"""List the commands in groups, or print the page of one command or topic."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from pathlib import Path

from ..model.experiment_paths import JOB_FILE, SOURCES
from ..util.errors import UsageError, UserError, did_you_mean
from ..util.printable import one_line
from .command_table import BY_NAME, COMMANDS, GROUPS
from .help_topics import TITLES, page

EXAMPLES = """examples:
  loop help
  loop help run
  loop help settings     [tool.innerloop] and innerloop.toml
  loop help job          the job file: what to run
  loop help backends     docker, apptainer, venv, in-container, ssh:NAME, slurm: where a job runs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", nargs="?", metavar="COMMAND", help=f"or a topic: {', '.join(TITLES)}"
    )


def run(args: argparse.Namespace) -> int:
    if args.command is None:
        print(_overview())
    elif args.command in TITLES:
        print(page(args.command), end="")
    elif args.command in BY_NAME:
        from .arguments import parser_of

        print(parser_of(args.command).format_help(), end="")
    else:
        known = [*BY_NAME, *TITLES]
        what = f'there is no help on "{args.command}"'
        raise UsageError(what, code="unknown-name", hint=did_you_mean(args.command, known))
    return 0


def _overview() -> str:
    from .. import __version__

    width = max(len(name) for name in (*BY_NAME, *TITLES)) + 2
    lines = [f"innerloop {__version__}: the same code, environment and command on every backend"]
    for group in GROUPS:
        lines += ["", group]
        commands = [one for one in COMMANDS if one.group == group and not one.is_for_editors]
        lines += [_entry(command.name, command.summary, width) for command in commands]
    lines += ["", "Topics"] + [_entry(name, title, width) for name, title in TITLES.items()]
    end = f"`loop help COMMAND` explains a command. {_start()}".rstrip()
    return "\n".join([*lines, "", end])


def _start() -> str:
    """What to type first here: to run an experiment, or to create one; "" outside a workspace."""
    from ..workspace.root import root_of

    root = root_of(sys.argv[0])  # without the loader, which takes longer to import than the rest
    for depth in ("*", "*/*"):
        for file in sorted((root / SOURCES).glob(f"{depth}/{JOB_FILE}")):
            name = file.parent.relative_to(root / SOURCES).as_posix()
            return f"Start with `loop run {one_line(name)}`."
    is_workspace = (root / "scripts/loop").is_file()
    if is_workspace and (name := _declared(root)):
        return f"Start with `loop run {one_line(name)}`."
    return "Start with `loop new my_experiment`." if is_workspace else ""


def _declared(root: Path) -> str:
    """The first declared experiment; "" for none, and where the settings cannot be read."""
    from ..workspace import loader

    try:
        return next(iter(loader.open_workspace(root).declared), "")
    except UserError:
        return ""


def _entry(name: str, text: str, width: int) -> str:
    """One line, wrapped in a narrow terminal."""
    room = shutil.get_terminal_size().columns - width - 2 if sys.stdout.isatty() else len(text)
    below = "\n" + " " * (width + 2)
    return f"  {name:<{width}}" + below.join(textwrap.wrap(text, max(room, 20)))
