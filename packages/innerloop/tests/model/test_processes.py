"""The starter of several processes, run by the real bash."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from innerloop.model.jobs import processes
from innerloop.model.jobs.command import distribution_environments
from innerloop.model.jobs.job import Distribution, DistributionType
from tests.support import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs bash")


def started(
    command: str,
    count: int,
    kind: DistributionType = "pytorch",
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    distribution = Distribution(kind, count)
    argv = processes.argv(command, distribution, distribution_environments(distribution, port=29))
    return _run(argv, env or {})


def _run(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(child: subprocess.Popen[str]) -> tuple[int, list[str], list[str]]:
    out, err = child.communicate(timeout=30)
    return child.returncode, sorted(out.splitlines()), sorted(err.splitlines())


def test_each_process_has_its_rank_and_its_lines_are_marked() -> None:
    code, out, err = ended(started("echo $RANK of $WORLD_SIZE; echo e$LOCAL_RANK >&2", 3))
    assert code == 0
    assert out == ["[rank 0] 0 of 3", "[rank 1] 1 of 3", "[rank 2] 2 of 3"]
    assert err == ["[rank 0] e0", "[rank 1] e1", "[rank 2] e2"]


def test_the_last_line_needs_no_end_and_none_is_lost() -> None:
    code, out, _ = ended(started("seq 1 5000; printf end", 2))
    assert code == 0
    assert len(out) == 10002
    assert [line for line in out if "end" in line] == ["[rank 0] end", "[rank 1] end"]


def test_one_that_fails_ends_the_others_with_its_exit_code(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    command = f"if [ $RANK = 1 ]; then exit 7; fi; sleep 30; touch {mark}"
    begun = time.monotonic()
    code, _, err = ended(started(command, 3))
    assert (code, mark.exists()) == (7, False)
    assert "innerloop: rank 1 ended with exit code 7; the others are stopped" in err
    assert time.monotonic() - begun < 20


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = f"if [ $RANK = 1 ]; then until [ -s {pid} ]; do sleep 0.1; done; exit 3; fi; "
    command += f"sleep 60 & echo $! > {pid}; wait"
    assert ended(started(command, 2))[0] == 3
    assert until(lambda: not _lives(int(pid.read_text())), 5)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_all_of_them(number: signal.Signals, code: int) -> None:
    command = (
        "trap 'echo asked; exit 1' INT TERM; echo ready; for i in $(seq 300); do sleep 0.1; done"
    )
    child = started(command, 2)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(2)]
    assert sorted(lines) == ["[rank 0] ready\n", "[rank 1] ready\n"]
    child.send_signal(number)
    got, out, _ = ended(child)
    assert got == code
    assert out == ["[rank 0] asked", "[rank 1] asked"]


def test_one_that_hears_no_signal_is_ended_all_the_same() -> None:
    child = started("if [ $RANK = 1 ]; then sleep 0.5; exit 4; fi; trap '' TERM INT; sleep 40", 2)
    assert ended(child)[0] == 4


def test_a_parameter_server_is_over_with_the_workers() -> None:
    distribution = Distribution("tensorflow", worker_count=2, parameter_server_count=1)
    each = distribution_environments(distribution)
    command = 'case $TF_CONFIG in *\'"type": "ps"\'*) echo serving; sleep 60;; *) echo done;; esac'
    code, out, _ = ended(_run(processes.argv(command, distribution, each), {}))
    assert code == 0
    assert out == ["[ps 0] serving", "[worker 0] done", "[worker 1] done"]


def test_one_process_is_the_command_itself() -> None:
    argv = processes.argv("echo hi", Distribution("pytorch", 1), [{"RANK": "0"}])
    assert argv == ("bash", "-c", "echo hi")
    assert processes.argv("echo hi", None, [{}]) == ("bash", "-c", "echo hi")


def program(folder: Path, name: str, text: str) -> dict[str, str]:
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_mpirun_starts_them_where_it_is(tmp_path: Path) -> None:
    text = 'if [ "$1" = --version ]; then echo "mpirun (Open MPI) 4.1"; exit; fi; echo "$@"; exit 6'
    code, out, _ = ended(started("python a.py", 2, "mpi", program(tmp_path, "mpirun", text)))
    assert code == 6
    assert out[0].startswith("-np 2 --oversubscribe --tag-output")
    assert out[0].endswith("bash -c python a.py")


def test_without_mpirun_each_gets_its_rank() -> None:
    command = "echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE"
    path = {"PATH": "/usr/bin:/bin"}
    code, out, _ = ended(started(command, 2, "mpi", path))
    assert (code, out) == (0, ["[rank 0] 0 of 2", "[rank 1] 1 of 2"])


def test_a_ray_cluster_is_there_before_the_command_and_gone_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = program(tmp_path, "ray", f'echo "ray $1" >> {log}')
    code, out, _ = ended(started(f"echo $RAY_ADDRESS; echo ran >> {log}; exit 5", 1, "ray", env))
    assert (code, out) == (5, ["auto"])
    assert log.read_text().split("\n") == ["ray start", "ran", "ray stop", ""]
