"""Docker's commands about containers that are there. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def ids_with(label: str) -> list[str]:
    """Prints the id of each container with the label ("key" or "key=value"), running or not."""
    return ["docker", "ps", "--all", "--no-trunc", "--quiet", "--filter", f"label={label}"]


def inspect(*names: str) -> list[str]:
    """Prints a JSON array, an object for each container."""
    return ["docker", "container", "inspect", *names]


def inspect_image(image: str) -> list[str]:
    """Prints a JSON array with the image as its one object."""
    return ["docker", "image", "inspect", image]


def execute(
    container: str,
    command: Sequence[str],
    *,
    user: str = "",
    workdir: str = "",
    env: Mapping[str, str] | None = None,
    interactive: bool = False,
    terminal: bool = False,
) -> list[str]:
    argv = ["docker", "exec"]
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


def once(image: str, command: Sequence[str]) -> list[str]:
    """A look into an image: no network, root, gone when it ends."""
    program, *rest = command
    look = ["docker", "run", "--rm", "--network", "none", "--user", "0"]
    return [*look, "--entrypoint", program, image, *rest]


def processes(container: str) -> list[str]:
    return ["docker", "top", container, "-eo", "pid,args"]


def build_from_text(image: str, labels: Mapping[str, str]) -> list[str]:
    """Builds what the Dockerfile on standard input says, with no context at all."""
    argv = ["docker", "build", "--force-rm", "--tag", image]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, "-"]


def stop(name: str, seconds: int) -> list[str]:
    return ["docker", "stop", "--time", str(seconds), name]


def remove(*names: str) -> list[str]:
    """Stops it if need be; its named volumes stay."""
    return ["docker", "rm", "--force", *names]


def pull(image: str) -> list[str]:
    return ["docker", "pull", image]
