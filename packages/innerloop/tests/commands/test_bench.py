"""`packages/innerloop/bench` finds the benchmarks and what each says about itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks._run import read, recorded, regressions
from tests.support import ROOT, Answer


def bench(*words: str) -> Answer:
    done = subprocess.run(
        [ROOT / "packages/innerloop/bench", *words], capture_output=True, text=True
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_without_a_name_it_lists_them(_tool: None) -> None:
    answer = bench()
    assert answer.code == 0, answer.err
    for path in (ROOT / "packages/innerloop/benchmarks").glob("[!_]*.py"):
        assert f"  {path.stem} " in answer.out
        assert read(path).summary in answer.out and read(path).summary
    assert "_support" not in answer.out


def test_a_name_that_is_none(_tool: None) -> None:
    answer = bench("orchestrater")
    assert answer.code == 2
    assert 'Did you mean "orchestrator"?' in answer.message


def test_a_benchmark_says_which_environment_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text('"""First.\n\nMore."""\nimport torch\nEXPERIMENT = "digits"\n')
    assert (read(path).summary, read(path).experiment) == ("First.", "digits")
    path.write_text("pass\n")
    assert (read(path).summary, read(path).experiment) == ("", None)


def test_ratio_far_above_the_recorded_one_is_named() -> None:
    before = {"same": 1.0, "a little": 1.0, "far": 1.0, "faster": 2.0, "not measured": 1.0}
    now = {"same": 1.0, "a little": 1.19, "far": 1.21, "faster": 1.0, "new": 9.0}
    assert regressions(before, now) == ["far: 1.21, recorded 1.00"]


def test_recorded_ratios_are_of_benchmarks_that_exist() -> None:
    names = {path.stem for path in (ROOT / "packages/innerloop/benchmarks").glob("[!_]*.py")}
    assert set(recorded()) <= names


def test_check_of_a_name_that_is_none(_tool: None) -> None:
    assert bench("--check", "orchestrater").code == 2
