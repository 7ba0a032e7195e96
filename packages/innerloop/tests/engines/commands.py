"""What one person does with one engine: each command as a function that checks what it does."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from innerloop.docker.docker_cli import dev_container_id
from tests.editor.dap import Machine
from tests.editor.f5 import own_port, press_f5, seen
from tests.engines.stands import IMAGE, Stand
from tests.serving import tiny
from tests.small_image import BASE
from tests.support import Answer, Started, Workspace, free_port, make_workspace, until

NAME = "line"
DOCKER = ("--backend", "docker")
JOB = "command: python train.py --code ${{inputs.code}}\ninputs: {code: 0}\n"
TRAIN = """import json
import os
import sys

os.makedirs("outputs/model")
with open("outputs/model/model.json", "w") as file:
    json.dump({"times": 2}, file)
code = int(sys.argv[2])
print("trained", flush=True)
sys.exit(code)
"""
STOP = 8
TEST = """from pathlib import Path


def test_the_code_is_there() -> None:
    assert "trained" in Path("train.py").read_text()
"""
# Minutes, since other tests may keep this machine busy.
PATIENCE = 300


@dataclass(slots=True)
class Bench:
    """A person's workspace with one experiment, and the engine that they have."""

    stand: Stand
    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    def loop(self, *words: str) -> Answer:
        return self.workspace.loop(*words, prefix=self.stand.prefix, timeout=PATIENCE)

    def start(self, *words: str) -> Started:
        return self.workspace.start(*words, prefix=self.stand.prefix)

    def good(self, *words: str) -> Answer:
        answer = self.loop(*words)
        assert answer.code == 0, f"{words}: {answer.code}\n{answer.out}\n{answer.message}"
        assert answer.message is not None
        return answer

    def containers(self) -> list[str]:
        label = f"label=innerloop.workspace={self.root}"
        return self.stand.ask("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()

    def images(self) -> list[str]:
        label = f"label=innerloop.workspace={self.root}"
        return self.stand.ask("images", "-q", "--filter", label).split()

    def strangers(self) -> list[Path]:
        """What is not the person's in the workspace."""
        uid = self.stand.user.uid
        return [path for path in self.root.rglob("*") if path.lstat().st_uid != uid]


@contextmanager
def bench(stand: Stand) -> Iterator[Bench]:
    """The workspace lies at a path with blanks; `sync` has been run in it."""
    workspace = make_workspace(
        stand.user.home / f"work of {stand.name}", share_scripts=False, copy_source=True
    )
    workspace.env = dict(stand.env)
    tiny.add_server(workspace, NAME)
    dockerfile = f"src/{NAME}/deploy/Dockerfile"
    workspace.write(dockerfile, workspace.read(dockerfile).replace(BASE, IMAGE))
    workspace.add(NAME, TRAIN, job=JOB, dockerfile=f"FROM {IMAGE}\n")
    workspace.write(f"src/{NAME}/tests/test_train.py", TEST)
    own_port(workspace, NAME)
    stand.user.own(workspace.root)
    made = Bench(stand, workspace)
    made.good("sync")
    yield made
    for name in made.containers():
        stand.ask("rm", "-f", name)
    for image in made.images():
        stand.ask("rmi", "-f", image)
    shutil.rmtree(workspace.root)


def doctor(bench: Bench) -> None:
    fact = engine_fact(bench)
    assert fact["state"] == "ok", fact


def engine_fact(bench: Bench) -> dict[str, Any]:
    facts = json.loads(bench.loop("doctor", "--json").out)
    (fact,) = [fact for fact in facts if fact["name"] == "docker engine"]
    return dict(fact)


def build(bench: Bench) -> None:
    first, second = bench.good("build", NAME), bench.good("build", NAME)
    assert first.out == second.out and "up to date" in second.err
    assert bench.images()


def run(bench: Bench) -> None:
    """A failed run is one, with the program's own exit code, and a good one leaves its model."""
    failed = bench.loop("run", NAME, *DOCKER, "--set", "inputs.code=3")
    assert (failed.code, failed.out) == (3, "trained\n"), failed.message
    folder = bench.workspace.outputs(NAME)
    assert record(folder)["exit_code"] == 3
    assert bench.good("run", NAME, *DOCKER).out == "trained\n"
    runs = json.loads(bench.good("runs", NAME, "--json").out)
    assert sorted(run["state"] for run in runs) == ["done", "failed (3)"], runs
    models = list(folder.parent.glob("*/model/model.json"))
    assert len(models) == 2
    assert bench.strangers() == []
    assert bench.containers() == []


def record(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / ".run/run.json").read_text()))


def test(bench: Bench) -> None:
    answer = bench.good("test", NAME, *DOCKER)
    assert "1 passed" in answer.out
    assert bench.strangers() == [] and bench.containers() == []


def terminal(bench: Bench) -> None:
    words = ("touch made-in-a-terminal; pwd; exit 7",)
    answer = bench.loop("terminal", NAME, *DOCKER, "--", "sh", "-c", *words)
    assert answer.code == 7, answer.message
    assert answer.out == f"/workspaces/{bench.root.name}/src/{NAME}\n"
    assert (bench.root / f"src/{NAME}/made-in-a-terminal").exists()
    assert bench.strangers() == [] and bench.containers() == []


def jupyter(bench: Bench) -> None:
    server = bench.start("jupyter", NAME, *DOCKER, "--port", str(free_port()))
    try:
        server.wait_for("is ready: ", PATIENCE)
        address = server.text.partition("is ready: ")[2].split()[0]
        request = urllib.request.Request(
            address, headers={"Authorization": f"token {address.split('token=')[1]}"}
        )
        with urllib.request.urlopen(request, timeout=60) as page:
            assert "JupyterLab" in page.read().decode()
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            server.interrupt_group()
    assert server.end(PATIENCE).code == 130
    assert until(lambda: bench.containers() == [], 60)


def up(bench: Bench) -> None:
    told = json.loads(bench.good("up", NAME, "--json").out)
    assert told["outcome"] == "success", told
    assert json.loads(bench.good("up", NAME, "--json").out)["how"] == "running"


def exec_(bench: Bench) -> None:
    words = ("touch made-in-a-dev-container ~/mine; exit 9",)
    answer = bench.loop("exec", NAME, "--", "sh", "-c", *words)
    assert answer.code == 9, answer.message
    assert list(bench.root.rglob("made-in-a-dev-container"))
    assert bench.strangers() == []
    python = bench.good("exec", NAME, "--", "python", "-c", "print('inside')")
    assert python.out == "inside\n"


def down(bench: Bench) -> None:
    bench.good("down", NAME)
    label = f"label=devcontainer.local_folder={bench.root}"
    assert bench.stand.ask("ps", "-aq", "--filter", label) == ""


def debug(bench: Bench) -> None:
    env = [f"{name}={value}" for name, value in bench.stand.env.items()]
    started = bench.stand.prefix
    machine = Task(*started, "env", *env)
    editor = press_f5(bench.workspace, f"{NAME}: job in its container", machine=machine)
    editor.timeout = PATIENCE
    try:
        assert editor.start_task(), editor.text
        editor.machine = Machine()
        stops = {bench.root / f"src/{NAME}/train.py": [STOP]}
        editor.attach(stops)
        process = editor.next_process(stops)
        thread = process.stopped()
        assert seen(process, thread) == (str(bench.root / f"src/{NAME}/train.py"), STOP)
        assert process.evaluate("sys.argv[1:]", thread) == repr(["--code", "0"])
        process.go_on(thread)
        assert editor.exit_code(PATIENCE) == 0, editor.text
        assert "trained" in editor.text
    finally:
        editor.close()
    assert bench.strangers() == [] and bench.containers() == []


class Task(Machine):
    """The person's terminal on this machine."""


def serve(bench: Bench) -> None:
    port = free_port()
    bench.good("serve", NAME, "--port", str(port), "--detach")
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/score", b"21")
        with urllib.request.urlopen(request, timeout=60) as page:
            assert json.load(page)["answer"] == 42
    finally:
        stopped = bench.loop("serve", NAME, "--stop")
    assert stopped.code == 0, stopped.message
    assert until(lambda: bench.containers() == [], 60)


def clean(bench: Bench) -> None:
    assert bench.images()
    bench.good("clean", "--all", "--yes")
    assert bench.images() == [] and bench.containers() == []
    config = f"{bench.root}/.devcontainer/{NAME}/devcontainer.json"
    volume = f"name=innerloop-cache-{dev_container_id(str(bench.root), config)}"
    assert bench.stand.ask("volume", "ls", "-q", "--filter", volume) == ""
    assert "nothing to clean" in bench.good("clean", "--all", "--yes").out


COMMANDS: Mapping[str, Callable[[Bench], None]] = {
    "doctor": doctor,
    "build": build,
    "run": run,
    "test": test,
    "terminal": terminal,
    "jupyter": jupyter,
    "debug": debug,
    "serve": serve,
    "up": up,
    "exec": exec_,
    "down": down,
    "clean": clean,
}
