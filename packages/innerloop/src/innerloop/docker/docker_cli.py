"""Command lines of the engine's client as argv lists. Nothing here runs a program."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from ..model.container import (
    BASES_LABEL,
    DIGEST_LABEL,
    EXPERIMENT_LABEL,
    PODMAN,
    RUN_LABEL,
    WORKSPACE_LABEL,
    Mount,
    require_image_name,
)
from ..util.digests import sha256
from . import client


def _is_podman() -> bool:
    """Whether the client is Podman's, which has other words for a few things."""
    return client.current().kind == PODMAN


def _label(key: str) -> str:
    """A container's label in a template of `ps`."""
    return f'{{{{index .Labels "{key}"}}}}' if _is_podman() else f'{{{{.Label "{key}"}}}}'


def digest_label_of(image: str) -> list[str]:
    """Prints the image's id and its labels of digest and bases, with a space between.

    Fails if there is no such image.
    """
    labels = f'{{{{index . "{DIGEST_LABEL}"}}}} {{{{index . "{BASES_LABEL}"}}}}'
    form = f"{{{{.Id}}}} {{{{with .Config.Labels}}}}{labels}{{{{end}}}}"
    return [client.program(), "image", "inspect", "--format", form, image]


def image_id(image: str) -> list[str]:
    return [client.program(), "image", "inspect", "--format", "{{.Id}}", image]


def mounts_of(container: str) -> list[str]:
    """Prints a JSON array: the container's mounts, each with Source and Destination."""
    return [client.program(), "container", "inspect", "--format", "{{json .Mounts}}", container]


def context_address() -> list[str]:
    """Prints the address of the current context's engine as JSON."""
    return [client.program(), "context", "inspect", "--format", "{{json .Endpoints.docker.Host}}"]


# No registry has an image of this host (RFC 2606), and none is asked.
_NO_IMAGE = "innerloop.invalid/none"


def mounts_nothing(source: str) -> list[str]:
    """Fails: the engine refuses the mount's source if it does not see it, else the image."""
    mount = Mount(source, "/source", read_only=True)
    return [client.program(), "create", "--pull", "never", "--mount", mount.text(), _NO_IMAGE]


def client_version() -> list[str]:
    return [client.program(), "--version"]


def buildx_version() -> list[str]:
    """Fails without the plugin that builds with BuildKit."""
    return [client.program(), "buildx", "version"]


def server_parts() -> list[str]:
    """Prints the engine's parts as JSON; one of Podman's is the "Podman Engine"."""
    return [client.program(), "version", "--format", "{{json .Server}}"]


def compose_version() -> list[str]:
    """Fails without the plugin."""
    return [client.program(), "compose", "version"]


def published_ports() -> list[str]:
    """Prints the name and the published ports of each container that runs."""
    return [client.program(), "container", "ls", "--format", "{{.Names}}\t{{.Ports}}"]


def wait(name: str) -> list[str]:
    """Ends with the container."""
    return [client.program(), "wait", name]


def last_logs(name: str, lines: int) -> list[str]:
    return [client.program(), "logs", "--tail", str(lines), name]


def pull(image: str) -> list[str]:
    return [client.program(), "pull", require_image_name(image)]


def save(image: str, path: str) -> list[str]:
    """Writes the image to a file, as `docker load` reads it."""
    return [client.program(), "image", "save", "--output", path, require_image_name(image)]


def push(image: str) -> list[str]:
    return [client.program(), "push", require_image_name(image)]


def manifest(name: str, *, insecure: bool) -> list[str]:
    """Prints a registry's manifest of an image, with its digest, as JSON.

    `insecure`: a registry without TLS.
    """
    return [
        client.program(),
        "manifest",
        "inspect",
        "--verbose",
        *(["--insecure"] * insecure),
        name,
    ]


def tag(image: str, name: str) -> list[str]:
    return [client.program(), "image", "tag", image, name]


def labels_of(image: str) -> list[str]:
    """Prints a JSON object."""
    return [
        client.program(),
        "image",
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        require_image_name(image),
    ]


def remove_image(image: str) -> list[str]:
    """Without force: an image that a container uses, or that has another name, stays."""
    return [client.program(), "image", "rm", image]


def info() -> list[str]:
    """Prints one JSON object, which `engine_facts.parse` reads."""
    return [client.program(), "info", "--format", "{{json .}}"]


def build(
    context: str,
    *,
    image: str,
    target: str | None,
    labels: Mapping[str, str],
    no_cache: bool = False,
    pull: bool = False,
    options: Sequence[str] = (),
) -> list[str]:
    """Builds from a context folder; the Dockerfile's text comes on standard input."""
    argv = [client.program(), "build", "--force-rm", "--file", "-", "--tag", image]
    if target:
        argv += ["--target", target]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    if no_cache:
        argv.append("--no-cache")
    if pull:
        argv.append("--pull")
    return [*argv, *options, context]


def users_of(port: int) -> tuple[list[str], ...]:
    """Each prints the name and workspace of the container that has a port of this machine.

    One finds a debugger, one a model server, one what the engine publishes.
    """
    form = f"{{{{.Names}}}}\t{_label(WORKSPACE_LABEL)}"
    filters = (f"label={DEBUG_PORT}={port}", f"label={SERVER_PORT}={port}", f"publish={port}")
    return tuple(
        [client.program(), "ps", "--filter", filter, "--format", form] for filter in filters
    )


def network_exists(name: str) -> list[str]:
    """Fails if there is no such network."""
    return [client.program(), "network", "inspect", "--format", "{{.Name}}", name]


def create_network_apart(name: str) -> list[str]:
    """A network whose containers reach the outside, but no other container, nor it them.

    Source: Docker's reference, "Bridge network driver", options (other bridges are isolated anyway).
    """
    options = ["--opt", "com.docker.network.bridge.enable_icc=false"]
    return [client.program(), "network", "create", *options, "--label", "innerloop", name]


# Label of a debugged container: the port of this machine where its debugger answers.
DEBUG_PORT = "innerloop.debugged-at"


def kill(name: str, signal: str) -> list[str]:
    return [client.program(), "kill", "--signal", signal, name]


def stop(name: str, seconds: int) -> list[str]:
    return [client.program(), "stop", "--time", str(seconds), name]


def container_ids(*labels: str) -> list[str]:
    """Prints the id of each container with the labels ("key" or "key=value"), running or not."""
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    return [client.program(), "ps", "--all", "--no-trunc", "--quiet", *filters]


def inspect_containers(*names: str) -> list[str]:
    """Prints a JSON array with an object for each container."""
    return [client.program(), "container", "inspect", *names]


def inspect_image(image: str) -> list[str]:
    """Prints a JSON array with one object, the image."""
    return [client.program(), "image", "inspect", require_image_name(image)]


def exec_in(
    container: str,
    command: Sequence[str],
    *,
    user: str = "",
    workdir: str = "",
    env: Mapping[str, str] | None = None,
    interactive: bool = False,
    terminal: bool = False,
) -> list[str]:
    argv = [client.program(), "exec"]
    if interactive:
        argv.append("--interactive")
    if terminal:
        argv.append("--tty")
    if user:
        argv += ["--user", user]
    if workdir:
        argv += ["--workdir", workdir]
    for key, value in (env or {}).items():
        argv += ["--env", f"{key}={value}"]
    return [*argv, container, *command]


def python_of(image: str) -> list[str]:
    """Prints the path of the image's Python; fails without one."""
    look = "command -v python3 || command -v python"
    return run_once(image, ["sh", "-c", look])


def run_once(image: str, command: Sequence[str]) -> list[str]:
    """Run a command in an image once, as root and without a network."""
    program, *rest = command
    look = [client.program(), "run", "--rm", "--network", "none", "--user", "0"]
    return [*look, "--entrypoint", program, require_image_name(image), *rest]


def try_options(image: str, options: Sequence[str], command: str) -> list[str]:
    """Run a command for `sh` in an image that is here, with options of `docker run`."""
    look = [client.program(), "run", "--rm", "--pull", "never", "--network", "none", *options]
    return [*look, "--entrypoint", "sh", require_image_name(image), "-c", command]


def create(image: str, labels: Mapping[str, str]) -> list[str]:
    """Creates a container that is never started, and prints its id."""
    argv = [client.program(), "create"]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, "--entrypoint", "none", require_image_name(image)]


def copy_out(container: str, path: str, target: str) -> list[str]:
    """Copies a file of a container to this machine; the container need not run."""
    follow = () if _is_podman() else ("--follow-link",)
    return [client.program(), "cp", *follow, f"{container}:{path}", target]


def events_of(container: str, until: float) -> list[str]:
    """Prints a line for each thing that happened to a container, also after its end.

    until: seconds since the epoch, a moment that is still to come. Docker's client may lose what
    it was sent when the engine ends the answer at once (13 of 70 times, measured).
    """
    argv = [client.program(), "events", "--since", "24h", "--until", f"{until:.3f}"]
    return [*argv, "--format", "{{.Action}}", "--filter", f"container={container}"]


def top(container: str) -> list[str]:
    """Prints the processes of a container. Podman's `-eo` would need the image's own `ps`."""
    columns = ("pid", "args") if _is_podman() else ("-eo", "pid,args")
    return [client.program(), "top", container, *columns]


def build_from_text(image: str, labels: Mapping[str, str]) -> list[str]:
    """Builds the Dockerfile on standard input, without a build context."""
    argv = [client.program(), "build", "--force-rm", "--tag", image]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, "-"]


def remove(*names: str) -> list[str]:
    """Removes containers, running ones too, with their anonymous volumes; named volumes stay."""
    return [client.program(), "rm", "--force", "--volumes", *names]


def remove_ended(name: str) -> list[str]:
    """Removes a container that does not run, with its anonymous volumes."""
    return [client.program(), "rm", "--volumes", name]


def logs(name: str) -> list[str]:
    """Prints all of the container's output."""
    return [client.program(), "logs", name]


# Label of a model server's container: the port of this machine that it is published on.
SERVER_PORT = "innerloop.serves-at"
# Label of a model server's container: the path of its predictions.
SERVER_PATH = "innerloop.serves"


def follow_logs(name: str, since: str = "") -> list[str]:
    """Prints the container's output so far, then follows it to the container's end.

    `since` is the time of the first line to print, "" for all.
    """
    return [client.program(), "logs", "--follow", *(["--since", since] if since else []), name]


def exit_code(name: str) -> list[str]:
    return [client.program(), "container", "inspect", "--format", "{{.State.ExitCode}}", name]


def servers_of(workspace: str, experiment: str) -> list[str]:
    """Print one line per model server of an experiment, newest first.

    A line has the name, port and path, separated by tabs.
    """
    form = f"{{{{.Names}}}}\t{_label(SERVER_PORT)}\t{_label(SERVER_PATH)}"
    argv = [client.program(), "ps", "--format", form]
    for key, value in ((WORKSPACE_LABEL, workspace), (EXPERIMENT_LABEL, experiment)):
        argv += ["--filter", f"label={key}={value}"]
    return [*argv, "--filter", f"label={SERVER_PORT}"]


def default_command(image: str) -> list[str]:
    """Prints two JSON arrays: the image's entrypoint and command."""
    form = "{{json .Config.Entrypoint}} {{json .Config.Cmd}}"
    return [client.program(), "image", "inspect", "--format", form, image]


# Labels of the containers that VS Code and the devcontainer CLI create.
DEVCONTAINER_FOLDER, DEVCONTAINER_CONFIG = "devcontainer.local_folder", "devcontainer.config_file"
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def list_containers(label: str, value: str) -> list[str]:
    """Prints one line per container: id, name, image, status, run."""
    fields = f"{{{{.ID}}}}\t{{{{.Names}}}}\t{{{{.Image}}}}\t{{{{.Status}}}}\t{_label(RUN_LABEL)}"
    argv = [client.program(), "container", "ls", "--all", "--no-trunc", "--format", fields]
    return [*argv, "--filter", f"label={label}={value}"]


def list_images(filter: str) -> list[str]:
    """Prints the ids of the images that match a filter such as label=x or reference=x/*."""
    return [client.program(), "image", "ls", "--quiet", "--no-trunc", "--filter", filter]


def container_names(root: str, experiment: str, *, running: bool = False) -> list[str]:
    """Prints the names of an experiment's containers; dev containers are not among them."""
    argv = [
        client.program(),
        "container",
        "ls",
        *([] if running else ["--all"]),
        "--format",
        "{{.Names}}",
    ]
    return [*argv, *_of(root, experiment)]


def image_names(root: str, experiment: str) -> list[str]:
    """Prints the names of an experiment's images."""
    argv = [client.program(), "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    return [*argv, *_of(root, experiment)]


def _of(root: str, experiment: str) -> list[str]:
    return [
        "--filter",
        workspace_filter(root),
        "--filter",
        f"label={EXPERIMENT_LABEL}={experiment}",
    ]


def workspace_filter(root: str) -> str:
    return f"label={WORKSPACE_LABEL}={root}"


def inspect_images(ids: Sequence[str]) -> list[str]:
    """Prints one JSON array with an object for each image."""
    return [client.program(), "image", "inspect", *ids]


def list_volumes() -> list[str]:
    """Prints the names of all volumes."""
    return [client.program(), "volume", "ls", "--quiet"]


def disk_usage() -> list[str]:
    """Prints two lines, each a JSON array: images and volumes with the disk space of each.

    Podman prints a table instead, or fails.
    """
    form = "{{json .Images}}\n{{json .Volumes}}"
    return [client.program(), "system", "df", "--verbose", "--format", form]


def remove_containers(ids: Sequence[str]) -> list[str]:
    """Without force: running containers stay."""
    return [client.program(), "container", "rm", *ids]


def remove_volumes(names: Sequence[str]) -> list[str]:
    return [client.program(), "volume", "rm", *names]


def parse_size(text: str) -> int:
    """Bytes of a size as Docker prints it ("289.3MB"); 0 for any other text."""
    match = re.match(r"([\d.]+)\s*([a-zA-Z]+)$", text.strip())
    return round(float(match[1]) * _UNITS.get(match[2], 0)) if match else 0


def digest_label(labels: Mapping[str, str]) -> str:
    return labels.get(DIGEST_LABEL, "")


def dev_container_id(folder: str, config: str) -> str:
    """`${devcontainerId}` of a devcontainer.json: stable across rebuilds, different in each clone.

    Source: Development Containers Specification, "devcontainerId" (SHA-256 of the labels as JSON
    with sorted keys, in base 32 with the digits 0-9a-v, 52 of them).
    """
    labels = json.dumps(
        {DEVCONTAINER_CONFIG: config, DEVCONTAINER_FOLDER: folder},
        separators=(",", ":"),
        ensure_ascii=False,
    )
    number = int.from_bytes(sha256(labels.encode()).digest(), "big")
    digits = ""
    for _ in range(52):
        number, digit = divmod(number, 32)
        digits = "0123456789abcdefghijklmnopqrstuv"[digit] + digits
    return digits
