"""Shared parts of the benchmarks: arguments, whole processes in turns, a temporary folder."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def arguments(purpose: str | None, turns: int) -> argparse.Namespace:
    """The arguments of every benchmark. `purpose` is its docstring, `turns` the default."""
    parser = argparse.ArgumentParser(description=(purpose or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=turns, help=f"of each (default: {turns})")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args()


def call(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """The program's output. A program that fails ends the benchmark."""
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)}\nended with exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def call_anyway(argv: Sequence[str]) -> str:
    """The program's output, whether it succeeds or not."""
    return subprocess.run(argv, capture_output=True, text=True).stdout


def take_turns(
    ways: Mapping[str, Callable[[], object]],
    turns: int,
    before: Callable[[int, str], object] = lambda turn, name: None,
) -> dict[str, float]:
    """The median of each way, in milliseconds.

    All ways run once per turn, so that the machine's load affects them alike. `before(turn, name)`
    is not measured.
    """
    return medians(all_turns(ways, turns, before))


def all_turns(
    ways: Mapping[str, Callable[[], object]],
    turns: int,
    before: Callable[[int, str], object] = lambda turn, name: None,
) -> dict[str, list[float]]:
    """As `take_turns`, with the time of each turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, way in ways.items():
            before(turn, name)
            started = time.perf_counter()
            way()
            if turn:  # the first warms up
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in times.items()}


@dataclass(frozen=True)
class Spread:
    """The median of the ratios of each turn, with their lower and upper quartile."""

    median: float
    low: float
    high: float


def compare(times: Mapping[str, Sequence[float]], name: str, base: str) -> Spread:
    """How much longer one way takes than another: a slow moment of the machine counts little."""
    ratios = sorted(one / other for one, other in zip(times[name], times[base], strict=True))
    quarter = len(ratios) // 4
    return Spread(statistics.median(ratios), ratios[quarter], ratios[-1 - quarter])


def tell(
    turns: int,
    medians: Mapping[str, float],
    ratios: Mapping[str, float | Spread],
    *,
    as_json: bool,
) -> None:
    """Print the results; `medians` are in milliseconds."""
    spreads = {name: value for name, value in ratios.items() if isinstance(value, Spread)}
    plain = {
        name: value.median if isinstance(value, Spread) else value for name, value in ratios.items()
    }
    if as_json:
        told: dict[str, object] = {"turns": turns, "milliseconds": medians, "ratios": plain}
        told["quartiles"] = {name: [one.low, one.high] for name, one in spreads.items()}
        print(json.dumps(told, indent=2))
        return
    for name, value in medians.items():
        print(f"{name:<42}{value:9.0f} ms")
    print()
    for name, value in plain.items():
        one = spreads.get(name)
        print(f"{name:<42}{value:9.2f}" + (f"   ({one.low:.2f} to {one.high:.2f})" if one else ""))


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder, by its real path, which Docker needs."""
    folder = Path(tempfile.mkdtemp(prefix="innerloop-bench-"))
    try:
        yield Path(os.path.realpath(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
