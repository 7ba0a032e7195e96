"""Processes of Windows: a program with all that it starts as one job, and who started whom.

Source: "Job Objects" and "Taking a Snapshot and Viewing Processes" of the Windows API. On other
systems there are no jobs and no processes here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

# Popen's flag for a program that waits for `start` (CREATE_SUSPENDED of winbase.h).
SUSPENDED = 0x4
# Those for one that goes on without this process: without a console (DETACHED_PROCESS), and outside of
# the job of this process (CREATE_BREAKAWAY_FROM_JOB), which another's job may refuse.
NO_CONSOLE, NO_JOB = 0x8, 0x1000000

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # Source: winnt.h (JOBOBJECTINFOCLASS, JOB_OBJECT_LIMIT_...) and tlhelp32.h.
    _EXTENDED_LIMITS, _KILL_ON_JOB_CLOSE, _BREAKAWAY_OK = 9, 0x2000, 0x800
    _SNAPSHOT_OF_PROCESSES = 0x2
    _QUERY_LIMITED_INFORMATION, _STILL_ACTIVE, _ACCESS_DENIED = 0x1000, 259, 5
    _INVALID = ctypes.c_void_p(-1).value

    class _Limits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

        _fields_ = [
            ("process_time", ctypes.c_int64),
            ("job_time", ctypes.c_int64),
            ("flags", wintypes.DWORD),
            ("least_memory", ctypes.c_size_t),
            ("most_memory", ctypes.c_size_t),
            ("processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("priority", wintypes.DWORD),
            ("scheduling", wintypes.DWORD),
            ("counters", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        ]

    class _Entry(ctypes.Structure):
        """PROCESSENTRY32W."""

        _fields_ = [
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("name", wintypes.WCHAR * 260),
        ]

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _ntdll = ctypes.WinDLL("ntdll")
    _kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel32.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
    _kernel32.SetInformationJobObject.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        ctypes.c_void_p,
        wintypes.DWORD,
    )
    _kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    _kernel32.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _kernel32.OpenProcess.restype = wintypes.HANDLE
    _kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel32.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
    _kernel32.GetProcessTimes.argtypes = (
        wintypes.HANDLE,
        *[ctypes.POINTER(wintypes.FILETIME)] * 4,
    )
    _kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    _kernel32.CreateToolhelp32Snapshot.argtypes = (wintypes.DWORD, wintypes.DWORD)
    _kernel32.Process32FirstW.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Entry))
    _kernel32.Process32NextW.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Entry))
    _ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)

    def _new_job(process: int) -> int | None:
        job: int | None = _kernel32.CreateJobObjectW(None, None)
        if job:
            _limit(job, _KILL_ON_JOB_CLOSE | _BREAKAWAY_OK)
            if not _kernel32.AssignProcessToJobObject(job, process):
                _kernel32.CloseHandle(job)
                return None
        return job or None

    def _limit(job: int, flags: int) -> None:
        limits = _Limits(flags=flags)
        _kernel32.SetInformationJobObject(
            job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
        )

    def _end_job(job: int) -> bool:
        return bool(_kernel32.TerminateJobObject(job, 1))

    def _release_job(job: int) -> None:
        _limit(job, 0)
        _kernel32.CloseHandle(job)

    def start(process: int) -> None:
        """Let a program run that was made with the flag SUSPENDED."""
        _ntdll.NtResumeProcess(process)

    def parents() -> list[tuple[int, int]]:
        """(process, its parent) of all processes; a parent may have ended."""
        snapshot = _kernel32.CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0)
        if snapshot in (None, _INVALID):
            return []
        entry = _Entry(size=ctypes.sizeof(_Entry))
        found = []
        try:
            is_one = _kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
            while is_one:
                found.append((entry.pid, entry.parent))
                is_one = _kernel32.Process32NextW(snapshot, ctypes.byref(entry))
        finally:
            _kernel32.CloseHandle(snapshot)
        return found

    def start_of(pid: int) -> int | None:
        """When a process started, in 100 ns; 0 if we may not know it, None without such a process."""
        handle = _kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return 0 if ctypes.get_last_error() == _ACCESS_DENIED else None
        try:
            code = wintypes.DWORD()
            times = [wintypes.FILETIME() for _ in range(4)]
            _kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
            if code.value != _STILL_ACTIVE:
                return None
            if not _kernel32.GetProcessTimes(handle, *map(ctypes.byref, times)):
                return 0
            return (times[0].dwHighDateTime << 32) | times[0].dwLowDateTime
        finally:
            _kernel32.CloseHandle(handle)

else:

    def _new_job(process: int) -> int | None:
        return None

    def _end_job(job: int) -> bool:
        return False

    def _release_job(job: int) -> None:
        pass

    def start(process: int) -> None:
        pass

    def parents() -> list[tuple[int, int]]:
        return []

    def start_of(pid: int) -> int | None:
        return None


class ProcessTree:
    """A process with all that it starts. They end with this process, unless `release` comes first."""

    def __init__(self, process: int) -> None:
        """`process` is the handle of a program that has started nothing yet."""
        self._job = _new_job(process)

    def end(self) -> bool:
        """End all of them. False where there is no job: the system refused it, or it is released."""
        return self._job is not None and _end_job(self._job)

    def release(self) -> None:
        """What still runs is no longer ours: an editor that was opened, say."""
        if self._job is not None:
            _release_job(self._job)
        self._job = None


def children(
    pairs: Iterable[tuple[int, int]], start: Callable[[int], int | None]
) -> Iterator[tuple[int, int]]:
    """The pairs (process, its parent) whose parent is the one that started the process.

    Windows keeps the number of a parent that has ended, and gives it to another process.
    """
    starts: dict[int, int | None] = {}
    for pid, parent in pairs:
        for number in (pid, parent):
            if number not in starts:
                starts[number] = start(number)
        own, of_parent = starts[pid], starts[parent]
        if own and of_parent and of_parent <= own:
            yield pid, parent
