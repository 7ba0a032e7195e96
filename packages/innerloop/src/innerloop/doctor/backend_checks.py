"""Which backends can be had on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from ..remote import base
from .checks import Checkup, Fact


def the_backends(checkup: Checkup) -> Iterator[Fact]:
    """A backend that cannot be had is no defect: each is needed only by those who use it."""
    for backend in base.every(checkup.root):
        found = backend.available(checkup.workspace)
        what = (found.why or "available") if found.is_available else f"not available: {found.why}"
        yield Fact("ok", f"backend {backend.name}", what, found.hint)
