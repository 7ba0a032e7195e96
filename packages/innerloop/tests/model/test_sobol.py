"""Sobol's sequence keeps its promise: few points, evenly spread, in one and in two dimensions."""

from __future__ import annotations

import pytest
from innerloop.model.jobs.sobol import DIMENSIONS, coordinate


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("dimension", range(DIMENSIONS))
def test_one_point_in_each_of_equal_intervals(dimension: int, seed: int) -> None:
    for count in (2, 16, 128):
        points = [coordinate(index, dimension, seed) for index in range(count)]
        assert sorted(int(point * count) for point in points) == list(range(count))


def test_the_first_points_without_a_seed() -> None:
    drawn = [[round(coordinate(i, d), 6) for d in range(3)] for i in range(4)]
    assert drawn == [[0, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25], [0.25, 0.75, 0.75]]


@pytest.mark.parametrize("seed", [0, 3])
def test_two_dimensions_together_fill_the_square(seed: int) -> None:
    cells = {
        (int(coordinate(index, 0, seed) * 4), int(coordinate(index, 1, seed) * 4))
        for index in range(16)
    }
    assert len(cells) == 16


def test_seeds_differ_and_repeat() -> None:
    one, same, other = ([coordinate(i, 2, seed) for i in range(8)] for seed in (1, 1, 2))
    assert one == same != other
