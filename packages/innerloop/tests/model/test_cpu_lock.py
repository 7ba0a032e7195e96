"""The lock for machines without a GPU: whether it fits, and the Dockerfile that installs it."""

from __future__ import annotations

import pytest

from innerloop.model import cpu_lock
from innerloop.model.dockerfiles import dockerfile

FULL = "numpy==2.1\ntorch==2.14.1\ntorchvision==0.29.1 ; sys_platform != 'x'\nnvidia-x==1\n"
CPU = "numpy==2.1\ntorch==2.14.1+cpu\ntorchvision==0.29.1+cpu\n"


@pytest.mark.parametrize(
    ("source", "lock", "cpu", "why"),
    [
        ("torch==2.14.1\nnumpy", FULL, CPU, ""),
        (None, FULL, CPU, ""),
        ("torch", FULL, CPU + "intel-openmp==1\n", ""),
        ("torch", FULL.replace("2.14.1", "2.15"), CPU, "torch 2.14.1+cpu"),
        ("torch", FULL.replace("numpy==2.1", "numpy==2.2"), CPU, "numpy 2.1"),
        ("torch\nnumpy\npandas", FULL + "pandas==3\n", CPU, "pandas"),
        ("torch>=2.15", FULL, CPU, "torch>=2.15"),
        (None, FULL + "torchaudio==2.14.1\n", CPU, "torchaudio"),
    ],
)
def test_outdated_names_what_does_not_fit(
    source: str | None, lock: str, cpu: str, why: str
) -> None:
    found = cpu_lock.outdated(source, lock, cpu)
    assert why in found if why else found == ""


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("COPY requirements.txt /opt/requirements.txt",
         "COPY requirements.cpu.txt /opt/requirements.txt"),
        ("COPY ./requirements.txt /opt/", "COPY ./requirements.cpu.txt /opt/requirements.txt"),
        ("COPY requirements.txt .", "COPY requirements.cpu.txt ./requirements.txt"),
        ("copy --chown=1:1 requirements.txt /r", "copy --chown=1:1 requirements.cpu.txt /r"),
        ("ADD requirements.txt /r", "ADD requirements.cpu.txt /r"),
        ("COPY requirements.txt requirements-dev.txt /opt/", None),
        ("COPY --from=x requirements.txt /opt/", None),
        ('COPY ["requirements.txt", "/opt/"]', None),
        ("COPY requirements-test.txt /opt/", None),
        ("COPY . /opt/", None),
    ],
)  # fmt: skip
def test_dockerfile_copies_the_lock_for_the_cpu_under_the_others_name(
    line: str, becomes: str | None
) -> None:
    head = "ARG A=1\nFROM python:3.11-slim AS base\n"
    tail = "\nRUN pip install -r /opt/requirements.txt\nFROM base AS job\n"
    parsed = dockerfile.parse(f"{head}{line}{tail}", "Dockerfile")
    found = cpu_lock.dockerfile_with(parsed, "requirements.txt")
    assert (found and dockerfile.pruned(found, None)) == (
        None if becomes is None else f"{head}{becomes}{tail}"
    )
    # What Azure ML builds is the file on the disk, which stays as it is.
    assert dockerfile.pruned(parsed, None) == f"{head}{line}{tail}"


def test_dockerfile_keeps_the_lines_of_the_file() -> None:
    """A step that fails is shown where the person wrote it."""
    text = "# a\n\nFROM x\n# b\nCOPY requirements.txt /r\n\n# c\nRUN a \\\n  b\n# d\nRUN c\n"
    parsed = dockerfile.parse(text, "Dockerfile")
    found = cpu_lock.dockerfile_with(parsed, "requirements.txt")
    assert found is not None
    lines = [[one.line for one in file.last.instructions] for file in (parsed, found)]
    assert lines[0] == lines[1] == [3, 5, 8, 11]


def test_project_has_pytorchs_packages_from_one_index_alone() -> None:
    assert cpu_lock.family(FULL) == ("torch==2.14.1", "torchvision==0.29.1")
    text = cpu_lock.project(cpu_lock.family(FULL), "https://a.test/simple")
    assert 'dependencies = ["torch==2.14.1", "torchvision==0.29.1"]' in text
    assert text.count('= {index = "torch-cpu"}') == 2 and "explicit = true" in text


def test_index_is_written_below_the_head_of_the_lock() -> None:
    lock = cpu_lock.with_index("# made by uv\n#    x\nnumpy==2.1\n", "https://a.test/s")
    assert lock == "# made by uv\n#    x\n--extra-index-url https://a.test/s\nnumpy==2.1\n"


def test_pins_leave_out_what_only_cuda_needs() -> None:
    lock = "numpy==2.1 ; python_version < '4'\nnvidia-cudnn-cu12==9\ntriton==3\ntorch==2\n"
    assert cpu_lock.pins(lock) == "numpy==2.1 ; python_version < '4'\ntorch==2\n"
