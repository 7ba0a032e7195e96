"""Whether a driver is new enough, from what nvidia-smi prints and what a lock holds."""

from __future__ import annotations

import pytest

from innerloop.model.cuda import cuda_of, cuda_of_image, driver_of, runs_on

SMI = """
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.90.07              Driver Version: 550.90.07      CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
"""


def test_the_driver_and_the_newest_cuda_that_it_runs() -> None:
    assert driver_of(SMI) == ("550.90.07", (12, 4))
    assert driver_of("no devices were found") == ("?", None)


@pytest.mark.parametrize(
    ("lock", "cuda"),
    [
        ("torch==2.6.0 \\\nnvidia-cuda-runtime-cu12==12.4.127 ; x\n", (12, 4)),
        ("nvidia-cuda-runtime==13.0.96 ; sys_platform == 'linux' \\\n", (13, 0)),
        ("scikit-learn==1.7\n# via nvidia-cuda-runtime==9.9.9\n", None),
    ],
)
def test_the_cuda_of_a_lock(lock: str, cuda: tuple[int, int] | None) -> None:
    assert cuda_of(lock) == cuda


@pytest.mark.parametrize(
    ("image", "cuda"),
    [
        ("nvidia/cuda:12.4.1-runtime-ubuntu22.04", (12, 4)),
        ("pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime", (12, 6)),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", (11, 8)),
        ("python:3.11-slim-bookworm", None),
    ],
)
def test_the_cuda_of_a_base_image(image: str, cuda: tuple[int, int] | None) -> None:
    assert cuda_of_image(image) == cuda


@pytest.mark.parametrize(
    ("driver", "needed", "runs"),
    [
        ((12, 4), (12, 4), True),
        ((12, 2), (12, 8), True),  # minor versions are compatible
        ((13, 0), (12, 8), True),
        ((12, 8), (13, 0), False),
        ((10, 1), (10, 2), False),
    ],
)
def test_a_major_version_is_the_line(
    driver: tuple[int, int], needed: tuple[int, int], runs: bool
) -> None:
    assert runs_on(driver, needed) is runs
