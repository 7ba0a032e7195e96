"""The frame of `.ci/run`: every stage counts, and none runs for ever."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

STAGES = """
set -euo pipefail
. .ci/steps.sh
stage first 300 true
stage broken 300 bash -c 'exit 3'
stage endless 1 sleep 600
stage function 300 has_python python3
stage half 300 eval 'false; echo went on'
echo "code $stages_code, failed:$stages_failed"
"""


@pytest.mark.skipif(sys.platform != "linux", reason=".ci/run is for Debian and Ubuntu")
def test_stages_with_failures_all_run_and_the_first_code_counts() -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run([bash, "-c", STAGES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.rpartition(" after ")[0] for line in done.stdout.splitlines() if "after" in line]
    assert lines == [
        "ci: stage first: passed",
        "ci: stage broken: failed (exit code 3)",
        "ci: stage endless: failed (longer than 1 s)",
        "ci: stage function: passed",
        "ci: stage half: failed (exit code 1)",
    ]
    assert "went on" not in done.stdout
    assert done.stdout.endswith("code 3, failed: broken, endless, half,\n")


@pytest.mark.skipif(sys.platform != "linux", reason=".ci/run is for Debian and Ubuntu")
@pytest.mark.parametrize(
    ("first", "failed", "again", "code", "named"),
    [
        (1, 2, 0, 0, 2),
        (1, 2, 1, 1, 0),  # they fail alone as well
        (1, 5, 0, 1, 0),  # more than chance
        (1, 0, 0, 1, 0),
        (2, 2, 0, 2, 0),  # the run itself was ended
    ],
)
def test_few_failed_tests_are_tried_once_more_alone_and_named(
    tmp_path: Path, first: int, failed: int, again: int, code: int, named: int
) -> None:
    bash = shutil.which("bash")
    assert bash
    package = tmp_path / "packages" / "innerloop"
    cache = package / ".pytest_cache" / "v" / "cache"
    cache.mkdir(parents=True)
    if failed:
        (cache / "lastfailed").write_text(
            # As two workers write them: the group that stays together is part of the name.
            json.dumps({f"tests/t.py::t{n}[a@b]@/a clone/t.py": True for n in range(failed)})
        )
    program = package / "test"
    names = " ".join(f"tests/t.py::t{n}[a@b]" for n in range(failed))
    wanted = f"{names} -q -p no:xdist"
    program.write_text(f'#!/bin/sh\n[ "$*" = "{wanted}" ] || exit 99\nexit {again}\n')
    program.chmod(0o755)
    script = f". '{ROOT}/.ci/steps.sh'; code=0; alone {first} || code=$?; echo code $code"
    done = subprocess.run([bash, "-euc", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"code {code}", done.stderr
    assert done.stdout.count("passed alone: tests/t.py::t") == named
