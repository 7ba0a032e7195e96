"""Gives the person's UID and GID to a dev container's user.

On Linux a bind mount keeps numeric owners, so files are the person's only if the container's user
has the person's numbers. The devcontainer CLI changes them if they are free in the image; it
silently does nothing if another user has them, if they are root's, or if root is the only user.
Here each of these cases gets a thin image on top of the experiment's: two files and a `chown`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from ..docker.engine import Engine
from ..model.container import PODMAN
from ..util.quick_dataclasses import dataclass

NEW_USER = "dev"


@dataclass(frozen=True, slots=True)
class HostUser:
    """The person's numbers on the host."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class PasswdEntry:
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
    """`user` is the name to work as in the container.

    `script` is what root has to run in the image first; None if the image can be used as it is.
    `home` is the user's home, "" for root's.
    """

    user: str
    script: str | None = None
    home: str = ""

    def dockerfile(self, image: str, image_user: str) -> str:
        run = json.dumps(["/bin/sh", "-c", self.script], ensure_ascii=False)
        # `pip install` puts programs there for a user who may not write elsewhere.
        path = f'ENV PATH="{self.home}/.local/bin:${{PATH:-{_PATH}}}"\n' if self.home else ""
        return f"FROM {image}\nUSER root\nRUN {run}\n{path}USER {image_user or 'root'}\n"


# Of an image that sets none. Source: the engine's default PATH.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def person_of(root: Path, engine: Engine) -> HostUser | None:
    """Who should own the files; None if the engine maps owners itself.

    If this process is root's, as under sudo, in CI and in Codespaces, that is the workspace's
    owner. With a rootless engine it is root, which is the person on the host. Where the client is
    Podman's, the devcontainer CLI starts the container with `--userns=keep-id` for any user but root:
    in there the person has their own number, and root is a stranger.
    """
    if sys.platform == "win32" or engine.facts.owners == "anyone":
        return None
    if engine.facts.owners == "root" and engine.facts.client != PODMAN:
        return HostUser(0, 0)
    if os.getuid() == 0:
        owner = root.stat()
        return HostUser(owner.st_uid, owner.st_gid)
    return HostUser(os.getuid(), os.getgid())


def adapt(
    passwd: str, group: str, user: str, person: HostUser | None, *, named: bool = False
) -> UserMapping:
    """How `user` of an image gets the person's numbers.

    `user` is the one of the configuration or the image ("": root), by name or number; `named`:
    devcontainer.json names it, so that root is intended.
    """
    entries = parse(passwd)
    user = user.split(":")[0] or "root"
    entry = find(entries, user)
    if person is None or (entry is not None and entry.uid == 0 and named):
        return UserMapping(entry.name if entry else user)
    if entry is not None and (entry.uid, entry.gid) == (person.uid, person.gid):
        return UserMapping(entry.name)
    if entry is None or entry.uid == 0:
        return _add_user(passwd, group, entries, user, person)
    script = _renumber(passwd, group, entries, entry, person)
    return UserMapping(entry.name, script, _quotable(entry.home))


def parse(passwd: str) -> list[PasswdEntry]:
    """The well-formed lines of /etc/passwd."""
    entries = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit() and fields[3].isdigit():
            entries.append(
                PasswdEntry(fields[0], int(fields[2]), int(fields[3]), fields[5], fields[6])
            )
    return entries


def find(entries: list[PasswdEntry], user: str) -> PasswdEntry | None:
    by_name = next((entry for entry in entries if entry.name == user), None)
    if by_name is None and user.isdigit():
        return next((entry for entry in entries if entry.uid == int(user)), None)
    return by_name


def _add_user(
    passwd: str, group: str, entries: list[PasswdEntry], user: str, person: HostUser
) -> UserMapping:
    """Use the login user that has the person's UID already, or add a user."""
    if person.uid == 0:
        return UserMapping("root")
    same_uid = next(
        (entry for entry in entries if entry.uid == person.uid and _is_login_user(entry)), None
    )
    if same_uid is not None:
        if same_uid.gid == person.gid:
            return UserMapping(same_uid.name)
        renumbered = _renumber(passwd, group, entries, same_uid, person)
        return UserMapping(same_uid.name, renumbered, _quotable(same_uid.home))
    names = {entry.name for entry in entries}
    preferred = NEW_USER if user.isdigit() or user == "root" else user
    name = next(n for n in (preferred, *(f"{NEW_USER}{i}" for i in range(2, 99))) if n not in names)
    root = find(entries, "root")
    new = PasswdEntry(
        name, person.uid, person.gid, f"/home/{name}", root.shell if root else "/bin/sh"
    )
    others = _without_uid(passwd, entries, person.uid, _free(entries))
    script = [
        _write("/etc/passwd", f"{new.line()}\n{others}"),
        _write("/etc/group", _group(group, new)),
        f"mkdir -p {shlex.quote(new.home)}",
        _chown(new),
    ]
    return UserMapping(name, " && ".join(script), _quotable(new.home))


def _renumber(
    passwd: str, group: str, entries: list[PasswdEntry], user: PasswdEntry, person: HostUser
) -> str:
    """A script that gives the person's UID and GID to `user`.

    If another user had the person's UID, that user gets the old UID of `user`. The line of `user`
    becomes the first one, since programs show the first name of a number.
    """
    renumbered = replace(user, uid=person.uid, gid=person.gid)
    others = [line for line in passwd.splitlines() if not line.startswith(f"{user.name}:")]
    rest = "".join(f"{line}\n" for line in others)
    freed = user.uid if user.uid != person.uid else _free(entries)
    rest = _without_uid(rest, entries, person.uid, freed)
    script = [
        _write("/etc/passwd", f"{renumbered.line()}\n{rest}"),
        _write("/etc/group", _group(group, renumbered)),
    ]
    for entry in entries:
        had_uid = entry.uid == person.uid and entry.name != user.name and entry.uid != 0
        if had_uid and entry.home.startswith("/home/"):
            script.append(_chown(replace(entry, uid=freed)))
    return " && ".join([*script, _chown(renumbered)])


def _without_uid(passwd: str, entries: list[PasswdEntry], uid: int, other_uid: int) -> str:
    """The text of /etc/passwd in which users with `uid` have `other_uid`; root keeps its UID."""
    lines = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if uid != 0 and len(fields) == 7 and fields[2] == str(uid):
            fields[2] = str(other_uid)
        lines.append(":".join(fields) + "\n")
    return "".join(lines)


def _group(group: str, user: PasswdEntry) -> str:
    """The text of /etc/group with the user's GID: of an existing group, or of the user's own."""
    lines = [line.split(":") for line in group.splitlines() if line]
    if not any(len(fields) > 2 and fields[2] == str(user.gid) for fields in lines):
        own = next((fields for fields in lines if fields[0] == user.name), None)
        if own is None:
            lines.append([user.name, "x", str(user.gid), ""])
        else:
            own[2] = str(user.gid)
    return "".join(":".join(fields) + "\n" for fields in lines)


def _quotable(home: str) -> str:
    """The home, if it can stand between quotes in a Dockerfile; "" otherwise."""
    return home if re.fullmatch(r"(/[\w.@+-]+)+", home) else ""


def _free(entries: list[PasswdEntry]) -> int:
    taken = {entry.uid for entry in entries}
    return next(uid for uid in range(60100, 65000) if uid not in taken)


def _is_login_user(entry: PasswdEntry) -> bool:
    return entry.home.startswith("/home/") and not entry.shell.endswith(("nologin", "false"))


def _write(path: str, text: str) -> str:
    return f"printf %s {shlex.quote(text)} > {path}"


def _chown(user: PasswdEntry) -> str:
    """A command that gives the home to the user; for a system folder, one that does nothing."""
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
