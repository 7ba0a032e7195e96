"""What has changed since an image or a dev container was made, file by file.

An image that `loop` builds carries a checksum of each file under environment/ as a label, and a
container has its image's labels; a container that `loop up` makes also carries one for each key of
its devcontainer.json. A container that VS Code made on its own keeps the same in its user's home
(the rendered `onCreateCommand` puts it there). All of it is compared with what is on the disk now,
so a change, a pull and a switch of branches are the same to it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..workspace.loader import files_below, ignored_in

FILES = "innerloop.files"  # on an image: {"Dockerfile": checksum, ...} as JSON
CONFIGURATION = "innerloop.configuration"  # on a dev container: {"containerEnv": checksum, ...}

# An argument of a program has an end: an environment of very many files is compared as a whole.
_MOST = 60_000
_LENGTH = 12

# What takes effect without a new container: VS Code and the devcontainer CLI read it at each start.
_LIVE = frozenset(
    {
        "$schema", "name", "customizations", "forwardPorts", "portsAttributes", "remoteEnv",
        "otherPortsAttributes", "postStartCommand", "postAttachCommand", "waitFor",
        "shutdownAction", "userEnvProbe", "initializeCommand",
    }
)  # fmt: skip


def files_of(folder: Path) -> dict[str, str]:
    """Each file's checksum, the same on every system (see `loading.digest_of`)."""
    found = {}
    for path in files_below(folder):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        mode = b"x" if os.name != "nt" and os.access(path, os.X_OK) else b"-"
        name = path.relative_to(folder).as_posix()
        found[name] = hashlib.sha256(mode + content).hexdigest()[:_LENGTH]
    return found


def files_label(folder: Path) -> dict[str, str]:
    """The label for an image made of the folder; none where there are too many files."""
    text = json.dumps(files_of(folder), sort_keys=True, separators=(",", ":"))
    return {FILES: text} if len(text) < _MOST else {}


def configuration_label(configuration: Mapping[str, Any]) -> str:
    return json.dumps(_keys(configuration), sort_keys=True, separators=(",", ":"))


def _keys(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_LENGTH]
        for key, value in configuration.items()
        if key not in _LIVE
    }


def of_labels(
    labels: Mapping[str, str], environment: Path, configuration: Mapping[str, Any], name: str
) -> list[str]:
    """What has changed since a container (or an image) with these labels was made, a phrase each;
    `name` is the devcontainer.json's path, for a person to read."""
    told = _changes(_loads(labels.get(FILES)), files_of(environment), environment.as_posix())
    before = _loads(labels.get(CONFIGURATION))
    if before is not None:
        now = _keys(configuration)
        keys = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
        if keys:
            told.append(f"{name} changed ({', '.join(keys)})")
    return told


def of_notes(
    checksums: str, kept: str | None, environment: Path, configuration: Mapping[str, Any], name: str
) -> list[str]:
    """The same from what a container keeps in its home: the output of sha256sum, and the value of
    its devcontainer.json."""
    from ..util import jsonc

    ignored = ignored_in(environment)
    noted = [(line[66:].removeprefix("./"), line[:64]) for line in checksums.splitlines()]
    before = {name: checksum for name, checksum in noted if name and not ignored(name)}
    now = {
        path.relative_to(environment).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_below(environment)
    }
    told = _changes(before or None, now, environment.as_posix())
    if kept:
        try:
            value = jsonc.parse(kept).value
        except jsonc.ParseError:
            return told
        if isinstance(value, dict):
            label = {CONFIGURATION: configuration_label(value)}
            told += of_labels(label, environment, configuration, name)
    return told


def _changes(before: Mapping[str, str] | None, now: Mapping[str, str], folder: str) -> list[str]:
    """Nothing where nothing is known of before."""
    if before is None:
        return []
    at = "/".join(folder.split("/")[-1:])
    told = []
    for name in sorted({*before, *now}):
        if name not in now:
            told.append(f"{at}/{name} is gone")
        elif name not in before:
            told.append(f"{at}/{name} is new")
        elif before[name] != now[name]:
            told.append(f"{at}/{name} changed")
    return told


def _loads(text: str | None) -> dict[str, str] | None:
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
