"""The metrics of a run as values, whichever program wrote them and in whichever format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from ..util.quick_dataclasses import dataclass
from . import metric_values

# (step, value) pairs in order.
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over a run, in the order in which it was written.

    All columns are as long as `values`, whose entries may be NaN or infinite. `epochs`, and `times`
    in seconds since the epoch, are empty where the source has none, and NaN for an entry without
    one. `source` is the file that has it, relative to the run's folder.
    """

    values: tuple[float, ...]
    steps: tuple[float, ...]
    epochs: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    source: str = ""

    @property
    def curve(self) -> Curve:
        return tuple(zip(self.steps, self.values, strict=True))

    @property
    def last(self) -> float:
        """What the metric ended with: NaN or an infinity where it diverged."""
        return metric_values.last_of(self.values)


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """Scores and series by name. `sources` has the file of each score that has no series."""

    scores: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def curves(self) -> dict[str, Curve]:
        return curves_of(self.series)


def curves_of(series: Mapping[str, Series]) -> dict[str, Curve]:
    return {name: one.curve for name, one in series.items()}


def series_of(curves: Mapping[str, Curve], source: str = "") -> dict[str, Series]:
    """Series out of (step, value) pairs."""
    return {
        name: Series(tuple(y for _, y in curve), tuple(x for x, _ in curve), source=source)
        for name, curve in curves.items()
    }


def merged(sources: Iterable[RunMetrics]) -> RunMetrics:
    """One value out of several. A metric that several have is the first one's, score and series."""
    scores: dict[str, float] = {}
    series: dict[str, Series] = {}
    files: dict[str, str] = {}
    problems: list[str] = []
    for source in sources:
        known = {*scores, *series}
        scores |= {name: value for name, value in source.scores.items() if name not in known}
        series |= {name: value for name, value in source.series.items() if name not in known}
        files |= {name: value for name, value in source.sources.items() if name not in known}
        problems += source.problems
    return RunMetrics(scores, series, files, tuple(problems))


def of_series(series: Mapping[str, Series], problems: tuple[str, ...] = ()) -> RunMetrics:
    """The metrics of a source that has series only: each score is what its series ended with."""
    return RunMetrics({name: one.last for name, one in series.items()}, series, {}, problems)
