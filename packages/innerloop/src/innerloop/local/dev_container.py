"""Whether this process runs in an experiment's dev container."""

from __future__ import annotations

import os

from ..model.experiment import MARK
from ..util.errors import UserError


def experiment() -> str | None:
    """The experiment whose container this is; None outside of a dev container."""
    return os.environ.get(MARK) or None


def require_outside(name: str) -> None:
    """Raises UserError in a dev container, where the engine does not have the files of `name`."""
    if (own := experiment()) is not None:
        raise UserError(
            f"this is the dev container of {own}, not of {name}",
            code="wrong-container",
            hint=f"Run it from a terminal on the host, or reopen in {name}'s container",
        )
