"""The person as a user of a run's container: a name, groups, a home and a PATH.

A container's user is a number. Where the image's /etc/passwd does not know it, programs that ask
for their user's name fail (`getpass.getuser()`, `whoami`, ssh), so a copy with one more line is
mounted over it; likewise /etc/group (`id`, `groups`). A file that knows the numbers is left as it is.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL, Mount
from ..model.workspace import Workspace
from ..util import files, process
from ..util.digests import sha256
from ..util.quick_dataclasses import dataclass
from . import docker_cli
from .engine import Engine

HOME = "/tmp"
FALLBACK_NAME = "dev"
_FILES = ("passwd", "group")

# What a login does, in the words of any sh: a home that can be written, the programs that `pip
# install` puts there, a name. It starts what follows it.
LOGIN = (
    f'[ -w "${{HOME:-}}" ] || export HOME={HOME}; '
    'case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) export PATH="$HOME/.local/bin:$PATH";; esac; '
    '[ -n "${USER:-}" ] || USER=$(id -un 2>/dev/null) || '
    f"USER={FALLBACK_NAME}; "
    'export USER LOGNAME="${LOGNAME:-$USER}"; '
)


@dataclass(frozen=True, slots=True)
class Person:
    """The person who runs: their numbers and names on this machine.

    `groups` maps the numbers of their groups to names; the first one is the primary group.
    """

    uid: int
    groups: tuple[tuple[int, str], ...]
    name: str = FALLBACK_NAME

    @property
    def owner(self) -> str:
        """UID and GID as the engine takes them, "1000:1000"."""
        return f"{self.uid}:{self.groups[0][0]}"

    @property
    def further_groups(self) -> tuple[int, ...]:
        """What they may read by another group, as on this machine. Root needs none."""
        return tuple(number for number, _ in self.groups[1:]) if self.uid else ()


def person() -> Person | None:
    """This user; None on Windows."""
    if sys.platform == "win32":
        return None
    import grp
    import pwd

    def group_name(number: int) -> str:
        try:
            return _valid(grp.getgrgid(number).gr_name, f"group{number}")
        except KeyError:
            return f"group{number}"

    uid, gid = os.getuid(), os.getgid()
    try:
        name = _valid(pwd.getpwuid(uid).pw_name, FALLBACK_NAME)
    except KeyError:
        name = FALLBACK_NAME
    further = (number for number in sorted(os.getgroups()) if number != gid)
    return Person(uid, tuple((number, group_name(number)) for number in (gid, *further)), name)


def _valid(name: str, otherwise: str) -> str:
    """Names of a directory service may have blanks, capitals or backslashes."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_.-]{0,31}", name) else otherwise


def mounts(workspace: Workspace, experiment: str, image: str, engine: Engine) -> tuple[Mount, ...]:
    """The files that give this user a name in the image's containers.

    Empty where the engine maps users itself, for an image that knows the user, and for an image
    that is not here yet. An image is looked into once: the answer is cached with its id.
    """
    me = person()
    if me is None or me.uid == 0 or engine.maps_owners or not engine.image_id:
        return ()
    key = sha256(image.encode()).hexdigest()[:12]
    folder = Path(workspace.root, ".innerloop/people")
    cache = folder / f"run-{key}.json"
    question = [engine.image_id, me.owner, me.name, [list(group) for group in me.groups]]
    answer = _cached(cache, question)
    if answer is None:
        labels = {WORKSPACE_LABEL: workspace.identity, EXPERIMENT_LABEL: experiment}
        texts = _read(engine.image_id, labels)
        answer = list(with_person(*texts, me))
        files.write_text(cache, json.dumps([question, answer]))
    sources = [folder / f"run-{key}.{name}" for name in _FILES]
    mounted = []
    for source, name, text in zip(sources, _FILES, answer, strict=True):
        if text is None:
            continue
        if files.read_text(source) != text:
            files.write_text(source, text, readable=True)
        mounted.append(Mount(str(source), f"/etc/{name}", read_only=True))
    return tuple(mounted)


def _cached(cache: Path, question: Sequence[object]) -> list[str | None] | None:
    try:
        cached_question, answer = json.loads(files.read_text(cache) or "")
    except (ValueError, TypeError):
        return None
    is_answer = (
        isinstance(answer, list)
        and len(answer) == len(_FILES)
        and all(isinstance(text, (str, type(None))) for text in answer)
    )
    return answer if cached_question == question and is_answer else None


def _read(image: str, labels: dict[str, str]) -> tuple[str, str]:
    """The image's /etc/passwd and /etc/group; "" for one that it does not have."""
    created = process.run(docker_cli.create(image, labels), timeout=60)
    container = created.out.strip()
    if not created.ok:
        return "", ""
    try:
        with files.temporary_folder("innerloop-image-") as folder:
            texts = []
            for name in _FILES:
                target = Path(folder, name)
                process.run(docker_cli.copy_out(container, f"/etc/{name}", str(target)), timeout=60)
                texts.append(files.read_text(target) or "")
            return texts[0], texts[1]
    finally:
        process.run(docker_cli.remove(container), timeout=60)


def with_person(passwd: str, group: str, me: Person) -> tuple[str | None, str | None]:
    """The two files with lines for the person; None for one that has their numbers already."""
    return _with_user(passwd, me), _with_groups(group, me)


def _with_user(passwd: str, me: Person) -> str | None:
    users = [line.split(":") for line in passwd.splitlines()]
    if any(len(fields) > 2 and fields[2] == str(me.uid) for fields in users):
        return None
    taken = {fields[0] for fields in users}
    preferred = (me.name, FALLBACK_NAME, *(f"{FALLBACK_NAME}{i}" for i in range(2, 99)))
    name = next(name for name in preferred if name not in taken)
    shell = next((f[6] for f in users if len(f) > 6 and f[2] == "0" and f[6]), "/bin/sh")
    return _appended(passwd, [f"{name}:x:{me.uid}:{me.groups[0][0]}:{name}:{HOME}:{shell}"])


def _with_groups(group: str, me: Person) -> str | None:
    groups = [fields.split(":") for fields in group.splitlines()]
    numbers = {fields[2] for fields in groups if len(fields) > 2}
    names = {fields[0] for fields in groups}
    lines = [
        f"{title if title not in names else f'group{number}'}:x:{number}:"
        for number, title in me.groups
        if str(number) not in numbers
    ]
    return _appended(group, lines) if lines else None


def _appended(text: str, lines: Sequence[str]) -> str:
    text = text if not text or text.endswith("\n") else f"{text}\n"
    return text + "".join(f"{line}\n" for line in lines)
