"""The environments of the package's own locks: Azure ML's client, the formatters, the debugger.

The tool's own environment is made by `scripts/loop`.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from . import console, network, regular_files, uv_installer, venvs, wheels
from .digests import sha256
from .errors import UserError
from .network import Network

PACKAGE = Path(__file__).resolve().parent.parent
UV = "uv"
# A user's program imports the debugger; black reads a folder's settings without `-I`.
_NOT_ISOLATED = ("debugger", "format")


def ensure(group: str) -> Path:
    """The environment of `locks/<group>.txt`. Made if it does not exist."""
    purposes = {
        "build": "what builds the tool's wheel",
        "debugger": "the debugger",
        "azure": "Azure ML's client",
        "kubernetes": "the Kubernetes client",
        "mcp": "the MCP server",
        "format": "the environment of the formatters",
        "pytest": "pytest",
        "tensorboard": "TensorBoard",
        "mlflow": "MLflow",
        "sweep": "Optuna, which chooses the values of trials",
        UV: "uv, which locks and installs packages",
    }
    environment = environment_of(group)
    if venvs.is_ready(environment):
        return environment
    root = Path(os.path.abspath(sys.argv[0])).parent.parent
    return venvs.ensure(
        environment,
        [lock_of(group)],
        python=venvs.base_python(),
        purpose=purposes.get(group, f"the environment for {group}"),
        say=console.print_line,
        reach=reach(root),
        wheels=root / wheels.WHEELS,
        # Where the wheels lie in the workspace, nothing is fetched to install them.
        uv=None if group == UV else uv_if_there if (root / wheels.WHEELS).is_dir() else uv_or_pip,
        only_wheels=group == UV,  # its source is a long compilation
        isolated=group not in _NOT_ISOLATED,
    )


def worker_argv(group: str, module: str, *words: str) -> list[str]:
    """Starts `main` of this package's `module` in the environment of a lock, which is made first.

    `words` are its `sys.argv[2:]`. Nothing is imported from the folder that it starts in: that may be a
    workspace's root.
    """
    python = venvs.python_of(ensure(group))
    start = f"import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main()"
    return [str(python), "-I", "-X", "utf8", "-c", start, str(PACKAGE.parent), *words]


def uv() -> str:
    """The path of uv: the one on PATH if it is new enough, else the tool's own.

    UserError if that one cannot be installed.
    """
    return uv_installer.of_person() or str(_uv_in(ensure(UV)))


def uv_if_there() -> str:
    """The path of a uv that this machine has; "" if it has none."""
    own = environment_of(UV)
    return uv_installer.of_person() or (str(_uv_in(own)) if venvs.is_ready(own) else "")


@cache
def uv_or_pip() -> str:
    """The path of uv, or "" where it cannot be installed: it has no wheel, or no index answers."""
    try:
        return uv()
    except UserError as error:
        lines = [line.strip() for line in error.what.splitlines()]
        errors = [line for line in lines if line.upper().startswith("ERROR")]
        console.print_line(f"innerloop: pip installs, since uv cannot: {[*errors, *lines][0]}")
        return ""


def _uv_in(environment: Path) -> Path:
    return venvs.programs_of(environment) / ("uv.exe" if os.name == "nt" else "uv")


def reach(root: Path) -> Network:
    """The network settings, with `[tool.innerloop] ca` if this Python can read TOML.

    Python 3.11 and newer can; for older ones SSL_CERT_FILE sets the authority.
    """
    ca: object = ""
    if sys.version_info >= (3, 11):
        import tomllib

        with suppress(OSError, ValueError, AttributeError, RecursionError, UserError):
            content = regular_files.read_bytes(root / "pyproject.toml")
            table = tomllib.loads(content.decode("utf-8"))
            ca = table.get("tool", {}).get("innerloop", {}).get("ca", "")
    return network.of_machine(os.environ, root=root, ca=ca if isinstance(ca, str) else "")


def lock_of(group: str) -> Path:
    if group == "build":  # only in the tool's repository
        return PACKAGE.parents[1] / "requirements-build.txt"
    return PACKAGE / "locks" / f"{group}.txt"


def text_of(group: str) -> str:
    """The text of a lock, with line feeds alone."""
    return regular_files.read_bytes(lock_of(group)).decode("utf-8").replace("\r", "")


def environment_of(group: str) -> Path:
    """Keyed by the lock's text."""
    text = lock_of(group).read_bytes().replace(b"\r", b"")
    return venvs.cache_folder() / group / sha256(text).hexdigest()[:16]
