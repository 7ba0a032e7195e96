"""Variables in devcontainer.json that keep a project's environment out of the mounted folder."""

from __future__ import annotations

import pytest

from innerloop.model.devcontainer_variables import remote_environment
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render import devcontainer_json
from innerloop.sync.render.generated_files import Specification


def remote(*files: str, **container: str) -> dict[str, str]:
    """What a program in the dev container has of `remoteEnv`; `container` are the image's own."""
    experiment = Experiment("line", parse("FROM a\n", "Dockerfile"), Settings(), files=files)
    workspace = Workspace("/home/me/w", Settings(), ("line",))
    value = devcontainer_json.render(Specification(workspace, (experiment,), {}), experiment)
    assert isinstance(value, dict)
    return remote_environment(value, local={}, container=container, folders={})


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("pyproject.toml", {"UV_PROJECT_ENVIRONMENT": "/var/tmp/environments/uv"}),
        ("uv.lock", {"UV_PROJECT_ENVIRONMENT": "/var/tmp/environments/uv"}),
        ("poetry.lock", {"POETRY_VIRTUALENVS_IN_PROJECT": "false"}),
        ("pdm.lock", {"PDM_VENV_IN_PROJECT": "false", "PDM_IGNORE_SAVED_PYTHON": "1"}),
        ("Pipfile", {"PIPENV_VENV_IN_PROJECT": "0"}),
        ("train.py", {}),
    ],
)
def test_project_of_a_tool_has_its_environment_in_the_container(
    file: str, expected: dict[str, str]
) -> None:
    assert remote(file) == expected


def test_variable_that_the_image_sets_stays() -> None:
    assert remote("uv.lock", UV_PROJECT_ENVIRONMENT="/opt/venv") == {
        "UV_PROJECT_ENVIRONMENT": "/opt/venv"
    }
