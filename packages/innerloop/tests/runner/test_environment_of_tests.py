"""Which environment `loop test` takes: the stage for tests, without what only people need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.local import venv_requirements
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.environment import ResolvedEnvironment
from innerloop.model.run import Run
from innerloop.runner import execute
from innerloop.scaffold import create
from innerloop.workspace import loader
from tests.support import Workspace

NAME = "churn"
TEMPLATE = create.TEMPLATE / "environment"
TEXT = (TEMPLATE / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    workspace.add(NAME, "", dockerfile=TEXT)
    for name in ("requirements.txt", "requirements-test.txt", "requirements-dev.txt"):
        workspace.write(f"src/{NAME}/environment/{name}", f"# {name}\n")
    return workspace


def planned(workspace: Workspace, *, test: bool) -> Run:
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, NAME)
    return execute.plan_command(opened, experiment, "python -m pytest", test=test)


def locks(run: Run, environment: ResolvedEnvironment) -> list[str]:
    packages = venv_requirements.packages_for(run.workspace, environment)
    return [Path(path).name for path in packages.files]


def test_tests_of_the_template_run_in_its_stage_for_tests(made: Workspace) -> None:
    run = planned(made, test=True)
    image = run.environment.image
    assert image is not None and (image.target, image.name.rpartition(":")[2]) == ("test", "test")
    assert locks(run, run.environment) == ["requirements.txt", "requirements-test.txt"]
    others = planned(made, test=False)
    image = others.environment.image
    assert image is not None and (image.target, image.name.rpartition(":")[2]) == ("dev", "dev")
    assert locks(others, others.environment) == ["requirements.txt", "requirements-dev.txt"]


@pytest.mark.parametrize(
    ("before", "after", "target"),
    [
        ("AS test", "AS checks", "dev"),  # no stage of that name
        ("COPY requirements-test.txt", "COPY others-test.txt", "dev"),  # a stage for something else
        ("COPY requirements-test.txt", "COPY --chown=1 requirements-test.txt", "test"),
        ("AS dev", "AS people", None),
    ],
)
def test_experiment_without_such_a_stage_keeps_the_one_it_had(
    made: Workspace, before: str, after: str, target: str | None
) -> None:
    text = TEXT.replace(before, after)
    if before == "AS test":
        text = text.replace("FROM test AS", "FROM checks AS")
    if target is None:
        text = text.replace("COPY requirements-test.txt", "COPY x-test.txt")
    made.write(f"src/{NAME}/environment/Dockerfile", text)
    run = planned(made, test=True)
    assert run.environment.image is not None and run.environment.image.target == target
    assert run.environment.test == (target == "test")
    if target != "test":
        assert run.environment == replace(planned(made, test=False).environment)


def test_template_installs_the_tests_first_and_gives_people_the_same_versions() -> None:
    parsed = parse(TEXT, "Dockerfile")
    assert [(stage.base, stage.name) for stage in parsed.stages[1:]] == [
        ("base", "test"),
        ("test", "dev"),
        ("base", "job"),
    ]

    def pins(name: str) -> set[str]:
        lines = (TEMPLATE / name).read_text(encoding="utf-8").splitlines()
        return {line.partition(" ;")[0].split()[0] for line in lines if "==" in line[:60]}

    tests = pins("requirements-test.txt")
    assert any(pin.startswith("pytest-cov==") for pin in tests)
    assert tests <= pins("requirements-dev.txt")
    assert not any(pin.startswith(("jupyterlab", "debugpy", "ipykernel")) for pin in tests)
