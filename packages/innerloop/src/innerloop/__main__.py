"""Starts the tool: `start` is what `scripts/loop` calls, `main` is the console script `innerloop`.

Inside a workspace `innerloop COMMAND` is `scripts/loop COMMAND`: the workspace's pin decides which
version runs. Outside of one, `innerloop init` makes a workspace.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

ANYWHERE = {"init", "help", "-h", "--help", "-V", "--version"}


def start(words: Sequence[str]) -> int:
    """Runs one command line; sys.argv[0] is the launcher of its workspace. Returns the exit code.

    Most commands live for a tenth of a second. Without these thresholds an eighth of it goes into
    looking for garbage among modules that were just imported, and once more at the end.
    """
    gc.set_threshold(50_000, 20, 20)
    _open_closed_streams()
    if os.name == "nt":
        write_utf8()
    from .cli.main import main

    try:
        code = main(words)
        _let_ctrl_c_wait()
        return code
    except KeyboardInterrupt:  # pressed again while the first was reported
        return 130
    finally:
        # The outcome is known: Ctrl-C would only stop Python's own end, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            sys.stderr.flush()
        except OSError:  # gone or full: Python would make it the exit code at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        gc.freeze()


def _open_closed_streams() -> None:
    """Lead stdout and stderr nowhere where they were closed (`loop run >&-`).

    Otherwise the next file that is opened would get their place, and the program's output.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def write_utf8() -> None:
    """Read and write UTF-8 on stdin, stdout and stderr, whatever the code page of Windows is.

    A console is so already; a pipe or a file would have only the letters of one language. The
    person's own PYTHONIOENCODING counts.
    """
    if "PYTHONIOENCODING" in os.environ:
        return
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            errors = "surrogateescape" if stream is sys.stdin else "backslashreplace"
            stream.reconfigure(encoding="utf-8", errors=errors)


def _let_ctrl_c_wait() -> None:
    """Write down once, for the launcher, the program that blocks Ctrl-C while Python starts.

    In the environment's file `ready`, which is empty before: GNU's `env`, or an empty line for none.
    """
    ready = Path(sys.prefix, "ready")
    try:
        if os.name == "nt" or ready.stat().st_size:
            return
    except OSError:
        return  # not the launcher's environment
    from .util import files, process
    from .util.errors import UserError

    words = [process.which("env") or "env", "--block-signal=INT"]
    try:
        can = " " not in words[0] and process.run([*words, "true"], timeout=5).ok
        files.write_text(ready, " ".join(words) + "\n" if can else "\n")
    except UserError:
        return  # no `env`, or a cache that cannot be written


def main() -> int:
    """The console script: hands over to the launcher of the workspace around the current folder."""
    words = sys.argv[1:]
    launcher = launcher_above(Path.cwd())
    if launcher is not None and words[:1] != ["init"]:
        from .util import process

        return process.exec_replace([sys.executable, str(launcher), *words])
    is_anywhere = words[:1] == ["upgrade"] and "--workspace" in words
    if words and words[0] not in ANYWHERE and not is_anywhere:
        print(
            f"innerloop: {Path.cwd()} is in no workspace. `innerloop init FOLDER` makes one.",
            file=sys.stderr,
        )
        return 1
    sys.argv[0] = os.path.join(os.getcwd(), "scripts", "loop")
    return start(words)


def launcher_above(folder: Path) -> Path | None:
    """`scripts/loop` of the workspace that the folder is in; None outside of a workspace."""
    for parent in (folder, *folder.parents):
        if (parent / "scripts" / "loop-requirements.txt").is_file():
            return parent / "scripts" / "loop"
    return None


if __name__ == "__main__":
    sys.exit(main())
