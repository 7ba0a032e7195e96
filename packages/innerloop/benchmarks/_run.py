"""`packages/innerloop/bench`: runs a benchmark by its name, in the environment that it needs.

A benchmark is a file benchmarks/NAME.py (`_support.py` is what they share). One that says EXPERIMENT = "x" runs in x's environment,
with src/x on its path; any other in the tool's own.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from innerloop.local import venv_requirements
from innerloop.util import process, venvs
from innerloop.util.errors import UsageError, UserError, did_you_mean
from innerloop.workspace import loader

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]


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
        return 0
    if words[0] not in known:
        raise UsageError(
            f'there is no benchmark "{words[0]}"', hint=did_you_mean(words[0], list(known))
        )
    return run(root, read(known[words[0]]), words[1:])


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
    python, env = Path(sys.executable), dict(os.environ)
    if benchmark.experiment is not None:
        python = environment(root, benchmark.experiment)
        env["PYTHONPATH"] = str(root / "src" / benchmark.experiment)
    return process.run_foreground([str(python), str(benchmark.path), *words], cwd=root, env=env)


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
