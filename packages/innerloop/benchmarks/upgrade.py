"""`loop upgrade` with nothing to do, against `copier update` with nothing to do.

Whole processes, in turns, in a workspace and in a copy of a template with as many files, both in git.
Neither asks a network. The ratio should be below 1.0.

    packages/innerloop/bench upgrade [--turns 10] [--json]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import _templates
from _support import arguments, call, scratch, take_turns, tell
from _templates import Tools

UPGRADE, UPDATE, START = "loop upgrade", "copier update", "loop --version (warm)"


def main() -> int:
    args = arguments(__doc__, turns=10)
    with scratch() as folder:
        tools = _templates.prepare(folder)
        made, copied = folder / "made" / "sample", folder / "copied" / "sample"
        _templates.init(tools, made)
        copied.parent.mkdir()
        _templates.copy(tools, copied)
        for workspace in (made, copied):
            _templates.commit(tools, workspace)
        loop = str(made / "scripts" / "loop")
        version = call([loop, "--version"], env=tools.env).split()[-1]
        medians = take_turns(
            {
                UPGRADE: lambda: call([loop, "upgrade", "--to", version, "--yes"], env=tools.env),
                UPDATE: lambda: _update(tools, copied),
                START: lambda: call([loop, "--version"], env=tools.env),
            },
            args.turns,
        )
        for workspace in (made, copied):
            if call(["git", "-C", str(workspace), "status", "--porcelain"], env=tools.env):
                sys.exit(f"{workspace} has changed, though there was nothing to do")
    ratio = medians[UPGRADE] / medians[UPDATE]
    tell(args.turns, medians, {f"{UPGRADE} / {UPDATE}": ratio}, as_json=args.json)
    return 0


def _update(tools: Tools, copied: Path) -> None:
    argv = [str(tools.copier), "update", "--defaults", "--quiet"]
    subprocess.run(argv, cwd=copied, env=tools.env, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
