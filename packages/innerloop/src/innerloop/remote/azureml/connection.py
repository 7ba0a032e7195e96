"""The connection to the worker that talks to Azure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...util import venvs
from ...workspace import text_links
from ..worker.client import Event, Service, ServiceError, WorkerClient, plain_environment
from .worker.azure_errors import is_storage, scrub

__all__ = ["AzureConnection", "ServiceError"]


class AzureConnection(WorkerClient):
    """Use as `with AzureConnection(root) as connection: connection.ask(...)`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SERVICE)

    def __enter__(self) -> AzureConnection:
        return self

    def ask(self, verb: str, target: Any, on_event: Callable[[Event], None], **fields: Any) -> Any:
        """The worker's answer; it sends what links lead to that git wrote as text files."""
        texts = text_links.on_disk(self.root)
        more = {"text_links": texts} if texts else {}
        return super().ask(verb, target, on_event, **more, **fields)


def _stalled_message(verb: str, host: str) -> str:
    is_upload = verb in ("submit", "data_register") and (is_storage(host) or not host)
    return "the upload stalled" if is_upload else f"{host or 'Azure'} does not answer"


def _environment() -> dict[str, str]:
    """The worker's variables, with the file that keeps the account of a sign-in."""
    # A secret that a CI system does not have is an empty variable there: the SDK must not see it.
    variables = {k: v for k, v in plain_environment().items() if v or not k.startswith("AZURE_")}
    account = venvs.cache_folder() / "azure-account.json"
    return {
        **variables,
        "INNERLOOP_AZURE_ACCOUNT": str(account),
        "GIT_OPTIONAL_LOCKS": "0",  # the SDK asks git for its state; the index stays unchanged
    }


SERVICE = Service(
    name="Azure ML",
    group="azure",
    module="innerloop.remote.azureml.worker.main",
    report=".innerloop/azure-error.log",
    env=_environment,
    scrub=scrub,
    stalled_message=_stalled_message,
)
