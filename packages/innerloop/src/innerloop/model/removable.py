"""What `clean` can remove, here or on a machine elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removable:
    """Something that can be removed.

    `key` is its ID or path, `size` what removal frees in bytes, `why` a phrase about its state.
    `outdated`: nothing uses it any more. `kept`: why it cannot be removed now, "" if it can.
    """

    kind: str
    name: str
    key: str
    size: int
    why: str
    outdated: bool
    kept: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)
