"""`innerloop init` of a workspace, against `copier copy` of a template with as many files.

Whole processes, in turns; each makes the files in a new folder. The template has the files that
`init` makes, without the tool's wheel. The ratio should be below 1.0.

    packages/innerloop/bench init [--turns 10] [--json]
"""

from __future__ import annotations

import sys
from pathlib import Path

import _templates
from _support import arguments, scratch, take_turns, tell

INIT, COPY = "innerloop init", "copier copy"


def main() -> int:
    args = arguments(__doc__, turns=10)
    with scratch() as folder:
        tools = _templates.prepare(folder)
        target = folder / "none"

        def before(turn: int, name: str) -> None:
            nonlocal target
            target = folder / name.split()[0] / str(turn) / "sample"
            target.parent.mkdir(parents=True, exist_ok=True)

        medians = take_turns(
            {
                INIT: lambda: _templates.init(tools, target),
                COPY: lambda: _templates.copy(tools, target),
            },
            args.turns,
            before,
        )
        _check(folder / "innerloop/1/sample", folder / "copier/1/sample")
    tell(
        args.turns, medians, {f"{INIT} / {COPY}": medians[INIT] / medians[COPY]}, as_json=args.json
    )
    return 0


def _check(made: Path, copied: Path) -> None:
    """Both made the same files, but for copier's answers."""
    names = [{p.relative_to(f).as_posix() for p in _templates.files_of(f)} for f in (made, copied)]
    if (different := names[0] ^ names[1]) - {".copier-answers.yml"}:
        sys.exit(f"the two made different files: {sorted(different)}")


if __name__ == "__main__":
    sys.exit(main())
