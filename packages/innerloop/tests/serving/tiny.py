"""An experiment with a deploy folder whose image is built in a second: a server of 30 lines."""

from __future__ import annotations

import json

from tests.support import Workspace

SERVER = '''"""Answers with what its model says, in a worker that is forked for it."""
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

model = json.load(open(os.environ["AZUREML_MODEL_DIR"] + "/model/model.json"))


def predict(body):
    number = json.loads(body)
    answer = number * model["times"]
    return answer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "Healthy"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if model.get("hangs"):
            time.sleep(600)
        try:
            self.answer(200, {"answer": predict(body), "word": os.environ.get("WORD")})
        except ValueError as error:
            self.answer(400, {"error": f"no number: {error}"})

    def answer(self, status, value):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())


if model.get("dies"):
    sys.exit("the model is broken")
server = HTTPServer(("0.0.0.0", 5000), Handler)
if os.fork() == 0:
    server.serve_forever()
os.wait()
'''
DOCKERFILE = """FROM python:3.11-slim-bookworm
RUN useradd serve
COPY server.py /opt/app/
USER serve
EXPOSE 5000
CMD ["python", "-u", "/opt/app/server.py"]
"""
DEPLOYMENT = """name: blue
endpoint_name: line
model: azureml:line@latest
model_mount_path: /var/models
environment_variables: {WORD: hello}
environment:
  build: {path: .}
  inference_config:
    liveness_route: {port: 5000, path: /}
    readiness_route: {port: 5000, path: /}
    scoring_route: {port: 5000, path: /score}
instance_type: Standard_DS2_v2
"""


def add_server(workspace: Workspace, name: str = "line") -> None:
    workspace.add(name, "")
    at = f"src/{name}/deploy"
    workspace.write(f"{at}/server.py", SERVER)
    workspace.write(f"{at}/Dockerfile", DOCKERFILE)
    workspace.write(f"{at}/blue-deployment.yaml", DEPLOYMENT)
    workspace.write(f"{at}/sample-request.json", "21")
    workspace.write(f"{at}/.dockerignore", "*deployment.yaml\nsample-request.*\n")


def add_model(
    workspace: Workspace, run: str = "20260101-a", name: str = "line", **model: object
) -> None:
    record = {"run": run, "experiment": name, "exit_code": 0, "started": run}
    workspace.write(f"outputs/{name}/{run}/.run/run.json", json.dumps(record))
    workspace.write(f"outputs/{name}/{run}/model/model.json", json.dumps({"times": 2, **model}))
