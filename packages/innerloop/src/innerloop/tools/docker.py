"""Docker's command line as argvs. Nothing here runs anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DIGEST = "innerloop.digest"
WORKSPACE = "innerloop.workspace"
EXPERIMENT = "innerloop.experiment"
RUN = "innerloop.run"


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount: a host path, where it appears, and whether it can be written there."""

    source: str
    target: str
    read_only: bool = False

    def text(self) -> str:
        """Docker reads it as one line of CSV, so a path may hold commas and quotes."""
        fields = ["type=bind", f"source={self.source}", f"target={self.target}"]
        if self.read_only:
            fields.append("readonly")
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(fields)
        return line.getvalue()


def inspect_image(image: str) -> list[str]:
    """Prints the image's digest label (an empty line without one); fails without the image."""
    return [
        "docker",
        "image",
        "inspect",
        "--format",
        f'{{{{index .Config.Labels "{DIGEST}"}}}}',
        image,
    ]


def image_id(image: str) -> list[str]:
    return ["docker", "image", "inspect", "--format", "{{.Id}}", image]


def mounts_of(container: str) -> list[str]:
    """Prints a JSON array: the container's mounts, each with Source and Destination."""
    return ["docker", "container", "inspect", "--format", "{{json .Mounts}}", container]


def pull(image: str) -> list[str]:
    return ["docker", "pull", image]


def push(image: str) -> list[str]:
    return ["docker", "push", image]


def manifest(name: str, *, insecure: bool) -> list[str]:
    """Prints what a registry has under a name, its digest included, as JSON; `insecure`: it is one
    without TLS."""
    return ["docker", "manifest", "inspect", "--verbose", *(["--insecure"] * insecure), name]


def tag(image: str, name: str) -> list[str]:
    return ["docker", "image", "tag", image, name]


def labels_of(image: str) -> list[str]:
    """Prints a JSON object."""
    return ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image]


def name_of(text: str) -> str:
    """A part of an image's or container's name: small letters, digits and `.`, `_`, `-` between
    them (Source: the reference grammar of OCI image names)."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return re.sub(r"(?<=[._-])[._-]+", "", plain).strip("._-")[:100] or "job"


def remove_image(image: str) -> list[str]:
    """Without force: one that a container uses, or that has another name, stays."""
    return ["docker", "image", "rm", image]


def info() -> list[str]:
    """Prints one JSON object: the engine's runtimes, security options and system."""
    template = (
        '{"runtimes":{{json .Runtimes}},"security":{{json .SecurityOptions}},'
        '"system":{{json .OperatingSystem}},"version":{{json .ServerVersion}}}'
    )
    return ["docker", "info", "--format", template]


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
    argv = ["docker", "build", "--force-rm", "--file", "-", "--tag", image]
    if target:
        argv += ["--target", target]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    if no_cache:
        argv.append("--no-cache")
    if pull:
        argv.append("--pull")
    return [*argv, *options, context]


def run(
    image: str,
    command: Sequence[str],
    *,
    name: str,
    workdir: str,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    mounts: Sequence[Mount],
    options: Sequence[str] = (),
    interactive: bool = False,
    terminal: bool = False,
) -> list[str]:
    """A container that removes itself, with an init process that reaps and passes signals on."""
    argv = ["docker", "run", "--rm", "--init", "--name", name]
    if interactive:
        argv.append("--interactive")
    if terminal:
        argv.append("--tty")
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    argv += [*options, "--workdir", workdir]
    for mount in mounts:
        argv += ["--mount", mount.text()]
    for key, value in env.items():
        argv += ["--env", f"{key}={value}"]
    return [*argv, image, *command]


def publishing(port: int) -> list[str]:
    """Prints name and workspace of the container that has a port of this machine."""
    form = f'{{{{.Names}}}}\t{{{{.Label "{WORKSPACE}"}}}}'
    return ["docker", "ps", "--filter", f"publish={port}", "--format", form]


def kill(name: str, signal: str) -> list[str]:
    return ["docker", "kill", "--signal", signal, name]


def stop(name: str, seconds: int) -> list[str]:
    return ["docker", "stop", "--time", str(seconds), name]


def remove(name: str) -> list[str]:
    return ["docker", "rm", "--force", name]
