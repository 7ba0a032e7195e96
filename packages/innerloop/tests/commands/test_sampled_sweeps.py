"""Bayesian sampling and Sobol's sequence: the real Optuna and SciPy, in their locked environment."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
from typing import Any

import pytest

from innerloop.model.jobs.sweep import Dimension
from innerloop.runner.sampler import study
from innerloop.runner.sampler.study import Study
from innerloop.util import locked_environments
from innerloop.util.errors import UserError
from tests.support import Workspace

pytestmark = pytest.mark.network
DIMENSIONS = [Dimension("x"), Dimension("y"), Dimension("kind", 3)]


@pytest.fixture(scope="module", autouse=True)
def _environment() -> None:
    locked_environments.ensure(study.GROUP)


def loss(x: float, y: float, kind: int) -> float:
    return (x - 0.7) ** 2 + (y - 0.2) ** 2 + (0 if kind == 1 else 0.3)


def best(seed: int, trials: int) -> tuple[float, list[tuple[float, ...]]]:
    """The best loss of a study, and its points."""
    points = []
    with Study(DIMENSIONS, seed, "minimize") as asking:
        for _ in range(trials):
            asked = asking.ask()
            points.append(tuple(asked.point.values()))
            x, y, kind = points[-1]
            asking.tell(asked, loss(x, y, int(kind * 3)))
    return min(loss(x, y, int(kind * 3)) for x, y, kind in points), points


def at_random(seed: int, trials: int) -> float:
    draw = random.Random(seed)
    points = [(draw.random(), draw.random(), draw.randrange(3)) for _ in range(trials)]
    return min(loss(*point) for point in points)


def test_study_comes_again_with_its_seed_and_finds_what_random_draws_do_not() -> None:
    found, points = best(1, 25)
    assert found < statistics.median(at_random(seed, 25) for seed in range(99)) / 2
    assert best(1, 6)[1] == points[:6]
    assert all(0 <= value < 1 for point in points for value in point)
    # The middle of each of three parts.
    assert {round(point[2] * 6) for point in points} == {1, 3, 5}


@pytest.mark.nightly
def test_studies_are_better_than_random_draws_in_the_median() -> None:
    seeds = range(15)
    found = statistics.median(best(seed, 25)[0] for seed in seeds)
    assert found < statistics.median(at_random(seed, 25) for seed in seeds) / 2


def test_study_takes_failed_diverged_and_open_trials() -> None:
    with Study([Dimension("x")], -1, "maximize") as asking:
        open_ = [asking.ask() for _ in range(3)]
        assert [one.number for one in open_] == [0, 1, 2]
        assert len({one.point["x"] for one in open_}) == 3
        asking.tell(open_[1], None)
        asking.tell(open_[0], math.nan)
        asking.tell(open_[2], 0.5)
        for number in range(3, 12):
            asked = asking.ask()
            assert asked.number == number and 0 <= asked.point["x"] < 1
            asking.tell(asked, (math.inf, None, 1.5)[number % 3])
    with Study([], 0, "minimize") as asking:
        assert asking.ask().point == {}


def test_study_whose_process_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_MODULE", "innerloop.runner.sampler.worker.missing")
    with pytest.raises(UserError) as caught, Study([], 0, "minimize"):
        raise AssertionError("it has not failed")
    assert caught.value.code == "sampler-failed"
    assert "No module named" in caught.value.what


def test_worker_imports_nothing_of_the_folder_it_starts_in(workspace: Workspace) -> None:
    for name in ("json", "optuna", "warnings"):
        workspace.write(f"{name}.py", "raise SystemExit('imported from the workspace')\n")
    argv = locked_environments.worker_argv(study.GROUP, "innerloop.runner.sampler.worker.main")
    request = json.dumps({"verb": "points", "seed": 0, "dimensions": 0, "count": 1}) + "\n"
    done = subprocess.run(argv, cwd=workspace.root, input=request, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, '{"points": [[]]}\n'), done.stderr


def test_sobol_points_begin_the_same_and_fill_the_space_evenly() -> None:
    points = study.sobol_points(DIMENSIONS[:2], 3, 16)
    assert study.sobol_points(DIMENSIONS[:2], 3, 5) == points[:5]
    for name in ("x", "y"):
        assert sorted(int(point[name] * 16) for point in points) == list(range(16))


SWEEP = """type: sweep
trial:
  command: python -u train.py ${{search_space.x}} ${{search_space.model}}
  code: .
  environment: {build: {path: ./environment}}
sampling_algorithm: SAMPLING
search_space:
  x: {type: uniform, min_value: 10, max_value: 20}
  model: {type: choice, values: [{depth: {type: randint, upper: 9}}, {width: 1}]}
objective: {goal: minimize, primary_metric: loss}
"""
TRAIN = """
import json, sys
x = float(sys.argv[1])
if x < 10.5:
    sys.exit(3)
json.dump({"loss": (x - 17) ** 2}, open("outputs/metrics.json", "w"))
"""


def add(workspace: Workspace, sampling: str) -> None:
    workspace.add("tiny", TRAIN)
    workspace.write("src/tiny/azure-ml-job.yaml", SWEEP.replace("SAMPLING", sampling))


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_bayesian_sweep_runs_with_the_values_that_it_is_given(workspace: Workspace) -> None:
    add(workspace, "bayesian")
    words = ("run", "tiny", "--backend", "venv", "--trials", "4", "--seed", "2")
    answer = workspace.loop(*words, "--parallel", "1")
    assert answer.code == 0, answer.err
    (folder,) = (workspace.root / "outputs/tiny").iterdir()
    told: dict[str, Any] = json.loads((folder / "trials.json").read_text("utf-8"))
    values = [one["values"] for one in told["trials"]]
    assert len({one["x"] for one in values}) == 4
    assert all(set(json.loads(one["model"])) in ({"depth"}, {"width"}) for one in values)
    losses = [one["metric"] for one in told["trials"]]
    assert losses == [pytest.approx((float(one["x"]) - 17) ** 2) for one in values]
    assert told["best"] == f"trial-{losses.index(min(losses)) + 1}"
    for number, one in enumerate(values, 1):
        run = json.loads((folder / f"trial-{number}/.run/run.json").read_text("utf-8"))
        assert run["command"].startswith(f"python -u train.py {one['x']} ")
        assert f"trial-{number} ({number} of 4) runs: x={one['x']}" in answer.err


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_sobol_sweep_is_previewed_with_the_values_that_it_will_have(workspace: Workspace) -> None:
    add(workspace, "{type: random, rule: sobol, seed: 5}")
    words = ("run", "tiny", "--backend", "venv", "--trials", "4", "--dry-run", "--json")
    answer = workspace.loop(*words)
    assert answer.code == 0 and "SciPy" not in answer.err, answer.err
    told = json.loads(answer.out)
    xs = [float(one["values"]["x"]) for one in told["trials"]]
    assert sorted(int((x - 10) / 2.5) for x in xs) == [0, 1, 2, 3]
    assert [f"train.py {x:g} " in one["command"] for x, one in zip(xs, told["trials"], strict=True)]
