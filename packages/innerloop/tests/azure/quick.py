"""The command line in this process, with one long-lived worker whose pauses are short.

A table of faults has hundreds of rows; a process of the tool and one of Azure's client for each would
take half an hour.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from innerloop.cli import main
from innerloop.remote.azureml import backend
from innerloop.remote.azureml.connection import AzureConnection
from innerloop.remote.azureml.workspace_ref import WorkspaceRef
from innerloop.remote.worker.client import ServiceError
from innerloop.util import locked_environments, process, venvs
from tests.azure import standin
from tests.azure.conftest import Cloud
from tests.support import Answer, Workspace

# The real worker; what it waits for between two attempts takes a moment only, while its clock goes on
# as if it had waited. The verb "forget" lets its next request sign in again.
_START = """
import sys, time, types
sys.path.insert(0, sys.argv[1])
wait, clock, ahead = time.sleep, time.monotonic, [0.0]
def sleep(seconds):
    wait(min(seconds, 0.02))
    ahead[0] += max(seconds - 0.02, 0)
time.sleep, time.monotonic = sleep, lambda: clock() + ahead[0]
from innerloop.remote.azureml.worker import client_setup, main
forget = types.ModuleType("innerloop.remote.azureml.worker.forget")
forget.forget = lambda client, request, emit: client_setup._CLIENTS.clear()
sys.modules[forget.__name__] = forget
main.VERBS["forget"] = "forget"
main.main()
"""


class LastingConnection(AzureConnection):
    """A connection that outlives the command; a worker that hangs or has ended is replaced."""

    def start(self) -> process.ChildProcess:
        if self._worker is None:
            environment = locked_environments.ensure(self.service.group)
            source = str(locked_environments.PACKAGE.parent)
            argv = [
                str(venvs.python_of(environment)),
                "-I",
                "-X",
                "utf8",
                "-c",
                _START,
                source,
            ]
            self._worker = process.ChildProcess(argv, cwd=self.root, env=self.service.env())
        return self._worker

    def ask(self, *words: Any, **fields: Any) -> Any:
        try:
            return super().ask(*words, **fields)
        except ServiceError as error:
            if error.code in ("stalled", "worker-ended"):
                self.close()
            raise

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        if self._worker is not None:
            self._worker.__exit__()
            self._worker = None


class Quick:
    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.connection = LastingConnection(folder)

    def loop(
        self, workspace: Workspace, *words: str, env: Mapping[str, str] | None = None
    ) -> Answer:
        """`scripts/loop WORDS`, as far as a caller can tell."""
        out, err = io.StringIO(), io.StringIO()
        variables = {**self.cloud.env, "INNERLOOP_PAUSE": "0.01", "CI": "1", **(env or {})}
        with (
            mock.patch.dict(os.environ, variables),
            mock.patch.object(sys, "argv", [str(workspace.root / "scripts/loop")]),
            mock.patch.object(backend, "AzureConnection", lambda root: self.connection),
            _inside(workspace.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main.main(list(words))
        answer = Answer(code, out.getvalue(), err.getvalue())
        self.cloud.check(answer.out + answer.err)
        return answer

    def forget_sign_in(self) -> None:
        """The next request signs in again."""
        target = WorkspaceRef(standin.SUBSCRIPTION, standin.GROUP, standin.WORKSPACE, "the test")
        with mock.patch.dict(os.environ, self.cloud.env):
            self.connection.ask("forget", target, lambda event: None)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
