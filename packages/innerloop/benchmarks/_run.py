"""`packages/innerloop/bench`: runs a benchmark by its name, in the environment that it needs.

`bench --record NAME...` keeps the ratios of a benchmark in recorded.json, and `bench --check [NAME...]`
runs the recorded ones again and names each ratio that is 20 % above what was recorded.

A benchmark is a file benchmarks/NAME.py (`_support.py` is what they share). One that says EXPERIMENT = "x" runs in x's environment,
with src/x on its path; any other in the tool's own.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerloop.local import venv_requirements
from innerloop.util import files, process, venvs
from innerloop.util.errors import UsageError, UserError, did_you_mean
from innerloop.workspace import loader

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
RECORDED = FOLDER / "recorded.json"
# How far a ratio may be above the recorded one.
TOLERANCE = 1.2


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`summary` is the first line of its docstring; `experiment` is None for the tool's own."""

    path: Path
    summary: str
    experiment: str | None

    @property
    def name(self) -> str:
        return self.path.stem


def main(words: Sequence[str]) -> int:
    """List the benchmarks, or run the named one with the words after its name."""
    root = ROOT
    known = {path.stem: path for path in sorted(FOLDER.glob("[!_]*.py"))}
    if not words or words[0] in ("-h", "--help"):
        for path in known.values():
            print(f"  {path.stem:<18}{read(path).summary}")
        print("\n`packages/innerloop/bench NAME` runs one; --json prints one JSON object.")
        print(
            "`--check [NAME...]` compares with the recorded ratios, `--record NAME...` records them."
        )
        return 0
    if words[0] in ("--check", "--record"):
        names = words[1:] or (list(recorded()) if words[0] == "--check" else [])
        for name in names:
            _require(name, known)
        return _check(known, names) if words[0] == "--check" else _record(known, names)
    _require(words[0], known)
    return run(root, read(known[words[0]]), words[1:])


def _require(name: str, known: Mapping[str, Path]) -> None:
    if name not in known:
        raise UsageError(f'there is no benchmark "{name}"', hint=did_you_mean(name, list(known)))


def recorded() -> dict[str, dict[str, float]]:
    """The recorded ratios by benchmark."""
    kept: dict[str, dict[str, float]] = json.loads(RECORDED.read_text("utf-8"))["ratios"]
    return kept


def regressions(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """A line for each ratio that is above the recorded one by more than the tolerance.

    One that was not measured this time (without an engine, for example) is not a regression.
    """
    return [
        f"{name}: {now[name]:.2f}, recorded {value:.2f}"
        for name, value in before.items()
        if name in now and now[name] > value * TOLERANCE
    ]


def _check(known: Mapping[str, Path], names: Sequence[str]) -> int:
    kept, code = recorded(), 0
    for name in names:
        for line in regressions(kept.get(name, {}), _ratios(known[name])):
            print(f"{name}: {line}", flush=True)
            code = 1
    return code


def _record(known: Mapping[str, Path], names: Sequence[str]) -> int:
    kept = json.loads(RECORDED.read_text("utf-8"))
    for name in names:
        measured = {key: round(value, 3) for key, value in _ratios(known[name]).items()}
        kept["ratios"][name] = measured
        kept["machines"][name] = f"{platform.machine()}, {os.cpu_count()} cores"
    files.write_text(RECORDED, json.dumps(kept, indent=2) + "\n")
    return 0


def _ratios(path: Path) -> dict[str, float]:
    python, env = _in_environment(ROOT, read(path))
    done = process.run([str(python), str(path), "--json"], cwd=ROOT, env=env)
    if not done.ok:
        raise UserError(f"the benchmark {path.stem} failed: {done.err.strip()}")
    ratios: dict[str, float] = json.loads(done.out)["ratios"]
    return ratios


def read(path: Path) -> Benchmark:
    """Read a benchmark's docstring and EXPERIMENT. It is not imported: it may need other packages."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError("not Python", where=f"benchmarks/{path.name}:{error.lineno}") from error
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    return Benchmark(path, summary, next(filter(None, map(_experiment, tree.body)), None))


def _experiment(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id="EXPERIMENT")], value=ast.Constant(value=str(name))):
            return name
    return None


def run(root: Path, benchmark: Benchmark, words: Sequence[str]) -> int:
    """Run the benchmark and return its exit code."""
    python, env = _in_environment(root, benchmark)
    return process.run_foreground([str(python), str(benchmark.path), *words], cwd=root, env=env)


def _in_environment(root: Path, benchmark: Benchmark) -> tuple[Path, dict[str, str]]:
    """The interpreter and the variables that a benchmark needs."""
    python, env = Path(sys.executable), dict(os.environ)
    if benchmark.experiment is not None:
        python = environment(root, benchmark.experiment)
        env["PYTHONPATH"] = str(root / "src" / benchmark.experiment)
    return python, env


def environment(root: Path, name: str) -> Path:
    """The interpreter of the experiment's environment, as the backend venv creates it."""
    workspace = loader.open_workspace(root)
    experiment = loader.choose_experiment(workspace, name, root)
    locked = venv_requirements.requirements(workspace, experiment)
    program, version, _ = venv_requirements.python_for(experiment)
    made = venvs.ensure(
        venv_requirements.environment_of(experiment, locked, version),
        locked,
        python=program,
        purpose=f"{experiment.name}'s environment",
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    return venvs.python_of(made)
