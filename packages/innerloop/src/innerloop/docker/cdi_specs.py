"""Devices that the Container Device Interface names on this machine.

A specification is a JSON or YAML file in one of the engine's folders, such as /etc/cdi.
Source: the Container Device Interface Specification, 1.0.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..util import regular_files
from ..util.errors import UserError
from ..util.late_patterns import late_pattern

# The folders of every engine; those of a rootless one are its user's.
FOLDERS = ("/etc/cdi", "/var/run/cdi")
# Of one file, in bytes: a machine with many GPUs has some 100 kB.
LARGEST = 4_000_000
MOST_FILES = 100
_KIND = late_pattern(r"[A-Za-z][\w.-]*/[A-Za-z][\w-]*", re.ASCII)
_NAME = late_pattern(r"[A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?", re.ASCII)


def of_user(env: Mapping[str, str], home: str) -> tuple[str, ...]:
    """The folders of a rootless engine's user. Source: dockerd, `--cdi-spec-dir`."""
    config = env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    runtime = env.get("XDG_RUNTIME_DIR")
    return (os.path.join(config, "cdi"), *([os.path.join(runtime, "cdi")] if runtime else []))


def devices(folders: Sequence[str], root: Path = Path("/")) -> tuple[str, ...]:
    """The names of all devices, such as "nvidia.com/gpu=0". What cannot be read has none."""
    found: dict[str, None] = {}
    for folder in folders:
        for path in _files(root / folder.lstrip("/")):
            for name in _devices_of(path):
                found[name] = None
    return tuple(found)


def _files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))[:MOST_FILES]
    except OSError:
        return []
    return [folder / name for name in names if name.endswith((".json", ".yaml", ".yml"))]


def _devices_of(path: Path) -> list[str]:
    try:
        text = regular_files.read_bytes(path, LARGEST).decode("utf-8")
        return list(parse(text, is_json=path.suffix == ".json"))
    except (OSError, UserError, ValueError):
        return []


def parse(text: str, *, is_json: bool) -> Iterator[str]:
    """The names of a specification's devices. ValueError for what is neither JSON nor YAML."""
    value = _json(text) if is_json else _yaml(text)
    kind = value.get("kind") if isinstance(value, dict) else None
    entries = value.get("devices") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not _KIND.fullmatch(kind) or not isinstance(entries, list):
        return
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        # YAML reads an unquoted 0 as a number.
        is_name = isinstance(name, (str, int)) and not isinstance(name, bool)
        if is_name and _NAME.fullmatch(str(name)):
            yield f"{kind}={name}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _yaml(text: str) -> Any:
    import yaml  # here, since few machines have a specification

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("not YAML") from error
