"""CPU time and memory of processes, of a container's cgroup, and of the whole machine.

Source: proc(5); the kernel's "Control Group v2" and "CPU Accounting Controller"; ps(1) of macOS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from . import process, regular_files
from .errors import UserError
from .quick_dataclasses import dataclass

ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Load:
    """`cpu` is the time used so far in seconds, of all cores; `memory` what is in use, in bytes."""

    cpu: float
    memory: int


Reader = Callable[[], "Load | None"]


def of_processes(pid: int) -> Load | None:
    """The load of a process and of what it started. None once it is gone, or where it is not known."""
    if sys.platform == "linux":
        return of_tree(pid)
    if sys.platform == "darwin":
        return _of_ps(pid)
    return None


def of_tree(pid: int, root: Path = ROOT) -> Load | None:
    """The same from Linux's /proc.

    The time of a process that has ended is its parent's, once that has waited for it. Memory that
    processes share is counted once.
    """
    ticks = shared = own = 0
    todo, seen = [pid], set()
    while todo:
        one = todo.pop()
        text = _text(root / f"proc/{one}/stat")
        words = text.rpartition(")")[2].split()
        if one in seen or len(words) < 22:
            continue
        seen.add(one)
        ticks += sum(map(int, words[11:15]))
        pages = _text(root / f"proc/{one}/statm").split()
        if len(pages) > 2:
            own += int(pages[1]) - int(pages[2])
            shared = max(shared, int(pages[2]))
        todo += _children(root / f"proc/{one}/task")
    if pid not in seen:
        return None
    return Load(ticks / _ticks(), (own + shared) * _page())


def _children(tasks: Path) -> Iterator[int]:
    """Which thread started a process decides in whose list it is."""
    with suppress(OSError):
        for thread in os.listdir(tasks):
            yield from map(int, _text(tasks / thread / "children").split())


def _ticks() -> int:
    return int(getattr(os, "sysconf", lambda name: 100)("SC_CLK_TCK"))


def _page() -> int:
    return int(getattr(os, "sysconf", lambda name: 4096)("SC_PAGE_SIZE"))


def _of_ps(pid: int) -> Load | None:
    done = process.run(["ps", "-axo", "pid=,ppid=,rss=,time="], timeout=10)
    return of_ps(done.out, pid) if done.ok else None


def of_ps(text: str, pid: int) -> Load | None:
    """The load of a process and of what it started, from lines of "pid ppid kilobytes time"."""
    rows = [words for line in text.splitlines() if len(words := line.split()) == 4]
    children: dict[str, list[str]] = {}
    for row in rows:
        children.setdefault(row[1], []).append(row[0])
    own = {str(pid)}
    todo = [str(pid)]
    while todo:
        new = [child for child in children.get(todo.pop(), ()) if child not in own]
        own |= set(new)
        todo += new
    found = [row for row in rows if row[0] in own]
    if not any(row[0] == str(pid) for row in found):
        return None
    memory = sum(int(row[2]) for row in found if row[2].isdecimal()) * 1024
    return Load(sum(_seconds(row[3]) for row in found), memory)


def _seconds(text: str) -> float:
    """Seconds of "1-02:03:04", "02:03:04" or "3:04.05"."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    with suppress(ValueError):
        for part in rest.split(":"):
            total = total * 60 + float(part)
        total += 86400 * float(days or 0)
    return total


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A container's files on this machine: of its CPU time, and of its memory."""

    cpu: Path
    memory: Path

    def load(self) -> Load | None:
        """None once the container has ended."""
        time, memory = _text(self.cpu), _text(self.memory)
        if not time or not memory.strip().isdecimal():
            return None
        # What the kernel can take back at once does not count, as `docker stats` has it.
        cached = _field(_text(self.memory.parent / "memory.stat"), *_CACHED)
        if self.cpu.name == "cpu.stat":
            seconds = _field(time, "usage_usec") / 1e6
        else:
            seconds = int(time) / 1e9 if time.strip().isdecimal() else 0.0
        return Load(seconds, max(0, int(memory) - cached))


_CACHED = ("total_inactive_file", "inactive_file")


def cgroup_of(pid: int, id: str, root: Path = ROOT) -> Cgroup | None:
    """The cgroup of a container's first process, of version 1 or 2.

    None if that process is not the container's with this ID: the engine is on another machine, or
    in a virtual one, or this is a container as well.
    """
    paths: dict[str, str] = {}
    for line in _text(root / f"proc/{pid}/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if id and id in path and ".." not in path.split("/"):
            paths |= {name: path.lstrip("/") for name in controllers.split(",")}
    top = root / "sys/fs/cgroup"
    cpu = [
        *(top / folder / paths[name] / "cpuacct.usage" for name, folder in _V1 if name in paths),
        *(base / paths[""] / "cpu.stat" for base in (top, top / "unified") if "" in paths),
    ]
    memory = [
        *(
            [top / "memory" / paths["memory"] / "memory.usage_in_bytes"]
            if "memory" in paths
            else []
        ),
        *(base / paths[""] / "memory.current" for base in (top, top / "unified") if "" in paths),
    ]
    found = [next((path for path in paths_ if path.is_file()), None) for paths_ in (cpu, memory)]
    if found[0] is None or found[1] is None:
        return None
    return Cgroup(found[0], found[1])


_V1 = (("cpuacct", "cpuacct"), ("cpuacct", "cpu,cpuacct"))


def _field(text: str, *names: str) -> int:
    fields = dict(words for line in text.splitlines() if len(words := line.split()) == 2)
    return next((int(fields[name]) for name in names if fields.get(name, "").isdecimal()), 0)


def of_machine(root: Path = ROOT) -> Load | None:
    """The load of the whole machine; None where it is not known."""
    if sys.platform == "win32":
        return _of_windows()
    words = _text(root / "proc/stat").partition("\n")[0].split()
    memory = _text(root / "proc/meminfo").replace(":", "").replace(" kB", "")
    total, free = _field(memory, "MemTotal"), _field(memory, "MemAvailable")
    if len(words) < 8 or not total:
        return None
    # user, nice, system, idle, iowait, irq, softirq
    busy = sum(int(words[at]) for at in (1, 2, 3, 6, 7))
    return Load(busy / _ticks(), (total - free) * 1024)


def _text(path: Path) -> str:
    """A small file's text; "" without one."""
    try:
        return regular_files.read_bytes(path, 100_000).decode("utf-8", "replace")
    except (OSError, UserError):
        return ""


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _MemoryStatus(ctypes.Structure):
        """MEMORYSTATUSEX."""

        _fields_ = [
            ("size", wintypes.DWORD),
            ("percent", wintypes.DWORD),
            ("total", ctypes.c_uint64),
            ("free", ctypes.c_uint64),
            ("others", ctypes.c_uint64 * 5),
        ]

    def _of_windows() -> Load | None:
        """Source: GetSystemTimes, whose kernel time has the idle time in it; GlobalMemoryStatusEx."""
        idle, kernel, user = (wintypes.FILETIME() for _ in range(3))
        memory = _MemoryStatus(size=ctypes.sizeof(_MemoryStatus))
        library = ctypes.WinDLL("kernel32")
        times = map(ctypes.byref, (idle, kernel, user))
        if not library.GetSystemTimes(*times):
            return None
        if not library.GlobalMemoryStatusEx(ctypes.byref(memory)):
            return None
        ticks = [time.dwHighDateTime << 32 | time.dwLowDateTime for time in (idle, kernel, user)]
        return Load((ticks[1] + ticks[2] - ticks[0]) / 1e7, memory.total - memory.free)

else:

    def _of_windows() -> Load | None:
        return None
