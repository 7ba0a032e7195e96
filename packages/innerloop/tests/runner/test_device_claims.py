"""GPUs that a run has for itself."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import AUTO, NONE, GpuSetting
from innerloop.model.settings.settings import Settings
from innerloop.runner import device_claims
from innerloop.util import device_locks
from innerloop.util.host_gpus import HostDevice, HostGpus, VendorGpus
from tests.support import ROOT

SOURCES = ROOT / "packages" / "innerloop" / "src"

TWO = HostGpus(
    "linux",
    nvidia=VendorGpus(
        "fact", (HostDevice("/dev/nvidia0", uuid="GPU-aa"), HostDevice("/dev/nvidia1"))
    ),
)
PAIR = GpuSetting("devices", devices=("1", "GPU-aa"))


@pytest.mark.parametrize(
    ("setting", "host", "visible", "expected"),
    [
        (AUTO, TWO, None, {"0": "nvidia-0", "1": "nvidia-1"}),
        (GpuSetting("count", 1), TWO, None, {"0": "nvidia-0", "1": "nvidia-1"}),
        (PAIR, TWO, None, {"1": "nvidia-1", "GPU-aa": "nvidia-0"}),
        (AUTO, TWO, "1", {"1": "nvidia-1"}),
        (AUTO, TWO, "-1", {}),
        (AUTO, TWO, "", {}),
        (AUTO, HostGpus(), None, {}),
        (AUTO, HostGpus(amd=VendorGpus("kfd", (HostDevice(),))), "1", {"0": "amd-0"}),
        (AUTO, HostGpus(nvidia=VendorGpus("/dev/dxg")), None, None),
    ],
)
def test_candidates_are_those_that_the_run_may_use(
    setting: GpuSetting, host: HostGpus, visible: str | None, expected: dict[str, str] | None
) -> None:
    found = device_claims.of_host(setting, host, visible)
    assert (found if found is None else {one.device: one.lock for one in found}) == expected


def test_setting_without_gpus_has_no_candidates() -> None:
    assert device_claims.candidates(NONE) == ()


def is_taken(name: str) -> bool:
    release = device_locks.take(name)
    if release is not None:
        release()
    return release is None


@pytest.mark.parametrize(
    ("cores", "asked", "places"),
    [(1, "", 1), (8, "", 2), (8, "5", 5), (8, "0", 1), (8, "many", 2), (8, "-3", 2), (8, "1e9", 2)],
)
def test_places_without_a_gpu_are_one_for_four_cores_or_what_is_asked_for(
    cores: int, asked: str, places: int
) -> None:
    assert len(device_claims.slots(cores, asked)) == places


def give_back(but: set[str]) -> None:
    """All locks of this process but these, as its end does."""
    for name in set(device_locks._HELD) - but:
        device_locks._HELD.pop(name).close()


def test_claim_that_nobody_holds_on_to_lasts_as_long_as_its_process() -> None:
    found = tuple(device_claims.ClaimableGpu("", f"kept-{os.getpid()}-{n}") for n in range(2))
    before = set(device_locks._HELD)
    device_claims.claim(AUTO, found, 1, lambda line: None)
    gc.collect()
    assert device_locks.taken(f"kept-{os.getpid()}-") == {found[0].lock}
    give_back(before)
    assert not device_locks.taken(f"kept-{os.getpid()}-")


def test_claim_takes_what_is_free_and_gives_it_back() -> None:
    names = [f"{os.getpid()}-{index}" for index in range(3)]
    found = tuple(device_claims.ClaimableGpu(str(index), name) for index, name in enumerate(names))
    held = device_locks.take(names[0])
    assert held is not None
    claim = device_claims.claim(AUTO, found, 2, waiting=lambda line: pytest.fail(line))
    assert claim.setting.devices == ("1", "2") and claim.setting.kind == "devices"
    assert all(map(is_taken, names))
    claim.release()
    held()
    assert not any(map(is_taken, names))


@pytest.mark.parametrize(
    ("setting", "others", "devices", "says"),
    [
        (AUTO, [], None, []),
        (AUTO, ["1"], ("0", "2"), ["another run of this machine has GPU 1: this one gets 0, 2"]),
        (AUTO, ["0", "1", "2"], None, ["another run of this machine has GPU 0, 1, 2 too"]),
        (GpuSetting("count", 2), ["2"], None, []),
        (GpuSetting("count", 1), ["0"], ("1",), ["another run of this machine has GPU 0: this one gets 1"]),
        (GpuSetting("count", 3), ["0"], None, ["another run of this machine has GPU 0 too"]),
        (GpuSetting("devices", devices=("0", "1")), ["0"], None, ["another run of this machine has GPU 0 too"]),
    ],
)  # fmt: skip
def test_run_gets_the_gpus_that_others_leave(
    monkeypatch: pytest.MonkeyPatch,
    setting: GpuSetting,
    others: list[str],
    devices: tuple[str, ...] | None,
    says: list[str],
) -> None:
    prefix = f"run-{os.getpid()}"
    names = setting.devices or ("0", "1", "2")
    found = tuple(device_claims.ClaimableGpu(name, f"{prefix}-{name}") for name in names)
    monkeypatch.setattr(device_claims, "candidates", lambda setting: found)
    before = set(device_locks._HELD)
    assert all(device_locks.take(f"{prefix}-{name}") for name in others)
    experiment = Experiment("e", parse("FROM a\n", "Dockerfile"), Settings(gpu=setting))
    said: list[str] = []
    chosen = device_claims.for_run(experiment, said.append).settings.gpu
    assert chosen == (setting if devices is None else GpuSetting("devices", devices=devices))
    assert said == says
    give_back(before)


def test_run_in_a_terminal_never_shares_the_gpu_of_a_detached_one_unless_it_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefix = f"detached-or-not-{os.getpid()}"
    found = tuple(device_claims.ClaimableGpu(name, f"{prefix}-{name}") for name in ("0", "1"))
    monkeypatch.setattr(device_claims, "candidates", lambda setting: found)
    said: list[str] = []

    def chosen(setting: GpuSetting) -> tuple[str, ...]:
        experiment = Experiment("e", parse("FROM a\n", "Dockerfile"), Settings(gpu=setting))
        before = set(device_locks._HELD)
        gpu = device_claims.for_run(experiment, said.append).settings.gpu
        give_back(before)
        return gpu.devices

    first = device_claims.claim(AUTO, found, 1, said.append, is_detached=True)
    plain = device_locks.take(found[1].lock)
    assert plain is not None and not said
    assert chosen(AUTO) == ("1",) and "0, 1 too" in said.pop()  # shared with the plain one alone
    plain()
    second = device_claims.claim(AUTO, found, 1, said.append, is_detached=True)
    assert chosen(GpuSetting("devices", devices=("0", "1"))) == ("0", "1")
    assert said == ["another run of this machine has GPU 0, 1 too"]
    said.clear()
    # It waits until one of them ends.
    monkeypatch.setattr(time, "sleep", lambda seconds: seconds > 0.1 and second.release())
    assert chosen(AUTO) == ("1",)
    assert "this run waits for its turn" in said[0] and "`--gpus 0`" not in said[0]
    first.release()


# Claims a GPU, writes down when it has it and when it gives it back, and goes on.
CLAIMANT = """
import json, os, random, sys, time
sys.path.insert(0, sys.argv[1])
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.gpu import AUTO
from innerloop.model.settings.settings import Settings
from innerloop.runner import device_claims
log, prefix, seed, rounds = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
device_claims.PAUSE = 0.002
chance = random.Random(seed)
found = tuple(device_claims.ClaimableGpu(str(n), f"{prefix}-{n}") for n in range(3))
out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(what, devices):
    os.write(out, (json.dumps([os.getpid(), what, devices]) + "\\n").encode())
for _ in range(rounds):
    claim = device_claims.claim(AUTO, found, chance.choice([1, 1, 2]), lambda line: None)
    say("has", claim.setting.devices)
    time.sleep(chance.random() * 0.004)
    say("gives", claim.setting.devices)
    claim.release()
"""


@pytest.mark.skipif(os.name == "nt", reason="ends programs with SIGKILL")
@pytest.mark.parametrize("rounds", [10, pytest.param(90, marks=pytest.mark.nightly)])
def test_random_schedules_with_kills_never_give_a_gpu_twice(tmp_path: Path, rounds: int) -> None:
    """Claims of programs of which some are killed while they have one."""
    chance, log = random.Random(7), tmp_path / "log"
    prefix = f"test-{os.getpid()}"

    def start(seed: int) -> subprocess.Popen[bytes]:
        words = [
            sys.executable,
            "-c",
            CLAIMANT,
            str(SOURCES),
            str(log),
            prefix,
            str(seed),
            str(rounds),
        ]
        return subprocess.Popen(words)

    programs = [start(seed) for seed in range(8)]
    for victim in programs[:2]:
        while not log.exists() or f"[{victim.pid}, " not in log.read_text():
            assert victim.poll() is None
            time.sleep(0.01)
        time.sleep(chance.random() * 0.05)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        with log.open("a") as file:
            file.write(json.dumps([victim.pid, "killed", []]) + "\n")
    assert [program.wait(300) for program in programs[2:]] == [0] * 6
    holders: dict[str, int] = {}
    dead = {
        pid for pid, what, _ in map(json.loads, log.read_text().splitlines()) if what == "killed"
    }
    claims = 0
    for pid, what, devices in map(json.loads, log.read_text().splitlines()):
        for device in devices:
            if what == "gives":
                assert holders.pop(device) == pid
                continue
            claims += 1
            # A killed one gives back nothing: its line may come after the next one's.
            assert holders.get(device, pid) in dead | {pid}, (pid, device, holders)
            holders[device] = pid
    assert claims >= 6 * rounds
