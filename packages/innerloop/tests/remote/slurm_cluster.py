"""A Slurm cluster of this machine alone: real daemons with a folder and ports of their own.

It has two nodes, partitions of them, and on the first node two stand-ins for GPUs. What serves the machine
otherwise (a munged, a slurmctld) is left alone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import free_port, until

CONF = """
ClusterName=stand
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={controller}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
GresTypes=gpu
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=300
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=16 RealMemory=4000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=16 RealMemory=4000
PartitionName=short Nodes=n1,n2 Default=YES MaxTime=30 State=UP OverSubscribe=NO
PartitionName=long Nodes=n1,n2 MaxTime=UNLIMITED State=UP
"""
NODES = ("n1", "n2")
GRES = "".join(f"NodeName=n1 Name=gpu File={path}\n" for path in ("/dev/null", "/dev/zero"))


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, *argv: str) -> str:
        """What one of Slurm's programs prints; it must go well."""
        done = subprocess.run(
            argv, env={**os.environ, **self.env}, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
        return done.stdout.decode()

    def queue(self) -> list[str]:
        """A line for each job that waits or runs: its ID, its state and its name."""
        return self.run("squeue", "--noheader", "--array", "-o", "%i %T %j").splitlines()

    def field(self, job: str, key: str) -> str:
        """A field of `scontrol show job`."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word).get(key, "")


@contextmanager
def slurm_cluster() -> Iterator[SlurmCluster]:
    folder = Path(tempfile.mkdtemp(prefix="il-slurm-", dir="/tmp"))  # sockets have short paths
    folder.chmod(0o755)
    host = socket.gethostname().split(".")[0]
    for name in ("state", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    ports = {name: free_port() for name in ("controller", "first", "second")}
    text = CONF.format(folder=folder, host=host, **ports)
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(GRES)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    cluster = SlurmCluster(folder)
    path = f"{os.environ['PATH']}:/usr/sbin"
    env = {**os.environ, **cluster.env, "PATH": path}
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
    bound = ["setpriv", "--pdeathsig=TERM"]  # they end with the tests, however those end
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, *words in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
            ["slurmctld", "-D", "-c"],
            *(["slurmd", "-D", "-N", node] for node in NODES),
        ):
            with (folder / f"{name}-{len(started)}.out").open("wb") as out:
                child = subprocess.Popen(
                    [*bound, name, *words],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                )
            started.append(child)
        assert until(lambda: _is_up(cluster.env), 120), _logs(folder)
        yield cluster
    finally:
        _cancel_all(cluster.env)
        for child in reversed(started):
            child.terminate()
        for child in reversed(started):
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _is_up(env: Mapping[str, str]) -> bool:
    words = ["sinfo", "--noheader", "-o", "%T"]
    done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, check=False)
    return set(done.stdout.decode().split()) == {"idle"}


def _cancel_all(env: Mapping[str, str]) -> None:
    every = {**os.environ, **env}
    subprocess.run(["scancel", "--partition=short"], env=every, capture_output=True, check=False)
    subprocess.run(["scancel", "--partition=long"], env=every, capture_output=True, check=False)
    until(
        lambda: not subprocess.run(
            ["squeue", "--noheader"], env=every, capture_output=True, check=False
        ).stdout,
        60,
    )


def _logs(folder: Path) -> str:
    texts = [*folder.glob("*.log"), *folder.glob("*.out")]
    return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in texts)
