"""The backend ssh: the job runs on a machine of the team's own, `--backend ssh:NAME`.

NAME is a table `[remote.NAME]` of the settings, or a host of the person's ssh configuration.
"""

from __future__ import annotations

from ..host.machine import HostMachine


class Ssh(HostMachine):
    """A supervisor beside each job keeps it there."""

    kind = "ssh"


BACKEND = Ssh
