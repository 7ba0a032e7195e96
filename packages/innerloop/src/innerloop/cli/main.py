"""Parses the command line, runs one command, prints its error, and returns the exit code."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..util import change_folder, console, files
from ..util.errors import UsageError, UserError
from ..util.printable import printable_streams
from ..workspace.root import root_of
from .command_table import (
    BY_NAME,
    CACHED_COMMANDS,
    PASS_THROUGH,
    READING_COMMANDS,
    READING_OPTIONS,
    WITHOUT_WORKSPACE,
    load,
)


def main(words: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    with printable_streams():
        return _guarded(words)


def _guarded(words: Sequence[str]) -> int:
    """The exit code of a command line, with its errors printed."""
    try:
        code = _main(list(words))
        sys.stdout.flush()  # here, where a closed pipe is handled
        return code
    except UserError as error:
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        console.say("stopped")
        return getattr(interrupt, "exit_code", 130)
    except BrokenPipeError:
        # The reader of our output has ended (`loop list | head`): not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # The system's refusal of a file or folder: a name that is too long, no permission, no disk.
        if error.filename is None:
            raise
        user_error = files.error_of(error)
        console.error(user_error)
        return user_error.exit_code


def _main(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):
        print(f"innerloop {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help"):
        words = ["help", *words[1:]]
    if words[0] in BY_NAME and words[0] not in WITHOUT_WORKSPACE:
        _look_for_interrupted(root_of(sys.argv[0]), words)
    if words[0] in CACHED_COMMANDS and set(words[1:]) <= {"--json"}:
        from . import output_cache

        return output_cache.replay_or_run(root_of(sys.argv[0]), words, lambda: _run(words))
    return _run(words)


def _look_for_interrupted(root: Path, words: list[str]) -> None:
    """Undoes what a killed command left; a command that only reads says that it is there."""
    if not change_folder.is_pending(root):
        return
    from ..sync import engine
    from ..util import undo_journal

    if words[0] not in READING_COMMANDS and not READING_OPTIONS & set(_split(words)[0]):
        if message := engine.recover(root):
            console.say(message)
        return
    try:
        what = undo_journal.title(root)
    except UserError as error:
        console.error(error)
        return
    if what:
        console.say(f"{what} was interrupted: `scripts/loop sync` undoes it (or still runs)")


def _run(words: list[str]) -> int:
    from ..util import files  # here: a cached output needs less

    parser = parser_of(words[0])
    own, rest = _split(words[1:])
    args = parser.parse_intermixed_args(own)
    args.rest = rest
    args.root = root_of(sys.argv[0])
    if words[0] != "init":  # it makes its own workspace, and is in none
        files.confine(args.root)
    args.cwd = Path.cwd()
    return int(load(words[0]).run(args))


def parser_of(name: str) -> argparse.ArgumentParser:
    module = load(name)
    parser = _ArgumentParser(
        prog=f"loop {name}",
        description=BY_NAME[name].summary,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return parser


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        hint = f"See `{self.prog} --help`"
        if added := re.match("unrecognized arguments: (.*)", message):
            hint = self._meant(added[1]) or hint
        raise UsageError(f"{self.prog}: {message}", code="invalid-arguments", hint=hint)

    def _meant(self, words: str) -> str:
        """A hint for unknown arguments: a similar option, or that they belong after --."""
        import difflib

        typed = words.split()[0].partition("=")[0]
        if close := difflib.get_close_matches(typed, self._option_string_actions, cutoff=0.8):
            return f"Did you mean {close[0]}?"
        if self.prog.split()[-1] in PASS_THROUGH:
            return f"Arguments for the program go after --: {self.prog} ... -- {words}"
        return ""


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The tool's own arguments, and those after the first `--`."""
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []
