"""Sobol's sequence: points that fill a cube evenly, for sweeps that ask for `rule: sobol`.

Source: S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
projections" (2008): the primitive polynomials and the first direction numbers of its table.
"""

from __future__ import annotations

import functools
import random

_BITS = 32
# For the 2nd and each later dimension: the polynomial's inner coefficients as bits, and the first
# direction numbers, as many as the polynomial's degree.
_TABLE = (
    (0, (1,)), (1, (1, 3)), (1, (1, 3, 1)), (2, (1, 1, 1)), (1, (1, 1, 3, 3)), (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)), (4, (1, 1, 5, 5, 5)), (7, (1, 1, 7, 11, 19)), (11, (1, 1, 5, 1, 1)),
    (13, (1, 1, 1, 3, 11)), (14, (1, 3, 5, 5, 31)), (1, (1, 3, 3, 9, 7, 49)),
    (13, (1, 1, 1, 15, 21, 21)), (16, (1, 3, 1, 13, 27, 49)), (19, (1, 1, 1, 15, 7, 5)),
    (22, (1, 3, 1, 15, 13, 25)), (25, (1, 1, 5, 5, 19, 61)), (1, (1, 3, 7, 11, 23, 15, 103)),
    (4, (1, 3, 7, 13, 13, 15, 69)),
)  # fmt: skip
DIMENSIONS = len(_TABLE) + 1


def coordinate(index: int, dimension: int, seed: int = 0) -> float:
    """One coordinate, in (0, 1), of the `index`-th point (from 0). A seed other than 0 shifts the
    whole sequence; every power of two of points still falls evenly into as many equal intervals.
    `dimension` is below DIMENSIONS."""
    gray = index ^ (index >> 1)
    value = _shift(dimension, seed)
    for bit, direction in enumerate(_directions(dimension)):
        if gray >> bit & 1:
            value ^= direction
    return (value + 0.5) / (1 << _BITS)


@functools.cache
def _directions(dimension: int) -> tuple[int, ...]:
    if dimension == 0:
        return tuple(1 << (_BITS - 1 - bit) for bit in range(_BITS))
    inner, first = _TABLE[dimension - 1]
    degree = len(first)
    found = [number << (_BITS - 1 - bit) for bit, number in enumerate(first)]
    for bit in range(degree, _BITS):
        value = found[bit - degree] ^ (found[bit - degree] >> degree)
        for power in range(1, degree):
            if inner >> (degree - 1 - power) & 1:
                value ^= found[bit - power]
        found.append(value)
    return tuple(found)


@functools.cache
def _shift(dimension: int, seed: int) -> int:
    return random.Random(f"{seed}/{dimension}").getrandbits(_BITS) if seed else 0
