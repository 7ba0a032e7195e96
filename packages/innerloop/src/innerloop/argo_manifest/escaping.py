"""Escapes strings so that they reach the container unchanged.

Two programs expand a manifest before a pod's command starts. Argo expands `{{...}}` everywhere, and
refuses unknown references. The kubelet then expands `$(NAME)` in a container's arguments and
variables, and `$$` to one dollar (Source: Kubernetes' third_party/forked/golang/expansion). A job's
command is meant for neither, but for bash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..util.late_patterns import late_pattern

# Around references for Argo while everything else is escaped: characters of private use.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = late_pattern(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_DOLLARS = late_pattern(r"\$+(?=(\(|\{\{)?)")
# The kubelet inserts the brace after Argo has looked for two of them.
BRACE = "INNERLOOP_BRACE"


def placeholder(reference: str) -> str:
    """A reference that Argo expands ("workflow.name"), for a string that is escaped later."""
    return f"{_OPEN}{reference}{_CLOSE}"


def to_argo(text: str) -> str:
    """A string for a field that only Argo reads: placeholders become its `{{...}}`."""
    return _MARK.sub(r"{{\1}}", text)


def escape(text: str) -> str:
    """A string for an argument or a variable of a container."""
    doubled = _DOLLARS.sub(
        lambda match: match[0] * 2 if match[1] or len(match[0]) > 1 else match[0], text
    )
    while "{{" in doubled:
        doubled = doubled.replace("{{", f"$({BRACE}){{")
    return to_argo(doubled)


def needs_brace(texts: list[str]) -> bool:
    return any(f"$({BRACE})" in text for text in texts)


def kubelet_expand(text: str, env: Mapping[str, str]) -> str:
    """An argument or variable as the program in the container gets it.

    Expanded with `env`, the variables that precede it.
    """
    return re.sub(
        r"\$(?:(\$)|\(([^)]*)\))",
        lambda match: match[1] or env.get(match[2], match[0]),
        text,
    )


def argo_expand(value: Any, known: Mapping[str, str]) -> Any:
    """The manifest with the known ones of Argo's `{{...}}` expanded."""
    if isinstance(value, str):
        return re.sub(r"\{\{([^{}]+)\}\}", lambda match: known.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {key: argo_expand(below, known) for key, below in value.items()}
    return [argo_expand(item, known) for item in value] if isinstance(value, list) else value
