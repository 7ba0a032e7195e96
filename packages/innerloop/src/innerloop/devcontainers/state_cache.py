"""What this machine knows of an experiment's dev container: `.innerloop/containers/<slug>.json`.

It is a note, not the truth: one about another container, or none, costs a question to the
container and nothing else. It makes `loop exec` as fast as `docker exec`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..docker import docker_cli
from ..sync.render.devcontainer_json import CHECKSUMS, CONFIGURATION, MADE_FROM
from ..util import files, process
from .discovery import Container


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What a container keeps in its user's home: the output of sha256sum, a devcontainer.json."""

    checksums: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Note:
    """`whole`: `loop up` saw the container's creation end well. `env` is what a login shell of
    `user` sets beyond the container's own variables."""

    container: str
    user: str
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    made_from: MadeFrom | None = None


def read(root: Path, slug: str, container: str) -> Note | None:
    """The note about this very container."""
    text = files.read_text(_path(root, slug))
    try:
        value = json.loads(text or "")
        made_from = value.pop("made_from", None)
        note = Note(**value, made_from=MadeFrom(**made_from) if made_from else None)
    except (ValueError, TypeError, AttributeError):
        return None
    return note if note.container == container else None


def write(root: Path, slug: str, note: Note) -> Note:
    files.write_text(_path(root, slug), json.dumps(asdict(note), indent=1, ensure_ascii=False))
    return note


def forget(root: Path, slug: str) -> None:
    files.remove(_path(root, slug))


def learn(
    there: Container, user: str, folder: str, configuration: Mapping[str, Any], *, whole: bool
) -> Note:
    """Asks the container for what a shell of its user sets, and sees to it that its caches can be
    written: a volume that another user filled is handed to this one."""
    shell = _SHELLS.get(str(configuration.get("userEnvProbe", "")), "-lic")
    script = _PROBE if shell else _MARK_UNWRITABLE
    asked = process.run(
        docker_cli.exec_in(there.id, ["sh", "-c", script, shell], user=user, workdir=folder),
        timeout=20,
    )
    before, _, rest = asked.out.partition(_MARK)
    if "UNWRITABLE" in before:
        hand = ["sh", "-c", 'mkdir -p "$1" && chown -R "$0" "$1"', user, there.env[_CACHE]]
        process.run(docker_cli.exec_in(there.id, hand, user="root"), timeout=60)
    probed = rest.partition(_MARK)[0]
    return Note(there.id, user, folder, environment(there.env, probed), whole)


def made_from(root: Path, slug: str, there: Container) -> MadeFrom | None:
    """What a container that VS Code made says of itself; asked once, and noted."""
    known = read(root, slug, there.id)
    if known is not None and known.made_from is not None:
        return known.made_from
    if not there.running:
        return None
    command = f"cat {MADE_FROM}/{CHECKSUMS} && printf '\\0' && cat {MADE_FROM}/{CONFIGURATION}"
    done = process.run(
        docker_cli.exec_in(there.id, ["sh", "-c", command], user=there.remote_user), timeout=20
    )
    if not done.ok:
        return None
    checksums, _, kept = done.out.partition("\0")
    found = MadeFrom(checksums, kept)
    if known is not None:
        write(root, slug, replace(known, made_from=found))
    return found


def environment(container: Mapping[str, str], probed: str) -> dict[str, str]:
    """What the shell set (its variables, each ended by a zero byte) beyond the container's own.

    The search path keeps each of the container's folders that a login shell forgot: Debian's
    /etc/profile sets a short one, without conda's.
    """
    found = dict(entry.partition("=")[::2] for entry in probed.split("\0") if "=" in entry)
    found = {
        name: value
        for name, value in found.items()
        if name not in _OF_THE_SHELL and container.get(name) != value
    }
    if "PATH" in found and "PATH" in container:
        found["PATH"] = merged_path(found["PATH"], container["PATH"])
    return found


def merged_path(shell: str, container: str) -> str:
    """Folders in the shell's order, those it lacks where the container has them."""
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
# $0 is the shell's option. The user's own shell says what a terminal in VS Code would have.
_PROBE = (
    _MARK_UNWRITABLE
    + 'entry=$(grep "^[^:]*:[^:]*:$(id -u):" /etc/passwd | head -n 1); shell=${entry##*:}; '
    + '[ -x "$shell" ] || shell=/bin/sh; '
    + f'exec "$shell" "$0" \'printf {_MARK}; cat /proc/self/environ; printf {_MARK}\''
)


def _path(root: Path, slug: str) -> Path:
    return root / f".innerloop/containers/{slug}.json"
