"""Files that a stranger may put into a workspace: where, and in which shapes."""

from __future__ import annotations

import json
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Whatever reaches a terminal: a title, a colour, an override of direction, a line of another tool.
ESCAPES = "\x1b]0;owned\x07\x1b[31m\u202e\x9b2J\r\nowned: 1\x7f"

RUN = "20260131-101500-3fa2"
JOB = "line-20260131-101500-3fa2"

JOB_TEXT = """\
command: python train.py --epochs ${{inputs.epochs}} --data ${{inputs.data}}
code: .
inputs:
  epochs: 2
  data:
    type: uri_folder
    path: ../../data/line
outputs:
  model:
    type: uri_folder
environment:
  build:
    path: ./environment
environment_variables:
  MODE: fast
resources:
  shm_size: 2g
  docker_args: --network none
  instance_count: 1
limits:
  timeout: 60
services:
  board:
    type: tensor_board
    port: 6006
distribution:
  type: pytorch
  process_count_per_instance: 1
tags:
  stage: dev
compute: azureml:cpu
experiment_name: line
"""
SWEEP_TEXT = """\
type: sweep
trial:
  command: python train.py --rate ${{search_space.rate}}
  code: .
  environment:
    build:
      path: ./environment
search_space:
  rate:
    type: choice
    values: [0.1, 0.2]
sampling_algorithm: random
objective:
  goal: minimize
  primary_metric: loss
limits:
  max_total_trials: 2
compute: azureml:cpu
"""
PIPELINE_TEXT = """\
type: pipeline
inputs:
  epochs: 2
outputs:
  model:
jobs:
  train:
    type: command
    command: python train.py --epochs ${{inputs.epochs}} --out ${{outputs.model}}
    code: .
    environment:
      build:
        path: ./environment
    inputs:
      epochs: ${{parent.inputs.epochs}}
    outputs:
      model: ${{parent.outputs.model}}
  score:
    type: command
    command: python train.py --model ${{inputs.model}}
    code: .
    environment:
      build:
        path: ./environment
    inputs:
      model: ${{parent.jobs.train.outputs.model}}
compute: azureml:cpu
"""
RECORD: dict[str, Any] = {
    "run": RUN,
    "experiment": "line",
    "backend": "venv",
    "why": "",
    "command": "python train.py",
    "cwd": "/x",
    "image": None,
    "environment": None,
    "inputs": {"rate": "0.1"},
    "arguments": ["--fast"],
    "git": {"commit": "0123456789", "dirty": []},
    "host": "here",
    "pid": 1,
    "started": "2026-01-31T10:15:00Z",
    "ended": "2026-01-31T10:16:00Z",
    "seconds": 60.0,
    "exit_code": 0,
}
SUBMISSION: dict[str, Any] = {
    "name": JOB,
    "experiment": "line",
    "slug": "line",
    "file": "src/line/azure-ml-job.yaml",
    "workspace": {"name": "w"},
    "state": "sent",
    "fingerprint": "abc",
    "at": "2026-01-31T10:15:00Z",
    "inputs": {"rate": 1},
    "snapshots": {"src/line": "abc"},
    "sets": ["inputs.rate=1"],
    "git": {"commit": "0"},
    "status": "Running",
}
NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["rate = 1\n"]}
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
PROJECT = """\
[tool.innerloop]
gpu = "auto"
ports = [6006]
registry = "registry.example/line"

[tool.innerloop.data.data]
path = "data/line"

[tool.innerloop.environment]
image = "python:3.11-slim"
"""
SETTINGS = """\
gpu = "none"
dev_stage = "dev"
debug_port = 24500

[data.data]
path = "data/line"

[azure]
endpoint = "line"

[schedule]
cron = "0 3 * * 1"
"""
DOCKERFILE = "FROM python:3.11-slim AS dev\nCOPY requirements.txt .\nUSER me\n"
DEPLOYMENT = """\
name: blue
endpoint_name: line
model:
  path: ../outputs/model
code_configuration:
  code: .
  scoring_script: score.py
environment:
  build:
    path: .
  inference_config:
    liveness_route: {port: 5001, path: /}
    readiness_route: {port: 5001, path: /}
    scoring_route: {port: 5001, path: /score}
environment_variables:
  MODE: fast
instance_type: Standard_DS3_v2
instance_count: 1
"""
ENDPOINT = "name: line\nauth_mode: key\n"

FILES: Mapping[str, str] = {
    "pyproject.toml": PROJECT,
    "src/line/azure-ml-job.yaml": JOB_TEXT,
    "src/line/innerloop.toml": SETTINGS,
    "src/line/train.py": "print(1)\n",
    "src/line/environment/Dockerfile": DOCKERFILE,
    "src/line/environment/requirements.txt": "",
    "src/line/environment/.dockerignore": "*.tmp\n",
    "src/line/deploy/deployment.yaml": DEPLOYMENT,
    "src/line/deploy/endpoint.yaml": ENDPOINT,
    "src/line/deploy/Dockerfile": "FROM python:3.11-slim\n",
    "src/line/deploy/score.py": "def init(): ...\n",
    "src/swept/azure-ml-job.yaml": SWEEP_TEXT,
    "src/swept/environment/Dockerfile": DOCKERFILE,
    "src/swept/train.py": "print(1)\n",
    "src/piped/azure-ml-job.yaml": PIPELINE_TEXT,
    "src/piped/environment/Dockerfile": DOCKERFILE,
    "src/piped/train.py": "print(1)\n",
    "data/line/a.csv": "1\n",
    "notebooks/line.ipynb": json.dumps(NOTEBOOK),
    f"outputs/line/{RUN}/.run/run.json": json.dumps(RECORD, indent=2),
    f"outputs/line/{RUN}/.run/log.txt": "epoch 1\n",
    f"outputs/line/{RUN}/metrics.json": '{"accuracy": 0.5, "test": {"loss": 1}}',
    f"outputs/line/{RUN}/metrics.jsonl": '{"epoch": 1, "loss": 2}\n{"epoch": 2, "loss": 1}\n',
    "outputs/line/20260131-111500-aaaa/.run/run.json": json.dumps(
        {**RECORD, "run": "20260131-111500-aaaa"}
    ),
    f"outputs/piped/{RUN}/pipeline.json": json.dumps(
        {
            "pipeline": "src/piped/azure-ml-job.yaml",
            "steps": {"train": {"state": "done", "outputs": f"outputs/piped/{RUN}/train"}},
            "outputs": {},
        }
    ),
    f"outputs/piped/{RUN}/train/model/a.txt": "1\n",
    f".innerloop/jobs/{JOB}/job.json": json.dumps(SUBMISSION),
}


@dataclass(frozen=True)
class Case:
    """One file of the workspace in one shape. `put` writes it to its path."""

    path: str
    shape: str
    put: Callable[[Path], None]

    @property
    def id(self) -> str:
        return f"{self.path}: {self.shape}"


def text_shapes() -> Iterator[tuple[str, bytes]]:
    """Contents that no reader expects."""
    yield "empty", b""
    yield "white space", b" \n\t\n"
    yield "a zero byte", b"a: \0\n"
    yield "zero bytes", b"\0" * 100
    yield "not UTF-8", b"\xff\xfe\x80 a\n"
    yield "UTF-16", "a: 1\n".encode("utf-16")
    yield "deep [", b"[" * 100_000
    yield "deep {", b'{"a":' * 50_000
    yield "deep flow", b"{a: " * 5_000
    yield "deep blocks", b"- " * 5_000
    yield "a long line", b"a" * 300_000
    yield "null", b"null"
    yield "true", b"true"
    yield "a number", b"17"
    yield "a huge number", b"9" * 5_000
    yield "1e400", b"1e400"
    yield "NaN", b"NaN"
    yield "a list", b"[1, 2, [3]]"
    yield "a text", b'"a text"'
    yield "a list of lists", b"[[[]], {}, [null]]"
    yield "an object of objects", b'{"a": {"b": {"c": []}}}'
    yield "duplicate keys", b'{"a": 1, "a": 2, "command": "x", "command": "y"}'
    yield "a lone surrogate", b'{"a": "\\ud800", "\\udfff": 1, "command": "\\ud800"}'
    yield "prototype", b'{"__proto__": {"a": 1}, "constructor": 1, "..": 2}'
    yield "conflict", b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n"
    yield "escapes", json.dumps({"a": ESCAPES, ESCAPES: 1}).encode()
    yield "raw escapes", ESCAPES.encode()
    yield "an endless alias", b"a: &a [*a]\n"
    yield "laughs", b"a: &a [1,1,1,1,1,1,1,1,1]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (k + 1, k + 1, k, k, k, k, k, k, k, k)
        for k in range(97, 110)
    )
    yield "a tag", b"!!python/object/apply:os.system ['true']\n"
    yield "a date", b"2026-01-31\n"
    yield "a set", b"!!set {a, b}\n"
    yield "bytes", b"!!binary aGVsbG8=\n"


def object_shapes() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Things other than a file."""
    yield "a folder", lambda path: path.mkdir()
    yield "a link to nothing", lambda path: path.symlink_to("nothing")
    yield "a link to itself", lambda path: path.symlink_to(path.name)
    if sys.platform != "win32":
        yield "a named pipe", lambda path: os.mkfifo(path)
        yield "a link to an endless file", lambda path: path.symlink_to("/dev/zero")
        yield "a socket", _socket
    yield "a huge file", _huge


def _socket(path: Path) -> None:
    """A socket of a short name: the system limits its length."""
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        server = socket.socket(socket.AF_UNIX)
        server.bind(path.name)
        server.close()
    finally:
        os.chdir(before)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(300_000_000)


def _writer(content: bytes) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.write_bytes(content)

    return put


# Values of a wrong type, or of an impossible size, for a key of a JSON or YAML file.
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 17, 2**63, 10**400, 1.5, "", " ", "text", ESCAPES, "a\0b", "\ud800",
    "..", "../../victim", "/etc", "C:x", "a" * 10_000, [], [1], [None], {}, {"a": 1}, {"": {"": []}},
    "${localEnv:HOME}", "${command:x}", "-v", "--privileged", "\u202etxt",
)  # fmt: skip
# As JSON, of which json.loads makes floats.
ODD_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "1e308", "-1e308", "9" * 4000)


def changed_documents(
    text: str, is_json: bool, seed: int, count: int
) -> Iterator[tuple[str, bytes]]:
    """A JSON or YAML document with one value, or one key, replaced; `count` of them."""
    import yaml

    document = json.loads(text) if is_json else yaml.safe_load(text)
    places = list(_places(document, ()))
    choose = random.Random(seed)
    pairs = [(place, value) for place in places for value in (*VALUES, *ODD_NUMBERS)]
    choose.shuffle(pairs)
    for place, value in pairs[:count]:
        odd = value in ODD_NUMBERS if isinstance(value, str) else False
        new = _replaced(document, place, "@@odd@@" if odd else value)
        written = _dumped(new)
        if odd:
            written = written.replace('"@@odd@@"', value)
        shown = value if odd else repr(value)[:30]
        yield f"{'.'.join(map(str, place))} = {shown}", written.encode("utf-8", "surrogatepass")
    keys = [place for place in places if place and isinstance(place[-1], str)]
    for place in choose.sample(keys, min(len(keys), max(count // 4, 4))):
        name = choose.choice([value for value in VALUES if isinstance(value, str)])
        renamed = _dumped(_renamed(document, place, name))
        yield f"{'.'.join(map(str, place))} named {name[:20]!r}", renamed.encode()


def _dumped(value: Any) -> str:
    """JSON, which is YAML as well."""
    try:
        return json.dumps(value, indent=1)
    except ValueError:  # an integer beyond Python's limit of digits
        return json.dumps(str(value))


def _places(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield at
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, below in items:
        yield from _places(below, (*at, key))


def _replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = _replaced(document[place[0]], place[1:], value)
    return copy


def _renamed(document: Any, place: tuple[Any, ...], name: str) -> Any:
    if len(place) == 1:
        return {name if key == place[0] else key: value for key, value in document.items()}
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = _renamed(document[place[0]], place[1:], name)
    return copy


def cases(path: str, *, count: int = 0, journal: str = "") -> list[Case]:
    """The cases of one file; `count` changed documents if it is JSON or YAML."""
    text = FILES.get(path, journal)
    found = [Case(path, shape, _writer(content)) for shape, content in text_shapes()]
    found.append(Case(path, "a byte order mark", _writer(b"\xef\xbb\xbf" + text.encode())))
    found.append(Case(path, "half of it", _writer(text.encode()[: len(text) // 2])))
    found += [Case(path, shape, put) for shape, put in object_shapes()]
    if path.endswith((".json", ".yaml", ".ipynb")) and count:
        is_json = not path.endswith(".yaml")
        found += [
            Case(path, shape, _writer(content))
            for shape, content in changed_documents(text, is_json, seed=len(path), count=count)
        ]
    return found
