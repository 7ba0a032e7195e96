"""The workspace's own models behind their own servers, in real containers.

TorchServe and Azure ML's inference server. Each answers the test digits as the bare model does.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from innerloop.serving import readiness
from innerloop.serving.client import Address, send
from tests.azure import endpoints
from tests.azure.conftest import Cloud
from tests.editor.dap import Editor
from tests.editor.f5 import press_f5, seen
from tests.engine.conftest import Trained
from tests.engine.test_digits import NAME, SECOND
from tests.support import ROOT, Started, Workspace, docker, free_port, until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(
        not all((ROOT / "src" / name).is_dir() for name in (NAME, SECOND)),
        reason="an experiment was deleted",
    ),
]
COUNT = 1000  # at most

# What the bare models say, each in the image in which it was trained.
BARE = {
    NAME: """
import json, sys, torch
model = torch.export.load("/model/model.pt2").module()
images = torch.tensor(json.load(open("/digits.json")), dtype=torch.uint8)
print(json.dumps(model(images).argmax(1).tolist()))
""",
    SECOND: """
import json, numpy, skops.io
model = skops.io.load("/model/model.skops")
images = numpy.array(json.load(open("/digits.json")))
print(json.dumps(model.predict(images.reshape(len(images), -1) / 255).tolist()))
""",
}


# The digits that no training has seen, by the experiment's own code in the image in which it runs.
DIGITS = """
import json, sys
from pathlib import Path
sys.path.insert(0, "/workspace/src/{name}")
from common.digits import load, split
images, labels, _ = load(Path("/workspace/data/mnist"))
test = split(len(labels))[2][:{count}]
print(json.dumps([images[test].tolist(), labels[test].tolist()]))
"""


def digits_of(workspace: Workspace, name: str) -> tuple[list[list[list[int]]], list[int]]:
    """Images of grey values, and labels."""
    program = DIGITS.format(name=name, count=COUNT)
    mount = f"{workspace.root}:/workspace:ro"
    printed = docker(
        "run", "--rm", "-v", mount, job_image(workspace, name), "python", "-c", program
    )
    images, labels = json.loads(printed)
    assert len(images) == len(labels) > 100
    return images, labels


def job_image(workspace: Workspace, name: str) -> str:
    (image,) = [one for one in workspace.images() if one.endswith(f"/{name}:job")]
    return image


def newest_model(workspace: Workspace, name: str) -> Path:
    """What `loop serve` takes: that of the last run which left one. Runs are called by their time."""
    return max((workspace.root / "outputs" / name).glob("*/model"))


def bare_answers(workspace: Workspace, name: str, images: Any, tmp_path: Path) -> list[int]:
    (tmp_path / "digits.json").write_text(json.dumps(images))
    model = newest_model(workspace, name)
    mounts = ("-v", f"{model}:/model:ro", "-v", f"{tmp_path}/digits.json:/digits.json:ro")
    said = docker("run", "--rm", *mounts, job_image(workspace, name), "python", "-c", BARE[name])
    return list(json.loads(said))


def answers(url: str, images: Sequence[Any]) -> list[int]:
    """One request per image, eight at a time."""

    def ask(image: Any) -> int:
        reply = send(Address(url), json.dumps(image).encode(), "application/json")
        assert reply.ok, reply.message
        return int(reply.value["digit"])

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, images))


@contextmanager
def served(workspace: Workspace, name: str) -> Iterator[tuple[Started, str]]:
    """The server, once it is ready, and where it answers; Ctrl-C ends it, and nothing stays."""
    port = free_port()
    serving = workspace.start("serve", name, "--port", str(port))
    try:
        serving.wait_for(f"{name} is served at ", 600)
        url = serving.text.partition(f"{name} is served at ")[2].split()[0]
        assert url.startswith(f"http://127.0.0.1:{port}/")
        yield serving, url
        serving.interrupt_group()
        ended = serving.end(60)
        assert ended.code == 130, ended.err[-3000:]
        assert workspace.containers() == []
    finally:
        if serving.child.poll() is None:
            serving.interrupt_group()
            serving.end(60)


def check_test_digits(workspace: Workspace, name: str, url: str, tmp_path: Path) -> None:
    images, labels = digits_of(workspace, name)
    found = answers(url, images)
    assert found == bare_answers(workspace, name, images, tmp_path)
    right = sum(one == label for one, label in zip(found, labels, strict=True)) / len(labels)
    about = json.loads((newest_model(workspace, name) / "model.json").read_text())
    assert right > 0.8 and right == pytest.approx(about["test_accuracy"], abs=0.03)


def refused(url: str, data: bytes, kind: str) -> str:
    reply = send(Address(url), data, kind)
    assert reply.status == 400, (reply.status, reply.message)
    return str(reply.value["error"])


def test_torchserve_answers_as_the_trained_model(trained: Trained, tmp_path: Path) -> None:
    workspace = trained.workspace
    assert trained.run(NAME, "--set", "inputs.epochs=2").code == 0
    with served(workspace, NAME) as (serving, url):
        called = workspace.loop("invoke", NAME)
        assert called.code == 0 and json.loads(called.out)["digit"] in range(10)
        check_test_digits(workspace, NAME, url, tmp_path)
        assert "not a readable picture" in refused(url, b"words", "image/png")
        assert "28 rows of 28" in refused(url, b"[[1, 2]]", "application/json")
        assert "0 (background) to 255 (ink)" in refused(
            url, json.dumps([[300] * 28] * 28).encode(), "application/json"
        )
        assert '"POST /predictions/digits HTTP/1.1" 400' in serving.text
        # A worker that is killed is started again, and until then nothing is ready.
        (container,) = workspace.containers()
        kill = "import glob, os\nfor p in glob.glob('/proc/[0-9]*/cmdline'):\n"
        kill += "    if b'model_service_worker' in open(p, 'rb').read(): os.kill(int(p.split('/')[2]), 9)"
        docker("exec", container, "python", "-c", kill)
        sample = ROOT / "src" / NAME / "deploy" / "sample-request.png"
        again = readiness.wait(url, sample, threading.Event(), patience=60, say=lambda _: None)
        assert again.reply is not None


def test_torchserves_healthy_door_before_a_crashing_worker(
    trained: Trained, tmp_path: Path
) -> None:
    workspace = trained.workspace
    assert trained.run(NAME, "--set", "inputs.epochs=2").code == 0
    (tmp_path / "model").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "model" / "model.json").write_text('{"format": 99}')
    port = free_port()
    words = ("serve", NAME, "--model", str(tmp_path / "model"), "--port", str(port))
    serving = workspace.start(*words, env={"INNERLOOP_PATIENCE": "30"})
    serving.wait_for("the format 99, and this server reads format 1", 600)
    assert until(lambda: ping(port) == "Healthy", 25)  # says TorchServe
    ended = serving.end(60)
    assert ended.code == 1 and "is served at" not in ended.out
    assert "the server does not work: no prediction within 30 s" in ended.err
    assert workspace.containers() == []


def ping(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
            return str(json.loads(answer.read())["status"])
    except (OSError, http.client.HTTPException):
        return ""


def test_the_inference_server_answers_as_the_trained_model(
    trained: Trained, tmp_path: Path
) -> None:
    workspace = trained.workspace
    assert trained.run(SECOND).code == 0
    with served(workspace, SECOND) as (_, url):
        called = workspace.loop("invoke", SECOND, "--json")
        assert json.loads(called.out)["answer"]["digit"] == 3
        check_test_digits(workspace, SECOND, url, tmp_path)
        assert "not JSON" in refused(url, b"words", "application/json")
        assert "28 rows of 28" in refused(url, b"[[1, 2]]", "application/json")


@pytest.mark.azure
def test_the_inference_server_behind_an_endpoint(trained: Trained, cloud: Cloud) -> None:
    """Deployed: the test request, and a call with the endpoint's key, reach the real server."""
    workspace = trained.workspace
    assert trained.run(SECOND).code == 0
    with served(workspace, SECOND) as (_, url):
        known = endpoints.endpoints(cloud.azure)
        known.ports["*"] = int(url.split(":")[2].split("/")[0])
        deployed = cloud.loop(workspace, "deploy", SECOND, "--json")
        assert deployed.code == 0, deployed.err
        told = json.loads(deployed.out)
        assert (told["deployment"], told["traffic"]) == ("blue", {"blue": 100})
        assert "test request answered in" in deployed.err and '"digit": 3' in deployed.err
        called = cloud.loop(workspace, "invoke", SECOND, "--endpoint", "--json")
        answer = json.loads(called.out)
        assert (answer["url"], answer["answer"]["digit"]) == (told["url"], 3)
        assert [name for name, _ in known.scored] == ["blue", "blue"]


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        (NAME, "handler.py", "results.append(images_of("),
        (SECOND, "score.py", "images = images_of(data)"),
    ],
)
def test_f5_stops_in_a_live_request(trained: Trained, name: str, file: str, text: str) -> None:
    workspace = trained.workspace
    assert trained.run(name, *(("--set", "inputs.epochs=2") if name == NAME else ())).code == 0
    code = workspace.root / "src" / name / "deploy" / file
    line = next(n for n, one in enumerate(code.read_text().splitlines(), 1) if text in one)
    editor = press_f5(workspace, f"{name}: a request to its server")
    try:
        assert editor.start_task(), editor.text
        stops = {code: [line]}
        root = editor.attach(stops)
        worker, thread = first_stop(editor, stops)
        assert seen(worker, thread) == (str(code), line)
        worker.go_on(thread)
        assert until(lambda: f"{name} is served at" in editor.text, 60), editor.text
        root.send("disconnect", terminateDebuggee=False)
        editor.exit_code(30)
        assert workspace.containers() == []
    finally:
        editor.close()


def first_stop(editor: Editor, stops: dict[Path, list[int]]) -> Any:
    """The first of the processes that stops.

    A server is several programs, which come one after another, and each wants its debugger before
    it goes on.
    """
    sessions: list[Any] = []
    found: list[Any] = []
    end = time.monotonic() + 120
    while time.monotonic() < end and not found:
        if not editor.processes.empty():
            sessions.append(editor.next_process(stops))
            watch = threading.Thread(target=_stopped, args=(sessions[-1], found), daemon=True)
            watch.start()
        time.sleep(0.05)
    assert found, editor.text
    return found[0]


def _stopped(session: Any, found: list[Any]) -> None:
    session.timeout = 120.0
    with suppress(AssertionError):  # it has ended
        found.append((session, session.stopped()))
