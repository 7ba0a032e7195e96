"""Starts the tool: `start` is what `scripts/loop` calls, `main` is the console script `innerloop`.

Inside a workspace `innerloop COMMAND` is `scripts/loop COMMAND`: the workspace's pin decides which
version runs. Outside of one, `innerloop init` makes a workspace.
"""

from __future__ import annotations

import gc
import os
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
    from .cli.main import main

    try:
        return main(words)
    finally:
        gc.freeze()


def main() -> int:
    """The console script: hands over to the launcher of the workspace around the current folder."""
    words = sys.argv[1:]
    launcher = launcher_above(Path.cwd())
    if launcher is not None and words[:1] != ["init"]:
        from .util import process

        return process.exec_replace([sys.executable, str(launcher), *words])
    if words and words[0] not in ANYWHERE:
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
