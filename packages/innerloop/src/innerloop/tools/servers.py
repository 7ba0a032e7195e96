"""Docker's commands about a container that serves a model. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .docker import EXPERIMENT, WORKSPACE, Mount

# A server's container has it; the value is the port of this machine at which it answers.
PORT = "innerloop.serves-at"
# The path of its predictions there.
PATH = "innerloop.serves"


def start(
    image: str,
    command: Sequence[str] = (),
    *,
    name: str,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    options: Sequence[str] = (),
) -> list[str]:
    """In the background, as the image's own user, in its own working directory. It stays when it
    ends, so that it can be asked for its last words and its exit code."""
    argv = ["docker", "run", "--detach", "--init", "--name", name]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    argv += options
    for mount in mounts:
        argv += ["--mount", mount.text()]
    for key, value in env.items():
        argv += ["--env", f"{key}={value}"]
    return [*argv, image, *command]


def follow(name: str) -> list[str]:
    """Everything that it has printed and prints, until it ends."""
    return ["docker", "logs", "--follow", name]


def exit_code(name: str) -> list[str]:
    return ["docker", "container", "inspect", "--format", "{{.State.ExitCode}}", name]


def running(workspace: str, experiment: str) -> list[str]:
    """Prints a line for each server of an experiment, the newest first: name, port and path with
    tabs between them."""
    form = f'{{{{.Names}}}}\t{{{{.Label "{PORT}"}}}}\t{{{{.Label "{PATH}"}}}}'
    argv = ["docker", "ps", "--format", form]
    for key, value in ((WORKSPACE, workspace), (EXPERIMENT, experiment)):
        argv += ["--filter", f"label={key}={value}"]
    return [*argv, "--filter", f"label={PORT}"]


def starts_with(image: str) -> list[str]:
    """Prints a JSON array: the program and arguments that the image starts by itself."""
    form = "{{json .Config.Entrypoint}} {{json .Config.Cmd}}"
    return ["docker", "image", "inspect", "--format", form, image]
