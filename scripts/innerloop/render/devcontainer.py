"""`.devcontainer/<slug>/devcontainer.json`: Reopen in Container, Codespaces, the devcontainer CLI.

Source: the Development Containers Specification (devContainer.base.schema.json).
"""

from __future__ import annotations

from ..spec.experiment import MARK, Experiment
from . import Json, Subject

EXTENSIONS = [
    "ms-python.python",
    "ms-python.debugpy",
    "ms-python.black-formatter",
    "ms-python.isort",
    "ms-toolsai.jupyter",
    "ms-toolsai.vscode-ai",
]

PORTS = {
    8888: {"label": "JupyterLab", "onAutoForward": "silent"},
    6006: {"label": "TensorBoard", "onAutoForward": "silent"},
}


def render(subject: Subject, experiment: Experiment) -> Json:
    up = "../../"
    environment = f"{up}{experiment.folder}/environment"
    stage = experiment.dev_stage
    build: dict[str, Json] = {"dockerfile": f"{environment}/Dockerfile", "context": environment}
    if stage.name:
        build["target"] = stage.name
    # The same in every clone: no name of a folder on one machine.
    value: dict[str, Json] = {
        "name": experiment.name,
        "build": build,
    }
    value.update(_gpu(subject, experiment))
    if user := experiment.dockerfile.user_of(stage):
        value["remoteUser"] = user.split(":")[0]
    value["containerEnv"] = {MARK: experiment.name}
    ports = [*PORTS, *(port for port in experiment.settings.ports if port not in PORTS)]
    value["forwardPorts"] = ports
    value["portsAttributes"] = {str(port): label for port, label in PORTS.items()}
    value["customizations"] = {
        "vscode": {"extensions": EXTENSIONS, "settings": _settings(experiment)},
        "codespaces": {"openFiles": [f"{experiment.folder}/{name}" for name in _first(experiment)]},
    }
    return value


def _gpu(subject: Subject, experiment: Experiment) -> dict[str, Json]:
    """ "auto" asks for a GPU where there is one; "all" insists. Shared memory is the job's."""
    job = subject.jobs.get(experiment.name)
    shared = ["--shm-size", job.shm_size if job is not None else "2g"]
    policy = experiment.settings.gpu
    if policy == "auto":
        return {"hostRequirements": {"gpu": "optional"}, "runArgs": shared}
    if policy == "all":
        return {"runArgs": ["--gpus", "all", *shared]}
    return {"runArgs": shared}


def _settings(experiment: Experiment) -> Json:
    return {
        "python.defaultInterpreterPath": "python",
        "python.testing.pytestEnabled": True,
        "python.testing.cwd": "${containerWorkspaceFolder}/" + experiment.folder,
        "python.testing.pytestArgs": ["."],
        "editor.formatOnSave": True,
    }


def _first(experiment: Experiment) -> list[str]:
    """The file to look at first."""
    wanted = ["train.py", "README.md"]
    return [name for name in wanted if name in experiment.files][:1]
