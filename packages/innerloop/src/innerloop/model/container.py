"""A container as a value, and the argv of `docker run` that starts it. Pure.

Whatever changes a container (a debugger, a port, another command) changes the value; `run_argv` turns
it into words at the end, and nothing takes those words apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, Protocol, get_args

from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .host_paths import Bind, to_host

# The engines, which are also the names of their clients.
EngineKind = Literal["docker", "podman"]
ENGINE_KINDS: tuple[EngineKind, ...] = get_args(EngineKind)
DOCKER, PODMAN = ENGINE_KINDS

# Labels of our images and containers.
DIGEST_LABEL = "innerloop.digest"
BASES_LABEL = "innerloop.bases"
WORKSPACE_LABEL = "innerloop.workspace"
EXPERIMENT_LABEL = "innerloop.experiment"
RUN_LABEL = "innerloop.run"
# The GPUs that a dev container was created with: "all", "0,2", "none".
GPU_LABEL = "innerloop.gpus"

# The network of containers with ports: no other container can reach one in it.
APART = "innerloop-apart"


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount: a host path, where it appears, and whether it can be written there.

    With a `view`, that folder of the host appears there instead, with the folders `parts` of
    `source` mounted into it: the container sees what is in `source`, and what it adds beside that
    stays in the view. `is_for_plain` is a mount that is needed only where the folder that it is in
    is mounted itself, and not a view of it.
    """

    source: str
    target: str
    read_only: bool = False
    view: str = ""
    parts: tuple[str, ...] = ()
    is_for_plain: bool = False

    def each(self) -> tuple[Mount, ...]:
        """What the engine is told: one mount, or those of the view and its parts."""
        if self.is_for_plain:
            return ()
        if not self.view:
            return (self,)
        parts = (Mount(_inside(self.source, name), f"{self.target}/{name}") for name in self.parts)
        return (Mount(self.view, self.target), *parts)

    def plain(self) -> Mount:
        """The mount of `source` itself."""
        return replace(self, view="", parts=(), is_for_plain=False)

    def text(self) -> str:
        """The value of `--mount`.

        Docker reads it as one line of CSV, so a path may hold commas and quotes.
        """
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        if self.read_only:
            fields.append("readonly")
        if not any(character in field for field in fields for character in '",\r\n'):
            return ",".join(fields)
        import csv  # here: few paths need it
        import io

        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(fields)
        return line.getvalue()


def _inside(folder: str, name: str) -> str:
    """A path in a folder of the engine's machine, whose system may be another one than ours."""
    separator = "\\" if "\\" in folder and "/" not in folder else "/"
    return f"{folder.rstrip(separator)}{separator}{name.replace('/', separator)}"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the container that answers at 127.0.0.1 of this machine.

    `gated`: a gate of the tool answers there, to this user alone, for as long as the tool waits for
    the container. Else the engine publishes it, to every user of the machine.
    """

    host: int
    container: int
    gated: bool = False

    def text(self) -> str:
        """The value of `--publish`."""
        return f"127.0.0.1:{self.host}:{self.container}"


class ContainerStarter(Protocol):
    """A program that starts a container as a process of its own, without an engine."""

    def argv(self, spec: ContainerSpec) -> list[str]:
        """The words that start the container."""

    def with_workdir(self, folder: str) -> ContainerStarter:
        """The same with a folder of this machine for what the container has in /tmp."""

    def variables(
        self, environ: Mapping[str, str], names: Iterable[str], secrets: Mapping[str, str]
    ) -> dict[str, str]:
        """The program's own variables, by which it hands over the `secrets` with these names."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to start.

    An empty text or tuple means the image's or the engine's own value; `image_workdir` is the
    image's own working directory as far as it is known. `entrypoint` replaces the image's
    ENTRYPOINT: "" leaves it out, so that `command` is all that is started; None keeps it. `groups`
    are the numbers of the user's further groups.

    `client_env` are names of variables whose values the engine's client takes from its own
    environment, so that no argv shows them. `devices` are options that hand devices over
    (`--gpus all`); `options` are further options of `docker run`, of which the last one counts.
    `apart` puts a container with ports into the network where no other container can reach it, unless
    `options` choose a network. `remove` deletes the container when it ends. `image` is empty where this machine has none: the
    rest of the value still describes the container. `program` is the engine's client. `init` adds a process that reaps children and forwards
    signals.

    The engine's client starts it, or a `starter` without an engine: it is then a process of this
    machine, ends with it, and has this machine's network.
    """

    image: str
    command: tuple[str, ...] = ()
    name: str = ""
    entrypoint: str | None = None
    user: str = ""
    groups: tuple[int, ...] = ()
    workdir: str = ""
    image_workdir: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    client_env: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    apart: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    shm_size: str = ""
    devices: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    interactive: bool = False
    terminal: bool = False
    detach: bool = False
    remove: bool = True
    program: str = DOCKER
    init: bool = True
    starter: ContainerStarter | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The words that start it."""
        return tuple(run_argv(self) if self.starter is None else self.starter.argv(self))

    @property
    def cwd(self) -> str:
        return self.workdir or self.image_workdir

    @property
    def network(self) -> str:
        """The network that `options` choose; "" for the engine's default network."""
        if self.starter is not None:
            return "host"
        return self.option("--network", "--net")

    def option(self, *names: str) -> str:
        """The value of the last of `options` with one of these names; "" without one."""
        return last_option(self.options, *names)

    @property
    def is_apart(self) -> bool:
        return self.apart and bool(self.ports) and not self.network

    def with_env(self, values: Mapping[str, str]) -> ContainerSpec:
        return replace(self, env={**self.env, **values})

    def with_client_env(self, *names: str) -> ContainerSpec:
        return replace(self, client_env=(*self.client_env, *names))

    def with_mounts(self, *mounts: Mount) -> ContainerSpec:
        return replace(self, mounts=(*self.mounts, *mounts))

    def with_port(self, host: int, container: int) -> ContainerSpec:
        """On the host's own network a port is there without being published."""
        if self.network == "host":
            return self
        return replace(self, ports=(*self.ports, PublishedPort(host, container)))

    def with_command_prefix(self, words: Sequence[str]) -> ContainerSpec:
        return replace(self, command=(*words, *self.command))


def last_option(words: Sequence[str], *names: str) -> str:
    """The value of the last of these options among words of `docker run`; "" without one."""
    chosen = ""
    for word, following in zip(words, (*words[1:], ""), strict=False):
        name, _, value = word.partition("=")
        if name in names:
            chosen = value or following
    return chosen


def run_argv(spec: ContainerSpec) -> list[str]:
    """The argv of the client's `run`."""
    argv = [spec.program, "run"]
    argv += ["--detach"] if spec.detach else []
    argv += ["--rm"] if spec.remove else []
    argv += ["--init"] if spec.init else []
    argv += ["--name", spec.name] if spec.name else []
    argv += ["--interactive"] if spec.interactive else []
    argv += ["--tty"] if spec.terminal else []
    for key, value in spec.labels.items():
        argv += ["--label", f"{key}={value}"]
    argv += ["--entrypoint", spec.entrypoint] if spec.entrypoint is not None else []
    argv += ["--user", spec.user] if spec.user else []
    for group in spec.groups:
        argv += ["--group-add", str(group)]
    argv += ["--shm-size", spec.shm_size] if spec.shm_size else []
    argv += spec.devices
    argv += ["--network", APART] if spec.is_apart else []
    for port in spec.ports:
        argv += [] if port.gated else ["--publish", port.text()]
    argv += spec.options
    argv += ["--workdir", spec.workdir] if spec.workdir else []
    for mount in spec.mounts:
        for part in mount.each():
            argv += ["--mount", part.text()]
    for key, value in spec.env.items():
        argv += ["--env", f"{key}={value}"]
    for name in spec.client_env:
        argv += ["--env", name]
    return [*argv, require_image_name(spec.image), *spec.command]


@dataclass(frozen=True, slots=True)
class ContainerContext:
    """What this machine adds to a container.

    The program in the container sees `env` and `mounts`; `secrets` are variables of the engine's
    client, which `options` pass on by name and nothing prints. `binds` are the mounts of the
    container that we are in ourselves.
    """

    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    notes: tuple[str, ...] = ()

    def on_host(self, mount: Mount) -> Mount:
        """The mount with its source as the engine's machine has it.

        A path that exists in our container only raises UserError: the engine would create an empty
        folder of that name.
        """
        if not self.binds:
            return mount
        view = self._path_on_host(mount.view) if mount.view else ""
        return replace(mount, source=self._path_on_host(mount.source), view=view)

    def _path_on_host(self, path: str) -> str:
        found = to_host(path, self.binds)
        if found is None:
            raise UserError(
                f"{path} exists in this container only, so the engine cannot mount it",
                code="mount-source-in-container",
                hint="Move it into the workspace's folder, or run it from a terminal on the host",
            )
        return found


# As engines accept it; an option of theirs begins with "-".
_IMAGE_NAME = late_pattern(r"[A-Za-z0-9][\w.:/@+-]{0,1000}", re.ASCII)


def is_image_name(text: str) -> bool:
    """Whether an engine takes the text as an image's name, and not as one of its options."""
    return _IMAGE_NAME.fullmatch(text) is not None


def require_image_name(text: str) -> str:
    """The name of an image. Raises UserError for a text that cannot be one."""
    if not is_image_name(text):
        raise UserError(
            f'"{text[:60]}" cannot be the name of an image',
            code="image-invalid",
            hint="Write a name such as python:3.11-slim or registry.example/name:tag",
        )
    return text


NO_CONTEXT = ContainerContext()


def image_name_part(text: str) -> str:
    """A part of an image's or container's name.

    It has small letters and digits, with `.`, `_`, `-` between them (Source: the reference grammar
    of OCI image names).
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return re.sub(r"(?<=[._-])[._-]+", "", plain).strip("._-")[:100] or "job"
