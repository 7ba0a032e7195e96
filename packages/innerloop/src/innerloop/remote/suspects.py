"""Files that look like secrets: an upload with one of them is refused."""

from __future__ import annotations

from collections.abc import Sequence

from ..util.errors import UserError
from .progress import say
from .snapshot import SuspectedSecret


def refuse(suspects: Sequence[tuple[str, SuspectedSecret]], allowed: bool, readers: str) -> None:
    """Prints each suspect, which comes with the folder it is sent with.

    Raises UserError unless they are `allowed`. `readers` says who could read them.
    """
    for folder, suspect in suspects:
        line = f":{suspect.line}" if suspect.line else ""
        say(f"{suspect.below(folder)}{line}: looks like a secret: {suspect.why}")
    if suspects and not allowed:
        raise UserError(
            f"nothing was sent: the files above look like secrets, and {readers} could read them",
            code="secret-suspected",
            hint="Exclude them in .amlignore, or send them with --allow-secrets",
        )
