"""`packages/innerloop/bench` finds the benchmarks and what each says about itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks._run import read
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
