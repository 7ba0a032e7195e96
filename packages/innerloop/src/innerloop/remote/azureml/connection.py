"""The line to the program that talks to Azure (`worker`)."""

from __future__ import annotations

from pathlib import Path

from ...util import venvs
from ..worker import client
from ..worker.client import Fault, Service, plain_environment
from .worker.azure_errors import scrub

__all__ = ["Fault", "Line"]


class Line(client.Line):
    """Use as `with Line(root) as line: line.ask(...)`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SERVICE)

    def __enter__(self) -> Line:
        return self


def _silent(verb: str) -> str:
    sending = verb in ("submit", "data_register")
    return "the upload does not move" if sending else "Azure is silent"


def _environment() -> dict[str, str]:
    """Ours, with what the worker keeps between calls."""
    # A secret that a CI system does not have is an empty variable there: as good as none.
    kept = {k: v for k, v in plain_environment().items() if v or not k.startswith("AZURE_")}
    account = venvs.cache_folder() / "azure-account.json"
    return {
        **kept,
        "INNERLOOP_AZURE_ACCOUNT": str(account),
        "GIT_OPTIONAL_LOCKS": "0",  # the client asks git for its state; the index stays as it is
    }


SERVICE = Service(
    name="Azure ML",
    group="azure",
    module="innerloop.remote.azureml.worker.main",
    report=".innerloop/azure-error.log",
    env=_environment,
    scrub=scrub,
    silent=_silent,
)
