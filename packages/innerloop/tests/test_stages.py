"""The frame of `.ci/run`: every stage counts, and none runs for ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
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


# `first` ends only after the last of the others has begun: they really are side by side.
SIDE_BY_SIDE = """
set -euo pipefail
. .ci/steps.sh
mkfifo "$CI_TOOLS/pipe"
opened() { read -r _ <"$CI_TOOLS/pipe"; }
opens() { echo >"$CI_TOOLS/pipe"; }
broken() { false; echo went on; }
lane 'waiting step' opened 'its next' true
lane 'other step' opens
lanes_end
lane 'broken step' broken 'never reached' true
lane 'good step' true
lanes_end || echo 'a lane failed'
aside first 300 eval '. .ci/steps.sh; read -r _ <"$CI_TOOLS/pipe"' -- second 300 bash -c 'exit 4'
aside third 300 true
stage own 300 eval 'echo >"$CI_TOOLS/pipe"'
asides_end
stage last 300 bash -c 'exit 5'
echo "code $stages_code, failed:$stages_failed"
"""


@pytest.mark.skipif(sys.platform != "linux", reason=".ci/run is for Debian and Ubuntu")
def test_steps_and_stages_side_by_side_are_told_in_their_order_and_all_count(
    tmp_path: Path,
) -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "-c", SIDE_BY_SIDE],
        cwd=ROOT,
        env={**os.environ, "CI_TOOLS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ci: broken step: failed (exit code 1)" in done.stderr
    assert "never reached" not in done.stdout + done.stderr and "went on" not in done.stdout
    assert "a lane failed\n" in done.stdout
    lines = [
        line.rpartition(" after ")[0] for line in done.stdout.splitlines() if " after " in line
    ]
    steps = ["its next", "good step", "other step", "waiting step"]
    assert sorted(line for line in lines if "stage" not in line) == sorted(
        f"ci: {name}: there" for name in steps
    )
    assert [line for line in lines if "stage" in line] == [
        "ci: stage own: passed",
        "ci: stage first: passed",
        "ci: stage second: failed (exit code 4)",
        "ci: stage third: passed",
        "ci: stage last: failed (exit code 5)",
    ]
    assert done.stdout.endswith("code 4, failed: second, last,\n")


@pytest.mark.skipif(sys.platform != "linux", reason=".ci/run is for Debian and Ubuntu")
def test_what_two_steps_share_is_made_by_one_and_no_service_keeps_the_lock(tmp_path: Path) -> None:
    """A package that starts its service under the lock must not stop all steps after it."""
    bash = shutil.which("bash")
    assert bash
    script = """
    set -euo pipefail
    . .ci/steps.sh
    shared() { [ -e "$CI_TOOLS/made" ] && return; echo made; : >"$CI_TOOLS/made"; }
    service() { setsid sleep 300 >/dev/null 2>&1 & echo "$!" >"$CI_TOOLS/service"; }
    one_at_a_time it service
    one_at_a_time it shared >>"$CI_TOOLS/log"
    one_at_a_time it shared >>"$CI_TOOLS/log"
    one_at_a_time it false || echo "code $?"
    """
    try:
        done = subprocess.run(
            [bash, "-c", script],
            cwd=ROOT,
            env={**os.environ, "CI_TOOLS": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.kill(int((tmp_path / "service").read_text()), signal.SIGKILL)
    assert (done.returncode, done.stdout) == (0, "code 1\n"), done.stderr
    assert (tmp_path / "log").read_text() == "made\n"


@pytest.mark.skipif(sys.platform != "linux", reason=".ci/run is for Debian and Ubuntu")
@pytest.mark.parametrize(
    ("first", "failed", "again", "code", "named"),
    [
        (1, 2, 0, 0, 2),
        (1, 2, 1, 1, 0),  # they fail alone as well
        (1, 9, 0, 1, 0),  # more than chance
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
