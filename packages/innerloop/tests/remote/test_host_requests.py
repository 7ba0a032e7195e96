"""What a run becomes on another machine: pure, from the facts of machines that are not here."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from innerloop.local import mount_points
from innerloop.model.gpu import parse_option, parse_setting
from innerloop.model.run import Run
from innerloop.model.settings.remotes import RemoteSetting
from innerloop.remote.host import (
    connection,
    facts,
    follow,
    job_request,
    load_samples,
    outputs,
    transfer,
)
from innerloop.remote.host.connection import ConnectionLost, connection_error
from innerloop.remote.host.facts import HostFacts
from innerloop.remote.host.host import RemoteHost, RemoteJobState, RemoteRef, state_of
from innerloop.remote.host.job_request import RemoteData, RemoteSite
from innerloop.runner import execute
from innerloop.util import process
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.support import Workspace

DOCKER = json.dumps({"ServerVersion": "27.1", "Runtimes": {"runc": {}, "nvidia": {}}})
PODMAN = json.dumps(
    {"version": {"Version": "5.2"}, "host": {"security": {"rootless": True}, "arch": "amd64"}}
)
BOX = "root\t/home/me/.innerloop\nuser\tme\nuid\t1000\ngid\t1000\ngroups\t1000 44\nsystem\tLinux\n"
TWO_GPUS = (
    "program\tdocker\ngpu\t0, GPU-aa, 550.54, NVIDIA A100, 80GB\ngpu\t1, GPU-bb, 550.54, NVIDIA A100\n"
    "cuda\tCUDA Version: 12.4\n"
)


def of(*lines: str) -> HostFacts:
    return facts.parse(BOX + "".join(lines))


def test_facts_of_a_machine_with_gpus() -> None:
    found = of(TWO_GPUS, f"engine\tdocker\t{DOCKER}\n", "free\t1000\ntime\t12\n")
    assert [device.uuid for device in found.gpus] == ["GPU-aa", "GPU-bb"]
    assert found.gpus[0].name == "NVIDIA A100, 80GB" and found.driver == "550.54"
    assert (found.cuda, found.free, found.time) == ((12, 4), 1_024_000, 12)
    assert found.engine == "docker" and found.owner == "1000:1000"
    assert of(f"engine\tpodman\t{PODMAN}\n").owner == "0:0"


@pytest.mark.parametrize(
    "line",
    ["engine\tdocker\tnot json", "engine\tdocker\t{}", "engine\tdocker\t[1]", "engine", "gpu\tx, y",
     "uid\t-1", "time\t1e9", "free\t\u0662", "\t\t", "engine\tpodman\t" + "[" * 5000],
)  # fmt: skip
def test_facts_that_are_not_understood_are_left_out(line: str) -> None:
    found = of(f"{line}\n")
    assert (found.engine, found.gpus, found.free) == ("none", (), 0)


def test_state_of_any_answer() -> None:
    state = state_of("state\tended\ncode\t3\nstarted\t10\nended\t12\ncanceled\t1\n")
    assert state == RemoteJobState("ended", 3, 10, 12, canceled=True)
    assert state_of("") == RemoteJobState("lost")
    assert state_of("state\tended\ncode\t-3\n").code is None


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (RemoteJobState("running"), "Running", ""),
        (RemoteJobState("ended", 0, canceled=True), "Completed", ""),
        (RemoteJobState("ended", 3), "Failed", "exit code 3"),
        (RemoteJobState("ended", 143, canceled=True), "Canceled", ""),
        (RemoteJobState("ended", 124, overtime=60), "Failed", "exit code 124"),
        (RemoteJobState("lost"), "Failed", "supervisor"),
    ],
)
def test_state_in_the_words_of_every_backend(
    state: RemoteJobState, status: str, error: str
) -> None:
    found = follow.job_status(state, "job", "line", "box")
    assert found.status == status and error in found.error


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ssh: Could not resolve hostname x: Name or service not known", "ssh-host-unknown"),
        ("noise\nme@x: Permission denied (publickey).", "ssh-denied"),
        ("Host key verification failed.", "ssh-host-key"),
        ("ssh: connect to host x port 22: Connection refused", "ssh-unreachable"),
        ("", "ssh-unreachable"),
    ],
)
def test_words_of_ssh_are_an_error_with_a_code(said: str, code: str) -> None:
    assert connection_error("x", said).code == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("mkdir: cannot create directory '/x/y': Permission denied", "remote-folder-unwritable"),
        ("mkdir: /x/y: Read-only file system", "remote-folder-unwritable"),
        ("sh: can't create /x/agent-1.sh: Permission denied", "remote-folder-unwritable"),
        ("permission denied while trying to connect to the Docker daemon socket", "remote-failed"),
        ("cat: write error: No space left on device", "remote-disk-full"),
        ("dd: writing to 'state': Disk quota exceeded", "remote-disk-full"),
        ("", "remote-failed"),
    ],
)
def test_words_of_a_machine_are_an_error_with_a_code(said: str, code: str) -> None:
    assert RemoteHost(RemoteRef("box", "box")).error(said, "it failed").code == code


SHELLS = ("sh", "bash", "zsh", "fish", "tcsh", "mksh")


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])
def test_words_reach_a_program_as_they_are_by_each_shell(shell: str) -> None:
    random = Random(shell)
    letters = "ab'\"\\!$`\n ~=+%#{}[]*?;&|<>^-\u00e9\t"
    for _ in range(10):
        words = ["".join(random.choices(letters, k=random.randrange(12))) for _ in range(5)]
        argv = [shell, "-c", connection.quoted(["printf", "%s|", *words])]
        done = subprocess.run(argv, capture_output=True, timeout=120)
        assert done.stdout.decode() == "".join(f"{word}|" for word in words), (words, done.stderr)
    assert connection.quoted(["a", "b c", "{{.Id}}"]) == "a 'b c' '{{.Id}}'"


def test_file_that_changes_while_it_is_sent_does_not_shift_the_others(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name * 700)
    tree = transfer.tree_of_folder("x", tmp_path)
    (tmp_path / "a").write_text("short")
    (tmp_path / "b").unlink()
    content = b"".join(transfer.archive(tree.files))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        texts = {member.name: archive.extractfile(member) for member in archive}
    assert [len(file.read()) for file in texts.values() if file] == [700, 700, 700]
    (tmp_path / "c").unlink()
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError) as raised:
        list(transfer.archive(tree.files))
    assert raised.value.code == "file-unreadable"
    with pytest.raises(UserError) as raised:
        transfer.tree_of_folder("x", tmp_path, ["gone"])
    assert raised.value.code == "file-unreadable"


def test_links_of_outputs_lead_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, kind, target in (
            ("a", tarfile.DIRTYPE, ""), ("a/up", tarfile.SYMTYPE, ".."), ("a/file", b"0", ""),
            ("out", tarfile.SYMTYPE, "a/up/.."), ("out/evil", b"0", ""), ("a/up/evil", b"0", ""),
            ("here", tarfile.SYMTYPE, "./a/../a"), ("b", tarfile.SYMTYPE, "a/file"),
            ("c", tarfile.LNKTYPE, "a/up/../../secret"), ("d", tarfile.LNKTYPE, "a/file"),
            ("a/e", tarfile.SYMTYPE, "../a/file"),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    content.seek(0)
    stream = SimpleNamespace(
        read=content.read, chunk=lambda: b"", code=lambda: 0, errors=""
    )  # fmt: skip
    host: Any = SimpleNamespace(listen=lambda *words: nullcontext(stream))
    (tmp_path / "secret").write_text("secret")
    outputs.download(host, "job", tmp_path / "outputs/run")
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    below = {"a", "a/up", "a/file", "a/e", "b", "d", "out", "out/evil"}
    assert found == {"secret", "outputs", "outputs/run", *(f"outputs/run/{name}" for name in below)}
    assert capsys.readouterr().err.count("left out") == 4


def test_what_stops_the_sender_is_not_hidden() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise PermissionError

    with pytest.raises(PermissionError):
        process.feed([sys.executable, "-c", "input()"], chunks())


def test_samples_of_the_agent_become_those_of_a_run() -> None:
    text = (
        "devices\t1\n100\tcontainer\t1000\t50\ngpu\t0, GPU-a, 5, 10\ngpu\t1, GPU-b, [N/A], 2\n"
        "nonsense\n1\tmoon\t2\t3\n102\tcontainer\t2000\t60\n104\tcontainer\t\u0662\t60\ngpu\t1\n"
    )
    assert [json.loads(line) for line in load_samples.records(text)] == [
        {"time": 100, "of": "container", "memory": 50, "gpu1": None, "gpu1_memory": 2 << 20},
        {"time": 102, "cpu": 50.0, "memory": 60},
    ]
    assert list(load_samples.records("")) == []


@pytest.mark.parametrize(
    "fields",
    [
        ("-oX", "h", "~/a"),
        ("a", "-oX", "~/a"),
        ("a", "h h", "~/a"),
        ("a", "h", "a"),
        ("a", "h", "~/a\n/b"),
        ("a", "h", "/a/../b"),
        ("a", "h", "~b/c"),
        ("", "h", "/"),
    ],
)
def test_record_that_names_an_option_is_refused(fields: tuple[str, str, str]) -> None:
    with pytest.raises(TypeError):
        RemoteRef(*fields)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    workspace.add(
        "line",
        "",
        job="command: python train.py ${{inputs.words}} ${{outputs.model}}\n"
        "inputs:\n  words: {type: uri_folder, path: ../../data/words}\n"
        "outputs:\n  model: {type: uri_folder}\nlimits: {timeout: 60}\n"
        "resources: {docker_args: --cap-drop ALL}\n",
    )
    workspace.write("data/words/a.txt", "a")
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, "line")
    return execute.plan(opened, experiment, loader.open_job(opened, experiment))


def site(found: HostFacts, **changes: object) -> RemoteSite:
    data = {"words": RemoteData("/home/me/.innerloop/trees/d")}
    made = RemoteSite(RemoteSetting("box", "box"), found, data)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_container_is_that_of_this_machine_with_paths_there(run: Run) -> None:
    found = of(TWO_GPUS, f"engine\tdocker\t{DOCKER}\n")
    planned = job_request.request(run, site(found), "why")
    argv, name = list(planned.argv), run.workspace.name
    job = f"/home/me/.innerloop/jobs/{run.workspace.image_name}/{run.id}"
    assert argv[:2] == ["docker", "run"] and "1000:1000" in argv and "--cap-drop" in argv
    assert argv[argv.index("--gpus") + 1] == "all" and planned.gpu.devices == ("all",)
    assert planned.command == (
        f"python train.py '/workspaces/{name}/data/words' "
        f"'/workspaces/{name}/src/line/outputs/model'"
    )
    targets = {mount.target: (mount.source, mount.read_only) for mount in planned.mounts}
    assert targets == {
        f"/workspaces/{name}/src/line": (f"{job}/code", False),
        f"/workspaces/{name}/src/line/outputs": (f"{job}/outputs", False),
        f"/workspaces/{name}/data/words": ("/home/me/.innerloop/trees/d", True),
    }
    texts = job_request.scripts(run, planned, site(found))
    assert shlex.join(planned.argv) in texts["run.sh"]
    assert texts["folders"] == "model\n" and texts["limit"] == "60\n" and texts["copies"] == ""
    assert f"docker rm -f {mount_points.container_name(run)}" in texts["stop.sh"]
    assert planned.engine_container is None  # this machine's engine knows nothing of it


def test_each_engine_has_its_own_words(run: Run) -> None:
    podman = job_request.request(run, site(of(f"engine\tpodman\t{PODMAN}\n")), "")
    assert podman.argv[0] == "podman" and "0:0" in podman.argv and "--init" not in podman.argv
    apptainer = of("program\tsingularity\n", "engine\tsingularity\tsingularity-ce version 4.1.0\n")
    planned = job_request.request(run, site(apptainer, image="/x.sif"), "")
    assert planned.argv[:2] == ("singularity", "exec") and "/x.sif" in planned.argv
    script = job_request.scripts(run, planned, site(apptainer))["run.sh"]
    assert "scratch" in script and "exit $code" in script


def test_process_has_paths_of_the_machine(run: Run) -> None:
    there = site(of(), environment="/home/me/.innerloop/envs/e f")
    planned = job_request.request(run, there, "")
    job = f"/home/me/.innerloop/jobs/{run.workspace.image_name}/{run.id}"
    assert planned.container is None and planned.cwd == f"{job}/code"
    assert planned.command == f"python train.py /home/me/.innerloop/trees/d {job}/outputs/model"
    secret = replace(planned, secrets={"TOKEN": "it's"})
    texts = job_request.scripts(run, secret, there)
    assert texts["secrets.sh"] == "export TOKEN='it'\"'\"'s'\n" and "it's" not in texts["run.sh"]
    assert "export PATH='/home/me/.innerloop/envs/e f'/bin:\"$PATH\"" in texts["run.sh"]
    copied = replace(there, data={"words": RemoteData("/x/w", copied="d")})
    assert job_request.scripts(run, planned, copied)["copies"] == "d\twords/w\n"
    assert not job_request.request(run, site(of()), "").can_start


def test_gpus_of_the_machine_win_over_those_of_the_experiment(run: Run) -> None:
    setting = replace(RemoteSetting("box", "box"), gpus=parse_setting([1]))
    found = of(TWO_GPUS, f"engine\tdocker\t{DOCKER}\n")
    planned = job_request.request(run, site(found, setting=setting), "")
    assert planned.argv[planned.argv.index("--gpus") + 1] == "device=1"
    option = replace(run.experiment.settings, gpu=parse_option("none"))
    asked = replace(run, experiment=replace(run.experiment, settings=option))
    assert "--gpus" not in job_request.request(asked, site(found, setting=setting), "").argv
    lacking = replace(setting, gpus=parse_setting(4))
    (error,) = job_request.request(run, site(found, setting=lacking), "").missing
    assert isinstance(error, UserError) and error.code == "gpu-unavailable"
    unknown = job_request.request(run, site(found, facts=None), "")
    assert "asked at the start" in unknown.gpu.why and unknown.missing == ()


def test_data_of_the_machine_are_mounted_as_they_are(run: Run) -> None:
    found = of(f"engine\tdocker\t{DOCKER}\n")
    there = site(found, data={"words": RemoteData("/data/my words", is_theirs=True)})
    planned = job_request.request(run, there, "")
    assert "/mnt/inputs/words/my words" in planned.command
    (mount,) = [mount for mount in planned.mounts if mount.source == "/data/my words"]
    assert mount.read_only and Path(mount.target).parent == Path("/mnt/inputs/words")


@dataclass
class Lossy:
    """A host whose connection is made, and lost again, at each attempt."""

    opened: int = 0
    at: int = 0

    def attempt(self, progress: int, until: int) -> RemoteJobState:
        self.opened += 1
        if self.opened >= until:
            return RemoteJobState("ended", 0)
        self.at += progress
        raise connection_error("box", "gone")


def test_patience_begins_anew_with_each_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LOST_LIMIT", 0.2)
    monkeypatch.setattr(follow, "_PAUSES", (0.02,))
    for progress in (1, 0):
        lossy = Lossy()
        host: Any = SimpleNamespace(connection=lossy, ref=RemoteRef("box", "box"))
        act = partial(lossy.attempt, progress, 40)
        if progress:
            assert follow.retried(host, act, lambda: lossy.at).code == 0  # noqa: B023
        else:
            with pytest.raises(ConnectionLost):
                follow.retried(host, act, lambda: lossy.at)  # noqa: B023


def test_hashes_of_large_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(bytes(5_000_000))
    small.write_bytes(b"1")
    known = transfer.KnownHashes()
    names = [known.blob(str(large)), known.blob(str(small))]
    known.keep()

    def read(path: str) -> str:
        return f"read {Path(path).name}"

    monkeypatch.setattr(transfer, "_hash", read)
    again = transfer.KnownHashes()
    assert [again.blob(str(large)), again.blob(str(small))] == [names[0], "read small"]
    os.utime(large, ns=(1, 1))
    assert again.blob(str(large)) == "read large"
    (tmp_path / "cache/sent/hashes.json").write_text('{"a": 3, "b": [1], "c": [')
    assert transfer.KnownHashes().blob(str(large)) == "read large"
