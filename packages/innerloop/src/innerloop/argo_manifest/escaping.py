"""A text that arrives in the container as it is written.

Two programs read a manifest before a pod's command starts. Argo fills in `{{...}}` everywhere, and
refuses what it does not know. The kubelet then fills in `$(NAME)` in a container's arguments and
variables, and takes `$$` for one dollar (Source: Kubernetes' third_party/forked/golang/expansion).
A job's command is neither's: it is a text for bash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Around what Argo is to fill in, until everything else is escaped: characters of private use.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_DOLLARS = re.compile(r"\$+(?=(\(|\{\{)?)")
# The kubelet puts the brace in after Argo has looked for two of them.
BRACE = "INNERLOOP_BRACE"


def placeholder(reference: str) -> str:
    """What Argo is to fill in ("workflow.name"), to be put into a text that is escaped later."""
    return f"{_OPEN}{reference}{_CLOSE}"


def to_argo(text: str) -> str:
    """For a field that Argo alone reads: marks as its `{{...}}`."""
    return _MARK.sub(r"{{\1}}", text)


def escape(text: str) -> str:
    """For an argument or a variable of a container."""
    doubled = _DOLLARS.sub(lambda d: d[0] * 2 if d[1] or len(d[0]) > 1 else d[0], text)
    while "{{" in doubled:
        doubled = doubled.replace("{{", f"$({BRACE}){{")
    return to_argo(doubled)


def needs_brace(texts: list[str]) -> bool:
    return any(f"$({BRACE})" in text for text in texts)


def kubelet_expand(text: str, env: Mapping[str, str]) -> str:
    """An argument or variable as the program in the container sees it: the kubelet's part, where
    `env` are the variables that stand before it."""
    return re.sub(
        r"\$(?:(\$)|\(([^)]*)\))",
        lambda found: found[1] or env.get(found[2], found[0]),
        text,
    )


def argo_expand(value: Any, known: Mapping[str, str]) -> Any:
    """The manifest with some of Argo's `{{...}}` filled in, as Argo would."""
    if isinstance(value, str):
        return re.sub(r"\{\{([^{}]+)\}\}", lambda tag: known.get(tag[1], tag[0]), value)
    if isinstance(value, dict):
        return {key: argo_expand(one, known) for key, one in value.items()}
    return [argo_expand(one, known) for one in value] if isinstance(value, list) else value
