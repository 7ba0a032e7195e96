"""Runs the command right here: this is the experiment's own dev container."""

from __future__ import annotations

import os

from ..model.experiment import MARK
from ..model.run import Request, Run
from . import host_process


def experiment() -> str | None:
    """The experiment whose container this is; None outside of a dev container."""
    return os.environ.get(MARK) or None


def request(run: Run, *, why: str) -> Request:
    return host_process.request(run, backend="in-container", env={}, why=why)


def submit(run: Run, request: Request) -> int:
    return host_process.submit(run, request)
