"""The Dockerfile for an environment that is a lock, and the files that it copies. Pure.

Each is installed by its own program and checked against its hashes: nothing is resolved while the
image is built. The project's own code is not installed: a run mounts it.

Sources: uv's guide "Using uv in Docker"; Poetry's "poetry export"; pixi's "Container".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..environment_source import EnvironmentSource

# Where the environment is in the image; it is first on PATH.
ENVIRONMENT = "/opt/innerloop/env"
# The lock of uv itself, in the build's folder.
UV_LOCK = "uv-itself.txt"
REQUIREMENTS = "requirements.txt"
CONSTRAINTS = "constraints.txt"

_PIP = "--no-cache-dir --timeout 120 --disable-pip-version-check --root-user-action=ignore"
_HEAD = "FROM {base}\nUSER root\nWORKDIR /opt/innerloop\n"
_ENV = f"ENV PATH={ENVIRONMENT}/bin:$PATH VIRTUAL_ENV={ENVIRONMENT}\nWORKDIR /\n"


def usual_base(source: EnvironmentSource) -> str:
    """The base image where no setting names one."""
    if source.kind == "pixi":
        return "ghcr.io/prefix-dev/pixi:latest"
    return f"python:{source.usual_python}-slim-bookworm"


def lock_dockerfile(
    source: EnvironmentSource,
    base: str,
    *,
    hashed: bool = True,
    constrained: bool = False,
    options: Sequence[str] = ("--no-default-groups",),
) -> str:
    """The Dockerfile that installs a lock on a base image.

    `hashed`: each requirement has a hash. `constrained`: there is a file of constraints.
    `options`: uv's, for the groups of the project. A source that is a Dockerfile, a conda file or an asset has its own way, and raises ValueError.
    """
    if source.kind == "uv":
        return _with_uv(
            base,
            "pyproject.toml uv.lock",
            f"UV_PROJECT_ENVIRONMENT={ENVIRONMENT} uv sync --frozen --no-install-workspace "
            f"{' '.join(options)} --no-cache --no-python-downloads",
        )
    if source.kind == "pylock":
        return _with_uv(
            base,
            "pylock.toml",
            f"uv venv --no-python-downloads {ENVIRONMENT} && "
            f"uv pip sync --no-cache --python {ENVIRONMENT} pylock.toml",
        )
    if source.kind in ("poetry", "requirements"):
        option = "--require-hashes " if hashed else ""
        files = f"{REQUIREMENTS} {CONSTRAINTS}" if constrained else REQUIREMENTS
        return (
            _HEAD.format(base=base)
            + f"COPY {files} ./\n"
            + "RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install "
            + f"{_PIP} {option}-r {REQUIREMENTS}\n"
            + "WORKDIR /\n"
        )
    if source.kind == "pixi":
        manifest = source.manifest.rsplit("/", 1)[-1]
        path = "/opt/innerloop/.pixi/envs/default"
        return (
            _HEAD.format(base=base)
            + f"COPY {manifest} pixi.lock ./\n"
            + "RUN pixi install --frozen\n"
            + f"ENV PATH={path}/bin:$PATH CONDA_PREFIX={path}\nWORKDIR /\n"
        )
    raise ValueError(source.kind)


def _with_uv(base: str, files: str, command: str) -> str:
    return (
        _HEAD.format(base=base)
        + f"COPY {UV_LOCK} ./\n"
        + "RUN python3 -m venv /opt/innerloop/uv \\\n"
        + f"    && /opt/innerloop/uv/bin/pip install {_PIP} --require-hashes -r {UV_LOCK}\n"
        + f"COPY {files} ./\n"
        + f"RUN PATH=/opt/innerloop/uv/bin:$PATH && {command}\n"
        + _ENV
    )
