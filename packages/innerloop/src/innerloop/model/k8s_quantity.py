"""Kubernetes quantities, and Docker's sizes (--shm-size). Source: apimachinery's resource.Quantity."""

from __future__ import annotations

import re

from ..util.late_patterns import late_pattern

_QUANTITY = late_pattern(
    r"\d+(\.\d*)?([KMGTPE]i|[mkMGTPE]|[eE][+-]?\d+)?|\.\d+([KMGTPE]i|[mkMGTPE])?"
)
_DOCKER = late_pattern(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[bkmgtp]?)(i?b)?", re.IGNORECASE)


def is_quantity(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None


def of_docker(size: str) -> str | None:
    """Docker's "2g" (its units are powers of 1024) as "2Gi"; None if it is not a size."""
    match = _DOCKER.fullmatch(size.strip())
    if match is None:
        return None
    unit = match["unit"].lower().replace("b", "")
    return f"{match['number']}{unit.upper()}i" if unit else match["number"]


def to_docker(quantity: str) -> str:
    """A quantity in binary units as Docker's size: "2Gi" is "2g"."""
    return quantity.removesuffix("i").lower() if quantity.endswith("i") else quantity
