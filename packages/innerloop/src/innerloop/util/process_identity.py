"""Which process a number means: a number alone is used again after the process has ended.

An identity also has the time of the process's start and, on Linux, the boot and the namespace in
which both count. It is written to records, so whatever is read back is checked.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from . import process, windows_processes
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

# "elsewhere": the process belongs to another machine or container, so it cannot be looked at.
Life = Literal["alive", "dead", "elsewhere"]
_TEXT = late_pattern(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process: its number, its start as the system counts it, and the `host` on which both count.

    `start` is "" where the system does not say it.
    """

    pid: int
    start: str
    host: str

    def json(self) -> dict[str, Any]:
        return {"pid": self.pid, "start": self.start, "host": self.host}


def parse(value: object) -> ProcessIdentity | None:
    """The identity in a record; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    pid, start, host = value.get("pid"), value.get("start"), value.get("host")
    if not isinstance(pid, int) or isinstance(pid, bool) or not 1 < pid < 2**31:
        return None
    if not (isinstance(start, str) and isinstance(host, str) and _TEXT.fullmatch(host)):
        return None
    return ProcessIdentity(pid, start, host) if not start or _TEXT.fullmatch(start) else None


def of(pid: int) -> ProcessIdentity:
    """The identity of a process of this machine that exists now."""
    return ProcessIdentity(pid, _start_of(pid) or "", here())


def own() -> ProcessIdentity:
    return of(os.getpid())


def here() -> str:
    """The machine and, on Linux, its boot and the namespace in which its process numbers count."""
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "") or "this-machine"
    name = os.uname().nodename
    if sys.platform == "darwin":  # the rest is that of the network that it is in
        return name.partition(".")[0]
    if sys.platform != "linux":
        return name
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{name} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return name


def life(identity: ProcessIdentity) -> Life:
    """Whether it still runs. A zombie has ended."""
    if identity.host != here():
        # After a restart of this very machine none of its processes is left.
        return "dead" if is_of_earlier_boot(identity) else "elsewhere"
    start = _start_of(identity.pid)
    if start is None:
        return "dead"
    return "alive" if not identity.start or start == identity.start else "dead"


def is_of_earlier_boot(identity: ProcessIdentity) -> bool:
    """Whether this very machine was restarted since. Only Linux says so."""
    theirs, ours = identity.host.split(" "), here().split(" ")
    return len(theirs) == len(ours) == 3 and theirs[0] == ours[0] and theirs[1] != ours[1]


def end(identity: ProcessIdentity, patience: float) -> bool:
    """End a process and its descendants: SIGTERM, then SIGKILL after `patience` seconds.

    True when it has ended. Nothing happens to another process that got its number.
    """
    if life(identity) != "alive":
        return life(identity) == "dead"
    if sys.platform == "win32":
        process.run(["taskkill", "/PID", str(identity.pid), "/T", "/F"], timeout=30)
        return _ended_within(identity, patience)
    below = [of(pid) for pid in process.descendants(identity.pid)]
    everything = [identity, *below]
    _signal(everything, signal.SIGTERM)
    if all(_ended_within(one, patience) for one in everything):
        return True
    _signal(everything, signal.SIGKILL)
    return _ended_within(identity, 2.0)


def ask_to_end(identity: ProcessIdentity, patience: float) -> bool:
    """Ask a process alone to end with SIGTERM. True when it has ended within `patience` seconds."""
    if life(identity) == "alive":
        with suppress(OSError):
            os.kill(identity.pid, signal.SIGTERM)
    return _ended_within(identity, patience)


def _ended_within(identity: ProcessIdentity, patience: float) -> bool:
    until = time.monotonic() + patience
    while life(identity) == "alive":
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _signal(identities: Sequence[ProcessIdentity], number: int) -> None:
    for identity in identities:
        if life(identity) == "alive":
            with suppress(OSError):
                os.kill(identity.pid, number)


def _start_of(pid: int) -> str | None:
    """The start of a process as text; "" if the system does not say, None without such a process."""
    if sys.platform == "win32":
        start = windows_processes.start_of(pid)
        return None if start is None else str(start or "")
    if sys.platform == "linux":
        # Source: proc(5), fields 3 (state) and 22 (start, in clock ticks since boot).
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
            state, start = fields.split()[0], fields.split()[19]
        except (FileNotFoundError, ProcessLookupError):
            return None
        except (OSError, IndexError):
            return ""
        return None if state in "ZXx" else start
    # The start is printed in the language and the time zone of these variables.
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    done = process.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], timeout=10, env=env)
    state, _, start = done.out.strip().partition(" ")
    return None if not done.ok or not state or state.startswith("Z") else start.strip()
