"""We are in the experiment's own container already: the command runs right here."""

from __future__ import annotations

import os

from ..spec.experiment import MARK
from . import Request, Run, here


def experiment() -> str | None:
    """The experiment whose container this is; None outside of one."""
    return os.environ.get(MARK) or None


def request(run: Run, *, why: str) -> Request:
    return here.request(run, place="inside", env={}, why=why)


def submit(run: Run, wanted: Request) -> int:
    return here.submit(run, wanted)
