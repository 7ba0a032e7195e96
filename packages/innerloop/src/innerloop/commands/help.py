"""Every command with one line, in groups; one page per command; and pages on topics."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap

from ..errors import WrongUse, nearest
from ..topics import PAGES, TITLES

SUMMARY = "Shows every command, or explains one: its arguments and worked examples."
EXAMPLES = """examples:
  loop help
  loop help run
  loop help settings     [tool.innerloop] and innerloop.toml
  loop help job          the job file, which says what to run
  loop help places       docker, inside, venv: where things run
"""

# Only the titles and what stands under them; the order within is that of cli.COMMANDS.
GROUPS = {
    "Run": ("run", "test", "notebook", "runs", "parity"),
    "Work in the environment": (
        "build",
        "terminal",
        "jupyter",
        "up",
        "exec",
        "down",
        "open",
        "stale",
    ),
    "Experiments": ("list", "new", "rename", "remove", "dependency"),
    "Azure ML and clusters": (
        "submit",
        "image",
        "status",
        "logs",
        "cancel",
        "download",
        "data",
    ),
    "The model behind HTTP": ("serve", "call", "deploy", "endpoint"),
    "The workspace": ("sync", "check", "format", "doctor", "clean", "completion", "help"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", nargs="?", metavar="COMMAND", help=f"or a topic: {', '.join(PAGES)}"
    )


def run(args: argparse.Namespace) -> int:
    from .. import cli

    if args.command is None:
        print(_overview())
    elif args.command in PAGES:
        print(PAGES[args.command], end="")
    elif args.command in cli.COMMANDS:
        print(cli.parser_of(args.command, cli.command(args.command)).format_help(), end="")
    else:
        known = [*cli.COMMANDS, *PAGES]
        raise WrongUse(f'there is no help on "{args.command}"', mend=nearest(args.command, known))
    return 0


def _overview() -> str:
    from .. import __version__, cli

    known = {name for names in GROUPS.values() for name in names}
    others = tuple(name for name in cli.COMMANDS if name not in known)
    width = max(len(name) for name in (*cli.COMMANDS, *PAGES)) + 2
    lines = [f"innerloop {__version__}: the same code, environment and command, wherever it runs"]
    for title, names in {**GROUPS, "More": others}.items():
        here = [name for name in cli.COMMANDS if name in names]
        if here:
            lines += ["", title]
            lines += [_entry(name, cli.command(name).SUMMARY, width) for name in here]
    lines += ["", "Topics"] + [_entry(name, title, width) for name, title in TITLES.items()]
    end = "`loop help COMMAND` explains one. `loop run digit_recognition` is a good start."
    return "\n".join([*lines, "", end])


def _entry(name: str, text: str, width: int) -> str:
    """A line; in a terminal that is too narrow for it, several, each below the text's beginning."""
    room = shutil.get_terminal_size().columns - width - 2 if sys.stdout.isatty() else len(text)
    below = "\n" + " " * (width + 2)
    return f"  {name:<{width}}" + below.join(textwrap.wrap(text, max(room, 20)))
