"""Imports through links that are text files, where a program is in the code's own folder.

Python gets a start-up hook that finds their targets: in place there is no view of the code, and
elsewhere a script of the view is a link, beside whose real file Python looks for modules.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent.parent / "in_env_scripts" / "text_links"
# Where a container has the hook.
CONTAINER_PROGRAMS = "/opt/innerloop/text_links"
# As in sitecustomize.py.
VARIABLE = "INNERLOOP_TEXT_LINKS"


def variables(
    targets: Mapping[str, str], others: Mapping[str, str], folder: str, separator: str = os.pathsep
) -> dict[str, str]:
    """The variables that turn the hook on, which is in `folder`; none without `targets`.

    `targets` are absolute paths there, `others` the variables that the program has anyway.
    """
    if not targets:
        return {}
    path = separator.join(filter(None, [folder, others.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path, VARIABLE: json.dumps(dict(targets))}
