"""Which Apptainer this machine has. The program is asked once per command."""

from __future__ import annotations

import functools
import sys

from ..model.apptainer import PROGRAMS, Apptainer, of_version
from ..util import process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """The program, or why there is none; `is_lacking`: nothing of it is on this machine."""

    program: Apptainer | None
    why: str
    hint: str = ""
    is_lacking: bool = False


def ask() -> ProgramFacts:
    """The first of the programs on PATH that answers."""
    if sys.platform != "linux":
        return ProgramFacts(None, "Apptainer runs on Linux alone", "", is_lacking=True)
    found = next(((name, path) for name in PROGRAMS if (path := process.which(name))), None)
    if found is None:
        hint = "Load its module (`module load apptainer`) or ask the machine's administrators"
        return ProgramFacts(None, "neither apptainer nor singularity is on PATH", hint, True)
    return _asked(*found)


@functools.cache
def _asked(name: str, path: str) -> ProgramFacts:
    """`path` is the key: another PATH may have another program of this name."""
    done = process.run([name, "--version"], timeout=30)
    if not done.ok:
        last = (done.err.strip() or done.out.strip() or "no answer").splitlines()[-1]
        return ProgramFacts(None, f"`{name} --version` fails: {last}", f"Look at {path}")
    program = of_version(name, done.out)
    return ProgramFacts(program, f"{program} is on PATH")


def unavailable(facts: ProgramFacts) -> UserError:
    """The error for a machine that cannot start a container with it."""
    return UserError(facts.why, code="apptainer-missing", hint=facts.hint)
