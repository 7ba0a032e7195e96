"""The pip that fetches wheels of the tool, and the index that it asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from . import process, venvs
from .errors import UserError

# No network is an error within seconds, unless the user has set other limits.
LIMITS = {"PIP_TIMEOUT": "4", "PIP_RETRIES": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
# The index that uv is told by variables, for pip, which does not read them.
_OF_UV = {
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_INDEX": "PIP_EXTRA_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
}


def command(python: str, scratch: Path) -> list[str]:
    """Starts the pip of an interpreter, or one in a new environment in `scratch` if it has none."""
    if not process.run([python, "-Ic", "import pip"]).ok:  # an environment of uv, say
        done = process.run([python, "-Im", "venv", str(scratch / "venv")])
        if not done.ok:
            raise UserError(
                f"there is no pip, and none can be made:\n{done.err.rstrip()}\n ",
                code="environment-failed",
                hint="Install pip (Debian and Ubuntu: `apt install python3-venv`)",
            )
        python = str(venvs.python_of(scratch / "venv"))
    return [python, "-Im", "pip"]


def index_of_uv(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell pip the index that uv is told; none where pip is told one."""
    if "PIP_INDEX_URL" in environ:
        return {}
    # uv takes names for indexes: NAME=URL.
    return {
        target: re.sub(r"(?m)(^|\s)[\w-]+=(?=\w+:)", r"\1", environ[source])
        for source, target in _OF_UV.items()
        if environ.get(source)
    }
