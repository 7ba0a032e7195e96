"""`loop verify`: every check and every test of a workspace, whatever failed before."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from innerloop.commands import verify
from tests.support import Answer, Workspace, locked

# No engine answers here, so that the experiments' tests run in virtual environments.
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
PYTEST = locked(
    *("pytest", "iniconfig", "packaging", "pluggy", "pygments"),
    *("exceptiongroup", "tomli", "typing-extensions", "colorama"),
)
UGLY = "x = {  'a':1 }\n"


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.env.update(NO_ENGINE)
    workspace.add("tiny", "x = 1\n")
    assert workspace.loop("sync").code == 0
    return workspace


def results(answer: Answer) -> dict[str, str]:
    return {result["step"]: result["result"] for result in json.loads(answer.out)}


def test_failed_steps_do_not_stop_the_others(synced: Workspace) -> None:
    synced.write("src/tiny/train.py", UGLY)
    synced.write("src/tiny/azure-ml-job.yaml", "command: python ${{inputs.x}}\ncode: .\n")
    synced.write("tests/test_own.py", "def test_own() -> None:\n    assert True\n")
    synced.add("new", "")
    answer = synced.loop("verify", "--skip-experiments", "--json")
    assert answer.code == 1
    assert results(answer) == {
        "format --check": "failed",
        "sync --check": "failed",
        "check": "failed",
        "tests": "passed",
    }
    assert "train.py:1:1: warning" in answer.err and "1 passed" in answer.err


def test_table_at_the_end_lists_every_step_with_its_seconds(synced: Workspace) -> None:
    answer = synced.loop("verify", "--skip-experiments")
    assert answer.code == 0, answer.out + answer.err
    title, *rows = [line.split() for line in answer.out.splitlines()[-5:]]
    assert title == ["step", "result", "seconds"]
    assert [row[:-1] for row in rows] == [
        ["format", "--check", "passed"],
        ["sync", "--check", "passed"],
        ["check", "passed"],
        ["tests", "no", "tests"],
    ]
    assert all(float(row[-1]) >= 0 for row in rows)
    assert "(4 of 4)" in answer.err


def test_words_after_two_dashes_reach_pytest_of_the_own_tests(synced: Workspace) -> None:
    synced.write("tests/test_own.py", "def test_good(): ...\ndef test_bad(): assert False\n")
    synced.write("tests/test_other.py", "def test_good(): ...\n")
    assert synced.loop("verify", "--tests").code == 1
    chosen = synced.loop("verify", "--only", "tests", "--", "-k", "good")
    assert chosen.code == 0 and "2 passed, 1 deselected" in chosen.out
    here = synced.loop("verify", "--tests", "--", "test_other.py", cwd=synced.root / "tests")
    assert here.code == 0 and "1 passed" in here.out


def test_own_tests_import_neither_the_tool_nor_the_packages_of_python_path(
    synced: Workspace,
) -> None:
    synced.write("stray/stray.py", "")
    synced.write(
        "tests/test_own.py",
        "import importlib.util\n\n\n"
        "def test_own():\n"
        "    for name in ('innerloop', 'yaml', 'stray'):\n"
        "        assert importlib.util.find_spec(name) is None\n",
    )
    answer = synced.loop("verify", "--tests", env={"PYTHONPATH": str(synced.root / "stray")})
    assert answer.code == 0, answer.out


def test_an_environment_that_cannot_be_made_fails_its_step_alone(synced: Workspace) -> None:
    synced.write("tests/test_own.py", "def test_own(): ...\n")
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_CACHE_DIR": "1"}
    unreachable |= {"UV_INDEX_URL": "http://127.0.0.1:9/simple", "UV_NO_CACHE": "1"}
    unreachable |= {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0"}
    cache = synced.root / "cache"
    tool = synced.loop("--version", env={"INNERLOOP_CACHE": str(cache)})
    assert tool.code == 0, tool.err
    answer = synced.loop(
        *("verify", "--only", "check", "--only", "tests", "--json"),
        env={"INNERLOOP_CACHE": str(cache), **unreachable},
    )
    assert answer.code == 1 and "setting up pytest failed" in answer.message
    assert results(answer) == {"check": "passed", "tests": "failed"}


def test_an_unknown_step_or_experiment_is_an_error_before_anything_runs(
    synced: Workspace,
) -> None:
    step = synced.loop("verify", "--only", "everything")
    assert step.code == 2 and "experiments" in step.message
    experiment = synced.loop("verify", "--experiment", "nobody")
    assert experiment.code != 0 and not experiment.out


@pytest.mark.network
def test_every_experiment_is_tested_in_its_own_environment(synced: Workspace) -> None:
    for name in ("good", "bad"):
        synced.add(name, "x = 1\n")
        synced.write(f"src/{name}/environment/requirements-dev.txt", PYTEST)
        synced.write(
            f"src/{name}/tests/test_it.py", f"def test_it():\n    assert {name == 'good'}\n"
        )
    synced.write("src/tiny/environment/requirements-dev.txt", PYTEST)
    answer = synced.loop("verify", "--only", "experiments", "--json")
    assert answer.code == 1
    assert results(answer) == {
        "test bad": "failed",
        "test good": "passed",
        "test tiny": "no tests",
    }
    chosen = synced.loop("verify", "--only", "experiments", "--experiment", "good", "--json")
    assert chosen.code == 0 and results(chosen) == {"test good": "passed"}


@pytest.mark.parametrize(
    ("settings", "words", "has_tests"),
    [("", (), True), ("[adopted]\n", (), False), ("[adopted]\n", ("--tests",), True)],
)
def test_tests_of_an_adopted_repository_run_with_its_experiments(
    tmp_path: Path, settings: str, words: tuple[str, ...], has_tests: bool
) -> None:
    (tmp_path / "innerloop.toml").write_text(settings)
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    args = parser.parse_args(words)
    args.root = args.cwd = tmp_path
    args.rest = []
    assert any(step.is_pytest for step in verify._steps(args)) is has_tests
