"""Variables in devcontainer.json: `${localEnv:HOME}`, `${containerEnv:PATH}`, `${name:default}`.

Source: Development Containers Specification, "Variables in devcontainer.json".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..util.late_patterns import late_pattern

_VARIABLE = late_pattern(r"\$\{(?P<kind>\w+)(?::(?P<rest>[^}]*))?\}")


def filled(
    text: str,
    *,
    local: Mapping[str, str],
    container: Mapping[str, str],
    folders: Mapping[str, str],
) -> str:
    """The text with its variables substituted.

    `local` are the host's environment variables, `container` the container's, `folders` the plain
    names ("localWorkspaceFolder" ...). Unknown ones are unchanged, as in the devcontainer CLI.
    """

    def value(match: re.Match[str]) -> str:
        kind, rest = match["kind"], match["rest"]
        if rest is None:
            return folders.get(kind, match[0])
        name, _, default = rest.partition(":")
        if kind in ("localEnv", "env"):
            return local.get(name, default)
        if kind == "containerEnv":
            return container.get(name, default)
        return match[0]

    return _VARIABLE.sub(value, text)


def remote_environment(
    configuration: Mapping[str, Any],
    *,
    local: Mapping[str, str],
    container: Mapping[str, str],
    folders: Mapping[str, str],
) -> dict[str, str]:
    """`remoteEnv` with its variables substituted.

    A null value means unset for tools: here it is empty, because a running container's variable
    cannot be unset for one program.
    """
    values = configuration.get("remoteEnv") or {}
    return {
        str(name): (
            filled(str(value), local=local, container=container, folders=folders)
            if value is not None
            else ""
        )
        for name, value in values.items()
    }
