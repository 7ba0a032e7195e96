"""Dev containers of experiments whose environment is no Dockerfile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from innerloop.devcontainers import configuration
from innerloop.docker import image_build
from innerloop.model.dockerfiles.dockerfile import pruned
from innerloop.model.experiment import Experiment
from innerloop.model.workspace import Workspace
from innerloop.sync.render import devcontainer_json
from innerloop.sync.render.generated_files import Specification
from innerloop.util.errors import UserError
from innerloop.workspace import loader


def adopted(root: Path, environment: str) -> tuple[Workspace, Experiment]:
    """An experiment with this environment, and its generated dev container on disk."""
    for name in ("ml/train.py", "env/lock.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("", encoding="utf-8")
    (root / "env/train.yml").write_text("dependencies: [python=3.11]\n", encoding="utf-8")
    (root / "innerloop.toml").write_text(
        f'[experiments.train]\nfolder = "ml"\n{environment}\n', encoding="utf-8"
    )
    workspace = loader.open_workspace(root)
    experiment = loader.open_experiment(workspace, "train")
    if experiment.is_own:
        value = devcontainer_json.render(Specification(workspace, (experiment,), {}), experiment)
        path = root / devcontainer_json.path_of(experiment)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    return workspace, experiment


@pytest.mark.parametrize("name", ["lock.txt", "train.yml"])
def test_generated_dockerfile_is_what_up_builds_until_a_person_edits_it(
    tmp_path: Path, name: str
) -> None:
    workspace, experiment = adopted(tmp_path, f'environment = "env/{name}"')
    config = configuration.load(workspace, experiment)
    assert config.dockerfile == experiment.paths.dockerfile == ".devcontainer/train/Dockerfile"
    assert config.builds(experiment)  # it need not be there: `sync` writes it
    text = pruned(experiment.dockerfile, None)
    (tmp_path / experiment.paths.dockerfile).write_text(text, encoding="utf-8")
    assert configuration.load(workspace, experiment).builds(experiment)
    (tmp_path / experiment.paths.dockerfile).write_text(f"{text}RUN mine\n", encoding="utf-8")
    assert not configuration.load(workspace, experiment).builds(experiment)


def test_image_is_used_as_it_is(tmp_path: Path) -> None:
    workspace, experiment = adopted(tmp_path, 'environment = "python:3.11-slim"')
    config = configuration.load(workspace, experiment)
    assert (config.kind, config.value["image"]) == ("image", "python:3.11-slim")
    image = image_build.image_of(workspace, experiment, dev=True)
    assert (image.name, image.digest, image.dockerfile) == ("python:3.11-slim", "", None)
    assert "sha256sum" not in config.value["onCreateCommand"]["innerloop"]


def test_experiment_without_an_environment_has_no_dev_container(tmp_path: Path) -> None:
    workspace, experiment = adopted(tmp_path, "")
    with pytest.raises(UserError) as error:
        configuration.load(workspace, experiment)
    assert (error.value.code, error.value.where) == ("environment-undeclared", "innerloop.toml:1")


@pytest.mark.parametrize(
    ("copied", "words"),
    [
        ("env/lock.txt /l", "./env/lock.txt env/Dockerfile -type f"),
        ("env/*.txt /l/", "./env/*.txt env/Dockerfile -type f"),
        ('["env/with blank.txt", "/l"]', "'./env/with blank.txt' env/Dockerfile -type f"),
        (". /app", "-path ./outputs"),
    ],
)
def test_record_in_the_container_has_what_the_dockerfile_copies(
    tmp_path: Path, copied: str, words: str
) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/Dockerfile").write_text(f"FROM python:3.11\nCOPY {copied}\n", encoding="utf-8")
    workspace, experiment = adopted(tmp_path, 'environment = "env/Dockerfile"\ncontext = "."')
    value = configuration.load(workspace, experiment).value
    assert words in value["onCreateCommand"]["innerloop"]
    assert value["build"]["dockerfile"] == "../../env/Dockerfile"
    assert value["build"]["context"] == "../.."
