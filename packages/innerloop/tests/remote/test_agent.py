"""The agent's verbs by themselves, on this machine: what they do with each shell and without programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.model.gpu import Gpu
from innerloop.remote.host import facts, host, load_samples, outputs, transfer
from innerloop.remote.host.host import MARKER, SCRIPT
from tests.support import until

SHELLS = [
    "sh",
    pytest.param("bash", marks=pytest.mark.nightly),
    pytest.param("sh without setsid", marks=pytest.mark.nightly),  # as on macOS
]
# All that the agent may need, in the words of POSIX and of every machine with ssh.
PROGRAMS = (
    *("sh", "cat", "cp", "mv", "rm", "ln", "mkdir", "rmdir", "chmod", "find", "tar", "sed", "awk"),
    *("sha256sum", "dd", "wc", "tail", "head", "sleep", "date", "df", "du", "cut", "id", "uname"),
    *("tr", "grep", "setsid", "ps", "getconf"),
)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the agent is a script for sh")


class Agent:
    def __init__(self, folder: Path, shell: str) -> None:
        self.root = folder / "agent's folder"
        self.shell, _, lacking = shell.partition(" without ")
        self.env = {"PATH": str(folder / "bin"), "HOME": str(folder)}
        (folder / "bin").mkdir()
        instead = {"setsid": "perl"}
        for name in (instead.get(name, name) if name == lacking else name for name in PROGRAMS):
            path = shutil.which(name)
            assert path, name
            (folder / "bin" / name).symlink_to(path)
        text = SCRIPT.read_text().replace("PATH=$PATH:/usr/local/bin:/usr/bin:/bin", "PATH=$PATH")
        self.script = folder / "agent.sh"
        self.script.write_text(text)

    def __call__(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        shell = shutil.which(self.shell)
        assert shell
        argv = [shell, str(self.script), str(self.root), *words]
        return subprocess.run(argv, input=stdin, env=self.env, capture_output=True, timeout=120)

    def said(self, *words: str, stdin: bytes = b"") -> str:
        done = self(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        _, marker, text = done.stdout.decode().split("\n", 2)
        assert marker == MARKER
        return text

    def wait(self, job: str) -> None:
        assert until(lambda: "state\trunning" not in self.said("status", job), 120)


@pytest.fixture(params=SHELLS)
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    yield Agent(tmp_path, request.param)


def test_trees_are_made_of_blobs_without_python(agent: Agent, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a b/c").mkdir(parents=True)
    (source / "a b/c/it's").write_text("one")
    (source / "run.sh").write_text("two")
    (source / "run.sh").chmod(0o755)
    (source / "twin").write_text("one")
    tree = transfer.tree_of_folder("x", source)
    names = "".join(f"{file.blob}\n" for file in tree.files).encode()
    assert agent.said("absent", stdin=names).split() == [file.blob for file in tree.files]
    assert agent.said("receive", stdin=b"".join(transfer.archive(tree.files))) == ""
    assert agent.said("absent", stdin=names) == ""
    assert agent.said("absent_trees", tree.digest).strip() == tree.digest
    manifest = tree.manifest.encode()
    agent.said("tree", tree.digest, stdin=manifest)
    agent.said("tree", tree.digest, stdin=manifest)
    there = agent.root / "trees" / tree.digest
    assert (there / "a b/c/it's").read_text() == "one"
    assert os.access(there / "run.sh", os.X_OK) and not os.access(there / "twin", os.X_OK)
    assert agent.said("absent_trees", tree.digest) == ""
    broken = bytearray(b"".join(transfer.archive(tree.files[:1])))
    broken[512] ^= 1
    (agent.root / "blobs" / tree.files[0].blob).unlink()
    agent.said("receive", stdin=bytes(broken))
    assert tree.files[0].blob in agent.said("absent", stdin=names)
    assert list((agent.root / "incoming").iterdir()) == []


def test_job_keeps_its_code_its_log_and_its_end(agent: Agent) -> None:
    run = 'cd "${0%/*}/code"; . ../secrets.sh; echo "$WORD $0"; mkdir outputs/x; exit 7\n'
    texts = {"run.sh": run, "secrets.sh": "WORD='a b'\n", "folders": "model\n", "copies": ""}
    agent.said("launch", "of/one", "-", stdin=transfer.archive_of_texts(texts))
    job = agent.root / "jobs/of/one"
    agent.wait("of/one")
    assert agent.said("log", "of/one", "0", "once") == f"a b {job}/run.sh\n"
    assert agent.said("log", "of/one", "4", "once") == f"{job}/run.sh\n"
    state = dict(line.split("\t") for line in agent.said("status", "of/one").splitlines())
    assert (state["state"], state["code"]) == ("ended", "7")
    assert {path.name for path in (job / "outputs").iterdir()} == {"model", "x"}
    assert not (job / "secrets.sh").exists()
    again = agent("launch", "of/one", "-", stdin=transfer.archive_of_texts(texts))
    assert again.returncode == 1 and b"already" in again.stderr


def test_job_has_the_language_of_its_login_and_the_agent_its_own(agent: Agent) -> None:
    texts = {"run.sh": 'echo "${LC_ALL-none}"\n', "folders": "", "copies": ""}
    for name, language in (("one", "de_DE.UTF-8"), ("two", None)):
        agent.env = {key: value for key, value in agent.env.items() if key != "LC_ALL"}
        agent.env |= {"LC_ALL": language} if language else {}
        assert agent.said("run", "sh", "-c", "echo $LC_ALL") == "C\n"
        agent.said("launch", f"of/{name}", "-", stdin=transfer.archive_of_texts(texts))
        agent.wait(f"of/{name}")
        assert agent.said("log", f"of/{name}", "0", "once") == f"{language or 'none'}\n"


def test_time_limit_and_cancel_end_a_job(agent: Agent) -> None:
    kills = 'kill -s KILL -- "-$(cat "${0%/*}/group")"\n'
    texts = {
        "run.sh": "sleep 600\n", "folders": "", "copies": "", "limit": "1\n", "stop.sh": kills
    }  # fmt: skip
    agent.said("launch", "of/long", "-", stdin=transfer.archive_of_texts(texts))
    follower = agent("log", "of/long", "0", "follow")  # the end of stdin is that of the connection
    assert follower.returncode == 1
    agent.wait("of/long")
    state = agent.said("status", "of/long")
    assert "code\t124\n" in state and "overtime\t1\n" in state
    del texts["limit"], texts["stop.sh"]
    agent.said("launch", "of/other", "-", stdin=transfer.archive_of_texts(texts))
    assert agent.said("running").split() == ["of/other"]
    agent.said("cancel", "of/other", "now")
    state = agent.said("status", "of/other")
    assert "code\t137\n" in state and "canceled\t1\n" in state
    for name in ("one/..", "../x", "/etc", ""):
        assert agent("remove", "job", name).returncode == 1
    assert agent("remove", "root", "x").returncode == 1
    agent.said("remove", "job", "of/other")
    assert not (agent.root / "jobs/of/other").exists()


def test_supervisor_that_is_gone_is_seen(agent: Agent) -> None:
    texts = {"run.sh": "exec sleep 600\n", "folders": "", "copies": ""}
    agent.said("launch", "of/lost", "-", stdin=transfer.archive_of_texts(texts))
    job = agent.root / "jobs/of/lost"
    number, boot = (job / "supervisor").read_text().split(maxsplit=1)
    (job / "supervisor").write_text(f"{number} another boot\n")
    assert "state\tlost\n" in agent.said("status", "of/lost")
    (job / "stop.sh").write_text("exit 0\n")
    agent("cancel", "of/lost", "now")  # the numbers of its processes are those of others
    assert Path(f"/proc/{(job / 'group').read_text().strip()}").exists()
    (job / "stop.sh").unlink()
    (job / "supervisor").write_text(f"{number} {boot}")
    agent.said("cancel", "of/lost", "now")


def test_job_without_its_supervisor_is_ended_by_cancel(agent: Agent) -> None:
    texts = {"run.sh": "exec sleep 600\n", "folders": "", "copies": "", "secrets.sh": "A=1\n"}
    agent.said("launch", "of/orphan", "-", stdin=transfer.archive_of_texts(texts))
    job = agent.root / "jobs/of/orphan"
    number = int((job / "supervisor").read_text().split()[0])
    assert until(lambda: (job / "group").exists() and (job / "group").read_text() != "", 60)
    program = Path("/proc") / (job / "group").read_text().strip()
    os.kill(number, signal.SIGKILL)
    assert until(lambda: "state\tlost\n" in agent.said("status", "of/orphan"), 60)
    assert program.exists() and agent.said("running").split() == ["of/orphan"]
    assert agent("remove", "job", "of/orphan").returncode == 1
    agent.said("cancel", "of/orphan", "now")
    assert until(lambda: not program.exists(), 60)
    state = agent.said("status", "of/orphan")
    assert "state\tended\ncode\t137\n" in state and "canceled\t1\n" in state
    assert not (job / "secrets.sh").exists() and agent.said("running") == ""


def test_number_of_a_supervisor_that_another_process_has_is_no_supervisor(agent: Agent) -> None:
    job = agent.root / "jobs/of/older"
    job.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    (job / "supervisor").write_text(f"{os.getpid()} {boot}")
    (job / "state").write_text(f"{'running':<63}\n")
    assert "state\tlost\n" in agent.said("status", "of/older")


def test_contents_that_cannot_be_checked_are_not_kept(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    (tmp_path / "bin/sha256sum").unlink()
    tree = transfer.tree_of_texts("x", {"file": tmp_path / "file"})
    content = b"".join(transfer.archive(tree.files))
    done = agent("receive", stdin=content)
    assert done.returncode == 1 and b"sha256sum" in done.stderr
    assert not list((agent.root / "blobs").iterdir())
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    broken = bytearray(content)
    broken[512] ^= 1
    agent.said("receive", stdin=bytes(broken))
    assert not list((agent.root / "blobs").iterdir())
    agent.said("receive", stdin=content)
    assert [path.name for path in (agent.root / "blobs").iterdir()] == [tree.files[0].blob]


def test_load_of_a_job_is_sampled_until_it_ends(agent: Agent, tmp_path: Path) -> None:
    waits = f"until [ -e {shlex.quote(str(tmp_path / 'gate'))} ]; do sleep 0.1; done\n"
    texts = {
        "run.sh": waits, "folders": "", "copies": "", "load": "- - no\n",
        "samples": load_samples.start_of(Gpu(False, "")),
    }  # fmt: skip
    agent.said("launch", "of/load", "-", stdin=transfer.archive_of_texts(texts))
    try:
        assert until(lambda: "processes" in agent.said("samples", "of/load", "0"), 120)
    finally:
        (tmp_path / "gate").touch()
    agent.wait("of/load")
    first, *_ = load_samples.records(agent.said("samples", "of/load", "0"))
    sample = json.loads(first)
    assert sample["of"] == "processes" and 100_000 < sample["memory"] < 1 << 30
    assert agent.said("samples", "of/none", "0") == ""


def test_archive_of_outputs_says_what_it_lacks(agent: Agent, tmp_path: Path) -> None:
    folder = agent.root / "jobs/of/half/outputs"
    folder.mkdir(parents=True)
    (folder / "a").write_text("x")
    real = (tmp_path / "bin/tar").resolve()
    (tmp_path / "bin/tar").unlink()
    (tmp_path / "bin/tar").write_text(
        f'#!/bin/sh\n{real} "$@"\necho "tar: ./b: gone" >&2\nexit 1\n'
    )
    (tmp_path / "bin/tar").chmod(0o755)
    done = agent("outputs", "of/half", ".")
    assert done.returncode == outputs.INCOMPLETE and b"gone" in done.stderr
    assert b"./a" in done.stdout
    assert agent("outputs", "of/half", "model").returncode == 1


def test_facts_are_read_whatever_is_there(agent: Agent) -> None:
    found = facts.parse(agent.said("facts", "docker", "podman"))
    assert found.root == str(agent.root) and found.uid == os.getuid()
    assert found.free > 0 and found.time > 1_700_000_000 and found.engine == "none"
    assert found.programs == frozenset() and found.gpus == ()


def test_every_verb_that_is_asked_for_exists() -> None:
    folder = Path(host.__file__).parents[1]
    used = set()
    for path in [*folder.glob("host/*.py"), *folder.glob("ssh/*.py")]:
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"\.(?:query|answer|tell|listen|start|command)\(\s*\"(\w+)\"", text))
    script = SCRIPT.read_text(encoding="utf-8")
    cases = script[script.rindex("case $verb in") :]
    known = set(re.findall(r"\w+", cases[: cases.index('"$verb" "$@"')]))
    assert used > {"facts", "launch"} and used <= known
    assert all(f"\n{name}() " in script for name in used - {"run"})
