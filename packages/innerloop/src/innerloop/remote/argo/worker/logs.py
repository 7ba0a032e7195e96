"""Logs of pods, as they grow."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client.exceptions import ApiException

from ...worker.protocol import Emit
from .api_client import CONNECT, READ, TIMES, ClusterClient
from .log_lines import ProgramLines

_OF_WORKFLOW = "workflows.argoproj.io/workflow"
_NODE = "workflows.argoproj.io/node-id"


@dataclass
class PodLog:
    """A pod's log, read in a thread of its own while the pod runs.

    After a broken connection the log is read again from its start, and what has been emitted is
    skipped.
    """

    cluster: ClusterClient
    request: Mapping[str, Any]
    node: str
    step: str
    emit: Emit
    state: str = ""
    why: str = ""
    is_orphaned: bool = False
    read_bytes: int = 0
    reader: threading.Thread | None = None
    over: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def begin(self, follow: bool) -> None:
        if self.reader is None:
            self.reader = threading.Thread(target=self._read_all, args=(follow,), daemon=True)
            self.reader.start()

    def end(self, wait: bool, emit: Emit) -> None:
        """Reads the rest of the log after the pod has ended, or if nobody waits for that."""
        self.over.set()
        while self.reader is not None and self.reader.is_alive():
            emit("heartbeat")
            self.reader.join(5)
        if self.error is not None:
            raise self.error

    def _read_all(self, follow: bool) -> None:
        try:
            while not self._read(follow) and not self.over.is_set():
                self.over.wait(max(self.request["pause"], 0.2))
        except ApiException as error:
            if error.status == 404:  # the pod is gone, and its log with it
                self.emit(
                    "message", text=f"the log of {self.step or self.node} was deleted with its pod"
                )
            else:
                self.error = error
        except Exception as error:  # raised by `end`
            self.error = error

    def _read(self, follow: bool) -> bool:
        """Whether the log has been read to its end."""
        pod = self._pod()
        if pod is None:
            return False
        try:
            answer = self.cluster.core.read_namespaced_pod_log(
                pod, self.cluster.namespace, container="main", follow=follow,
                _preload_content=False, _request_timeout=(CONNECT, 600 if follow else READ),
            )  # fmt: skip
        except ApiException as error:
            if error.status == 400:  # the container has not started yet
                return False
            raise
        skip, decoder = self.read_bytes, codecs.getincrementaldecoder("utf-8")("replace")
        lines = ProgramLines()
        try:
            for chunk in answer.stream(8192):
                new = chunk[skip:] if skip else chunk
                skip = max(skip - len(chunk), 0)
                self.read_bytes += len(new)
                self._emit(lines.add(decoder.decode(new)))
        except Exception:
            return False
        finally:
            self._emit(lines.rest())
            answer.release_conn()
        return True

    def _emit(self, text: str) -> None:
        if text:
            self.emit("log", of=self.step, file=self.node, text=text)

    def _pod(self) -> str | None:
        """The pod's name, found by its annotation: the scheme of names differs between Argo's versions."""
        listed = self.cluster.core.list_namespaced_pod(
            self.cluster.namespace,
            label_selector=f"{_OF_WORKFLOW}={self.request['name']}",
            **TIMES,
        )
        for pod in listed.items:
            if (pod.metadata.annotations or {}).get(_NODE) == self.node:
                name: str = pod.metadata.name
                return name
        if self.over.is_set():
            raise ApiException(status=404, reason="no such pod")
        return None
