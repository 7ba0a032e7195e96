"""An experiment that can be deployed, and the server that stands for its container.

A real one on loopback, behind the stand-in's scoring address.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support import Workspace

NAME = "tiny-digits"
ENDPOINT = f"name: {NAME}\nauth_mode: key\n"
DEPLOYMENT = f"""name: own
endpoint_name: {NAME}
model: azureml:tiny@latest
model_mount_path: /var/azureml-model
environment:
  build:
    path: .
  inference_config:
    liveness_route:
      port: 5001
      path: /
    readiness_route:
      port: 5001
      path: /
    scoring_route:
      port: 5001
      path: /score
instance_type: Standard_DS3_v2
instance_count: 1
request_settings:
  request_timeout_ms: 10000
"""


def add(workspace: Workspace) -> None:
    """A deploy folder for the experiment `tiny`, and a run with a model."""
    deploy = "src/tiny/deploy"
    workspace.write(f"{deploy}/endpoint.yaml", ENDPOINT)
    workspace.write(f"{deploy}/own-deployment.yaml", DEPLOYMENT)
    workspace.write(f"{deploy}/Dockerfile", "FROM python:3.11-slim-bookworm\nCOPY serve.py /\n")
    workspace.write(f"{deploy}/.amlignore", "endpoint.yaml\n*deployment.yaml\nsample-request.*\n")
    workspace.write(f"{deploy}/serve.py", "print('serving')\n")
    workspace.write(f"{deploy}/sample-request.json", '{"image": [0, 1]}\n')
    model(workspace, "run-1", "weights of the first\n")


def model(workspace: Workspace, run: str, weights: str) -> None:
    """A finished run with a model in it; a later `run` sorts behind an earlier one."""
    folder = f"outputs/tiny/{run}"
    workspace.write(f"{folder}/model/weights.txt", weights)
    workspace.write(f"{folder}/metrics.json", '{"test_accuracy": 0.9375}\n')
    record = {"run": run, "experiment": "tiny", "exit_code": 0, "started": run}
    workspace.write(f"{folder}/.run/run.json", json.dumps(record))


@dataclass(slots=True)
class Container:
    """`status` is what it answers; `asked` are the bodies that it got."""

    port: int = 0
    status: int = 200
    asked: list[bytes] = field(default_factory=list)


@contextmanager
def container() -> Iterator[Container]:
    one = Container()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            one.asked.append(body)
            good = self.path == "/score" and one.status == 200
            answer = {"digit": 7, "path": self.path} if good else {"message": "no such weights"}
            text = json.dumps(answer).encode()
            self.send_response(one.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
