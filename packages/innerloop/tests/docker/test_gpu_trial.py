"""What a container that was started with a GPU tells, and how long that counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.docker import gpu_trial
from innerloop.docker.gpu_handover import GpuEngine, GpuHandover, GpuTrial
from innerloop.util import process
from innerloop.util.host_gpus import HostGpus, VendorGpus
from innerloop.util.process import CompletedCommand

ENGINE = GpuEngine(identity="Docker 28", has_hook=True)
HOST = HostGpus("linux", nvidia=VendorGpus("/dev/dxg", driver="550"))
HANDOVER = GpuHandover(("--gpus", "all"), ("all",), "", is_certain=False)
IN_DAEMON = "docker: Error response from daemon: "
# As Docker 20.10 and 28 and Podman 5 print them.
NO_DRIVER = f'{IN_DAEMON}could not select device driver "" with capabilities: [[gpu]].'
MISMATCH = (
    f"{IN_DAEMON}failed to create task for container: failed to create shim task: OCI runtime create "
    "failed: runc create failed: unable to start container process: error during container init: "
    "error running prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n"
    "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown."
)
NO_CDI = (
    f"{IN_DAEMON}CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all\n"
    "\nRun 'docker run --help' for more information"
)
PODMAN = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"
NO_LIBRARY = (
    f"{IN_DAEMON}nvidia-container-cli: libnvidia-ml.so.1: no such file or directory: unknown."
)
NO_SHELL = f'{IN_DAEMON}OCI runtime create failed: exec: "sh": executable file not found in $PATH.'


@pytest.mark.parametrize(
    ("code", "out", "err", "outcome", "why"),
    [
        (0, "/dev/nvidia0\n", "", "works", ""),
        (0, "/dev/dxg\n", "WARNING: cgroup v1\n", "works", ""),
        (0, "", "", "started", ""),  # Podman ignores --gpus
        (125, "", NO_DRIVER, "refused", 'could not select device driver "" with capabilities: [[gpu]]'),
        (125, "", MISMATCH, "refused", "driver/library version mismatch"),
        (125, "", NO_CDI, "refused", "unresolvable CDI devices nvidia.com/gpu=all"),
        (125, "", PODMAN, "refused", "unresolvable CDI devices nvidia.com/gpu=all"),
        (127, "", NO_LIBRARY, "refused", "libnvidia-ml.so.1: no such file or directory"),
        (127, "", NO_SHELL, "started", ""),
        (125, "", f"{IN_DAEMON}No such image: x:job.", "unknown", "No such image"),
        (1, "", "docker: Cannot connect to the Docker daemon at tcp://x.", "unknown", ""),
        (124, "", "no answer within 120 s", "unknown", "no answer within 120 s"),
        (126, "", "", "refused", "exit code 126"),
    ],
)  # fmt: skip
def test_read_tells_a_refusal_from_other_faults(
    code: int, out: str, err: str, outcome: str, why: str
) -> None:
    trial = gpu_trial.read(CompletedCommand(code, out, err))
    assert trial.outcome == outcome
    assert why in trial.why and "\n" not in trial.why and len(trial.why) <= 200
    assert not trial.why.startswith(("docker:", "Error"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[CompletedCommand]:
    """The answers of the engine, in their order: the last one repeats."""
    answers: list[CompletedCommand] = []
    calls: list[list[str]] = []

    def run(argv: list[str], timeout: float) -> CompletedCommand:
        calls.append(argv)
        return answers[min(len(calls), len(answers)) - 1]

    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path))
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(gpu_trial, "_UNKNOWN", {})
    return answers


def test_outcome_counts_for_this_engine_driver_and_options_alone(
    started: list[CompletedCommand], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started.append(CompletedCommand(125, "", NO_DRIVER))
    assert gpu_trial.known(ENGINE, HOST, HANDOVER) is None
    trial = gpu_trial.carry_out(ENGINE, HOST, HANDOVER, "image:job")
    assert gpu_trial.known(ENGINE, HOST, HANDOVER) == trial
    newer = HostGpus("linux", nvidia=VendorGpus("/dev/dxg", driver="570"))
    others = (
        (replace(ENGINE, identity="Docker 29"), HOST, HANDOVER),
        (replace(ENGINE, runtimes=("nvidia",)), HOST, HANDOVER),
        (replace(ENGINE, cdi_devices=("nvidia.com/gpu=all",)), HOST, HANDOVER),
        (ENGINE, newer, HANDOVER),
        (ENGINE, HOST, replace(HANDOVER, options=("--gpus", "device=0"))),
    )
    assert [gpu_trial.known(*other) for other in others] == [None] * len(others)
    # A refusal is tried again after a while: its repair may leave no trace in these facts.
    (path,) = (tmp_path / "gpu").iterdir()
    record = json.loads(path.read_text())
    for change in ({"at": record["at"] - 3700}, {"at": record["at"] + 900}, {"at": "x"},
                   {"outcome": "unknown"}, {"outcome": ["works"]}):  # fmt: skip
        path.write_text(json.dumps({**record, **change}))
        assert gpu_trial.known(ENGINE, HOST, HANDOVER) is None, change
    path.write_text("{")
    assert gpu_trial.known(ENGINE, HOST, HANDOVER) is None


def test_outcome_that_is_unknown_counts_for_this_command_alone(
    started: list[CompletedCommand], tmp_path: Path
) -> None:
    started += [CompletedCommand(124, "", "no answer"), CompletedCommand(0, "/dev/nvidia0", "")]
    trial = gpu_trial.carry_out(ENGINE, HOST, HANDOVER, "image:job")
    assert trial == GpuTrial("unknown", "no answer") == gpu_trial.known(ENGINE, HOST, HANDOVER)
    assert not (tmp_path / "gpu").exists()
    assert gpu_trial.carry_out(ENGINE, HOST, HANDOVER, "image:job") == GpuTrial("works")
    assert gpu_trial.known(ENGINE, HOST, HANDOVER) == GpuTrial("works")
