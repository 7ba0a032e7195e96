"""`loop doctor --backend ssh:NAME`: the connection, what starts jobs there, GPUs, disk and clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from ...model.cuda import runs_on
from ...model.settings import remotes
from ...model.settings.remotes import NO_ENGINE
from ...util import process
from ...util.errors import UserError
from ...workspace import loader, needed_cuda
from ..base import DoctorFact
from ..progress import format_size
from .facts import HostFacts
from .host import RemoteHost

# Less free disk, in bytes, is reported. An image with CUDA's libraries takes 7 GB.
_LITTLE = 10_000_000_000
# A clock that is off by more seconds is reported.
_OFF = 60


def facts(root: Path, host: RemoteHost, remote: str) -> Iterator[DoctorFact]:
    workspace = loader.open_workspace(root)
    setting = remotes.named(workspace.settings.remote, remote)
    where = setting.where("") or "no [remote] table; the host of this name in the ssh configuration"
    yield "ok", "configuration", f"{remote} is {setting.host}, from {where}", ""
    began = time.time()
    try:
        found = host.facts(setting.engine)
    except UserError as error:
        hint = "" if error.code == "remote-failed" else error.hint  # that one names this command
        yield "bad", "connection", error.what, hint
        return
    seconds = time.time() - began
    system = f"{found.user} on {found.system} {found.machine}, in {seconds:.1f} s"
    yield "ok", "connection", system, ""
    yield from _engine(found, setting.engine)
    yield _gpu(found)
    yield from _cuda(root, found)
    yield disk(found, host.backend)
    yield _clock(found, (began + time.time()) / 2)
    yield _transfer(found)


def _engine(found: HostFacts, wanted: remotes.RemoteEngine | None) -> Iterator[DoctorFact]:
    for name, said in found.silent:
        yield "note", f"engine {name}", f"does not answer: {said}", "Start it there, or join its group"
    if found.engine != NO_ENGINE:
        yield "ok", "engine", found.engine_version, ""
    elif wanted not in (None, NO_ENGINE):
        yield "bad", "engine", f"there is no {wanted} that answers", "Install or start it there"
    elif "python3" in found.programs:
        what = "none: jobs get an environment made from the lock, with python3"
        yield "ok" if wanted else "note", "engine", what, ""
    else:
        hint = "Install Docker, Podman, Apptainer, or Python 3 there"
        yield "bad", "engine", "there is no engine and no python3: no job can run", hint
    if "bash" not in found.programs and found.engine == NO_ENGINE:
        yield "note", "bash", "a job's command is a text for bash, and only sh is there", "Install bash"


def _gpu(found: HostFacts) -> DoctorFact:
    if not found.gpus:
        return "ok", "gpu", "no GPU there; jobs use the CPU", ""
    names = ", ".join(dict.fromkeys(device.name for device in found.gpus))
    cuda = f", up to CUDA {found.cuda[0]}.{found.cuda[1]}" if found.cuda else ""
    return "ok", "gpu", f"{len(found.gpus)} x {names}, driver {found.driver}{cuda}", ""


def _cuda(root: Path, found: HostFacts) -> Iterator[DoctorFact]:
    """Whether the driver there supports the CUDA of each experiment's packages."""
    workspace = loader.open_workspace(root)
    for name in workspace.experiments if found.cuda else ():
        try:
            experiment = loader.open_experiment(workspace, name)
            needed = needed_cuda.of_experiment(root, experiment)
        except UserError:
            continue
        if needed is None or found.cuda is None or experiment.settings.gpu.kind == "none":
            continue
        version = f"{needed[0]}.{needed[1]}"
        if runs_on(found.cuda, needed):
            yield "ok", f"cuda of {name}", f"{version}, which the driver there supports", ""
        else:
            what = f"{version}, but the driver there supports up to {found.cuda[0]}.{found.cuda[1]}"
            hint = "Update the NVIDIA driver there, or lock a torch built for an older CUDA"
            yield "bad", f"cuda of {name}", what, hint


def disk(found: HostFacts, backend: str) -> DoctorFact:
    what = f"{format_size(found.free)} free for {found.root}"
    if found.free >= _LITTLE:
        return "ok", "disk", what, ""
    hint = f"`scripts/loop clean --backend {backend}` frees what is there"
    return "note", "disk", what, hint


def _clock(found: HostFacts, now: float) -> DoctorFact:
    off = found.time - now
    if abs(off) <= _OFF:
        return "ok", "clock", "the same as here", ""
    word = "ahead of" if off > 0 else "behind"
    what = f"{abs(off):.0f} s {word} the one here: times of runs are off by as much"
    return "note", "clock", what, "Set both by NTP"


def _transfer(found: HostFacts) -> DoctorFact:
    here = process.which("rsync") is not None
    if here and "rsync" in found.programs:
        return "ok", "transfer", "rsync", ""
    lacking = "there" if here else "here"
    return "ok", "transfer", f"tar (rsync, which goes on within large files, is not {lacking})", ""
