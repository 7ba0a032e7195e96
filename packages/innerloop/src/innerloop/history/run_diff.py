"""What differs between two runs: inputs, code, environment, image, data, device and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import code_diff, run_inputs, written_metrics
from .code_diff import CodeDiff
from .past_runs import PastRun

# By name: the value of the first run and of the second, None where a run has none.
Pairs = Mapping[str, tuple[Any, Any]]
# Keys of the record that tell what ran and where, with their titles.
_SETTINGS = ("experiment", "command", "cwd", "backend", "compute")
_ENVIRONMENT = ("image", "environment")


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Only what differs, but for `code`, which is also there if the code is the same.

    `unknown` are the parts that one of the runs did not record, so that nothing can be said of them.
    """

    one: PastRun
    other: PastRun
    inputs: Pairs = field(default_factory=dict)
    settings: Pairs = field(default_factory=dict)
    environment: Pairs = field(default_factory=dict)
    packages: Pairs = field(default_factory=dict)
    data: Pairs = field(default_factory=dict)
    device: Pairs = field(default_factory=dict)
    scores: Pairs = field(default_factory=dict)
    code: CodeDiff = field(default_factory=CodeDiff)
    unknown: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        sections = {
            name: {key: list(pair) for key, pair in getattr(self, name).items()}
            for name in SECTIONS
        }
        return {
            "runs": [self.one.id, self.other.id],
            "folders": [self.one.folder, self.other.folder],
            "states": [self.one.state, self.other.state],
            **sections,
            "code": {"commits": [self.one.commit, self.other.commit], **self.code.json()},
            "unknown": list(self.unknown),
        }


SECTIONS = ("inputs", "settings", "environment", "packages", "data", "device", "scores")


def between(root: Path, one: PastRun, other: PastRun) -> RunDiff:
    """Compare two runs; what their records do not have is no error."""
    packages = [packages_of(root, run) for run in (one, other)]
    data = [data_of(run) for run in (one, other)]
    unknown = []
    if None in packages:
        unknown.append("packages")
        packages = [{}, {}]
    if None in data:
        unknown.append("data")
        data = [{}, {}]
    return RunDiff(
        one,
        other,
        inputs=_pairs(one.inputs, other.inputs),
        settings=_pairs(*(_texts(run, _SETTINGS) for run in (one, other))),
        environment=_pairs(*(_texts(run, _ENVIRONMENT) for run in (one, other))),
        packages=_pairs(packages[0] or {}, packages[1] or {}),
        data=_pairs(data[0] or {}, data[1] or {}),
        device=_pairs(_device(one), _device(other)),
        scores=_pairs(one.scores, other.scores),
        code=code_diff.between(root, one, other),
        unknown=tuple(unknown),
    )


def packages_of(root: Path, run: PastRun) -> dict[str, str] | None:
    """The packages that the run recorded; None if it did not."""
    try:
        text = written_metrics.text_of(root / run.folder / run_inputs.PACKAGES)
    except UserError:
        return None
    return None if text is None else run_inputs.pinned(text)


def data_of(run: PastRun) -> dict[str, str] | None:
    """The state of each data input in one phrase."""
    data = run.record.get("data")
    if not isinstance(data, dict):
        return None
    return {str(name): _phrase(state) for name, state in data.items()}


def _phrase(state: object) -> str:
    if not isinstance(state, dict):
        return "?"
    if "files" not in state:
        return str(state.get("path"))
    return (
        f"{state.get('path')}: {state['files']} files, {state.get('bytes')} bytes, "
        f"changed {state.get('newest')}"
    )


def _device(run: PastRun) -> dict[str, str]:
    gpu = run.record.get("gpu")
    said = {"gpu": str(gpu.get("why"))} if isinstance(gpu, dict) and gpu.get("why") else {}
    return {**_texts(run, ("host",)), **said}


def _texts(run: PastRun, names: tuple[str, ...]) -> dict[str, str]:
    return {name: str(run.record[name]) for name in names if run.record.get(name)}


def _pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys((*one, *other))
    pairs = {name: (one.get(name), other.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not _same(*pair)}


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other
