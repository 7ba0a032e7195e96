"""Cached facts about an experiment's dev container: `.innerloop/containers/<slug>.json`.

With them `loop exec` is as fast as `docker exec`. If the file is missing or is about another
container, the container is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from ..docker import docker_cli
from ..sync.render.devcontainer_json import CHECKSUMS, CONFIGURATION, MADE_FROM
from ..util import files, json_records, process
from ..util.json_records import Record, RecordError
from ..util.quick_dataclasses import dataclass
from .discovery import Container


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What a container has in its user's home: the output of sha256sum, and a devcontainer.json."""

    checksums: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Note:
    """Facts about one container.

    `whole`: `loop up` saw its creation succeed. `env` is what a login shell of `user` sets in
    addition to the container's own variables. `configuration`: what devcontainer.json and the files
    that it names said at the creation, for a container that cannot have that in a label, as one of
    Docker Compose; "" if nobody noted it.
    """

    container: str
    user: str
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    made_from: MadeFrom | None = None
    configuration: str = ""


def read(root: Path, slug: str, container: str) -> Note | None:
    """The note about this container; None if there is none."""
    try:
        record = json_records.read_file(_path(root, slug))
        note = None if record is None else _note(record)
    except RecordError:
        return None
    return note if note is not None and note.container == container else None


def _note(record: Record) -> Note:
    made_from = record.as_record("made_from", None)
    return Note(
        container=record.as_str("container"),
        user=record.as_str("user"),
        folder=record.as_str("folder"),
        env=record.as_map_of("env", str, {}),
        whole=record.as_bool("whole", False),
        made_from=(
            MadeFrom(made_from.as_str("checksums"), made_from.as_str("configuration"))
            if made_from is not None
            else None
        ),
        configuration=record.as_str("configuration", ""),
    )


def write(root: Path, slug: str, note: Note) -> Note:
    files.write_text(_path(root, slug), json.dumps(asdict(note), indent=1, ensure_ascii=False))
    return note


def forget(root: Path, slug: str) -> None:
    files.remove(_path(root, slug))


def learn(
    container: Container, user: str, folder: str, configuration: Mapping[str, Any], *, whole: bool
) -> Note:
    """Ask the container what a shell of its user sets, and make its cache writable.

    The volume may belong to another user.
    """
    shell = _SHELLS.get(str(configuration.get("userEnvProbe", "")), "-lic")
    script = _PROBE if shell else _MARK_UNWRITABLE
    asked = process.run(
        docker_cli.exec_in(container.id, ["sh", "-c", script, shell], user=user, workdir=folder),
        timeout=20,
    )
    before, _, rest = asked.out.partition(_MARK)
    if "UNWRITABLE" in before:
        chown = ["sh", "-c", 'mkdir -p "$1" && chown -R "$0" "$1"', user, container.env[_CACHE]]
        process.run(docker_cli.exec_in(container.id, chown, user="root"), timeout=60)
    probed = rest.partition(_MARK)[0]
    return Note(container.id, user, folder, environment(container.env, probed), whole)


def made_from(root: Path, slug: str, container: Container) -> MadeFrom | None:
    """What a container that VS Code created was made from; asked once, then cached.

    None if it does not run or has no such files.
    """
    note = read(root, slug, container.id)
    if note is not None and note.made_from is not None:
        return note.made_from
    if not container.running:
        return None
    command = f"cat {MADE_FROM}/{CHECKSUMS} && printf '\\0' && cat {MADE_FROM}/{CONFIGURATION}"
    done = process.run(
        docker_cli.exec_in(container.id, ["sh", "-c", command], user=container.remote_user),
        timeout=20,
    )
    if not done.ok:
        return None
    checksums, _, configuration = done.out.partition("\0")
    made = MadeFrom(checksums, configuration)
    if note is not None:
        write(root, slug, replace(note, made_from=made))
    return made


def environment(container: Mapping[str, str], probed: str) -> dict[str, str]:
    """The variables of the shell that the container does not have itself.

    `probed` is the shell's environment, each variable ended by a zero byte.

    PATH keeps the container's folders that a login shell drops: Debian's /etc/profile sets a
    short PATH without conda's.
    """
    shell = dict(entry.partition("=")[::2] for entry in probed.split("\0") if "=" in entry)
    added = {
        name: value
        for name, value in shell.items()
        if name not in _OF_THE_SHELL and container.get(name) != value
    }
    if "PATH" in added and "PATH" in container:
        added["PATH"] = merged_path(added["PATH"], container["PATH"])
    return added


def merged_path(shell: str, container: str) -> str:
    """The shell's PATH with the container's missing folders at their positions."""
    result = shell.split(":")
    at = 0
    for entry in container.split(":"):
        if entry in result:
            at = result.index(entry) + 1
        else:
            result.insert(at, entry)
            at += 1
    return ":".join(result)


_CACHE = "XDG_CACHE_HOME"
_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_", "HOSTNAME", "TERM", "PS1", "LS_COLORS"}
_SHELLS = {"none": "", "loginShell": "-lc", "interactiveShell": "-ic"}
_MARK = "innerloop-7d1c5b42"
_MARK_UNWRITABLE = (
    f'[ -z "${_CACHE}" ] || {{ mkdir -p "${_CACHE}" && [ -w "${_CACHE}" ]; }} 2>/dev/null'
    " || printf UNWRITABLE; "
)
# $0 is the shell's option. The user's login shell sets what a terminal in VS Code would have.
_PROBE = (
    _MARK_UNWRITABLE
    + 'entry=$(grep "^[^:]*:[^:]*:$(id -u):" /etc/passwd | head -n 1); shell=${entry##*:}; '
    + '[ -x "$shell" ] || shell=/bin/sh; '
    + f'exec "$shell" "$0" \'printf {_MARK}; cat /proc/self/environ; printf {_MARK}\''
)


def _path(root: Path, slug: str) -> Path:
    return root / f".innerloop/containers/{slug}.json"
