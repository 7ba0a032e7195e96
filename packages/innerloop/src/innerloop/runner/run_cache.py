"""The plan of the last run of a command line, for the next one: it starts without planning again.

A plan is kept for a run in a container of this machine's engine, once it has ended. It is used while
everything that it was made of is unchanged: the words and the variables, the tool, the files of the
workspace that were read (see `workspace/read_states`), the folders of its data, this machine's GPUs, the
person, and the image. Anything else is planned as ever: a change is seen at the next run. The text of the
code itself is not read by a plan, so a program that was edited starts at once, too (`unread_texts`).

An entry is in the user's cache, where no workspace can write it, and holds values of this package alone.
It has no secret: a plan with one is not kept, and what is masked in a log is looked for in the variables
again.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..model.paths import is_within
from ..model.source_names import SOURCES
from ..util.cache_folder import SETTLED_NS, file_of
from ..util.host_name import host_name
from ..util.quick_dataclasses import dataclass
from ..workspace import read_states, unread_texts

if TYPE_CHECKING:
    from ..model.container import ContainerSpec
    from ..model.run import Request, Run
    from .started_run import Started

BACKEND = "docker"
# The format of an entry's values.
PICKLE = 5
# Options after which a run is still one program in the foreground, whose plan says it all.
_OPTIONS = {"--backend", "--file", "--gpus", "--script", "--set"}
# Variables that differ from one start to the next and change nothing: the folder is asked for itself.
_VOLATILE = {"_", "OLDPWD", "PWD", "SHLVL"}
# So many command lines of a workspace are known, each with its variables: two terminals differ in
# some. The newest one replaces the one of its number.
_SLOTS = 32
# Files of a run's code whose text was read and is compared, the size of each and of all: see
# `_with_texts`. In bytes.
_MOST_TEXTS, _LARGEST_TEXT, _ALL_TEXTS = 1000, 1_000_000, 20_000_000
# Where a row of a file has the time of its own last change, after that of its text.
_CHANGED = 5
# Where the person and their groups have their names.
_NAMES = ("/etc/passwd", "/etc/group")
# A run that was left behind, variables of the person's own, and submodules: they change a run.
_RUNNING, _VARIABLES, _SUBMODULES = ".innerloop/running", ".env", ".gitmodules"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a command line depends on, as it was when the command began.

    `asked` is who asks for what, `rows` are those of `read_states.sources`, `path` is the entry's, and
    `began` is in nanoseconds since the epoch. `started` is the run that is ready to start, None where it
    has to be planned.
    """

    root: Path
    path: Path
    asked: list[Any]
    rows: list[read_states.Row]
    began: int
    started: Started | None = None


@contextmanager
def looked_up(root: Path, words: Sequence[str], cwd: Path) -> Iterator[Lookup | None]:
    """`look_up` for a run that is carried out within. No signal leaves its container behind."""
    from ..docker import early_container
    from ..util import process

    with process.signals_as_interrupts(), early_container.removed_unless_taken():
        yield look_up(root, words, cwd)


def look_up(root: Path, words: Sequence[str], cwd: Path) -> Lookup | None:
    """The plan of this command line. None for a command line whose plan is never kept."""
    began = time.time_ns()
    if sys.platform != "linux" or not _is_plain(words):
        return None
    try:
        rows = read_states.sources(root, with_unread=True)
    except (read_states.Unknown, OSError):
        return None
    asked = _asked(root, words, cwd)
    slot = zlib.crc32(json.dumps(asked).encode()) % _SLOTS
    lookup = Lookup(root, file_of(root, "run", f"-{slot}"), asked, rows, began)
    # Whatever is wrong with an entry, damaged or of another version: the run is planned.
    with suppress(Exception):
        return replace(lookup, started=_started(lookup))
    return lookup


def keep(lookup: Lookup, started: Started) -> None:
    """Keep the plan of a run that has ended, unless something that it was made of has changed."""
    # Whatever cannot be kept, the run has ended as it did.
    with suppress(Exception):
        entry = _entry(lookup, started)
        if entry is not None:
            from ..util import files

            files.write_private(lookup.path, entry.decode("utf-8", "surrogateescape"))


def _is_plain(words: Sequence[str]) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    options = {word.partition("=")[0] for word in own if word.startswith("-")}
    return options <= _OPTIONS


def _asked(root: Path, words: Sequence[str], cwd: Path) -> list[Any]:
    """Who asks for what, how, and where."""
    numbers = (os.getuid(), os.getgid(), sorted(os.getgroups()))
    variables = sorted([n, v] for n, v in os.environ.items() if n not in _VOLATILE)
    terminals = [stream.isatty() for stream in (sys.stdin, sys.stdout) if stream is not None]
    machine = [host_name(), *numbers, sys.version, __version__, PICKLE]
    return [list(words), str(root), str(cwd), machine, terminals, variables]


def _of_machine(root: Path, image: str, digest: str) -> list[str] | None:
    """What the engine and this machine say; None where a run may have to do more.

    `digest` is that of what the image is built from, "" for one that is not built here.
    """
    from ..docker import engine, image_bases, own_mounts
    from ..util import host_gpus

    if not engine.is_default() or own_mounts.own_binds() or _is_disturbed(root):
        return None
    asked = engine.ask(image)
    is_current = asked.label is not None and digest in ("", asked.label)
    if not asked.answers or not is_current or image_bases.changed_bases(asked.bases):
        return None
    return [repr(asked), repr(host_gpus.find())]


def _is_disturbed(root: Path) -> bool:
    """Whether there is something that a run looks at more closely."""
    if os.path.lexists(root / _VARIABLES) or os.path.lexists(root / _SUBMODULES):
        return True
    running = root / _RUNNING
    return os.path.lexists(running) and any(os.scandir(running))


def _is_in_view(code: str, row: read_states.Row) -> bool:
    """Whether a container's view of the code has a link to the file of a row.

    The system counts each link as a change of the file. Folders are mounted, and have none.
    """
    return len(row) == read_states.OF_A_FILE and row[0].rpartition("/")[0] == code


def _with_texts(root: Path, code: str, rows: Sequence[read_states.Row]) -> list[read_states.Row]:
    """The rows, with a checksum of the text in place of the last change of each file in a view.

    Raises Unknown for so much text that reading it takes longer than a plan.
    """
    sizes = [row[read_states.SIZE] for row in rows if _is_in_view(code, row)]
    if len(sizes) > _MOST_TEXTS or sum(n for n in sizes if n <= _LARGEST_TEXT) > _ALL_TEXTS:
        raise read_states.Unknown
    changed: list[read_states.Row] = []
    for row in rows:
        if _is_in_view(code, row):
            is_text = stat.S_ISREG(row[read_states.MODE]) and row[read_states.SIZE] <= _LARGEST_TEXT
            text = zlib.crc32((root / row[0]).read_bytes()) if is_text else 0
            row = [*row[:_CHANGED], text, *row[_CHANGED + 1 :]]
        changed.append(row)
    return changed


def _without_links(code: str, rows: Sequence[read_states.Row]) -> list[read_states.Row]:
    """The rows, with the last change of its text alone for each file in a view."""
    return [
        (
            [*row[:_CHANGED], row[_CHANGED - 1], *row[_CHANGED + 1 :]]
            if _is_in_view(code, row)
            else row
        )
        for row in rows
    ]


def _key(lookup: Lookup, code: str, rows: Sequence[read_states.Row]) -> str:
    return read_states.digest([lookup.asked, *_with_texts(lookup.root, code, rows)])


def _started(lookup: Lookup) -> Started | None:
    """The run of an entry that is still valid, by a new ID; None without one."""
    with open(lookup.path, "rb") as file:
        status = os.fstat(file.fileno())
        # In a cache of several people, another one's entry may say anything.
        if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        head, _, values = file.read().partition(b"\n")
    entry, root = json.loads(head), lookup.root
    rows = unread_texts.others(root, lookup.rows, entry["unread"])
    if (
        rows is None
        or entry["key"] != _key(lookup, entry["code"], rows)
        or entry["read"] != read_states.states(root, entry["read"])
        or entry["seen"] != read_states.places(root, entry["seen"])
        or entry["folders"] != read_states.digests_of_folders(root, entry["folders"])
        or entry["sources"] != {name: _source(name) for name in entry["sources"]}
        or entry["machine"] != _of_machine(root, entry["image"], entry["digest"])
    ):
        return None
    from ..util import files
    from .started_run import new_id

    # An ID has the same length as any other, and is found wherever the plan has it: in a container's
    # name, a label, a path.
    id = new_id()
    files.confine(root)
    if entry["early"]:
        _create_early(root, id, *json.loads(json.dumps(entry["early"]).replace(entry["id"], id)))
    values = values.replace(entry["id"].encode(), id.encode())
    run, request = _Values(io.BytesIO(values)).load()
    if entry["has_secrets"]:
        request = replace(request, redaction=_redaction(run, request))
    return _of_container(run, request)


def _of_container(run: Run, request: Request) -> Started:
    from ..local import container_run
    from .started_run import Started

    return Started(run, request, container_run.submit)


def _create_early(
    root: Path, id: str, name: str, body: dict[str, Any], experiment: str, outputs: str
) -> None:
    """Create the run's container while the rest of its plan is read.

    Of what it mounts, the folders of a run do not exist yet, and an engine looks for them. If this
    process is killed now, a later command finds by the mark what is left.
    """
    from ..docker import client, early_container, engine
    from ..history import in_flight
    from ..util import files

    socket_path = engine.own_socket()
    if socket_path is None or not client.is_plain(os.environ):
        return
    mounted = [Path(mount["Source"]) for mount in body["HostConfig"].get("Mounts", ())]
    in_flight.begin(root, id, "run", experiment, outputs)
    made = [files.make_folder(path) for path in mounted if not os.path.lexists(path)]
    early_container.begin(socket_path, name, body, made, forget=lambda: in_flight.forget(root, id))


def _early(run: Run, request: Request, container: ContainerSpec) -> list[Any] | None:
    """What `_create_early` needs; None for a container that the client starts."""
    from ..model.container_api import create_body

    body = create_body(container, os.environ)
    return None if body is None else [container.name, body, run.experiment.name, request.outputs]


def _redaction(run: Run, request: Request) -> Any:
    from ..model.run_secrets import secrets_of
    from ..util import network

    return secrets_of(run, request, os.environ, network.of_machine(os.environ).urls)


def _source(path: str) -> list[Any]:
    """What is mounted: a file with its state, and a folder by its being there."""
    found = read_states.state(Path(path))
    is_folder = bool(found) and isinstance(found[0], int) and stat.S_ISDIR(found[0])
    return ["folder"] if is_folder else found


def _entry(lookup: Lookup, started: Started) -> bytes | None:
    """The bytes of an entry; None for a run whose plan is not kept."""
    from ..docker import engine
    from ..util.redaction import NO_REDACTION
    from ..workspace.loader import WorkspaceFiles

    run, request, root = started.run, started.request, lookup.root
    image = run.environment.image
    found = read_states.consulted(root)
    if found is None or image is None or request.container is None:
        return None
    if not _can_be_kept(run, request):
        return None
    code = os.path.relpath(run.code or "", root).replace("\\", "/")
    room, context = WorkspaceFiles.room(), _within(root, image.context)
    known, unread = unread_texts.divided(root, lookup.rows, room, context)
    # After the glimpses, which are of these files then.
    rows = _without_links(code, read_states.sources(root, with_unread=True))
    if rows != _without_links(code, lookup.rows) or _is_unread(root, image.context, rows):
        return None
    folders = {*WorkspaceFiles.searched, *run.data.values()}
    below = {folder: read_states.in_folder(root, folder) for folder in sorted(folders)}
    rows += (row for found_below in below.values() for row in found_below)
    read = read_states.states(root, sorted({*found[0], *folders, *_NAMES}))
    # Below src/ a run makes places for its mounts, and what else is there has a row.
    seen = {place for place in found[1] if place.split("/")[0] != SOURCES}
    if read_states.newest_change(root, rows, read, seen) > lookup.began - SETTLED_NS:
        return None
    planned_with = repr(engine.last_answers.get(image.name))
    machine = _of_machine(root, image.name, image.digest)
    if machine is None or machine[0] != planned_with:  # or built again meanwhile
        return None
    mounted = [mount.source for mount in request.mounts if run.id not in mount.source]
    head = {
        "code": code,
        "key": _key(lookup, code, known),
        "unread": unread,
        "read": read,
        "seen": read_states.places(root, sorted(found[1])),
        "folders": {
            folder: read_states.digest(found_below) for folder, found_below in below.items()
        },
        "sources": {source: _source(source) for source in mounted},
        "image": image.name,
        "digest": image.digest,
        "machine": machine,
        "early": _early(run, request, request.container),
        "id": run.id,
        "has_secrets": request.redaction != NO_REDACTION,
    }
    values = pickle.dumps((run, replace(request, redaction=NO_REDACTION)), PICKLE)
    entry = json.dumps(head).encode() + b"\n" + values
    text = entry.decode("utf-8", "surrogateescape")
    return entry if request.redaction.text(text) == text else None


def _within(root: Path, folder: str) -> str:
    """The path from the root; "" for no folder."""
    return os.path.relpath(folder, root).replace("\\", "/") if folder else ""


def _is_unread(root: Path, context: str, rows: Sequence[read_states.Row]) -> bool:
    """Whether a build gets folders whose files have no rows."""
    inside = _within(root, context)
    return bool(inside) and any(
        len(row) == 1
        and row[0].rpartition("/")[2] in read_states.NOT_READ
        and is_within(row[0], inside)
        for row in rows
    )


def _can_be_kept(run: Run, request: Request) -> bool:
    """Whether the next run of the same words differs in its ID alone, while nothing changes."""
    from ..docker import container_context
    from ..model import grants
    from . import device_claims

    container, sources = request.container, Path(run.workspace.root, SOURCES)
    image, experiment, job = run.environment.image, run.experiment, run.job
    is_plain = (
        request.backend == BACKEND
        and container is not None
        and not (container.ports or container.is_apart or request.gpu.use or request.secrets)
        and not (run.ports or run.processes or run.ordered or run.within or run.search_space)
        and not (job.distribution or run.in_place or request.processes or request.grants)
        and run.attended
        # It is made of a file that may be anywhere.
        and not any(mount.target == container_context.CA for mount in container.mounts)
        and job.kind == "command"
    )
    is_in_sources = (
        job.name.startswith(f"{SOURCES}/")
        and not (experiment.paths.keys or experiment.paths.link)
        and run.code is not None
        and Path(run.code).is_relative_to(sources)
        and image is not None
        and (not image.context or Path(image.context).is_relative_to(sources))
    )
    return (
        is_plain
        and is_in_sources
        and device_claims.candidates(experiment.settings.gpu) == ()
        and not grants.of_run(run, in_container=True, resolve=os.path.realpath)
    )


class _Values(pickle.Unpickler):
    """Reads values of this package, and nothing that does anything."""

    def find_class(self, module: str, name: str) -> Any:
        # A name with a dot leads from a module to what that has imported.
        if module.startswith(("innerloop.model.", "innerloop.util.")) and "." not in name:
            found = super().find_class(module, name)
            is_ours = isinstance(found, type) and found.__module__ == module
            if is_ours and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise ValueError(f"{module}.{name} is no value of a plan")
