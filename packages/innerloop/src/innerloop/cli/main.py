"""Parses the command line, runs one command, prints its error, and returns the exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..util import change_folder, console
from ..util.errors import UserError
from ..util.printable import printable_streams
from ..workspace.root import root_of
from .command_table import (
    BY_NAME,
    CACHED_COMMANDS,
    READING_COMMANDS,
    READING_OPTIONS,
    WITHOUT_WORKSPACE,
    load,
)

if TYPE_CHECKING:
    from ..runner.run_cache import Lookup


def main(words: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    with printable_streams():
        return _guarded(words)


def _guarded(words: Sequence[str]) -> int:
    """The exit code of a command line, with its errors printed."""
    try:
        code = dispatch(list(words))
        sys.stdout.flush()  # here, where a closed pipe is handled
        return code
    except UserError as error:
        if error.code == "setting-unknown":
            _add_hint_of_upgrade(error)
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        console.say("stopped")
        return getattr(interrupt, "exit_code", 130)
    except BrokenPipeError:
        # The reader of our output has ended (`loop list | head`): not an error.
        _drop_output()
        return 141
    except OSError as error:
        # The system's refusal of a file or folder: a name that is too long, no permission, no disk.
        if error.filename is not None:
            from ..util import files

            refused = files.error_of(error)
        elif error.errno in _OF_STDOUT:
            _drop_output()
            refused = _unwritten(error)
        else:
            raise
        console.error(refused)
        return refused.exit_code


def _add_hint_of_upgrade(error: UserError) -> None:
    """Where the pin alone was changed, by a robot say, a setting may have its older name."""
    from ..scaffold import upgrade

    with suppress(UserError):
        if upgrade.is_unfinished(root_of(sys.argv[0])):
            more = f"`scripts/loop upgrade` brings the settings to innerloop {__version__}"
            error.hint = f"{error.hint}. {more}" if error.hint else more


# How a write to stdout fails: the disk behind it is full, the terminal is gone, it is closed.
_OF_STDOUT = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.ENXIO)


def _unwritten(error: OSError) -> UserError:
    return UserError(
        f"the output cannot be written: {error.strerror}",
        code="output-unwritable",
        where="stdout",
        hint="Free some disk space, or write it elsewhere",
    )


def _raise_interrupts() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, unless it is ignored.

    Until a command runs, the launcher ends the process at once: there is nothing to clean up.
    """
    with suppress(ValueError):  # a thread cannot handle signals
        if callable(signal.getsignal(signal.SIGINT)):
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _drop_output() -> None:
    """What Python still holds back for stdout cannot be written: it is not tried at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def dispatch(words: list[str]) -> int:
    """Run one command line in this process; raises what goes wrong."""
    if words in (["--version"], ["-V"]):
        print(f"innerloop {__version__}")
        return 0
    if words[:2] == ["completion", "words"]:  # a key press: without what other commands need
        from . import completion

        return completion.print_words(words[2:], root_of(sys.argv[0]), Path.cwd())
    if not words or words[0] in ("-h", "--help"):
        words = ["help", *words[1:]]
    if words[0] in BY_NAME and words[0] not in WITHOUT_WORKSPACE:
        _look_for_interrupted(root_of(sys.argv[0]), words)
    if words[0] in CACHED_COMMANDS and set(words[1:]) <= {"--json"}:
        from . import output_cache

        return output_cache.replay_or_run(root_of(sys.argv[0]), words, lambda: _run(words))
    return _run_job(words) if words[0] == "run" else _run(words)


def _run_job(words: list[str]) -> int:
    """`loop run`: at once, where its plan is known from the last one."""
    from ..runner import run_cache

    _raise_interrupts()  # here already: a container may be created early
    root, cwd = root_of(sys.argv[0]), Path.cwd()
    with run_cache.looked_up(root, words[1:], cwd) as lookup:
        if lookup is not None and lookup.started is not None:
            from ..runner import started_run

            return started_run.carry_out(lookup.started)
    return _run(words, lookup)


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


def _run(words: list[str], lookup: Lookup | None = None) -> int:
    """Parse the words and carry the command out; `lookup` is what `loop run` keeps its plan with."""
    from ..util import files  # here: a cached output needs less
    from .arguments import parser_of

    parser = parser_of(words[0])
    own, rest = _split(words[1:])
    args = parser.parse_intermixed_args(own)
    args.rest = rest
    args.lookup = lookup
    args.root = root_of(sys.argv[0])
    if words[0] != "init":  # it makes its own workspace, and is in none
        files.confine(args.root)
    args.cwd = Path.cwd()
    module = load(words[0])
    _raise_interrupts()
    return int(module.run(args))


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The tool's own arguments, and those after the first `--`."""
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []
