"""The samples of a run's load, and how they are read again."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from innerloop.history import system_metrics, system_recorder
from innerloop.history.system_recorder import Sampler, Source, SystemRecorder
from innerloop.model.gpu import NO_GPU, Gpu
from innerloop.util.gpu_load import GpuLoad, GpuReader
from innerloop.util.load import Load
from tests.support import until


def test_sampler_has_percent_of_a_core_and_the_gpus_of_the_run() -> None:
    loads = iter([Load(1.0, 10), Load(4.0, 20), None, Load(4.0, 5)])
    busy = [GpuLoad("0", "GPU-aa", 50, 7), GpuLoad("1", "GPU-bb", float("nan"), 8)]
    source = Source("processes", lambda: next(loads))
    sampler = Sampler(source, GpuReader(lambda: busy, every=3), ("GPU-b",))
    assert sampler.sample(1e9, 10.0) == {
        "time": 1e9, "of": "processes", "memory": 10, "gpu1": None, "gpu1_memory": 8,
    }  # fmt: skip
    assert sampler.sample(1e9 + 2, 12.0) == {"time": 1e9 + 2, "cpu": 150.0, "memory": 20}
    assert sampler.sample(1e9 + 2.5, 12.5) == {}
    last = sampler.sample(1e9 + 4, 14.0)
    assert (last["cpu"], last["memory"], last["gpu1_memory"]) == (0.0, 5, 8)


def test_samples_of_a_day_are_some_thousand() -> None:
    elapsed, count = 0.0, 0
    while elapsed < 86_400:
        elapsed += system_recorder.pause(elapsed)
        count += 1
    assert 1_000 < count < 4_000
    assert system_recorder.pause(0) == 1 and system_recorder.pause(5) == 2


def test_recorder_waits_for_its_source_and_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_recorder, "FIRST", 0.01)
    monkeypatch.setattr(system_recorder, "LEAST", 0.01)
    programs = tmp_path / "programs"
    programs.mkdir()
    smi = programs / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho '0, GPU-aa, 93, 1024'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("innerloop.util.nvml.open_library", lambda: None)
    asked = []

    def find() -> Source | None:
        asked.append(1)
        return Source("container", lambda: Load(1.0, 10)) if len(asked) > 2 else None

    (tmp_path / "run/.run").mkdir(parents=True)
    recorder = SystemRecorder(tmp_path / "run", Gpu(True, "", devices=("all",)))
    recorder.start(find)
    recorder.start(lambda: None)
    path = tmp_path / "run" / system_metrics.PATH
    until(lambda: path.is_file() and path.read_text().count("\n") > 2, 60)
    recorder.stop()
    assert len(asked) == 3
    first = json.loads(path.read_text().splitlines()[0])
    assert (first["of"], first["gpu0"], first["gpu0_memory"]) == ("container", 93, 1 << 30)
    found = system_metrics.read(tmp_path / "run")
    assert set(found) == {"cpu", "memory", "gpu0", "gpu0_memory"}
    assert found["memory"].steps[0] == 0 and found["memory"].times[0] > 1e9

    failed = threading.Event()

    def fail() -> Load | None:
        failed.set()
        raise OSError("gone")

    other = SystemRecorder(tmp_path / "run", NO_GPU)
    other.start(lambda: Source("machine", fail))
    assert failed.wait(60)
    other.stop()


@pytest.mark.parametrize("text", ["", "{\n", '{"cpu": 1}\n', '{"time": 5, "cpu": 1}\n'])
def test_load_without_times_has_no_series(tmp_path: Path, text: str) -> None:
    (tmp_path / ".run").mkdir()
    (tmp_path / system_metrics.PATH).write_text(text)
    assert system_metrics.read(tmp_path) == {}
