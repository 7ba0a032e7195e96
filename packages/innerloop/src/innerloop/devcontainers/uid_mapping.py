"""Whose files a dev container makes: its user becomes the person who works in it.

On Linux a bind mount keeps owners as numbers, so the container's user must have the person's
numbers. The devcontainer CLI sees to that where they are free in the image; it silently does
nothing where another user has them, where they are root's, and where root is the only user. Here
each of these gets a thin image on top of the experiment's own, made of two files and a `chown`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ..docker.engine import Engine

NEW_USER = "dev"


@dataclass(frozen=True, slots=True)
class HostUser:
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str

    def line(self) -> str:
        return f"{self.name}:x:{self.uid}:{self.gid}:{self.name}:{self.home}:{self.shell}"


@dataclass(frozen=True, slots=True)
class UserMapping:
    """`user`: by which name to work in the container. `script`: what root must do in the image
    first, None where it fits as it is."""

    user: str
    script: str | None = None

    def dockerfile(self, image: str, image_user: str) -> str:
        run = json.dumps(["/bin/sh", "-c", self.script], ensure_ascii=False)
        return f"FROM {image}\nUSER root\nRUN {run}\nUSER {image_user or 'root'}\n"


def person_of(root: Path, engine: Engine) -> HostUser | None:
    """The person whose files they shall be; None where the engine sees to it itself.

    Root stands in for the workspace's owner, as under sudo, in CI and in Codespaces. With an engine
    without root, root in the container is the person out here.
    """
    if sys.platform == "win32" or engine.desktop:
        return None
    if engine.rootless:
        return HostUser(0, 0)
    if os.getuid() == 0:
        owner = root.stat()
        return HostUser(owner.st_uid, owner.st_gid)
    return HostUser(os.getuid(), os.getgid())


def adapt(
    passwd: str, group: str, user: str, person: HostUser | None, *, named: bool = False
) -> UserMapping:
    """`user` is the one that the configuration or the image names ("": root), by name or number;
    `named`: the person wrote it into devcontainer.json, so that root is meant."""
    entries = parse(passwd)
    user = user.split(":")[0] or "root"
    ours = find(entries, user)
    if person is None or (ours is not None and ours.uid == 0 and named):
        return UserMapping(ours.name if ours else user)
    if ours is not None and (ours.uid, ours.gid) == (person.uid, person.gid):
        return UserMapping(ours.name)
    if ours is None or ours.uid == 0:
        return _add_user(passwd, group, entries, user, person)
    return UserMapping(ours.name, _move(passwd, group, entries, ours, person))


def parse(passwd: str) -> list[Entry]:
    """The lines that can be read; others are kept in the file and not looked at."""
    entries = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit() and fields[3].isdigit():
            entries.append(Entry(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6]))
    return entries


def find(entries: list[Entry], user: str) -> Entry | None:
    by_name = next((entry for entry in entries if entry.name == user), None)
    if by_name is None and user.isdigit():
        return next((entry for entry in entries if entry.uid == int(user)), None)
    return by_name


def _add_user(
    passwd: str, group: str, entries: list[Entry], user: str, person: HostUser
) -> UserMapping:
    """Nobody in the image could be the person: someone who has the number already, or a new user."""
    if person.uid == 0:
        return UserMapping("root")
    there = next(
        (entry for entry in entries if entry.uid == person.uid and _is_login_user(entry)), None
    )
    if there is not None:
        if there.gid == person.gid:
            return UserMapping(there.name)
        return UserMapping(there.name, _move(passwd, group, entries, there, person))
    names = {entry.name for entry in entries}
    wanted = NEW_USER if user.isdigit() or user == "root" else user
    name = next(n for n in (wanted, *(f"{NEW_USER}{i}" for i in range(2, 99))) if n not in names)
    shell = find(entries, "root")
    new = Entry(name, person.uid, person.gid, f"/home/{name}", shell.shell if shell else "/bin/sh")
    kept = _without_uid(passwd, entries, person.uid, _free(entries))
    script = [
        _write("/etc/passwd", f"{new.line()}\n{kept}"),
        _write("/etc/group", _group(group, new)),
        f"mkdir -p {shlex.quote(new.home)}",
        _own(new),
    ]
    return UserMapping(name, " && ".join(script))


def _move(passwd: str, group: str, entries: list[Entry], ours: Entry, person: HostUser) -> str:
    """Our user takes the person's numbers; who had them takes ours. The first line with a number
    is the one whose name programs show, so ours stands first."""
    moved = replace(ours, uid=person.uid, gid=person.gid)
    others = [line for line in passwd.splitlines() if not line.startswith(f"{ours.name}:")]
    rest = "".join(f"{line}\n" for line in others)
    given = ours.uid if ours.uid != person.uid else _free(entries)
    script = [
        _write("/etc/passwd", f"{moved.line()}\n{_without_uid(rest, entries, person.uid, given)}"),
        _write("/etc/group", _group(group, moved)),
    ]
    for entry in entries:
        theirs = entry.uid == person.uid and entry.name != ours.name and entry.uid != 0
        if theirs and entry.home.startswith("/home/"):
            script.append(_own(replace(entry, uid=given)))
    return " && ".join([*script, _own(moved)])


def _without_uid(passwd: str, entries: list[Entry], uid: int, given: int) -> str:
    """Whoever else has the number gets `given`; root keeps his."""
    lines = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if uid != 0 and len(fields) == 7 and fields[2] == str(uid):
            fields[2] = str(given)
        lines.append(":".join(fields) + "\n")
    return "".join(lines)


def _group(group: str, user: Entry) -> str:
    """A group of the number is there, or the user's own group takes it."""
    lines = [line.split(":") for line in group.splitlines() if line]
    if not any(len(fields) > 2 and fields[2] == str(user.gid) for fields in lines):
        own = next((fields for fields in lines if fields[0] == user.name), None)
        if own is None:
            lines.append([user.name, "x", str(user.gid), ""])
        else:
            own[2] = str(user.gid)
    return "".join(":".join(fields) + "\n" for fields in lines)


def _free(entries: list[Entry]) -> int:
    taken = {entry.uid for entry in entries}
    return next(uid for uid in range(60100, 65000) if uid not in taken)


def _is_login_user(entry: Entry) -> bool:
    return entry.home.startswith("/home/") and not entry.shell.endswith(("nologin", "false"))


def _write(path: str, text: str) -> str:
    return f"printf %s {shlex.quote(text)} > {path}"


def _own(user: Entry) -> str:
    """Never a folder that is more than a home."""
    home = shlex.quote(user.home)
    if user.home.rstrip("/") in (
        "",
        "/root",
        "/bin",
        "/usr",
        "/var",
        "/etc",
        "/opt",
        "/nonexistent",
    ):
        return "true"
    return f"{{ [ ! -d {home} ] || chown -R {user.uid}:{user.gid} {home}; }}"
