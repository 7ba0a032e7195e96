"""Environments, data and components that a job names, in files of the workspace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.cli.main import main
from innerloop.model.environment import ResolvedEnvironment
from innerloop.model.jobs.job import parse_job
from innerloop.model.lint.finding import INFO, Severity
from innerloop.model.lint.job_file import check_text
from innerloop.parity import columns
from innerloop.runner import environment_resolver, pipeline_plan
from innerloop.sync.render import launch_json
from innerloop.util.errors import UserError
from innerloop.workspace import asset_catalogue, loader
from innerloop.workspace.loader import WorkspaceFiles
from tests.support import Workspace

STEPS = (
    "jobs: {{a: {{type: command, component: 'azureml:{}@latest',"
    " inputs: {{folder: {{path: ../assets/digits}}}}}}}}\n"
)
needs_bash = pytest.mark.skipif(os.name == "nt", reason="needs bash")

FILES = {
    "jobs/train.yml": """command: cat ${{inputs.digits}}/a.txt && python -c "print('ran')"
environment: azureml:team@latest
inputs: {digits: {type: uri_folder, path: azureml:digits:2}}
""",
    "jobs/flow.yml": """type: pipeline
jobs:
  count: {type: command, component: azureml:count@latest, inputs: {folder: {path: azureml:digits:2}}}
""",
    "environments/team.yml": "name: team\nversion: 3\nbuild: {path: image}\n",
    "environments/image/Dockerfile": "FROM python:3.11-slim-bookworm\n",
    "environments/image/requirements.txt": "",
    "assets/digits.yml": "name: digits\nversion: 2\ntype: uri_folder\npath: ./digits\n",
    "assets/digits/a.txt": "one digit\n",
    "components/count/component.yml": """name: count
version: 1
type: command
inputs: {folder: {type: uri_folder}}
command: ls ${{inputs.folder}}
environment: azureml:team:3
""",
}


@pytest.fixture
def named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    asset_catalogue.of_workspace.cache_clear()
    for path, text in FILES.items():
        workspace.write(path, text)
    monkeypatch.setattr(sys, "argv", [str(workspace.root / "scripts" / "loop")])
    monkeypatch.chdir(workspace.root)
    yield workspace
    asset_catalogue.of_workspace.cache_clear()


def resolved(workspace: Workspace, environment: str) -> ResolvedEnvironment:
    asset_catalogue.of_workspace.cache_clear()
    opened = loader.open_workspace(workspace.root)
    file = "src/tiny/job.yml" if opened.experiments else "jobs/train.yml"
    job = parse_job(f"command: ls\nenvironment: {environment}\n", file)
    return environment_resolver.resolve(opened, loader.experiment_for_job(opened, file), job)


@needs_bash
def test_run_takes_the_environment_and_the_data_that_the_job_names(
    named: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "jobs/train.yml", "--backend", "venv"]) == 0
    captured = capfd.readouterr()
    assert captured.out == "one digit\nran\n"
    for note in (
        "azureml:team@latest is environments/team.yml here (version 3)",
        "azureml:digits:2 is assets/digits.yml here (version 2)",
    ):
        assert captured.err.count(note) == 1, captured.err


@needs_bash
def test_run_takes_the_component_that_a_step_names(
    named: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "jobs/flow.yml", "--backend", "venv", "--dry-run", "--json"]
    assert main(words) == 0
    (step,) = json.loads(capfd.readouterr().out)["steps"]
    assert str(named.root / "assets/digits") in step["command"]
    assert (
        "azureml:count@latest is components/count/component.yml here (version 1)" in step["notes"]
    )


def test_step_of_a_registered_component_is_that_of_its_file(named: Workspace) -> None:
    opened = loader.open_workspace(named.root)
    job = parse_job(FILES["jobs/flow.yml"], "jobs/flow.yml")
    (step,) = pipeline_plan.read(opened, job).steps
    assert (step.job.name, step.job.command) == (
        "components/count/component.yml",
        "ls ${{inputs.folder}}",
    )
    assert step.job.inputs["folder"].path == "azureml:digits:2"


@pytest.mark.parametrize(
    ("body", "kind", "source"),
    [
        ("build: {path: image}", "dockerfile", "environments/image/Dockerfile"),
        ("image: python:3.12", "image", "python:3.12"),
        ("image: python:3.12\nconda_file: conda.yml", "conda", "environments/conda.yml"),
        ("build: {path: ., dockerfile_path: image/Dockerfile}", "dockerfile",
         "environments/image/Dockerfile"),
    ],
)  # fmt: skip
def test_each_form_of_an_environment_file_stands_for_its_name(
    named: Workspace, body: str, kind: str, source: str
) -> None:
    named.write("environments/team.yml", f"name: team\nversion: 3\n{body}\n")
    named.write("environments/conda.yml", "dependencies: [python=3.11, numpy=1.26]\n")
    environment = resolved(named, "azureml:team:3")
    assert environment.missing is None and environment.image is not None
    assert (environment.kind, environment.source) == (kind, source)
    assert environment.file_note == "azureml:team:3 is environments/team.yml here (version 3)"
    assert str(environment.position) == "jobs/train.yml:2:1"


def test_name_of_the_experiments_own_environment_is_its_own_image(named: Workspace) -> None:
    named.add("tiny", "print(1)")
    named.write("src/tiny/env.yml", "name: tiny-env\nversion: 1\nbuild: {path: ./environment}\n")
    environment = resolved(named, "azureml:tiny-env:1")
    assert environment.is_own and environment.folder == "src/tiny/environment"


@pytest.mark.parametrize(
    ("files", "environment", "code"),
    [
        ({}, "azureml:other:1", "environment-registered"),
        ({}, "azureml:team:4", "asset-version-missing"),
        ({"images/team.yml": FILES["environments/team.yml"]}, "azureml:team:3", "asset-ambiguous"),
        ({"environments/team.yml": "$schema: https://x/environment.schema.json\nname: team"},
         "azureml:team@latest", "environment-invalid"),
        ({"environments/team.yml": "name: team\nbuild: {path: nowhere}"},
         "azureml:team@latest", "dockerfile-missing"),
        ({}, "azureml://registries/azureml/environments/team/versions/3", "environment-registered"),
    ],
)  # fmt: skip
def test_name_without_a_usable_file_is_missing_for_its_reason(
    named: Workspace, files: dict[str, str], environment: str, code: str
) -> None:
    for path, text in files.items():
        named.write(path, text)
    missing = resolved(named, environment).missing
    assert missing is not None and missing.code == code


@pytest.mark.parametrize(
    "toml",
    ['[environment]\nimage = "mine:1"\n', '[environment.images]\n"team" = "mine:1"\n'],
)
def test_settings_come_before_the_file(named: Workspace, toml: str) -> None:
    named.write("jobs/innerloop.toml", toml)
    environment = resolved(named, "azureml:team:3")
    assert environment.image is not None and environment.image.name == "mine:1"


def test_check_names_what_is_not_clear_and_submission_does_not_look(named: Workspace) -> None:
    named.write("images/team.yml", FILES["environments/team.yml"])
    named.write("assets/other.yml", FILES["assets/digits.yml"])
    named.write("components/other/component.yml", FILES["components/count/component.yml"])
    disk = WorkspaceFiles(named.root)
    for file in ("jobs/train.yml", "jobs/flow.yml"):  # environment and data; component and data
        unclear = [one for one in check_text(FILES[file], file, disk) if "asset" in one.code]
        assert [one.code for one in unclear] == ["asset-ambiguous"] * 2
        assert all(one.severity is INFO for one in unclear)
        sent = check_text(FILES[file], file, WorkspaceFiles(named.root, finds_assets=False))
        assert not any("asset" in one.code for one in sent)


def test_check_reads_the_dockerfile_of_a_named_environment(named: Workspace) -> None:
    named.write("environments/image/Dockerfile", "FROM python:3.11\nCOPY nothing.txt .\n")
    text = FILES["jobs/train.yml"]
    findings = check_text(text, "jobs/train.yml", WorkspaceFiles(named.root))
    (found,) = [one for one in findings if one.code == "copy-source-missing"]
    assert str(found.position).startswith("environments/image/Dockerfile:2")
    assert found.severity is Severity.INFO


def test_f5_starts_a_job_with_named_data_by_loop_run(named: Workspace) -> None:
    named.add(
        "tiny",
        "print(1)",
        job="command: python train.py --x ${{inputs.x}}\ninputs: {x: {path: azureml:digits:2}}\n",
    )
    opened = loader.open_workspace(Path(named.root))
    experiment = loader.open_experiment(opened, "tiny")
    job = loader.open_job(opened, experiment)
    find = WorkspaceFiles(named.root).find_asset
    assert launch_json.configuration_of(experiment, job) is not None
    assert launch_json.configuration_of(experiment, job, find) is None


def test_complete_offers_the_assets_of_the_workspace(
    named: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    from innerloop.model.jobs.job_completion import complete
    from innerloop.workspace import job_values

    known = job_values.read(loader.open_workspace(named.root), "jobs/new.yml")
    items = complete("environment: \n", "jobs/new.yml", 1, 14, known).items
    described = {one.label: one.detail for one in items}
    assert described["azureml:team:3"] == "Described in environments/team.yml"
    assert "azureml:count:1" in known.components and "azureml:digits@latest" in known.data


def test_parity_compares_a_named_environment_by_its_name(named: Workspace) -> None:
    opened = loader.open_workspace(named.root)
    experiment, file = loader.choose_job(opened, "jobs/train.yml", None, named.root)
    job = loader.open_job(opened, experiment, file)
    (compared,) = columns.parity_of_job(opened, experiment, job)
    by_name = {column.backend: column for column in compared.columns}
    here, there = (by_name[one].facts["environment"] for one in ("docker", "azureml"))
    assert here.value == there.value == "azureml:team@latest"
    assert (here.shown, here.why) != ("", "")


def test_whole_pipeline_may_be_a_named_component(named: Workspace) -> None:
    named.write(
        "components/whole.yml", "name: whole\nversion: 1\ntype: pipeline\n" + STEPS.format("count")
    )
    opened = loader.open_workspace(named.root)
    job = parse_job("type: pipeline\ncomponent: azureml:whole:1\n", "jobs/whole.yml")
    (step,) = pipeline_plan.read(opened, job).steps
    assert (step.name, step.job.name) == ("a", "components/count/component.yml")


def test_nested_pipeline_component_that_names_itself_ends_with_an_error(named: Workspace) -> None:
    named.write(
        "components/whole.yml",
        "name: whole\nversion: 1\ntype: pipeline\n"
        "jobs: {a: {type: pipeline, component: azureml:whole:1}}\n",
    )
    opened = loader.open_workspace(named.root)
    job = parse_job("type: pipeline\ncomponent: azureml:whole:1\n", "jobs/whole.yml")
    with pytest.raises(UserError) as caught:
        pipeline_plan.read(opened, job)
    assert caught.value.code == "component-cyclic"


def test_missing_environment_of_a_large_workspace_says_that_not_all_was_searched(
    named: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_catalogue, "MOST_FOLDERS", 1)
    missing = resolved(named, "azureml:team:3").missing
    assert missing is not None and missing.code == "environment-registered"
    assert "only a part" in missing.hint
