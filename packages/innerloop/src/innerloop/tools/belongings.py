"""What Docker keeps of a workspace, as argvs, and how its answers are read. Nothing here runs
anything."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from .docker import DIGEST, EXPERIMENT, WORKSPACE

# What VS Code and the devcontainer CLI write on a container that they make.
FOLDER, CONFIG = "devcontainer.local_folder", "devcontainer.config_file"
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def containers(label: str, value: str) -> list[str]:
    """Prints a line each: id, name, image, status."""
    fields = "{{.ID}}\t{{.Names}}\t{{.Image}}\t{{.Status}}"
    argv = ["docker", "container", "ls", "--all", "--no-trunc", "--format", fields]
    return [*argv, "--filter", f"label={label}={value}"]


def images(filter: str) -> list[str]:
    """Prints the ids of the images that a filter such as label=x or reference=x/* lets through."""
    return ["docker", "image", "ls", "--quiet", "--no-trunc", "--filter", filter]


def names_of(root: str, experiment: str, *, running: bool = False) -> list[str]:
    """Prints the names of an experiment's containers, without those of VS Code."""
    argv = ["docker", "container", "ls", *([] if running else ["--all"]), "--format", "{{.Names}}"]
    return [*argv, *_of(root, experiment)]


def images_of(root: str, experiment: str) -> list[str]:
    """Prints the names of an experiment's images."""
    argv = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    return [*argv, *_of(root, experiment)]


def _of(root: str, experiment: str) -> list[str]:
    return ["--filter", labelled(root), "--filter", f"label={EXPERIMENT}={experiment}"]


def labelled(root: str) -> str:
    return f"label={WORKSPACE}={root}"


def about_images(ids: Sequence[str]) -> list[str]:
    """Prints a JSON array a line: id, names, labels, size in bytes."""
    return [
        *("docker", "image", "inspect", "--format"),
        "[{{json .Id}},{{json .RepoTags}},{{json .Config.Labels}},{{json .Size}}]",
        *ids,
    ]


def disk() -> list[str]:
    """Prints two JSON arrays, a line each: images and volumes, with what each alone takes."""
    return [
        "docker",
        "system",
        "df",
        "--verbose",
        "--format",
        "{{json .Images}}\n{{json .Volumes}}",
    ]


def remove_containers(ids: Sequence[str]) -> list[str]:
    """Without force: one that runs stays."""
    return ["docker", "container", "rm", *ids]


def remove_volumes(names: Sequence[str]) -> list[str]:
    return ["docker", "volume", "rm", *names]


def bytes_of(text: str) -> int:
    """ "289.3MB" as Docker writes a size; 0 for what it does not know."""
    match = re.match(r"([\d.]+)\s*([a-zA-Z]+)$", text.strip())
    return round(float(match[1]) * _UNITS.get(match[2], 0)) if match else 0


def digest_label(labels: Mapping[str, str]) -> str:
    return labels.get(DIGEST, "")


def dev_container_id(folder: str, config: str) -> str:
    """`${devcontainerId}` of a devcontainer.json: the same on each rebuild, another in each clone.

    Source: Development Containers Specification, "devcontainerId" (SHA-256 of the labels as JSON
    with sorted keys, in base 32 with the digits 0-9a-v, 52 of them).
    """
    labels = json.dumps({CONFIG: config, FOLDER: folder}, separators=(",", ":"), ensure_ascii=False)
    number = int.from_bytes(hashlib.sha256(labels.encode()).digest(), "big")
    digits = ""
    for _ in range(52):
        number, digit = divmod(number, 32)
        digits = "0123456789abcdefghijklmnopqrstuv"[digit] + digits
    return digits
