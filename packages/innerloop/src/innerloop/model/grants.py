"""What a job or a dev container gets of this machine beyond its workspace. Pure.

An ordinary job, whose code and data are in the workspace, gets nothing more: the result is empty.
Options of the engine that are not known to be harmless count as a grant, so that a new option is
said and not overlooked.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from .folder_contents import listed
from .paths import is_within
from .run import Run


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing: `what` completes "it ...", `where` is the file:line that asks for it."""

    what: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: it {self.what}" if self.where else f"it {self.what}"


Resolve = Callable[[str], str]
"""A path with all links resolved, as os.path.realpath does."""


def of_run(run: Run, *, in_container: bool, resolve: Resolve) -> tuple[Grant, ...]:
    """What this run gets.

    On the host itself (not `in_container`) the job's docker_args have no effect. The options that
    the person typed are theirs.
    """
    root = resolve(run.workspace.root)
    grants = []

    def outside(path: str) -> str:
        real = resolve(path)
        return "" if is_within(real, root) else real

    if run.code is not None and (real := outside(run.code)):
        grants.append(Grant(f"reads and writes {real}", _text(run.job.where("code"))))
    for name, path in run.data.items():
        if real := outside(path):
            verb = "reads and writes" if name in run.writable else "reads"
            grants.append(Grant(f"{verb} {real}", _text(run.job.where("inputs", name))))
    if not in_container:
        links = [link for link in run.links if not link.is_inside]
        grants += [Grant(f"follows the link to {link.target}", link.path) for link in links]
        for name, contents in run.contents.items():
            outside_links = [
                link for link in contents.links_in("outside") if not is_within(link.target, root)
            ]
            if name and outside_links and is_within(contents.folder, root):
                targets = listed(list(dict.fromkeys(link.target for link in outside_links)))
                where = _text(run.job.where("inputs", name))
                grants.append(Grant(f"reads {targets} by links in its data", where))
    context = run.environment.image.context if run.environment.image is not None else ""
    if context and run.environment.kind == "dockerfile" and (real := outside(context)):
        grants.append(Grant(f"builds its image from {real}", str(run.environment.position)))
    if in_container and run.job.docker_args:
        where = _text(run.job.where("resources", "docker_args"))
        try:
            words = shlex.split(run.job.docker_args)
        except ValueError:
            words = []  # reported by the backend
        grants += [Grant(what, where) for what in of_options(words)]
    return tuple(dict.fromkeys(grants))


def _text(where: Position | str) -> str:
    return str(where)


# Options of `docker run` that give nothing of the machine but computing time: they limit the
# container, name it, or set what is inside it. Each with whether it takes a value.
_HARMLESS = {
    **dict.fromkeys(
        ("--rm", "--init", "--read-only", "--interactive", "--tty", "--no-healthcheck", "--detach",
         "--oom-kill-disable", "--quiet", "--sig-proxy"),
        False,
    ),
    **dict.fromkeys(
        ("--name", "--hostname", "--label", "--workdir", "--entrypoint", "--shm-size", "--memory",
         "--memory-swap", "--memory-swappiness", "--memory-reservation", "--kernel-memory", "--cpus",
         "--cpu-shares", "--cpu-period", "--cpu-quota", "--cpuset-cpus", "--cpuset-mems", "--gpus",
         "--ulimit", "--pids-limit", "--tmpfs", "--stop-signal", "--stop-timeout", "--platform",
         "--pull", "--expose", "--cap-drop", "--attach", "--detach-keys", "--blkio-weight",
         "--health-cmd", "--health-interval", "--health-retries",
         "--health-start-period", "--health-timeout", "--domainname", "--storage-opt",
         "--network-alias", "--mac-address", "--dns", "--dns-search", "--dns-option"),
        True,
    ),
}  # fmt: skip
_SHORT = {
    "d": "--detach", "i": "--interactive", "t": "--tty", "q": "--quiet", "P": "--publish-all",
    "a": "--attach", "c": "--cpu-shares", "e": "--env", "h": "--hostname", "l": "--label",
    "m": "--memory", "p": "--publish", "u": "--user", "v": "--volume", "w": "--workdir",
}  # fmt: skip
_SWITCHES = {
    "--privileged",
    "--publish-all",
    *(name for name, takes in _HARMLESS.items() if not takes),
}
# Words of docker that mean: as the image or the engine has it.
_DEFAULTS = {
    "--network": ("bridge", "none", "default"),
    "--net": ("bridge", "none", "default"),
    "--ipc": ("private", "none", "shareable"),
    "--uts": (),
    "--pid": (),
    "--security-opt": ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"),
}


def of_options(words: Sequence[str]) -> Iterator[str]:
    """What options of `docker run` give, as clauses. Source: docker-run(1)."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-") or word == "-":
            if word != "--":
                yield f'runs the image "{word}" instead of its own'
            return
        for option, value in _split(word):
            if value is None and option not in _SWITCHES and option not in ("", "--"):
                value = words[position] if position < len(words) else ""
                position += 1
            if clause := _clause(option, value or ""):
                yield clause


def _split(word: str) -> Iterator[tuple[str, str | None]]:
    """The options in one word; the value is None where it is the next word, or there is none."""
    if word.startswith("--"):
        option, separator, value = word.partition("=")
        yield option, value if separator else None
        return
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        option = _SHORT.get(letter, f"-{letter}")
        if option in _SWITCHES and not letters.startswith("="):
            yield option, None
            continue
        yield option, letters.removeprefix("=") or None
        return


def _clause(option: str, value: str) -> str:
    """What one option gives; "" for nothing."""
    if option in _HARMLESS or value in _DEFAULTS.get(option, ()):
        return ""
    if option in _SWITCHES and value.lower() in ("false", "0", "f"):
        return ""
    if option == "--privileged":
        return "is privileged: it controls this machine as its administrator"
    if option in ("--volume", "-v"):
        return _volume(value)
    if option == "--mount":
        return _mount(value)
    if option == "--env":
        return "" if "=" in value else f"reads the variable {value} of this machine"
    if option == "--user":
        user = value.partition(":")[0]
        return "runs as root in its container" if user in ("0", "root") else ""
    if option in ("--publish", "-p"):
        return "" if value.startswith(("127.0.0.1:", "[::1]:")) else f"publishes the port {value}"
    if option in ("--network", "--net", "--ipc", "--pid", "--uts", "--userns", "--cgroupns"):
        noun = {"--net": "network"}.get(option, option[2:])
        return f"shares this machine's {noun} ({option}={value})"
    if option == "--env-file":
        return f"reads the file {value} of this machine for its variables"
    return f"gets the engine's option {option}{f'={value}' if value else ''}"


def _volume(value: str) -> str:
    source = re.match(r"([A-Za-z]:[\\/][^:]*|[^:]*)(?::|$)", value)
    name = source[1] if source else value
    if ":" not in value or not re.match(r"[/.~\\$]|[A-Za-z]:", name):
        # An anonymous volume, or a named one: `name:/target`.
        return "" if ":" not in value else f"uses the engine's volume {name}"
    return f"mounts {name}{_mode(value.endswith(':ro') or ':ro,' in value)}"


def _mount(value: str) -> str:
    import csv  # here: few jobs have mounts of their own

    (parts,) = csv.reader([value.replace("\n", " ")]) if value else ([],)
    fields = {key.strip().lower(): text for key, _, text in (part.partition("=") for part in parts)}
    kind = fields.get("type", "volume")
    source = fields.get("source", fields.get("src", ""))
    if kind == "tmpfs" or (kind == "volume" and not source):
        return ""
    if kind == "volume" and not any(key.startswith("volume-opt") for key in fields):
        return f"uses the engine's volume {source}"
    is_read_only = any(
        fields.get(key, "no").lower() in ("", "true", "1") for key in ("readonly", "ro")
    )
    return f"mounts {source or value}{_mode(is_read_only)}"


def _mode(is_read_only: bool) -> str:
    return " for reading" if is_read_only else " for reading and writing"


def of_devcontainer(value: Mapping[str, Any], path: str) -> tuple[Grant, ...]:
    """What a dev container gets by its devcontainer.json.

    `path` is the file's, relative to the workspace's root. What the tool generates gives nothing.
    """
    clauses: list[str] = []
    if command := value.get("initializeCommand"):
        clauses.append(f"runs a command on this machine, before it starts: {_shown(command)}")
    if value.get("privileged") is True:
        clauses.append(_clause("--privileged", ""))
    for key, option in (("capAdd", "--cap-add"), ("securityOpt", "--security-opt")):
        clauses += [_clause(option, str(item)) for item in _items(value.get(key))]
    for mount in _items(value.get("mounts")):
        text = (
            ",".join(f"{key}={item}" for key, item in mount.items())
            if isinstance(mount, Mapping)
            else str(mount)
        )
        if "${devcontainerId}" not in text or "type=volume" not in text:
            clauses.append(_mount(text))
    source = re.search(r"(?:source|src)=([^,]*)", str(value.get("workspaceMount", "")))
    if source and source[1] != "${localWorkspaceFolder}":
        clauses.append(_mount(str(value["workspaceMount"])))
    clauses += of_options([str(word) for word in _items(value.get("runArgs"))])
    clauses += [f"publishes the port {port}" for port in _items(value.get("appPort"))]
    clauses += [
        f"is built with {name}, which may ask for more" for name in value.get("features") or ()
    ]
    if value.get("dockerComposeFile"):
        clauses.append(f"gets what {_shown(value['dockerComposeFile'])} asks for")
    clauses += _of_build(value.get("build"), value, path)
    names = sorted(set(re.findall(r"\$\{localEnv:([^}:]+)", _shown(value))))
    clauses += [f"reads the variable {name} of this machine" for name in names]
    return tuple(Grant(clause, path) for clause in dict.fromkeys(filter(None, clauses)))


def _of_build(build: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    build = build if isinstance(build, Mapping) else {}
    for option in map(str, _items(build.get("options"))):
        if not option.startswith(("--tag", "-t", "--label", "--build-arg", "--target", "--pull")):
            yield f"is built with the option {option}"
    context = str(build.get("context", value.get("context", ".")))
    base = posixpath.normpath(posixpath.join(posixpath.dirname(path), context))
    if "$" in context or base.startswith("../") or base == ".." or posixpath.isabs(base):
        yield f"is built from {context}"


def _items(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
