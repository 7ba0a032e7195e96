"""What the backends have in common about dev containers."""

from __future__ import annotations

from ..model.run import Availability
from ..util.errors import UserError
from ..workspace.loader import current_experiment


def require_outside(name: str) -> None:
    """Raises UserError in a dev container, where the engine does not have the files of `name`."""
    if (own := current_experiment()) is not None:
        raise UserError(
            f"this is the dev container of {own}, not of {name}",
            code="wrong-container",
            hint=f"Run it from a terminal on the host, or reopen in {name}'s container",
        )


def not_from_inside() -> Availability | None:
    """That no other container starts from a dev container; None outside of one."""
    if (own := current_experiment()) is None:
        return None
    return Availability(False, f"this is the dev container of {own}", "Use a terminal on the host")
