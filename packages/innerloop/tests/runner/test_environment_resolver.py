"""The environment of a run: resolved once, and its files hashed once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from innerloop.cli.main import main
from innerloop.model.build_context import BuildContext
from innerloop.model.environment import ResolvedEnvironment
from innerloop.model.environment_lock import LockUse
from innerloop.model.jobs.job import parse_job
from innerloop.runner import environment_resolver
from innerloop.workspace import loader
from tests.support import Workspace

needs_bash = pytest.mark.skipif(os.name == "nt", reason="needs bash")

PIPELINE = """type: pipeline
jobs:
  first: {type: command, command: echo 1, code: ., environment: {build: {path: ./environment}}}
  second: {type: command, command: echo 2, code: ., environment: {build: {path: ./other}}}
"""
SWEEP = """type: sweep
sampling_algorithm: grid
objective: {primary_metric: x, goal: maximize}
search_space: {x: {type: choice, values: [1, 2]}}
limits: {max_total_trials: 2}
trial: {command: "echo ${{search_space.x}}", code: ., environment: {build: {path: ./environment}}}
"""


class Counts:
    """How often an environment was resolved, and which folders were read to be hashed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resolved = 0
        self.hashed: list[str] = []
        resolve, files_below = environment_resolver.resolve, loader.files_below

        def counted_resolve(*words: Any, **named: Any) -> ResolvedEnvironment:
            self.resolved += 1
            return resolve(*words, **named)

        def counted_files(folder: Path | BuildContext) -> Iterator[Path]:
            self.hashed.append(Path(loader.as_context(folder).folder).name)
            return files_below(folder)

        monkeypatch.setattr(environment_resolver, "resolve", counted_resolve)
        monkeypatch.setattr(loader, "files_below", counted_files)


@pytest.fixture
def tiny(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace.add("tiny", "print('ran')")
    workspace.write("src/tiny/other/Dockerfile", "FROM python:3.11-slim-bookworm\n")
    workspace.write("src/tiny/other/requirements.txt", "")
    workspace.write("src/tiny/pipeline.yml", PIPELINE)
    workspace.write("src/tiny/sweep.yml", SWEEP)
    monkeypatch.setattr(sys, "argv", [str(workspace.root / "scripts" / "loop")])
    monkeypatch.chdir(workspace.root)
    return workspace


@needs_bash
@pytest.mark.parametrize("mode", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("words", "folders"),
    [
        ((), ["environment"]),
        (("--file", "sweep.yml", "--trials", "2"), ["environment"]),
        (("--file", "pipeline.yml"), ["environment", "other"]),
    ],
)
def test_run_resolves_and_hashes_each_environment_once(
    tiny: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    folders: list[str],
    mode: tuple[str, ...],
) -> None:
    counts = Counts(monkeypatch)
    assert main(["run", "tiny", "--backend", "venv", *words, *mode]) == 0
    assert (counts.resolved, sorted(counts.hashed)) == (len(folders), folders)


@needs_bash
def test_run_records_the_digest_that_was_resolved(tiny: Workspace) -> None:
    import json

    assert main(["run", "tiny", "--backend", "venv"]) == 0
    record = json.loads((tiny.outputs("tiny") / ".run/run.json").read_text())
    folder = tiny.root / "src/tiny/environment"
    assert record["environment"] == loader.digest_of(folder)


def resolved(workspace: Workspace, environment: str, toml: str = "") -> ResolvedEnvironment:
    if toml:
        workspace.write("src/tiny/innerloop.toml", toml)
    opened = loader.open_workspace(workspace.root)
    text = f"command: ls\nenvironment: {environment}\n"
    job = parse_job(text, "src/tiny/azure-ml-job.yaml")
    return environment_resolver.resolve(opened, loader.open_experiment(opened, "tiny"), job)


def test_own_environment_is_built_from_its_dockerfile(tiny: Workspace) -> None:
    environment = resolved(tiny, "{build: {path: ./environment}}")
    assert (environment.kind, environment.is_own) == ("dockerfile", True)
    assert environment.source == "src/tiny/environment/Dockerfile"
    assert environment.folder == "src/tiny/environment"
    assert environment.digest == loader.digest_of(tiny.root / environment.folder)


def test_a_folder_without_a_dockerfile_is_missing_at_its_position(tiny: Workspace) -> None:
    environment = resolved(tiny, "{build: {path: ./nowhere}}")
    assert environment.image is None and environment.missing is not None
    assert environment.missing.code == "dockerfile-missing"
    assert (
        environment.missing.where == str(environment.position) == "src/tiny/azure-ml-job.yaml:2:1"
    )


def test_an_image_is_used_as_it_is(tiny: Workspace) -> None:
    environment = resolved(tiny, "{image: 'docker://team/python:3'}")
    assert environment.image is not None and environment.image.name == "team/python:3"
    assert (environment.kind, environment.digest, environment.missing) == ("image", "", None)


def test_a_conda_file_adds_its_packages_to_the_image(tiny: Workspace) -> None:
    environment = resolved(tiny, "{image: base, conda_file: {dependencies: [numpy=1]}}")
    assert environment.kind == "conda" and environment.conda is not None
    assert environment.conda.requirements == ("numpy==1.*",)
    assert environment.image is not None and environment.digest


def test_a_registered_environment_is_what_the_settings_name(tiny: Workspace) -> None:
    assert (missing := resolved(tiny, "azureml:team:3").missing) is not None
    assert missing.code == "environment-registered"
    environment = resolved(tiny, "azureml:team:3", '[environment.images]\n"team" = "mine:1"\n')
    assert environment.image is not None and environment.image.name == "mine:1"
    assert (environment.kind, environment.source) == ("registered", "azureml:team:3")


SOURCES = {
    "envs/Dockerfile": "FROM python:3.11-slim-bookworm\n",
    "envs/conda.yml": "dependencies: [python=3.9, numpy=1.26]\n",
    "envs/asset.yml": "name: team\nimage: mine:2\n",
    "envs/lock/pyproject.toml": "[project]\nname = 'p'\nversion = '1'\n"
    "[dependency-groups]\ntest = []\n",
    "envs/lock/uv.lock": 'version = 1\nrequires-python = ">=3.12"\n',
    "envs/pins.txt": "tiny==1\n",
    "envs/unlocked/pyproject.toml": "\n[project]\nname = 'p'\n",
}


@pytest.mark.parametrize(
    ("file", "kind", "source", "base"),
    [
        ("envs/Dockerfile", "dockerfile", "envs/Dockerfile", "python:3.11-slim-bookworm"),
        ("envs/conda.yml", "conda", "envs/conda.yml", "python:3.9-slim-bookworm"),
        ("envs/asset.yml", "image", "mine:2", ""),
        ("envs/lock", "lock", "envs/lock/uv.lock", "python:3.12-slim-bookworm"),
        ("./envs/pins.txt", "lock", "envs/pins.txt", "python:3.11-slim-bookworm"),
    ],
)
@pytest.mark.parametrize("own_base", ["", "mine:1"])
def test_a_file_of_each_kind_stands_for_a_registered_environment(
    tiny: Workspace, file: str, kind: str, source: str, base: str, own_base: str
) -> None:
    for path, text in SOURCES.items():
        tiny.write(path, text)
    toml = f'[environment]\nfile = "{file}"\n' + (f'base = "{own_base}"\n' if own_base else "")
    environment = resolved(tiny, "azureml:team:3", toml)
    assert environment.missing is None and environment.image is not None, environment.missing
    assert (environment.kind, environment.source) == (kind, source)
    parsed = environment.image.dockerfile
    expected = own_base if own_base and kind in ("conda", "lock") else base
    assert (parsed.image_of(parsed.last) if parsed else "") == expected


@pytest.mark.parametrize(
    ("file", "code", "where"),
    [
        ("envs/nothing", "environment-source-missing", "src/tiny/innerloop.toml:2"),
        ("envs", "environment-source-ambiguous", "src/tiny/innerloop.toml:2"),
        ("../envs/pins.txt", "outside-workspace", "src/tiny/innerloop.toml:2"),
        ("/etc/hosts.txt", "outside-workspace", "src/tiny/innerloop.toml:2"),
        ("envs/unlocked", "environment-not-locked", "envs/unlocked/pyproject.toml:2"),
    ],
)
def test_a_file_that_stands_for_nothing_is_missing_at_its_line(
    tiny: Workspace, file: str, code: str, where: str
) -> None:
    for path, text in {**SOURCES, "envs/requirements.txt": "", "envs/uv.lock": ""}.items():
        if path != "envs/Dockerfile":
            tiny.write(path, text)
    missing = resolved(tiny, "azureml:team:3", f'[environment]\nfile = "{file}"\n').missing
    assert missing is not None and missing.code == code
    assert str(missing.where).startswith(where)


def test_a_file_of_any_kind_is_resolved_whatever_the_job_names(tiny: Workspace) -> None:
    for path, text in SOURCES.items():
        tiny.write(path, text)
    opened = loader.open_workspace(tiny.root)
    experiment = loader.open_experiment(opened, "tiny")
    job = loader.open_job(opened, experiment)
    where = "innerloop.toml:3:1"

    def of(path: str, use: LockUse = "job", context: str = "") -> ResolvedEnvironment:
        return environment_resolver.resolve_file(
            opened, experiment, job, path, where, context=context, use=use
        )

    built = of("envs/Dockerfile", context=".")
    assert (built.kind, built.folder, built.missing) == ("dockerfile", ".", None)
    assert built.image is not None and built.image.context == str(tiny.root)
    people, jobs = of("envs/lock", "dev"), of("envs/lock")
    assert people.lock is not None and people.lock.options == ("--all-groups",)
    assert people.digest != jobs.digest
    missing = of("envs/nothing").missing
    assert missing is not None and str(missing.where) == where
