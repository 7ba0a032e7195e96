"""Environments of the backend venv by the tool's uv, against the same by pip.

The lock is digit_recognition_svm's. The first environment begins with empty caches, and for uv with the
installation of uv itself; the second is another environment of the same packages. By turns, each with
caches of its own. First by uv should be at most 0.5 of first by pip.

    packages/innerloop/bench environments [--turns 2] [--json]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from _support import ROOT, arguments, scratch, take_turns, tell

sys.path.insert(0, str(ROOT / "packages" / "innerloop" / "src"))

from innerloop.util import locked_environments, venvs

LOCK = ROOT / "src" / "digit_recognition_svm" / "environment" / "requirements.txt"
WAYS = ("pip, first", "uv, first", "pip, second", "uv, second")
CACHES = {"INNERLOOP_CACHE": "cache", "PIP_CACHE_DIR": "pip", "UV_CACHE_DIR": "packages"}


def main() -> int:
    args = arguments(__doc__, turns=2)
    # Neither a uv on PATH nor the environment that this program runs in takes part.
    folders = os.environ.get("PATH", "").split(os.pathsep)
    uv = "uv.exe" if os.name == "nt" else "uv"
    os.environ["PATH"] = os.pathsep.join(f for f in folders if not Path(f, uv).exists())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with scratch() as folder:

        def before(turn: int, name: str) -> None:
            for variable, kind in CACHES.items():
                os.environ[variable] = str(folder / f"turn-{turn}" / name.split(",")[0] / kind)
            locked_environments.uv_or_pip.cache_clear()

        def make(name: str) -> None:
            installer, _, which = name.partition(", ")
            environment = Path(os.environ["INNERLOOP_CACHE"], "envs", which)
            base = getattr(sys, "_base_executable", None) or sys.executable
            venvs.ensure(
                environment,
                [LOCK],
                python=base,
                purpose=name,
                say=lambda text: print(text, file=sys.stderr),
                owner=str(ROOT),
                uv=locked_environments.uv_or_pip if installer == "uv" else None,
            )
            is_uv = "uv = " in (environment / "pyvenv.cfg").read_text(encoding="utf-8")
            if is_uv != (installer == "uv"):
                sys.exit(f"{name}: another installer made it")

        ways = {name: (lambda name=name: make(name)) for name in WAYS}
        medians = take_turns(ways, args.turns, before)
    ratios = {
        f"uv / pip, {which}": medians[f"uv, {which}"] / medians[f"pip, {which}"]
        for which in ("first", "second")
    }
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
