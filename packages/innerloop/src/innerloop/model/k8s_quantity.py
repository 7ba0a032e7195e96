"""Amounts as Kubernetes writes them. Source: apimachinery's resource.Quantity; Docker's sizes are
its --shm-size."""

from __future__ import annotations

import re

_QUANTITY = re.compile(
    r"\d+(\.\d*)?([KMGTPE]i|[mkMGTPE]|[eE][+-]?\d+)?|\.\d+([KMGTPE]i|[mkMGTPE])?"
)
_DOCKER = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[bkmgtp]?)(i?b)?", re.IGNORECASE)


def is_quantity(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None


def of_docker(size: str) -> str | None:
    """Docker's "2g" (its units are powers of 1024) as "2Gi"; None for what is no size."""
    found = _DOCKER.fullmatch(size.strip())
    if found is None:
        return None
    unit = found["unit"].lower().replace("b", "")
    return f"{found['number']}{unit.upper()}i" if unit else found["number"]


def to_docker(quantity: str) -> str:
    """The way back for binary units: "2Gi" is "2g"."""
    return quantity.removesuffix("i").lower() if quantity.endswith("i") else quantity
