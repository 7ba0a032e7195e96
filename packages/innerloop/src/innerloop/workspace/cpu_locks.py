"""Whether this machine takes an experiment's lock for the CPU."""

from __future__ import annotations

import posixpath
from pathlib import Path

from ..model import cpu_lock
from ..model.dockerfiles.dockerfile import Dockerfile
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import host_gpus
from ..util.quick_dataclasses import dataclass
from . import loader


@dataclass(frozen=True, slots=True)
class CpuLock:
    """`path`: the lock for the CPU that this machine takes, from the root; "" if it takes none.

    `note`: why it takes none though there is one, or that it takes it; "" without such a lock. `text` is
    its content.
    """

    path: str = ""
    note: str = ""
    text: str = ""

    def dockerfile_of(self, experiment: Experiment) -> Dockerfile | None:
        """The Dockerfile that installs it; None where no lock or no such instruction is there."""
        paths = experiment.paths
        if not self.path:
            return None
        lock = posixpath.relpath(paths.lock, paths.context)
        return cpu_lock.dockerfile_with(experiment.dockerfile, lock)


def lock_for(workspace: Workspace, experiment: Experiment) -> CpuLock:
    """The lock that this machine takes: that for the CPU if it is there and no GPU is.

    One that does not fit the full lock is not taken: its versions would be others than in the cloud.
    """
    full = experiment.paths.lock
    if not full or experiment.paths.source != "dockerfile":
        return CpuLock()
    read = loader.WorkspaceFiles(Path(workspace.root)).read
    path = cpu_lock.name_of(full)
    text, lock = read(path), read(full)
    if text is None or lock is None or host_gpus.find().is_any:
        return CpuLock()
    name = posixpath.basename(path)
    if why := cpu_lock.outdated(read(f"{full.removesuffix('.txt')}.in"), lock, text):
        return CpuLock(
            note=f"{name} is outdated ({why}), so {posixpath.basename(full)} is installed: "
            f"`scripts/loop lock {experiment.name} --torch cpu`"
        )
    return CpuLock(path, f"{name} is installed, because this machine has no GPU", text)
