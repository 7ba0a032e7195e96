"""`loop run --backend ssh:NAME` on a real sshd of another user, and everything about its jobs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from innerloop.remote.host import outputs, transfer
from innerloop.remote.host.connection import ConnectionLost
from innerloop.remote.host.host import RemoteHost, RemoteRef
from innerloop.remote.host.outputs import Downloaded
from innerloop.util.errors import UserError
from tests.editor.dap import Json, attached, next_process
from tests.remote.ssh_host import SshHost, ssh_host
from tests.support import CI_TOOLS, Started, Workspace, docker, free_port, make_workspace, until

pytestmark = [pytest.mark.person, pytest.mark.sshd]

SETTINGS = """
[tool.innerloop.remote.gpubox]
engine = "none"

[tool.innerloop.remote.boxes]
host = "gpubox"
engine = "docker"
"""
TRAIN = """
import os, pathlib, sys
from helper import NAME
out = pathlib.Path("outputs")
print("hello", NAME, os.environ["GREETING"], pathlib.Path(sys.argv[1]).read_text(), flush=True)
(out / "model/weights.txt").write_text("42")
(out / "user.txt").write_text(str(os.getuid()))
(out / "again.txt").symlink_to("user.txt")
sys.exit(3)
"""
JOB = """
command: python train.py ${{inputs.words}}
environment_variables: {GREETING: "it's $HOME"}
inputs:
  words: {type: uri_file, path: ../../data/words.txt}
outputs:
  model: {type: uri_folder}
"""
NAMES = 'NAME = "shared"\n'
# Goes on until a file of the machine is there.
WAITS = """
import os, pathlib, sys, time
gate = pathlib.Path(os.environ["GATE"])
print("waiting", flush=True)
try:
    while not gate.exists():
        time.sleep(0.05)
finally:
    pathlib.Path("outputs/left.txt").write_text("kept")
    print("bye", flush=True)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    """Its user may use the machine's Docker, if there is one."""
    socket = Path("/var/run/docker.sock")
    groups = [socket.stat().st_gid] if socket.exists() else []
    with ssh_host(tmp_path_factory.mktemp("ssh"), groups) as found:
        # What a person's shell prints is no part of an answer.
        (found.user.home / ".bashrc").write_text("printf welcome\n")
        yield found


@pytest.fixture(scope="module")
def place(
    host: SshHost, tmp_path_factory: pytest.TempPathFactory, _tool: None
) -> Iterator[Workspace]:
    made = make_workspace(tmp_path_factory.mktemp("of ssh") / "work space")
    made.env.update(host.env)
    # A command that is killed leaves an empty folder there.
    (host.user.home / "tmp").mkdir()
    made.env["TMPDIR"] = str(host.user.home / "tmp")
    made.write("pyproject.toml", f"[tool.innerloop]\n{SETTINGS}")
    made.write("data/words.txt", "words")
    made.add("line", TRAIN, job=JOB)
    made.write("src/common/names.py", NAMES)
    (made.root / "src/line/helper.py").symlink_to("../common/names.py")
    made.add("waits", WAITS, job=f"environment_variables: {{GATE: {host.user.home}/gate}}\n")
    yield made
    made.clean()


@pytest.fixture
def gate(host: SshHost) -> Iterator[Path]:
    """A job of `waits` ends when it exists."""
    path = host.user.home / "gate"
    yield path
    path.touch()
    assert until(lambda: not programs(host), 60)
    path.unlink()


def programs(host: SshHost) -> list[str]:
    """The command lines of the jobs that run there."""
    found = subprocess.run(["ps", "-u", str(host.user.uid), "-o", "args="], capture_output=True)
    lines = found.stdout.decode().splitlines()
    return [line for line in lines if "train.py" in line or " supervise " in line]


def processes(host: SshHost) -> list[str]:
    """All processes of the user there, but for sshd."""
    found = subprocess.run(["ps", "-u", str(host.user.uid), "-o", "args="], capture_output=True)
    return [
        line
        for line in found.stdout.decode().splitlines()
        if "sshd" not in line and "<defunct>" not in line
    ]


def runs(place: Workspace, slug: str) -> list[Path]:
    """The newest last."""
    return sorted((place.root / "outputs" / slug).iterdir())


def record_of(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((folder / ".run/run.json").read_text())
    return record


def test_run_is_what_it_is_on_this_machine(place: Workspace, host: SshHost) -> None:
    done = place.loop("run", "line", "--backend", "ssh:gpubox")
    assert done.code == 3, done.err
    assert done.out == "hello shared it's $HOME words\n"
    assert "backend ssh:gpubox (asked for; on gpubox" in done.message
    (folder,) = runs(place, "line")
    assert (folder / "model/weights.txt").read_text() == "42"
    assert (folder / "user.txt").read_text() == str(host.user.uid)
    assert os.readlink(folder / "again.txt") == "user.txt"
    assert (folder / ".run/log.txt").read_text() == done.out
    record = record_of(folder)
    assert record["exit_code"] == 3 and record["backend"] == "ssh" and record["compute"] == "gpubox"
    assert "status" not in record
    assert until(lambda: processes(host) == [], 60), processes(host)

    # What has not changed is not sent again, nor what has only another name.
    (place.root / "src/line/train.py").rename(place.root / "src/line/again.py")
    job = place.read("src/line/azure-ml-job.yaml").replace("train.py", "again.py")
    place.write("src/line/azure-ml-job.yaml", job)
    done = place.loop("run", "line", "--backend", "ssh:gpubox", "--set", "inputs.words=words.txt")
    assert done.code == 1 and "words.txt" in done.message
    done = place.loop("run", "line", "--backend", "ssh:gpubox")
    assert done.code == 3 and "sending 1 file" in done.message
    for verb in ("run", "submit"):
        place.write("src/line/innerloop.toml", 'gpu = "all"\n')
        done = place.loop(verb, "line", "--backend", "ssh:gpubox")
        assert done.code == 1 and "[gpu-unavailable]" in done.err
        (place.root / "src/line/innerloop.toml").unlink()
    done = place.loop("run", "line", "--backend", "ssh:gpubox", "--dry-run", "--json")
    request = json.loads(done.out)
    assert (request["backend"], request["compute"]) == ("ssh", "gpubox")
    assert request["command"].startswith("python again.py ")


def test_what_a_job_writes_to_its_data_changes_no_other_run(
    place: Workspace, host: SshHost
) -> None:
    place.write("data/shelf/book.txt", "first")
    (place.root / "data/empty").mkdir()
    there = host.user.home / "there.txt"
    there.write_text("theirs")
    place.add(
        "writes",
        "import pathlib, sys\nshelf, new, theirs = map(pathlib.Path, sys.argv[1:])\n"
        "print((shelf / 'book.txt').read_text(), list(new.iterdir()), theirs.read_text())\n"
        "(shelf / 'book.txt').write_text('changed')\n(new / 'x').write_text('')\n",
        job="command: python train.py ${{inputs.shelf}} ${{inputs.new}} ${{inputs.theirs}}\n"
        "inputs:\n  shelf: {type: uri_folder, path: ../../data/shelf, mode: rw_mount}\n"
        "  new: {type: uri_folder, path: ../../data/empty}\n"
        "  theirs: {type: uri_file, path: azureml:theirs:1}\n",
        toml=f'[data.new]\npath = "data/empty"\ncreate = true\n'
        f'[remote.gpubox.data]\ntheirs = "{there}"\n',
    )
    for _ in range(2):
        done = place.loop("run", "writes", "--backend", "ssh:gpubox")
        assert (done.code, done.out) == (0, "first [] theirs\n"), done.err
    assert place.read("data/shelf/book.txt") == "first"


PIPELINE = """
type: pipeline
inputs: {kept: {type: uri_file, path: azureml:kept:1}}
jobs:
  first:
    type: command
    command: "echo hello > ${{outputs.words}}/a.txt; echo one > ${{outputs.file}}"
    environment: {build: {path: ./environment}}
    outputs: {words: {type: uri_folder}, file: {type: uri_file}}
  second:
    type: command
    command: "cat ${{inputs.words}}/a.txt ${{inputs.file}} ${{inputs.last}} > outputs/both.txt"
    environment: {build: {path: ./environment}}
    inputs:
      words: {type: uri_folder, path: "${{parent.jobs.first.outputs.words}}"}
      file: {type: uri_file, path: "${{parent.jobs.first.outputs.file}}"}
      last: {type: uri_file, path: "${{parent.inputs.kept}}"}
"""


NVIDIA_SMI = """#!/bin/sh
case "$*" in
    *driver_version*) printf '0, GPU-0, 550.1, Stand-in\\n1, GPU-1, 550.1, Stand-in\\n' ;;
esac
"""
# Ends when another trial is there as well.
MEETS = """
import os, pathlib, sys, time
there = pathlib.Path(os.environ["THERE"])
(there / sys.argv[1]).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
until = time.monotonic() + 300
while len(list(there.iterdir())) < 2:
    assert time.monotonic() < until
    time.sleep(0.05)
"""
SWEEP = """type: sweep
trial:
  command: python train.py ${{search_space.lr}}
  code: .
  environment: {build: {path: ./environment}}
  environment_variables: {THERE: FOLDER, odd.name: "1"}
sampling_algorithm: grid
search_space:
  lr: {type: choice, values: [one, two]}
"""


def test_trials_run_at_once_on_a_gpu_each_there(place: Workspace, host: SshHost) -> None:
    smi, there = host.user.home / ".local/bin/nvidia-smi", host.user.home / "there"
    there.mkdir()
    smi.parent.mkdir(parents=True)
    smi.write_text(NVIDIA_SMI)
    smi.chmod(0o755)
    host.user.own(there, host.user.home / ".local")
    place.add("meets", MEETS)
    place.write("src/meets/sweep.yml", SWEEP.replace("FOLDER", str(there)))
    try:
        words = ("--file", "sweep.yml", "--trials", "2", "--backend", "ssh:gpubox")
        done = place.loop("run", "meets", *words)
    finally:
        shutil.rmtree(host.user.home / ".local")
    assert done.code == 0, done.out + done.err
    assert "2 at once (one GPU each, of 2 GPUs)" in done.err
    assert {path.name: path.read_text() for path in there.iterdir()}.keys() == {"one", "two"}
    assert {path.read_text() for path in there.iterdir()} == {"0", "1"}
    (folder,) = runs(place, "meets")
    assert (folder / "trial-1/.run/run.json").is_file()


def test_steps_take_what_earlier_ones_left_there(place: Workspace, host: SshHost) -> None:
    there = host.user.home / "kept.txt"
    there.write_text("kept there\n")
    place.write("src/waits/pipeline.yml", PIPELINE)
    place.write("src/waits/innerloop.toml", f'[remote.gpubox.data]\nkept = "{there}"\n')
    words = ("--file", "pipeline.yml", "--backend", "ssh:gpubox")
    done = place.loop("run", "waits", *words)
    (place.root / "src/waits/innerloop.toml").unlink()
    assert done.code == 0, done.err
    (text,) = (place.root / "outputs/waits").glob("*/second/both.txt")
    assert text.read_text() == "hello\none\nkept there\n"
    shutil.rmtree(text.parents[1])
    limited = place.loop("run", "waits", "--backend", "ssh:gpubox", "--set", "limits.timeout=1")
    assert limited.code == 124 and "stopped after 1 s" in limited.err
    assert "bye" in limited.out and programs(host) == []


@pytest.mark.docker
def test_run_in_an_image_that_is_built_there(place: Workspace, host: SshHost) -> None:
    done = place.loop("run", "waits", "--backend", "ssh:boxes", "--script", "said.py")
    assert done.code == 1 and "[script-missing]" in done.err
    place.write("src/waits/said.py", "import os\nprint(os.getcwd(), os.getuid(), __file__)\n")
    done = place.loop("run", "waits", "--backend", "ssh:boxes", "--script", "said.py")
    assert done.code == 0, done.err
    folder = f"/workspaces/{place.root.name}/src/waits"
    assert done.out == f"{folder} {host.user.uid} {folder}/said.py\n"
    assert f"building {place.images()[0]} on boxes" in done.message
    again = place.loop("run", "waits", "--backend", "ssh:boxes", "--script", "said.py")
    assert again.code == 0 and "building" not in again.message
    assert docker("ps", "-aq", "--filter", f"label=innerloop.workspace={place.root}") == ""


def test_detached_run_is_a_submitted_job(place: Workspace, host: SshHost, gate: Path) -> None:
    done = place.loop("run", "waits", "--backend", "ssh:gpubox", "--detach")
    assert done.code == 0, done.err
    job = done.out.strip()
    assert json.loads(place.loop("status", job, "--json").out)["status"] == "Running"
    assert place.loop("logs", job).out == "waiting\n"
    assert record_of(runs(place, "waits")[-1])["status"] == "Running"
    following = place.start("logs", job, "--follow")
    following.wait_for("waiting")
    gate.touch()
    ended = following.end()
    assert ended.code == 0 and ended.out == "waiting\nbye\n"
    done = place.loop("download", "--json")
    fetched = json.loads(done.out)
    assert (fetched["status"], fetched["files"]) == ("Completed", 1)
    assert (place.root / fetched["folder"] / "left.txt").read_text() == "kept"
    assert place.loop("cancel").out == f"{job} had ended already: Completed\n"
    record = record_of(place.root / fetched["folder"])
    assert record["exit_code"] == 0 and record["backend"] == "ssh"


def test_detached_run_is_cancelled(place: Workspace, host: SshHost, gate: Path) -> None:
    job = place.loop("submit", "waits", "--backend", "ssh:gpubox", "--name", "20260101-mine")
    assert job.code == 0, job.err
    assert "job          20260101-mine" in job.out and "command      python -u train.py" in job.out
    assert place.loop("cancel").out == "20260101-mine: Canceled\n"
    assert programs(host) == []
    ended = place.loop("logs", "--follow")
    assert ended.code == 130 and "bye\n" in ended.out
    again = place.loop("submit", "waits", "--backend", "ssh:gpubox", "--name", "20260101-mine")
    assert again.code == 1 and "[job-name-taken]" in again.err


def started(place: Workspace, **env: str) -> Started:
    run = place.start("run", "waits", "--backend", "ssh:gpubox", env=env)
    run.wait_for("waiting")
    return run


def test_ctrl_c_ends_the_run_there(place: Workspace, host: SshHost, gate: Path) -> None:
    run = started(place)
    run.interrupt_group()
    done = run.end()
    assert done.code == 130 and "KeyboardInterrupt" in done.out
    assert until(lambda: processes(host) == [], 60), processes(host)
    folder = runs(place, "waits")[-1]
    assert (folder / "left.txt").read_text() == "kept" and record_of(folder)["exit_code"] == 130


@pytest.mark.nightly
def test_second_ctrl_c_ends_a_run_that_hears_none(
    place: Workspace, host: SshHost, gate: Path
) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    place.write("src/waits/train.py", deaf + WAITS)
    try:
        run = started(place)
        run.interrupt_group()
        run.wait_for("stopping the job")
        run.interrupt_group()
        assert run.end().code == 130
    finally:
        place.write("src/waits/train.py", WAITS)
    assert programs(host) == []


def test_connection_that_is_cut_is_made_again(place: Workspace, host: SshHost, gate: Path) -> None:
    run = started(place)
    host.cut()
    run.wait_for("trying again")
    gate.touch()
    done = run.end()
    assert done.code == 0 and done.out == "waiting\nbye\n", done.err
    assert (runs(place, "waits")[-1] / "left.txt").exists()


@pytest.mark.nightly
def test_output_comes_once_however_often_the_connection_is_cut(
    place: Workspace, host: SshHost
) -> None:
    count = 60_000
    place.add(
        "talks",
        f"import time\nfor i in range({count}):\n    print('line', i, flush=i % 7 == 0)\n"
        "    if i % 400 == 0: time.sleep(0.1)\n",
    )
    random = Random(0)
    run = place.start("run", "talks", "--backend", "ssh:gpubox")
    run.wait_for("line 0")
    while run.child.poll() is None:
        time.sleep(random.uniform(0.1, 3))
        host.cut()
    done = run.end(600)
    assert done.code == 0, done.err
    assert done.out == "".join(f"line {number}\n" for number in range(count))
    assert (runs(place, "talks")[0] / ".run/log.txt").read_text().count("\n") >= count
    assert done.err.count("trying again") >= 2


def test_run_goes_on_without_a_connection(place: Workspace, host: SshHost, gate: Path) -> None:
    run = started(place, INNERLOOP_PATIENCE="1")
    text = host.config.read_text()
    host.config.write_text(re.sub(r"Port \d+", "Port 1", text))
    try:
        host.cut()
        done = run.end()
    finally:
        host.config.write_text(text)
    assert done.code == 1 and "[remote-connection-lost]" in done.err
    folder = runs(place, "waits")[-1]
    assert record_of(folder)["status"] == "Running"
    gate.touch()
    followed = place.loop("logs", folder.name, "--follow")
    assert (followed.code, followed.out) == (0, "waiting\nbye\n"), followed.err
    assert record_of(folder)["exit_code"] == 0
    assert place.loop("download", folder.name).code == 0
    assert (folder / "left.txt").read_text() == "kept"


@pytest.mark.nightly
def test_a_killed_command_leaves_its_run_to_be_followed(
    place: Workspace, host: SshHost, gate: Path
) -> None:
    run = started(place)
    run.send(signal.SIGKILL)
    run.end()
    name = runs(place, "waits")[-1].name
    assert place.loop("runs", "waits", "--json").code == 0
    gate.touch()
    assert place.loop("logs", name, "--follow").out == "waiting\nbye\n"
    assert place.loop("download", name).code == 0


@pytest.fixture
def remote(host: SshHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteHost]:
    """The machine as the backend has it, in this process."""
    monkeypatch.setenv("PATH", host.env["PATH"])
    with RemoteHost(RemoteRef("gpubox", "gpubox", "~/apart")) as found:
        yield found
    shutil.rmtree(host.user.home / "apart")


def test_upload_that_is_cut_keeps_what_arrived_whole(
    remote: RemoteHost, host: SshHost, tmp_path: Path
) -> None:
    # The second one comes in several chunks.
    sizes = {"a": 300_000, "b": 3_000_000, "c": 300_000}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(name.encode() * size)
    tree = transfer.tree_of_folder("data", tmp_path)

    def cut_off() -> Iterator[bytes]:
        sent, is_cut = 0, False
        for chunk in transfer.archive(tree.files):
            yield chunk
            sent += len(chunk)
            if sent > 400_000 and not is_cut:  # in the second file
                # The first one is on the disk there: what follows may get lost.
                assert until(lambda: _size(host, "apart/incoming/*/*") >= 300_000, 60)
                host.cut()
                # ssh may take more before it notices, when what was there is put away already.
                is_cut = True

    with pytest.raises(ConnectionLost):
        remote.tell("receive", data=cut_off())
    blobs = host.user.home / "apart/blobs"
    assert until(lambda: len(list(blobs.iterdir())) == 1, 60)
    facts = remote.facts("none")
    assert transfer.send(remote, facts, [tree]).files == 2
    there = host.user.home / "apart/trees" / tree.digest
    assert {path.name: path.stat().st_size for path in there.iterdir()} == sizes
    assert transfer.send(remote, facts, [tree]).files == 0


RSYNC = CI_TOOLS / "sshd/usr/bin/rsync"


@pytest.mark.skipif(not RSYNC.exists(), reason="no rsync (.ci/steps.sh: ssh_server)")
def test_rsync_goes_on_within_a_file(
    host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = ":".join({str(path.parent) for path in RSYNC.parents[2].rglob("libpopt.so*")})
    used = tmp_path / "used"
    mine, theirs = tmp_path / "bin", host.user.home / ".local/bin"
    for folder in (mine, theirs):
        folder.mkdir(parents=True)
        (folder / "rsync").write_text(
            f'#!/bin/sh\n[ -w {tmp_path} ] && echo "$@" >{used}\n'
            f'LD_LIBRARY_PATH={libraries} exec {RSYNC} "$@"\n'
        )
        (folder / "rsync").chmod(0o755)
    rc = host.user.home / ".bashrc"
    text = rc.read_text()
    rc.write_text("")
    monkeypatch.setenv("PATH", f"{mine}:{host.env['PATH']}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_bytes(b"a" * 500_000)
    tree = transfer.tree_of_folder("data", tmp_path / "data")
    try:
        with RemoteHost(RemoteRef("gpubox", "gpubox", "~/by rsync")) as found:
            facts = found.facts("none")
            assert transfer.send(found, facts, [tree]).size == 500_000
            assert "--partial" in used.read_text()
            used.unlink()
            rc.write_text(text)  # which confuses rsync
            (tmp_path / "data/b").write_text("b")
            more = transfer.tree_of_folder("data", tmp_path / "data")
            assert transfer.send(found, facts, [more]).files == 1 and used.exists()
        assert (Path(facts.root) / "trees" / more.digest / "b").read_text() == "b"
    finally:
        rc.write_text(text)
        shutil.rmtree(theirs)


def _size(host: SshHost, pattern: str) -> int:
    return max([path.stat().st_size for path in host.user.home.glob(pattern)], default=0)


def test_download_that_is_cut_leaves_no_half_file(
    remote: RemoteHost, host: SshHost, tmp_path: Path
) -> None:
    remote.query("running")
    folder = host.user.home / "apart/jobs/of/one/outputs"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("first")
    (folder / "b.bin").write_bytes(os.urandom(30_000_000))
    host.user.own(host.user.home / "apart")
    with remote.listen("outputs", "of/one", ".") as stream:
        assert stream.read(512)
        host.cut()
        while stream.chunk():
            pass
        assert isinstance(remote.lost(stream), ConnectionLost)
    assert outputs.download(remote, "of/one", tmp_path) == Downloaded(2, 30_000_005)
    assert (tmp_path / "b.bin").read_bytes() == (folder / "b.bin").read_bytes()


def test_folder_of_another_user_is_refused(remote: RemoteHost, host: SshHost) -> None:
    remote.query("running")
    folder = host.user.home / "theirs"
    folder.mkdir()
    with RemoteHost(RemoteRef("gpubox", "gpubox", str(folder))) as other:
        agent = next((host.user.home / "apart").glob("agent-*.sh"))
        (folder / agent.name).write_text("echo evil >&2\n")
        with pytest.raises(UserError) as raised:
            other.query("running")
    assert raised.value.code == "remote-folder-foreign"
    modes = {path.name: path.stat().st_mode & 0o77 for path in (host.user.home / "apart").iterdir()}
    assert set(modes.values()) == {0}, modes


def test_outputs_that_lead_out_are_left_out(
    remote: RemoteHost, host: SshHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.query("running")
    folder = host.user.home / "apart/jobs/of/one/outputs"
    (folder / ".run").mkdir(parents=True)
    (folder / ".run/run.json").write_text("{}")
    (folder / "out").symlink_to("../../../secret")
    (folder / "abs").symlink_to("/etc/passwd")
    (folder / "a b").write_text("fine")
    os.link(folder / "a b", folder / "c")
    host.user.own(host.user.home / "apart")
    into = tmp_path / "outputs"
    assert outputs.download(remote, "of/one", into).files == 2
    assert sorted(path.name for path in into.iterdir()) == ["a b", "c"]
    assert capsys.readouterr().err.count("left out") == 2
    with pytest.raises(Exception, match="left no model"):
        outputs.download(remote, "of/one", into, "model")


def test_machines_are_reached_as_ssh_is_configured(place: Workspace, host: SshHost) -> None:
    folder = host.config.parent
    user, port = host.user.name, host.port
    login = f"HostName 127.0.0.1\nPort {port}\nUser {user}\nUserKnownHostsFile {folder}/known_hosts"
    keys = f"IdentityFile {folder}/none\nIdentitiesOnly yes"
    host.add(f"Host far\nProxyJump gpubox\nIdentityFile {folder}/key\n{login}")
    host.add(f"Host agent\n{login}\nIdentityFile none")
    host.add(f"Host denied\n{login}\n{keys}")
    host.add(f"Host unknown\nHostName 127.0.0.1\nPort {port}\nUserKnownHostsFile {folder}/nothing")
    host.add("Host nowhere\nHostName host.invalid\nHost closed\nHostName 127.0.0.1\nPort 1")
    assert doctor(place, "far")["connection"].startswith(f"{user} on Linux")
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    variables = dict(re.findall(r"(SSH_\w+)=([^;]+);", agent))
    try:
        subprocess.run(
            ["ssh-add", "-q", str(folder / "key")], env={**os.environ, **variables}, check=True
        )
        assert doctor(place, "agent", **variables)["connection"].startswith(user)
    finally:
        os.kill(int(variables["SSH_AGENT_PID"]), signal.SIGTERM)
    for name, code in (
        ("denied", "ssh-denied"),
        ("unknown", "ssh-host-key"),
        ("nowhere", "ssh-host-unknown"),
        ("closed", "ssh-unreachable"),
    ):
        done = place.loop("run", "line", "--backend", f"ssh:{name}")
        assert done.code == 1 and f"[{code}]" in done.err, done.err


def doctor(place: Workspace, name: str, **env: str) -> dict[str, str]:
    done = place.loop("doctor", "--backend", f"ssh:{name}", "--json", env=env)
    assert done.code == 0, done.out
    return {fact["name"]: fact["what"] for fact in json.loads(done.out)}


def test_clean_frees_what_is_there(place: Workspace, host: SshHost, gate: Path) -> None:
    assert place.loop("run", "line", "--backend", "ssh:gpubox").code == 3
    job = place.loop("run", "waits", "--backend", "ssh:gpubox", "--detach").out.strip()
    clean = ("clean", "--backend", "ssh:gpubox", "--yes", "--json")
    kept = json.loads(place.loop(*clean, "--all").out)["kept"]
    assert {item["kind"] for item in kept} == {"trees", "environments"}
    assert all(item["kept"] == f"{job} runs" for item in kept)
    gate.touch()
    assert place.loop("logs", job, "--follow").code == 0
    assert [path.name for path in host.jobs() if path.name == job] == [job]
    assert place.loop("download", job).code == 0
    failed = runs(place, "line")[-1].name
    removed = json.loads(place.loop(*clean, "--all").out)["removed"]
    assert {item["kind"] for item in removed} >= {"jobs", "trees", "environments"}
    assert job not in {path.name for path in host.jobs()}
    assert not list(host.folder.glob("blobs/*")) and not list(host.folder.glob("trees/*"))
    assert "Completed" in place.loop("status", job).out  # as it is known here
    assert place.loop("logs", job).out == "waiting\nbye\n"
    assert place.loop("logs", failed).code == 3
    assert record_of(place.root / "outputs/line" / failed)["exit_code"] == 3
    gone = place.loop("download", job)
    assert gone.code == 1 and "[remote-job-missing]" in gone.err
    left = place.loop("clean", "--backend", "ssh:gpubox", "jobs", "--all", "--yes")
    assert left.code == 0 and host.jobs() == []


def test_open_shows_a_copy_of_the_code_there(place: Workspace, host: SshHost) -> None:
    done = place.loop("open", "line", "--backend", "ssh:gpubox", "--print")
    assert done.code == 0, done.err
    uri, folder = done.out.strip().split("ssh-remote+gpubox")
    assert uri == "vscode-remote://" and (Path(folder) / "helper.py").read_text() == NAMES
    (Path(folder) / "helper.py").write_text("mine")
    assert place.loop("open", "line", "--backend", "ssh:gpubox", "--print").out == done.out
    assert (Path(folder) / "helper.py").read_text() == "mine"


def test_record_of_a_stranger_starts_no_program(place: Workspace) -> None:
    ours = place.root / "ours"
    place.write(
        ".innerloop/jobs/evil/job.json",
        json.dumps(
            {
                "name": "evil", "experiment": "line", "slug": "line", "file": "f", "state": "sent",
                "fingerprint": "", "at": "", "backend": "ssh",
                "workspace": {"remote": "a", "host": f"-oProxyCommand=touch {ours}", "folder": "/"},
            }
        ),
    )  # fmt: skip
    for verb in ("status", "logs", "cancel", "download"):
        done = place.loop(verb, "evil")
        assert done.code == 1 and "[record-unreadable]" in done.err
    shutil.rmtree(place.root / ".innerloop/jobs/evil")
    assert not ours.exists()


DEBUGGED = """import subprocess, sys
import names
x = names.twice(20)
subprocess.run([sys.executable, "child.py", str(x)], check=True)
"""
CHILD = """import sys
y = int(sys.argv[1]) + 2
print(y)
"""


@pytest.mark.docker
@pytest.mark.parametrize("machine", ["gpubox", pytest.param("boxes", marks=pytest.mark.nightly)])
def test_breakpoints_are_hit_in_every_process_there(
    place: Workspace, host: SshHost, machine: str
) -> None:
    code = place.root / "src/debugged"
    if not code.exists():
        place.add("debugged", DEBUGGED)
        place.write("src/debugged/child.py", CHILD)
        place.write("src/common/doubles.py", "def twice(n):\n    return 2 * n\n")
        (code / "names.py").symlink_to("../common/doubles.py")
    port = free_port()
    words = ("--backend", f"ssh:{machine}", "--debug", "--port", str(port))
    run = place.start("run", "debugged", *words)
    try:
        run.wait_for(f"ready for the debugger at 127.0.0.1:{port}", 240)
        mapping = {
            "localRoot": str(place.root), "remoteRoot": f"/workspaces/{place.root.name}"
        }  # fmt: skip
        session = attached(
            {
                "request": "attach", "subProcess": True, "pathMappings": [mapping],
                "connect": {"host": "127.0.0.1", "port": port},
            },
            {},
        )  # fmt: skip
        shared = place.root / "src/common/doubles.py"
        train = next_process(session, {code / "train.py": [3], shared: [2]})
        thread = train.stopped()
        assert train.top(thread)["source"]["path"] == str(code / "train.py")
        train.go_on(thread)
        thread = train.stopped()
        assert train.top(thread)["source"]["path"] in (str(shared), str(code / "names.py"))
        assert train.evaluate("n", thread) == "20"
        train.go_on(thread)
        child = next_process(session, {code / "child.py": [3]})
        thread = child.stopped()
        assert child.evaluate("y", thread) == "42"
        child.go_on(thread)
        answer = run.end(120)
        assert answer.code == 0 and answer.out.endswith("\n42\n"), answer.err
    finally:
        if run.child.poll() is None:
            run.interrupt_group()
            run.end(120)
    assert not list(host.folder.glob("jobs/*/*/secrets.sh"))


@pytest.mark.docker
def test_stop_in_the_editor_ends_the_run_there(place: Workspace, host: SshHost) -> None:
    code = place.root / "src/halts"
    place.add("halts", "import time\nx = 1\nprint('on', x, flush=True)\ntime.sleep(600)\n")
    port = free_port()
    # As the extension starts a configuration of a machine.
    run = place.start("run", "halts", "--backend", "ssh:gpubox", "--debug", "--port", str(port))
    try:
        run.wait_for(f"ready for the debugger at 127.0.0.1:{port}", 240)
        mapping = {"localRoot": str(place.root), "remoteRoot": f"/workspaces/{place.root.name}"}
        configuration: Json = {
            "request": "attach", "subProcess": True, "pathMappings": [mapping],
            "connect": {"host": "127.0.0.1", "port": port},
        }  # fmt: skip
        session = attached(configuration, {})
        train = next_process(session, {code / "train.py": [3]})
        train.stopped()
        session.ask("disconnect", terminateDebuggee=True)
        answer = run.end(240)
        assert answer.code == 143 and "on 1" not in answer.out, answer.err
    finally:
        if run.child.poll() is None:
            run.interrupt_group()
            run.end(120)
    assert until(lambda: processes(host) == [], 120), processes(host)
    assert record_of(runs(place, "halts")[-1])["exit_code"] == 143


@pytest.mark.mounts
def test_full_disk_there_is_an_error_and_keeps_the_end(place: Workspace, host: SshHost) -> None:
    small = host.user.home / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size=1m,uid={host.user.uid}", "none", str(small)]
    subprocess.run(mount, check=True)
    try:
        text = place.read("pyproject.toml")
        table = (
            f'[tool.innerloop.remote.small]\nhost = "gpubox"\nengine = "none"\nfolder = "{small}"\n'
        )
        place.write("pyproject.toml", f"{text}\n{table}")
        fills = 'print("starts", flush=True)\nopen("outputs/x", "wb").write(bytes(2_000_000))\n'
        place.add("fills", fills)
        done = place.loop("run", "fills", "--backend", "ssh:small")
        assert done.code == 1 and "No space left on device" in done.out, done.err
        assert record_of(runs(place, "fills")[0])["exit_code"] == 1
        (place.root / "src/fills/big.bin").write_bytes(os.urandom(2_000_000))
        done = place.loop("run", "fills", "--backend", "ssh:small")
        assert done.code == 1 and "[remote-disk-full]" in done.err, done.err
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


if sys.platform == "win32":
    pytest.skip("needs a second user", allow_module_level=True)
