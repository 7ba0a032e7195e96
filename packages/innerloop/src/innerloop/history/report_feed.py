"""The page of runs while they go on: what has changed since a version, read only where it has.

A file of a run is read again when its size or its time has changed. Nothing is read while nobody
asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from ..util.process_identity import Life
from ..util.quick_dataclasses import dataclass
from . import (
    change_stamps,
    code_diff,
    json_metrics,
    past_runs,
    recorder,
    report_data,
    report_files,
    report_groups,
    run_diff,
    run_notes,
    system_metrics,
)
from .change_stamps import Stamps
from .past_runs import PastRun

# The files of which a run is read again when they change. While a run goes on, every file of its folder
# may be one of metrics: programs write them in many formats.
_READ = (
    recorder.RECORD, run_notes.PATH, system_metrics.PATH, json_metrics.SUMMARY, json_metrics.LINES,
)  # fmt: skip
# Answers that come within this time share one look at the disk, in seconds.
_BETWEEN_LOOKS = 0.4
# Runs that have lost their command are settled so often, in seconds: that may ask an engine.
_BETWEEN_SETTLING = 5.0

Choose = Callable[[Sequence[PastRun]], Sequence[PastRun]]
Settle = Callable[[Sequence[PastRun]], Sequence[PastRun]]


@dataclass(slots=True)
class _Shown:
    """A run as the page has it. `run` is without its series, which would fill the memory.

    `life` is that of its processes when it was read; `version` the one in which it changed last;
    `rest_until` when it may be read again, as `time.monotonic` counts.
    """

    run: PastRun
    entry: dict[str, Any]
    signature: Stamps
    life: Life
    version: int
    rest_until: float = 0.0


@dataclass(slots=True)
class Feed:
    """The runs of one experiment or of all, followed on the disk.

    `choose` is given the runs, the newest last, and returns those that are shown. `settle` closes runs whose command was killed.
    Its methods may be called by several threads.
    """

    root: Path
    slug: str | None = None
    choose: Choose = list
    settle: Settle = list
    _shown: dict[str, _Shown] = field(default_factory=dict)
    # Folders without a run in them, such as those of sweeps.
    _empty: dict[Path, Stamps] = field(default_factory=dict)
    _order: list[str] = field(default_factory=list)
    _columns: dict[str, list[str]] = field(default_factory=dict)
    _groups: dict[str, tuple[Stamps, list[report_groups.Group]]] = field(default_factory=dict)
    _version: int = 0
    _order_version: int = 0
    _groups_version: int = 0
    _next_look: float = 0.0
    _next_settling: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changes(self, since: int) -> dict[str, Any]:
        """What has changed after a version; everything for one that this feed has not given yet.

        `runs` are those that changed. `order` (all folders, the newest first), `columns` and
        `groups` are there if they changed.
        """
        with self._lock:
            self._look()
            since = since if 0 <= since <= self._version else -1
            value: dict[str, Any] = {
                "version": self._version,
                "runs": [
                    shown.entry
                    for folder in self._order
                    if (shown := self._shown[folder]).version > since
                ],
            }
            if self._order_version > since:
                value |= {"order": list(self._order)}
            if self._version > since:
                value |= {"columns": self._columns}
            if self._groups_version > since:
                value |= {"groups": [one for _, found in self._groups.values() for one in found]}
            return value

    def curves(self, folder: str) -> dict[str, Any] | None:
        """The entry of a run with all the points that a chart can show; None if it is gone."""
        run = self._run(folder)
        if run is None:
            return None
        whole = past_runs.read(self.root, run.slug, self.root / folder)
        return report_data.entry(whole, system_metrics.read(self.root / folder))

    def log(self, folder: str, start: int) -> dict[str, Any] | None:
        run = self._run(folder)
        return None if run is None else report_files.log_part(
            past_runs.log_of(self.root, run), start
        )  # fmt: skip

    def files(self, folder: str) -> dict[str, Any] | None:
        """The files of a run, the rows of its tables, its patch and packages; None if it is gone."""
        run = self._run(folder)
        return None if run is None else files_of(self.root, run)

    def code_diff(self, one: str, other: str) -> dict[str, Any] | None:
        """How the code of two runs differs; None if one of them is gone."""
        runs = [self._run(folder) for folder in (one, other)]
        found = [run for run in runs if run is not None]
        return code_diff.between(self.root, *found).json() if len(found) == 2 else None

    def image(self, folder: str, name: str) -> bytes | None:
        """An image that the run has left; None for any other file."""
        if self._run(folder) is None:
            return None
        found = report_files.find(self.root / folder)
        if not any(file.name == name and file.kind == "image" for file in found):
            return None
        return report_files.image(self.root / folder / name)

    def _run(self, folder: str) -> PastRun | None:
        with self._lock:
            shown = self._shown.get(folder)
        return None if shown is None else shown.run

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        places = past_runs.run_folders(self.root, self.slug)
        is_first = not self._version
        version = self._version + 1
        newest = sorted(places, key=lambda place: place[1].name)[-report_data.MOST_WHOLE :]
        found: dict[str, _Shown] = {}
        for slug, path in places:
            folder = path.relative_to(self.root).as_posix()
            is_whole = not is_first or (slug, path) in newest
            shown = self._again(slug, path, self._shown.get(folder), version, is_whole)
            if shown is not None:
                found[folder] = shown
        self._settle(found, version)
        order = self._ordered(found)
        kept = {folder: found[folder] for folder in order}
        groups = self._read_groups(places)
        if order != self._order or is_first:
            self._order_version = version
        if groups != self._groups or is_first:
            self._groups_version = version
        is_changed = any(shown.version == version for shown in kept.values())
        self._shown, self._order, self._groups = found, order, groups
        if is_changed or version in (self._order_version, self._groups_version):
            self._version = version
            self._columns = report_data.columns([kept[folder].run for folder in reversed(order)])
        # A look at very many runs on a slow disk takes a fraction of the time, too.
        ended = time.monotonic()
        rested = change_stamps.rest_until(now, ended) if not is_first else ended
        self._next_look = max(ended + _BETWEEN_LOOKS, rested)

    def _ordered(self, found: Mapping[str, _Shown]) -> list[str]:
        """The folders of the runs that are shown, the newest first."""
        runs = past_runs.in_order(shown.run for shown in found.values())
        return [run.folder for run in reversed(self.choose(runs))]

    def _again(
        self, slug: str, path: Path, shown: _Shown | None, version: int, is_whole: bool
    ) -> _Shown | None:
        """The run in a folder as it is now; None if it has nothing to show."""
        signature = change_stamps.of_files(path, _READ)
        if shown is not None and (shown.run.alive or shown.run.unknown):
            signature += change_stamps.of_tree(path)
        elif shown is None and self._empty.get(path) == signature:
            return None
        begun = time.monotonic()
        if shown is not None:
            life = past_runs.life_of(shown.run.record)
            is_same = signature == shown.signature[: len(signature)] and life == shown.life
            if is_same or begun < shown.rest_until:
                return shown
        run = past_runs.read(self.root, slug, path)
        if not past_runs.is_shown(run):
            self._empty[path] = signature
            return None
        life = past_runs.life_of(run.record)
        if life == "dead" and past_runs.is_open(run.record):
            if shown is not None and shown.life == "dead":  # as it was settled before
                run = replace(run, alive=shown.run.alive, unknown=shown.run.unknown)
            else:
                self._next_settling = 0.0
        entry = self._entry(run, is_whole or life == "alive")
        rest_until = change_stamps.rest_until(begun, time.monotonic())
        return _Shown(replace(run, series={}), entry, signature, life, version, rest_until)

    def _entry(self, run: PastRun, is_whole: bool) -> dict[str, Any]:
        if not is_whole:  # its curves are asked for when somebody wants to see them
            return report_data.entry(run, {}, 0)
        return report_data.entry(run, system_metrics.read(self.root / run.folder))

    def _settle(self, found: dict[str, _Shown], version: int) -> None:
        """Let those be closed that have ended without their command, at most every few seconds."""
        now = time.monotonic()
        lost = [
            shown
            for shown in found.values()
            if shown.life == "dead" and past_runs.is_open(shown.run.record)
        ]
        if not lost or now < self._next_settling:
            return
        self._next_settling = now + _BETWEEN_SETTLING
        for shown, run in zip(lost, self.settle([shown.run for shown in lost]), strict=True):
            if replace(run, series={}) != shown.run:
                whole = past_runs.read(self.root, run.slug, self.root / run.folder)
                whole = replace(whole, alive=run.alive, unknown=run.unknown)
                found[run.folder] = replace(
                    shown,
                    run=replace(whole, series={}),
                    entry=self._entry(whole, True),
                    version=version,
                )

    def _read_groups(
        self, places: Sequence[tuple[str, Path]]
    ) -> dict[str, tuple[Stamps, list[report_groups.Group]]]:
        groups = {}
        for path in report_groups.folders([path for _, path in places]):
            folder = path.relative_to(self.root).as_posix()
            names = (report_groups.TRIALS, report_groups.PIPELINE)
            signature = change_stamps.of_files(path, names)
            if any(signature):
                known = self._groups.get(folder)
                groups[folder] = (
                    known
                    if known is not None and known[0] == signature
                    else (signature, report_groups.read(self.root, path))
                )
        return groups


def files_of(root: Path, run: PastRun) -> dict[str, Any]:
    """The files in a run's folder, the rows of those that are tables, its patch and its packages."""
    folder = root / run.folder
    files = []
    for file in report_files.find(folder):
        value = file.json()
        if file.kind == "table":
            value["rows"] = report_files.table(folder / file.name)
        files.append(value)
    return {
        "files": files,
        "patch": report_files.patch(folder),
        "packages": report_data.safe(run_diff.packages_of(root, run) or {}),
    }
