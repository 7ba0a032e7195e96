"""The backend Slurm: `--backend slurm` on a cluster's login node, `slurm:NAME` through ssh.

NAME is a table `[remote.NAME]` of the settings, or a host of the person's ssh configuration. A job becomes a
batch script of the cluster, see `batch_script`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...model.run import Availability
from ...model.workspace import Workspace
from ..base import DoctorFact
from ..host.machine import HostMachine

if TYPE_CHECKING:
    from .run import SlurmRun


class Slurm(HostMachine):
    kind = "slurm"

    def _new_run(self) -> SlurmRun:
        from .run import SlurmRun

        return SlurmRun(self.root, self.remote, self._host)

    def available(self, workspace: Workspace) -> Availability:
        return self.run.available(workspace)

    def doctor(self) -> Iterator[DoctorFact]:
        from . import doctor

        return doctor.facts(self.root, self.host, self.remote)


BACKEND = Slurm
