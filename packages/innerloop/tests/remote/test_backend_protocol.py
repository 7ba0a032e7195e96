"""A backend is one file and one entry in a table.

`run`, `submit`, `parity`, `doctor`, `list` and completion need no other change. Two small ones show
it; docs/adding-a-backend.md has their text.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop import local
from innerloop.cli.candidates import candidates
from innerloop.cli.main import main
from innerloop.local import LocalBackend, apptainer, docker, in_container, venv
from innerloop.remote import base
from innerloop.remote.argo.backend import Argo
from innerloop.remote.azureml.backend import AzureML
from innerloop.remote.base import RemoteBackend
from innerloop.remote.host.run import HostRun
from innerloop.remote.slurm.backend import Slurm
from innerloop.remote.slurm.run import SlurmRun
from innerloop.remote.ssh.backend import Ssh
from tests.remote import nice_backend
from tests.remote.spool_backend import Spool
from tests.support import ROOT, Workspace

TRAIN = """
import os, pathlib
print("priority", os.nice(0))
pathlib.Path("outputs/priority.txt").write_text(str(os.nice(0)))
"""

# mypy holds that each backend has the protocol's functions.
LOCAL: tuple[LocalBackend, ...] = (docker, apptainer, venv, in_container, nice_backend)
MACHINES: tuple[base.MachineRun, ...] = (HostRun(ROOT, "gpubox"), SlurmRun(ROOT, ""))
REMOTE: tuple[type[RemoteBackend], ...] = (AzureML, Argo, Spool, Ssh, Slurm)


@pytest.fixture
def registered(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with the two backends in the tables, and with this process as its `loop`."""
    monkeypatch.setitem(local.BACKENDS, "nice", "tests.remote.nice_backend")
    monkeypatch.setitem(base.BACKENDS, "spool", "tests.remote.spool_backend")
    workspace.add("line", TRAIN, job="command: python train.py\n")
    monkeypatch.chdir(workspace.root)
    monkeypatch.setattr(sys, "argv", [str(workspace.root / "scripts" / "loop")])
    yield workspace


@pytest.fixture
def loop(registered: Workspace, capfd: pytest.CaptureFixture[str]) -> Iterator[Loop]:
    yield Loop(capfd)


class Loop:
    """Runs `loop WORDS` in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        self.capture.readouterr()
        exit_code = main(words)
        out, err = self.capture.readouterr()
        assert exit_code == code, out + err
        return out, err


def test_local_backend_dry_run_prints_its_request(loop: Loop) -> None:
    out, _ = loop("run", "line", "--backend", "nice", "--dry-run", "--json")
    request = json.loads(out)
    assert (request["backend"], request["why"]) == ("nice", "asked for; low priority")
    assert request["argv"][:3] == ["nice", "-n", "10"]


def test_local_backend_run_keeps_outputs_and_record(loop: Loop, registered: Workspace) -> None:
    out, err = loop("run", "line", "--backend", "nice")
    priority = 10 + os.getpriority(os.PRIO_PROCESS, 0)  # `nice` adds to that of the tests
    assert out == f"priority {priority}\n"
    assert "innerloop: backend nice (asked for; low priority)" in err
    folder = registered.outputs("line")
    assert (folder / "priority.txt").read_text() == str(priority)
    assert json.loads((folder / ".run/run.json").read_text())["backend"] == "nice"


def test_local_backend_first_in_the_table_is_chosen_by_auto(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in-container", "docker", "apptainer", "venv"):
        monkeypatch.delitem(local.BACKENDS, name)
    out, _ = loop("run", "line", "--dry-run", "--json")
    assert json.loads(out)["backend"] == "nice"


def test_backends_have_a_column_in_parity(loop: Loop) -> None:
    loop("sync")
    out, _ = loop("parity", "line", "--json")
    (parity,) = json.loads(out)
    for name in ("nice", "spool"):
        column = parity["backends"][name]
        assert column["command"]["same"] and column["command"]["value"] == "python train.py"
    assert parity["unexplained"] == []


def test_backends_have_a_fact_in_doctor(loop: Loop) -> None:
    out, _ = loop("doctor", "--json")
    facts = {fact["name"]: fact for fact in json.loads(out)}
    assert facts["backend nice"]["what"].endswith("is on PATH")
    assert facts["backend spool"]["what"].startswith("jobs go to")
    out, _ = loop("doctor", "--backend", "spool", "--json")
    assert [fact["name"] for fact in json.loads(out)] == ["spool"]


def test_backends_are_listed_and_completed(
    loop: Loop, registered: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests may have kept the arguments of commands, without these backends.
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    out, _ = loop("list", "--json")
    (row,) = json.loads(out)
    assert {"nice", "spool"} <= set(row["backends"])

    def words(*typed: str) -> set[str]:
        found = candidates([*typed, "--backend", ""], registered.root, registered.root)
        return {candidate.word for candidate in found}

    assert words("run", "line") == {"auto", "in-container", "docker", "apptainer", "venv", "nice"}
    assert words("submit", "line") == {"azureml", "argo", "spool"}
    registered.write("pyproject.toml", "[tool.innerloop.remote.gpubox]\n")
    assert words("submit", "line") == {"azureml", "argo", "spool", "ssh:gpubox"}
    assert "ssh:gpubox" in words("run", "line") - words("test", "line")


def test_run_on_remote_backend_names_submit(loop: Loop) -> None:
    _, err = loop("run", "line", "--backend", "spool", code=2)
    assert "loop submit EXP --backend spool" in err and "[backend-remote]" in err


def test_machine_is_named_where_one_is_needed(loop: Loop) -> None:
    for words in (("run", "line"), ("submit", "line"), ("doctor",), ("clean",), ("open", "line")):
        assert "[machine-missing]" in loop(*words, "--backend", "ssh", code=2)[1]
        assert "[machine-missing]" in loop(*words, "--backend", "ssh:-oX", code=2)[1]
    for verb in ("test", "terminal", "jupyter"):
        assert "[backend-remote]" in loop(verb, "line", "--backend", "ssh:gpubox", code=2)[1]
    assert "[invalid-arguments]" in loop("submit", "line", "--backend", "argo:x", code=2)[1]


def test_machine_of_the_settings_is_a_backend_like_others(
    loop: Loop, registered: Workspace
) -> None:
    text = registered.read("pyproject.toml")
    registered.write("pyproject.toml", f'{text}\n[tool.innerloop.remote.gpubox]\nhost = "far"\n')
    loop("sync")
    registered.write(".env", "MINE=here\n")
    registered.write("src/line/.env", "PASSWORD=abcdefgh12345678\n")
    out, _ = loop("run", "line", "--backend", "ssh:gpubox", "--dry-run", "--json")
    request = json.loads(out)
    assert "MINE" not in request["env"]
    assert any("src/line/.env to gpubox, which looks" in note for note in request["notes"])
    assert "[secret-suspected]" in loop("submit", "line", "--backend", "ssh:gpubox", code=1)[1]
    assert request["argv"][:2] == ["docker", "run"] and request["compute"] == "gpubox"
    assert any("it is sent to the host far" in note for note in request["notes"])
    (parity,) = json.loads(loop("parity", "line", "--json")[0])
    column = parity["backends"]["ssh:gpubox"]
    assert all(column[row]["same"] for row in ("command", "cwd", "environment", "image"))
    assert column["image"]["shown"] == request["image"] and parity["unexplained"] == []
    facts = {fact["name"]: fact["what"] for fact in json.loads(loop("doctor", "--json")[0])}
    assert facts["backend ssh:gpubox"].startswith("the host far")
    assert "ssh:gpubox" in json.loads(loop("list", "--json")[0])[0]["backends"]
    registered.write("src/line/innerloop.toml", "[remote.gpubox.data]\nmore = '/x'\n")
    (finding,) = json.loads(loop("check", "line", "--json")[0])
    assert (finding["code"], finding["line"]) == ("input-undeclared", 2)
    registered.write("src/line/innerloop.toml", "[remote.gpubox]\nhost = 3\n")
    (finding,) = json.loads(loop("check", "line", "--json", code=1)[0])
    assert (finding["code"], finding["line"]) == ("setting-invalid", 2)
    assert "[setting-invalid]" in loop("run", "line", "--backend", "ssh:gpubox", code=1)[1]
    options: list[tuple[str, ...]] = [("--trials", "2"), ("--debug",)]
    for option in options:
        assert "[option-not-applicable]" in loop("run", "line", "--detach", *option, code=2)[1]


def test_remote_backend_from_submit_to_download(loop: Loop, registered: Workspace) -> None:
    registered.write("src/line/azure-ml-job.yaml", JOB)
    out, _ = loop("submit", "line", "--backend", "spool", "--dry-run")
    assert "command      echo hello" in out
    assert not (registered.root / ".spool").exists()
    out, err = loop("submit", "line", "--backend", "spool", "--name", "one", "--stream")
    assert "job          one" in out and out.endswith("hello\n") and "one completed" in err
    assert loop("status", "one")[0].startswith("job        one (command")
    assert [line.split()[:4] for line in loop("status")[0].splitlines()[1:]] == [
        ["done", "one", "line", "spool"]
    ]
    assert loop("logs")[0] == "hello\n"
    assert loop("cancel")[0] == "one had ended already: Completed\n"
    out, _ = loop("download", "--json")
    assert json.loads(out) == {
        "job": "one", "folder": "outputs/line/one", "status": "Completed", "files": 1, "size": 6
    }  # fmt: skip
    assert (registered.root / "outputs/line/one/log.txt").read_text() == "hello\n"


JOB = """
command: echo hello
environment: {image: busybox}
compute: azureml:cpu
"""


def test_unknown_backend_of_a_record_is_an_error(loop: Loop, registered: Workspace) -> None:
    registered.write(
        ".innerloop/jobs/one/job.json",
        '{"name": "one", "experiment": "line", "slug": "line", "file": "f", "workspace": {},'
        ' "state": "sent", "fingerprint": "", "at": "", "backend": "elsewhere"}',
    )
    assert "[backend-unknown]" in loop("status", "one", code=1)[1]
    out, err = loop("status")  # the table has it, as it was known last
    assert out.splitlines()[1].split()[:2] == ["sent", "one"] and "elsewhere" in err


def test_documented_backends_are_these(registered: Workspace) -> None:
    page = (ROOT / "packages/innerloop/docs/adding-a-backend.md").read_text(encoding="utf-8")
    for name in ("nice_backend.py", "spool_backend.py"):
        text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        assert f"```python\n{text}```" in page, name
