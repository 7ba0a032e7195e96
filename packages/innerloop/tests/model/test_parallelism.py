"""How many trials run at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.parallelism import MEMORY_EACH, Machine, of_parts

NO_GPU = Machine(0, cores=16, memory=64 << 30)


@pytest.mark.parametrize(
    ("asked", "limit", "gpus_each", "machine", "count", "why"),
    [
        (None, None, 1, Machine(2, 8), 2, "one GPU each, of 2 GPUs"),
        (None, 4, 1, Machine(2, 8), 2, "one GPU each, of 2 GPUs"),
        (None, 1, 1, Machine(4, 8), 1, "limits.max_concurrent_trials"),
        (8, 1, 1, Machine(4, 8), 4, "one GPU each, of 4 GPUs"),
        (3, 1, 1, Machine(4, 8), 3, "--parallel asks for it"),
        (None, None, 2, Machine(5, 8), 2, "2 GPUs each, of 5 GPUs"),
        (None, None, 2, Machine(1, 8), 1, "2 GPUs each, of 1 GPU"),
        (4, None, 1, Machine(None, 8), 1, "the GPUs of this machine cannot be counted"),
        (None, None, 0, NO_GPU, 4, "this machine has 16 cores"),
        (None, 3, 0, NO_GPU, 3, "limits.max_concurrent_trials"),
        (None, 3, 0, Machine(0, 2), 1, "this machine has 2 cores"),
        (None, None, 0, Machine(0, 16, 2 * MEMORY_EACH), 2, "8 GiB of memory are free"),
        (7, None, 0, Machine(0, 2), 7, "--parallel asks for it"),
    ],
)
def test_count_and_what_decides_it(
    asked: int | None, limit: int | None, gpus_each: int, machine: Machine, count: int, why: str
) -> None:
    found = of_parts(8, asked=asked, limit=limit, gpus_each=gpus_each, machine=machine)
    assert (found.count, found.why) == (count, why)


_NUMBERS = st.one_of(st.none(), st.integers(1, 99))


@given(st.integers(1, 50), _NUMBERS, _NUMBERS, st.integers(0, 4), st.integers(0, 16))
def test_never_more_than_parts_or_gpus(
    parts: int, asked: int | None, limit: int | None, gpus_each: int, gpus: int
) -> None:
    machine = Machine(gpus, cores=64, memory=1 << 40)
    count = of_parts(parts, asked=asked, limit=limit, gpus_each=gpus_each, machine=machine).count
    assert 1 <= count <= parts
    assert count == 1 or not gpus_each or count * gpus_each <= gpus
    if asked is None and limit is not None:
        assert count <= limit
