"""The frame of `.ci/run`: every stage counts, and none runs for ever."""

from __future__ import annotations

import shutil
import subprocess
import sys

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
