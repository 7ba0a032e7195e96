"""The form of `resources.shm_size`: a number with a unit of Docker's."""

from __future__ import annotations

from ...util.late_patterns import late_pattern

SHM_SIZE = late_pattern(r"0*[1-9][0-9]{0,11}[bBkKmMgG]")
