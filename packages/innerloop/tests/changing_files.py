"""Files that change at an awkward moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innerloop.workspace import read_states


@contextmanager
def programs_that_change_before_a_glimpse(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, each train.py becomes a pointer as a glimpse of it is taken."""
    glimpse = read_states.glimpse

    def changed_first(path: Path) -> read_states.Row:
        if path.name == "train.py":
            path.write_text("/annex/objects/SHA256E-s1\n")
        return glimpse(path)

    with monkeypatch.context() as patched:
        patched.setattr(read_states, "glimpse", changed_first)
        yield
