"""CPU time and memory of processes, of a container's cgroup and of GPUs."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from innerloop.util import gpu_load, load
from innerloop.util.load import Load

ID = "4f1c0de" * 8
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def stat(pid: int, *times: int) -> str:
    fields = ["S", "1", *["0"] * 9, *map(str, times), *["0"] * 8]
    return f"{pid} (a) b) {' '.join(fields)}\n"


@linux
def test_tree_counts_children_their_ended_children_and_shared_memory_once(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "proc/7/stat": stat(7, 100, 50, 20, 10),
            "proc/7/statm": "99 30 10 0 0 0 0\n",
            "proc/7/task/7/children": "8 ",
            "proc/7/task/9/children": "11 ",
            "proc/8/stat": stat(8, 200, 0, 0, 0),
            "proc/8/statm": "99 15 12 0 0 0 0\n",
            "proc/8/task/8/children": "7 ",
        },
    )
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert load.of_tree(7, root) == Load(380 / ticks, (20 + 3 + 12) * page)
    assert load.of_tree(11, root) is None


@linux
def test_own_process_has_a_load_that_grows() -> None:
    before = load.of_processes(os.getpid())
    assert before is not None and before.memory > 1_000_000
    now = before
    while now.cpu - before.cpu < 0.02:
        sum(range(100_000))
        now = load.of_processes(os.getpid()) or before
    assert load.of_processes(2**22 - 7) is None
    machine = load.of_machine()
    assert machine is not None and machine.cpu > now.cpu


PS = """
    1     0   5000   1:00.00
   40     1  10000   0:02.50
   41    40   2000 01:00:00
   42    41   1000 1-00:00:01
   50     1   9000   9:00.00
"""


def test_ps_of_macos_is_summed_over_the_tree() -> None:
    assert load.of_ps(PS, 40) == Load(2.5 + 3600 + 86401, 13_000 * 1024)
    assert load.of_ps(PS, 99) is None
    assert load.of_ps("", 40) is None


V1 = {
    "proc/7/cgroup": f"5:cpu,cpuacct:/docker/{ID}\n4:memory:/docker/{ID}\n1:name=systemd:/\n0::/\n",
    f"sys/fs/cgroup/cpu,cpuacct/docker/{ID}/cpuacct.usage": "2500000000\n",
    f"sys/fs/cgroup/memory/docker/{ID}/memory.usage_in_bytes": "9000\n",
    f"sys/fs/cgroup/memory/docker/{ID}/memory.stat": "cache 1\ntotal_inactive_file 2000\n",
}
V2 = {
    "proc/7/cgroup": f"0::/system.slice/docker-{ID}.scope\n",
    f"sys/fs/cgroup/system.slice/docker-{ID}.scope/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    f"sys/fs/cgroup/system.slice/docker-{ID}.scope/memory.current": "9000\n",
    f"sys/fs/cgroup/system.slice/docker-{ID}.scope/memory.stat": "anon 1\ninactive_file 2000\n",
}


@pytest.mark.parametrize("files", [V1, V2])
def test_cgroup_of_a_container(tmp_path: Path, files: dict[str, str]) -> None:
    found = load.cgroup_of(7, ID, put(tmp_path, files))
    assert found is not None and found.load() == Load(2.5, 7000)
    found.memory.unlink()
    assert found.load() is None
    assert load.cgroup_of(7, ID, tmp_path) is None


@pytest.mark.parametrize(
    "cgroup",
    ["0::/user.slice\n", f"0::/other-{ID[::-1]}\n", f"0::/../../docker-{ID}\n", "", "0:\n"],
)
def test_cgroup_of_another_process_is_not_read(tmp_path: Path, cgroup: str) -> None:
    root = put(tmp_path, {**V2, "proc/7/cgroup": cgroup})
    assert load.cgroup_of(7, ID, root) is None
    assert load.cgroup_of(7, "", root) is None


def test_answer_of_nvidia_smi() -> None:
    text = "0, GPU-aa, 93, 10240\n1, GPU-bb, [N/A], 3\nno devices\n2, GPU-cc, 5, [N/A]\n"
    first, second = gpu_load.parse(text)
    assert (first.name, first.uuid, first.busy, first.memory) == ("0", "GPU-aa", 93, 10240 << 20)
    assert math.isnan(second.busy) and second.memory == 3 << 20


def library(**functions: Any) -> Any:
    """NVML with one GPU."""

    def answer(value: int) -> Any:
        def function(*arguments: Any) -> int:
            pointer = arguments[-1]
            if value and hasattr(pointer, "_obj"):
                target = pointer._obj
                for name in ("gpu", "used", "value"):
                    if hasattr(target, name):
                        setattr(target, name, value)
            return 0

        return function

    def uuid(handle: object, buffer: Any, length: object) -> int:
        buffer.value = b"GPU-aa"
        return 0

    base = {
        "nvmlInit_v2": lambda: 0,
        "nvmlDeviceGetCount_v2": answer(1),
        "nvmlDeviceGetHandleByIndex_v2": answer(0),
        "nvmlDeviceGetUtilizationRates": answer(93),
        "nvmlDeviceGetMemoryInfo": answer(1 << 30),
        "nvmlDeviceGetUUID": uuid,
    }
    return SimpleNamespace(**{**base, **functions})


def test_library_of_the_driver_is_asked_before_nvidia_smi() -> None:
    reader = gpu_load.reader(library())
    assert reader is not None and reader.every == 0
    assert list(reader.read()) == [gpu_load.GpuLoad("0", "GPU-aa", 93, 1 << 30)]
    divided = gpu_load.reader(library(nvmlDeviceGetUtilizationRates=lambda *arguments: 3))
    assert divided is not None and math.isnan(divided.read()[0].busy)
