"""`.devcontainer/<slug>/devcontainer.json`: Reopen in Container, Codespaces, the devcontainer CLI.

The file is the same in every clone and opens without this tool: what differs between machines
(a name for the image, the workspace's path) is a variable in it, and its commands are plain `sh`. Source: the Development Containers Specification (devContainer.base.schema.json).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from ...model import build_context
from ...model.container import image_name_part
from ...model.editor_variables import has_variable
from ...model.experiment import MARK, Experiment
from ...model.jobs.shm_size import SHM_SIZE
from .generated_files import Json, Specification

if TYPE_CHECKING:  # reading a generated file needs no YAML
    from ...model.jobs.job import Job

EXTENSIONS = [
    "ms-python.python",
    "ms-python.debugpy",
    "ms-python.black-formatter",
    "ms-python.isort",
    "ms-toolsai.jupyter",
    "ms-toolsai.vscode-ai",
]

# VS Code's extension of the workspace, and how it reaches an editor's server in a container without a
# gallery: by a link in the folder of extensions, which the server reads at its first start. One that
# has a list of its extensions no longer reads the folder, and is left alone. Codespaces has the third.
EXTENSION = ".vscode/extensions/innerloop"
_SERVERS = ".vscode-server .vscode-server-insiders .vscode-remote .cursor-server .windsurf-server"
LINK_EXTENSION = (
    f"! [ -e {EXTENSION}/package.json ] || for server in {_SERVERS};"
    ' do there="$HOME/$server/extensions"; [ -e "$there/extensions.json" ]'
    f' || {{ mkdir -p "$there" && ln -sfn "$PWD/{EXTENSION}" "$there/innerloop.innerloop-0.0.0"; }}'
    " || exit 1; done"
)

PORTS = {8888: "JupyterLab", 6006: "TensorBoard"}

# A new volume gets the owner and mode of the folder that it hides. /var/tmp is writable for everyone
# in every usual image, whoever its user is, so the volume is as well. pip, torch and huggingface all
# keep their caches below XDG_CACHE_HOME.
VOLUME = "innerloop-cache-${devcontainerId}"
VOLUME_TARGET = "/var/tmp"
CACHE = f"{VOLUME_TARGET}/cache"

# Where a container keeps, in its user's home, what it was made from: see `devcontainers/staleness`.
MADE_FROM = "~/.innerloop"
CONFIGURATION = "devcontainer.json"
CHECKSUMS = "environment.sha256"


def path_of(experiment: Experiment) -> str:
    """The file of its dev container, relative to the workspace's root: generated, or one of theirs."""
    return experiment.paths.devcontainer or f".devcontainer/{experiment.slug}/devcontainer.json"


def render(specification: Specification, experiment: Experiment) -> Json:
    value: dict[str, Json] = {"name": experiment.name}
    if experiment.paths.source == "image":
        value["image"] = experiment.paths.environment
    else:
        value["build"] = _build(experiment)
    job = specification.jobs.get(experiment.name)
    value.update(_gpu(experiment, job))
    if user := _user(experiment):
        value["remoteUser"] = user
    value["containerEnv"] = _environment(experiment)
    if variables := _project_tools(experiment):
        value["remoteEnv"] = variables
    value["mounts"] = [{"type": "volume", "source": VOLUME, "target": VOLUME_TARGET}]
    labels = _ports(experiment, job)
    value["forwardPorts"] = list(labels)
    value["portsAttributes"] = {
        str(port): {"label": label, "onAutoForward": "silent"} for port, label in labels.items()
    }
    value["onCreateCommand"] = {
        "innerloop": _record(experiment),
        "owner": _owner(experiment),
        **extension_command(specification),
    }
    opened = [posixpath.normpath(f"{experiment.folder}/{name}") for name in _first(experiment)]
    if opened:
        value["postAttachCommand"] = {"open": _open(opened[0])}
    value["customizations"] = {
        "vscode": {"extensions": EXTENSIONS, "settings": _settings(experiment)},
        "codespaces": {"openFiles": opened},
    }
    return value


def extension_command(specification: Specification) -> dict[str, Json]:
    """Make the workspace's extension known to the editor's server; the container opens without it."""
    return {"extension": f"({LINK_EXTENSION}) || true"} if specification.extension else {}


def _build(experiment: Experiment) -> Json:
    """The `build` section of devcontainer.json.

    Its tag is a name for people and for the builder's cache, the same in every clone. The newest
    build has it, and nothing is started by it. (No variable makes it unique to a clone:
    `devcontainer build`, which prebuilds use, has no devcontainerId, and a folder's name is not
    always a valid tag.) `loop up` uses names with a hash of the clone's path. By the labels, `loop
    clean` and `loop doctor` find what VS Code built, and for which clone.
    """
    paths, folder = experiment.paths, posixpath.dirname(path_of(experiment))
    build: dict[str, Json] = {
        "dockerfile": posixpath.relpath(paths.dockerfile, folder),
        "context": posixpath.relpath(paths.context, folder),
    }
    name = experiment.dev_stage.name
    if name and not has_variable(name):
        build["target"] = name
    slug = re.sub(r"[^a-z0-9._-]+", "-", experiment.slug.lower()).strip("._-")
    build["options"] = [
        f"--tag=innerloop/{slug}:dev",
        f"--label=innerloop.experiment={experiment.name}",
        "--label=innerloop.workspace=${localWorkspaceFolder}",
    ]
    if registry := experiment.settings.registry:
        stage = "job" if experiment.dev_stage == experiment.dockerfile.last else "dev"
        build["cacheFrom"] = f"{registry}/{image_name_part(experiment.slug)}:{stage}"
    return build


def _user(experiment: Experiment) -> str:
    """The Dockerfile's own USER.

    It is "" for root and for a bare number, so that `loop up` can add the host's user, and for a
    name that an ARG decides, which only the image has.
    """
    dockerfile, stage = experiment.dockerfile, experiment.dev_stage
    user = dockerfile.user_of(stage).split(":")[0]
    is_name = re.fullmatch(r"[\w.-]+", user) is not None
    is_own = is_name and user != "root" and not user.isdigit()
    return user if is_own and not dockerfile.user_is_variable(stage) else ""


def _environment(experiment: Experiment) -> Json:
    """Variables that make git read the mounted folder whoever owns it on the host.

    They need no change to a person's configuration file. Source: git-config, GIT_CONFIG_COUNT.
    """
    return {
        MARK: experiment.name,
        "XDG_CACHE_HOME": CACHE,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


# Files of a project -> the variables by which its tool keeps the environment out of the mounted
# folder, where the host's own is. Source: the reference of each tool's settings.
_PROJECT_TOOLS: dict[tuple[str, ...], dict[str, str]] = {
    ("pyproject.toml", "uv.lock"): {"UV_PROJECT_ENVIRONMENT": f"{VOLUME_TARGET}/environments/uv"},
    ("poetry.lock", "poetry.toml"): {"POETRY_VIRTUALENVS_IN_PROJECT": "false"},
    ("pdm.lock", "pdm.toml"): {"PDM_VENV_IN_PROJECT": "false", "PDM_IGNORE_SAVED_PYTHON": "1"},
    ("Pipfile",): {"PIPENV_VENV_IN_PROJECT": "0"},
}


def _project_tools(experiment: Experiment) -> dict[str, Json]:
    """Variables for uv, poetry, PDM and Pipenv, where the experiment is a project of theirs.

    One that the image sets stays.
    """
    return {
        name: f"${{containerEnv:{name}:{value}}}"
        for names, variables in _PROJECT_TOOLS.items()
        if set(names) & set(experiment.files)
        for name, value in variables.items()
    }


def _gpu(experiment: Experiment, job: Job | None) -> dict[str, Json]:
    """The GPU request and the shared memory, which is the job's.

    "auto" asks for a GPU where there is one; "all", a count and a list of devices require it.
    """
    size = job.shm_size if job is not None else ""
    # An invalid size would keep the container from opening: `loop check` reports it.
    shared = ["--shm-size", size if SHM_SIZE.fullmatch(size) else "2g"]
    gpu = experiment.settings.gpu
    if gpu.kind == "auto":
        return {"hostRequirements": {"gpu": "optional"}, "runArgs": shared}
    if gpu.is_required:
        return {"runArgs": ["--gpus", gpu.docker_value, *shared]}
    return {"runArgs": shared}


def _ports(experiment: Experiment, job: Job | None) -> dict[int, str]:
    """Port -> label: the usual two, those of the job's services, those of the settings."""
    ports = dict(PORTS)
    for name, service in (job.services if job is not None else {}).items():
        port = str(service.get("port") or "") if isinstance(service, dict) else ""
        if port.isdigit() and 0 < int(port) < 65536:
            ports[int(port)] = f"{experiment.name}: {port}" if has_variable(name) else name
    for number in experiment.settings.ports:
        ports.setdefault(number, f"{experiment.name}: {number}")
    return ports


def _record(experiment: Experiment) -> str:
    """Record in the container what it was made from.

    With it `loop outdated` can report what has changed since. The container opens even if this
    fails.
    """
    sums = ""
    if experiment.paths.source != "image":
        folder = shlex.quote(experiment.paths.context)
        command = f"find {_counted(experiment)} -type f -exec sha256sum {{}} +"
        sums = f" && cd {folder} && {command} > {MADE_FROM}/{CHECKSUMS}"
    return (
        f"mkdir -p {MADE_FROM} && cp {shlex.quote(path_of(experiment))} {MADE_FROM}/{CONFIGURATION}"
        f'{sums} || true; mkdir -p "$XDG_CACHE_HOME" || true'
    )


def _counted(experiment: Experiment) -> str:
    """The words after `find` for the files that the environment is made from.

    Of a folder that is shared with code and data they are what the Dockerfile copies, and itself.
    """
    if not experiment.paths.is_shared:
        return "."
    own = shlex.quote(experiment.paths.dockerfile_in_context)
    sources = build_context.sources_of(experiment.dockerfile)
    if sources is None:
        left_out = " -o ".join(
            [
                *(f"-name {name}" for name in sorted(build_context.NEVER)),
                *(f"-path ./{name}" for name in sorted(build_context.NEVER_AT_TOP)),
            ]
        )
        return f". {own} -type d \\( {left_out} \\) -prune -o"
    # The shell expands a pattern as Docker does; with other letters it is one file's name.
    words = [
        word if re.fullmatch(r"[\w./*?-]+", word, re.ASCII) else shlex.quote(word)
        for word in (f"./{source}" for source in sources)
    ]
    return " ".join([*words, own])


def _owner(experiment: Experiment) -> str:
    """A command that warns if files made in the container would not be the host user's.

    An editor cannot give the container's user the host's UID if that is taken, or root's, or if the
    image has no user but root.
    """
    message = (
        "innerloop: files made in this container would not be yours. On the host run: "
        f"scripts/loop up {shlex.quote(experiment.name)} --rebuild; then reopen"
    )
    return (
        '[ -w . ] && { [ "$(id -u)" != 0 ] || [ "$(stat -c %u .)" = 0 ]; }'
        f" || echo {shlex.quote(message)}"
    )


def _open(file: str) -> str:
    """Opens the experiment's file in the editor the first time; only VS Code has `code`."""
    mark = f"{MADE_FROM}/opened"
    return (
        f"[ -e {mark} ] || ! command -v code > /dev/null"
        f" || {{ code {shlex.quote(file)} && touch {mark}; }} || true"
    )


def _settings(experiment: Experiment) -> Json:
    return {
        "python.defaultInterpreterPath": "python",
        "python.testing.pytestEnabled": True,
        "python.testing.unittestEnabled": False,
        "python.testing.cwd": posixpath.normpath(
            "${containerWorkspaceFolder}/" + experiment.folder
        ),
        "python.testing.pytestArgs": experiment.panel_arguments,
        "[python]": {
            "editor.defaultFormatter": "ms-python.black-formatter",
            "editor.formatOnSave": True,
            "editor.codeActionsOnSave": {"source.organizeImports": "explicit"},
        },
        "isort.args": ["--profile", "black"],
        **_kernel(experiment),
    }


def _kernel(experiment: Experiment) -> Json:
    """Python's own images have their interpreter in /usr/local.

    Debian's, which a system package may install, has none of the experiment's packages: without it
    a notebook has one kernel to choose from. Source: the Jupyter extension's settings.
    """
    image = experiment.dockerfile.image_of(experiment.dev_stage)
    if not re.match(r"(docker\.io/)?(library/)?python:", image):
        return {}
    return {"jupyter.kernels.excludePythonEnvironments": ["/usr/bin/python3", "/bin/python3"]}


def _first(experiment: Experiment) -> list[str]:
    """The file to open first; empty if there is none."""
    names = ["train.py", "README.md"]
    return [name for name in names if name in experiment.files][:1]
