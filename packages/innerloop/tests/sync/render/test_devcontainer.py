"""The rendered devcontainer.json: what VS Code, Codespaces and the devcontainer CLI read."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import parse_option
from innerloop.model.jobs.job import parse_job
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render.generated_files import Specification, generate
from tests.support import ROOT

SCHEMAS = Path(os.environ.get("INNERLOOP_SCHEMAS", ROOT.parent / "shared" / "schemas"))
THREE = "FROM python:3.11 AS base\nFROM base AS dev\nUSER dev\nFROM base AS job\n"
JOB = "command: python train.py\ncode: .\nenvironment: {build: {path: ./environment}}\n"


def rendered(text: str = THREE, job: str = JOB, name: str = "line", **settings: Any) -> Any:
    experiment = Experiment(
        name, parse(text, "Dockerfile"), Settings(**settings), files=("README.md", "train.py")
    )
    jobs = {name: parse_job(job, f"src/{name}/azure-ml-job.yaml")}
    subject = Specification(Workspace("/home/me/w", Settings(), (name,)), (experiment,), jobs)
    return generate(subject)[f".devcontainer/{name.replace('/', '.')}/devcontainer.json"]


def test_it_builds_the_dev_stage_as_azure_ml_builds_the_job() -> None:
    build = rendered()["build"]
    assert build["dockerfile"] == "../../src/line/environment/Dockerfile"
    assert build["context"] == "../../src/line/environment"
    assert build["target"] == "dev"


def test_a_single_stage_has_no_target() -> None:
    assert "target" not in rendered("FROM python:3.11\n")["build"]


def test_a_dev_stage_of_another_name() -> None:
    text = THREE.replace("dev\n", "people\n")
    assert rendered(text, dev_stage="people")["build"]["target"] == "people"


@pytest.mark.parametrize("name", ["line", "Shop/Churn", "shop/a b", "x_1__2"])
def test_its_image_has_a_name_of_its_own(name: str) -> None:
    """Without a variable: `devcontainer build` fills in none that would be unique."""
    (tag,) = [one for one in rendered(name=name)["build"]["options"] if one.startswith("--tag=")]
    repository, _, version = tag.removeprefix("--tag=").partition(":")
    assert version == "dev"
    assert re.fullmatch(r"innerloop/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", repository), tag


@pytest.mark.parametrize(
    ("end", "user"),
    [
        ("USER dev\n", "dev"),
        ("USER dev:dev\n", "dev"),
        ("USER root\n", None),
        ("USER 0\n", None),
        ("USER 1001\n", None),
        ("ARG NAME=dev\nUSER $NAME\n", None),
        ("", None),
    ],
)
def test_the_user_is_the_dockerfiles(end: str, user: str | None) -> None:
    """Left away where only the image knows it, and where `loop up` puts the person there."""
    assert rendered("FROM python:3.11\n" + end).get("remoteUser") == user


def test_the_ports_of_services_have_their_names() -> None:
    job = JOB + (
        "services:\n  my_board: {type: tensor_board, port: 6007}\n"
        "  my_app: {type: custom, port: '8501'}\n  my_shell: {type: ssh}\n"
    )
    value = rendered(job=job, ports=(9000, 8501))
    assert value["forwardPorts"] == [8888, 6006, 6007, 8501, 9000]
    labels = {port: one["label"] for port, one in value["portsAttributes"].items()}
    assert labels == {
        "8888": "JupyterLab",
        "6006": "TensorBoard",
        "6007": "my_board",
        "8501": "my_app",
        "9000": "line: 9000",
    }


def test_the_editor_is_set_up_for_this_experiment() -> None:
    vscode = rendered()["customizations"]["vscode"]
    assert {
        "ms-python.python",
        "ms-python.debugpy",
        "ms-python.black-formatter",
        "ms-toolsai.jupyter",
        "ms-toolsai.vscode-ai",
    } <= set(vscode["extensions"])
    settings = vscode["settings"]
    assert settings["python.testing.cwd"] == "${containerWorkspaceFolder}/src/line"
    assert settings["python.testing.pytestEnabled"] is True
    assert settings["[python]"]["editor.formatOnSave"] is True


def test_codespaces_opens_the_experiments_file() -> None:
    assert rendered()["customizations"]["codespaces"] == {"openFiles": ["src/line/train.py"]}


def test_no_feature_no_host_path_and_no_command_on_the_host() -> None:
    value = rendered()
    assert not {"features", "initializeCommand", "dockerComposeFile"} & set(value)
    assert "/home/me" not in json.dumps(value)


@pytest.mark.parametrize("name", ["line", "it's a $HOME; line", "shop/churn"])
def test_its_commands_end_well_whatever_is_missing(name: str, tmp_path: Path) -> None:
    """In a container without the folders, without `code`, without sha256sum: it must open."""
    value = rendered(name=name)
    commands = {**value["onCreateCommand"], **value["postAttachCommand"]}
    assert set(commands) == {"innerloop", "owner", "extension", "open"}
    for command in commands.values():
        env = {"PATH": "/nowhere", "HOME": str(tmp_path)}
        done = subprocess.run(["/bin/sh", "-c", command], env=env, cwd=tmp_path, check=False)
        assert done.returncode == 0, command


def test_extension_of_the_workspace_is_linked_for_a_server_that_has_no_list(tmp_path: Path) -> None:
    """In the folder where each editor's server looks; nothing without the extension's folder."""
    command = rendered()["onCreateCommand"]["extension"]
    workspace, home = tmp_path / "our work", tmp_path / "home"
    folder = workspace / ".vscode" / "extensions" / "innerloop"
    folder.mkdir(parents=True)
    home.mkdir()

    def found() -> list[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(home)}
        subprocess.run(["/bin/sh", "-c", command], env=env, cwd=workspace, check=True)
        return sorted(
            path.parent.parent.parent.name for path in home.glob(".*/extensions/*/package.json")
        )

    assert (found(), list(home.iterdir())) == ([], [])
    (folder / "package.json").write_text("{}", encoding="utf-8")
    listed = home / ".vscode-server" / "extensions" / "extensions.json"
    listed.parent.mkdir(parents=True)
    listed.write_text("[]", encoding="utf-8")
    for _ in range(2):
        assert {".vscode-remote", ".vscode-server-insiders"} <= set(found())
    assert [path.name for path in listed.parent.iterdir()] == [listed.name]
    assert [path.name for path in folder.iterdir()] == ["package.json"]
    (home / ".vscode-remote" / "extensions" / "innerloop.innerloop-0.0.0").unlink()
    (home / ".vscode-remote" / "extensions").rmdir()
    (home / ".vscode-remote" / "extensions").write_text("no folder", encoding="utf-8")
    assert ".vscode-remote" not in found()


def test_what_it_was_made_from_is_kept(tmp_path: Path) -> None:
    name = "it's a line"
    folder = tmp_path / "src" / name / "environment"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM x\n")
    config = tmp_path / ".devcontainer" / name
    config.mkdir(parents=True)
    (config / "devcontainer.json").write_text("{}")
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = rendered(name=name)["onCreateCommand"]["innerloop"]
    subprocess.run(["/bin/sh", "-c", command], env=env, cwd=tmp_path, check=True)
    kept = tmp_path / ".innerloop"
    assert (kept / "devcontainer.json").read_text() == "{}"
    assert (kept / "environment.sha256").read_text().endswith("  ./Dockerfile\n")
    assert (tmp_path / "cache").is_dir()


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no schemas at {SCHEMAS} (INNERLOOP_SCHEMAS)")
@pytest.mark.parametrize("text", [THREE, "FROM python:3.11\n"], ids=["three", "one"])
@pytest.mark.parametrize("gpu", ["auto", "all", "none"])
def test_valid_and_no_unknown_key(gpu: str, text: str) -> None:
    folder = SCHEMAS / "devcontainer"
    base = json.loads((folder / "devContainer.base.schema.json").read_text())
    value = rendered(text, gpu=parse_option(gpu))
    validator = jsonschema.Draft201909Validator(base)
    validator.validate(value)
    assert not validator.is_valid({**value, "remoteUsr": "dev"})  # so an unknown key is seen
    for name in ("vscode", "codespaces"):
        schema = json.loads((folder / f"devContainer.{name}.schema.json").read_text())
        own = schema["properties"]["customizations"]["properties"][name]["properties"]
        assert set(value["customizations"][name]) <= set(own)
