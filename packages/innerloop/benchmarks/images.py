"""An experiment's image by uv, against the same by pip.

The Dockerfile is digit_recognition_svm's up to its stage `base`; for pip, its steps with uv are left out
and pip's are kept, which compiles all byte code by itself. `first` is without a cache, as on another
machine; `again`, where BuildKit is, with the packages of a build before, after an edit of the lock. Each
is a whole build without layers of another, by turns. First by uv should be at most 0.6 of first by pip.

    packages/innerloop/bench images [--turns 2] [--json]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from _support import ROOT, arguments, call_anyway, scratch, take_turns, tell

sys.path.insert(0, str(ROOT / "packages" / "innerloop" / "src"))

from innerloop.docker import buildkit
from innerloop.model.dockerfiles import dockerfile
from innerloop.util import files, network

ENVIRONMENT = ROOT / "src" / "digit_recognition_svm" / "environment"
IMAGE = "innerloop-bench-images"
WAYS = ("pip", "uv")


def main() -> int:
    args = arguments(__doc__, turns=2)
    shipped = (ENVIRONMENT / "Dockerfile").read_text(encoding="utf-8")
    by_uv = dockerfile.pruned(dockerfile.parse(shipped, "Dockerfile"), "base")
    texts = {"uv": by_uv, "pip": without_uv(by_uv)}
    has_buildkit = buildkit.has_buildkit()
    kinds = ("first", "again") if has_buildkit else ("first",)
    names = [f"{way}, {kind}" for kind in kinds for way in WAYS]
    with scratch() as folder:
        lock = (ENVIRONMENT / "requirements.txt").read_text(encoding="utf-8")

        def before(turn: int, name: str) -> None:
            call_anyway(["docker", "image", "rm", "--force", IMAGE])
            # Neither a layer of another build nor one of an earlier turn is like it.
            files.write_text(folder / "requirements.txt", f"# {folder.name} {turn} {name}\n{lock}")

        def build(name: str) -> None:
            way, _, kind = name.partition(", ")
            options = buildkit.build_options(
                texts[way],
                network.of_machine(os.environ),
                buildkit=has_buildkit,
                inline_cache=kind == "first",
            )
            run_build(folder, options)

        try:
            medians = take_turns(
                {name: (lambda name=name: build(name)) for name in names}, args.turns, before
            )
        finally:
            call_anyway(["docker", "image", "rm", "--force", IMAGE])
    ratios = {
        f"uv / pip, {kind}": medians[f"uv, {kind}"] / medians[f"pip, {kind}"] for kind in kinds
    }
    tell(args.turns, medians, ratios, as_json=args.json)
    return 0


def without_uv(text: str) -> str:
    """The Dockerfile with pip alone."""
    text = re.sub(r"RUN echo uv==(?:.*\\\n)*.*\n", "", text)
    text = re.sub(r"RUN UV_HTTP_TIMEOUT=(?:.*\\\n)*?    \|\| ", "RUN ", text)
    text = re.sub(r"RUN python -m compileall .*\n", "", text)
    if "/uv" in text or text.count("--require-hashes") != 1:
        sys.exit(
            f"the steps of {ENVIRONMENT}/Dockerfile are others than this benchmark knows:\n{text}"
        )
    return text


def run_build(context: Path, options: buildkit.BuildOptions) -> None:
    argv = ["docker", "build", "--no-cache", "--tag", IMAGE, "--file", "-", *options.options]
    done = subprocess.run(
        [*argv, str(context)],
        input=options.text,
        env={**os.environ, **options.env},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
