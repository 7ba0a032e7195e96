"""What has changed since an image was built or a dev container created, file by file.

An image that `loop` builds has a label with the checksum of each file under environment/, and a
container has its image's labels. A container that `loop up` creates also has a label with the
checksum of each key of its devcontainer.json. A container that VS Code creates keeps both in its
user's home: the generated `onCreateCommand` writes them. All of it is compared with the files on
disk, so an edit, a pull and a switch of branches have the same effect.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model.build_context import BuildContext
from ..model.container import BASES_LABEL
from ..util import regular_files
from ..util.digests import digest_of, sha256
from ..workspace.loader import LARGEST, as_context, files_below, ignored_in
from . import image_bases

FILES = "innerloop.files"  # on an image: {"Dockerfile": checksum, ...} as JSON
CONFIGURATION = "innerloop.configuration"  # on a dev container: {"containerEnv": checksum, ...}

# Limit of one argument of a program. Environments with more files are compared as a whole.
_MOST = 60_000
_LENGTH = 12

# Keys that take effect without a new container: read at each start of the container.
_LIVE = frozenset(
    {
        "$schema", "name", "customizations", "forwardPorts", "portsAttributes", "remoteEnv",
        "otherPortsAttributes", "postStartCommand", "postAttachCommand", "waitFor",
        "shutdownAction", "userEnvProbe", "initializeCommand",
    }
)  # fmt: skip


def files_of(context: Path | BuildContext) -> dict[str, str]:
    """Name -> checksum of each file, the same on every system (see `loader.digest_of`)."""
    checksums = {}
    context = as_context(context)
    folder = Path(context.folder)
    if context.is_shared:
        text = context.text.replace("\r\n", "\n").encode()
        checksums[context.dockerfile] = sha256(b"-" + text).hexdigest()[:_LENGTH]
    for path in files_below(context):
        content = regular_files.read_or_fail(path, LARGEST).replace(b"\r\n", b"\n")
        mode = b"x" if os.name != "nt" and os.access(path, os.X_OK) else b"-"
        name = path.relative_to(folder).as_posix()
        checksums[name] = digest_of(mode + content)[:_LENGTH]
    return checksums


def files_label(context: Path | BuildContext) -> dict[str, str]:
    """The label for an image that is built from the folder; empty if it has too many files."""
    text = json.dumps(files_of(context), sort_keys=True, separators=(",", ":"))
    return {FILES: text} if len(text) < _MOST else {}


def configuration_label(configuration: Mapping[str, Any]) -> str:
    return json.dumps(_keys(configuration), sort_keys=True, separators=(",", ":"))


def _keys(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_LENGTH]
        for key, value in configuration.items()
        if key not in _LIVE
    }


def of_labels(
    labels: Mapping[str, str],
    environment: Path | BuildContext,
    configuration: Mapping[str, Any],
    name: str,
) -> list[str]:
    """What has changed since a container or an image with these labels was made.

    One phrase per change; `name` is the path of devcontainer.json for these phrases.
    """
    changes = _changes(_loads(labels.get(FILES)), files_of(environment), as_context(environment))
    bases = image_bases.changed_bases(labels.get(BASES_LABEL, ""))
    changes += [f"the base image {base} changed" for base in bases]
    return [*changes, *of_configuration(labels, configuration, name)]


def of_configuration(
    labels: Mapping[str, str], configuration: Mapping[str, Any], name: str
) -> list[str]:
    """What has changed of the configuration alone; at most one phrase."""
    before = _loads(labels.get(CONFIGURATION))
    if before is None:
        return []
    now = _keys(configuration)
    keys = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
    return [f"{name} changed ({', '.join(keys)})"] if keys else []


def of_checksums(checksums: Mapping[str, str], environment: Path | BuildContext) -> list[str]:
    """What has changed since the checksums of an environment folder were taken."""
    return _changes(checksums, files_of(environment), as_context(environment))


def of_notes(
    checksums: str,
    kept: str | None,
    environment: Path | BuildContext,
    configuration: Mapping[str, Any],
    name: str,
) -> list[str]:
    """`of_labels` for a container that VS Code created.

    `checksums` is the output of sha256sum in the container's home, `kept` the text of its
    devcontainer.json.
    """
    from ..util import jsonc

    environment = as_context(environment)
    folder = Path(environment.folder)
    ignored = ignored_in(folder)
    noted = [_noted(line) for line in checksums.split("\n")]
    before = {
        name: checksum
        for name, checksum in noted
        if name and _is_noted(environment, name) and not ignored(name)
    }
    now = {
        _as_printed(path.relative_to(folder).as_posix()): digest_of(
            regular_files.read_or_fail(path, LARGEST)
        )
        for path in files_below(environment)
    }
    if environment.is_shared:
        own = folder / environment.dockerfile
        content = regular_files.read_or_fail(own, LARGEST) if own.is_file() else b""
        now[environment.dockerfile] = sha256(content).hexdigest()
    changes = _changes(before or None, now, environment)
    if kept:
        try:
            value = jsonc.parse(kept).value
        except jsonc.ParseError:
            return changes
        if isinstance(value, dict):
            label = {CONFIGURATION: configuration_label(value)}
            changes += of_labels(label, environment, configuration, name)
    return changes


def _is_noted(environment: BuildContext, name: str) -> bool:
    """Whether a file counts; of a shared folder, the Dockerfile does, wherever it is."""
    is_dockerfile = environment.is_shared and name == environment.dockerfile
    return is_dockerfile or environment.counts(name)


def _noted(line: str) -> tuple[str, str]:
    """The name and the checksum in a line of sha256sum.

    It marks a name with a backslash or a line feed by a backslash in front, and escapes these.
    """
    plain = line.removeprefix("\\")
    name = plain[66:].removeprefix("./")
    if plain != line:
        name = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), name)
    return _as_printed(name), plain[:64]


def _as_printed(name: str) -> str:
    """The name as the output of a program has it: bytes that are not UTF-8 are U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _changes(
    before: Mapping[str, str] | None, now: Mapping[str, str], context: BuildContext
) -> list[str]:
    """One phrase per file; empty if the earlier checksums are not known."""
    if before is None:
        return []
    changes = []
    for name in sorted({*before, *now}):
        if name not in now:
            changes.append(f"{context.named(name)} was removed")
        elif name not in before:
            changes.append(f"{context.named(name)} is new")
        elif before[name] != now[name]:
            changes.append(f"{context.named(name)} changed")
    return changes


def _loads(text: str | None) -> dict[str, str] | None:
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
