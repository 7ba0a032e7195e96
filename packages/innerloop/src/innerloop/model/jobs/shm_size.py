"""The form of `resources.shm_size`: a number with a unit of Docker's."""

from __future__ import annotations

import re

SHM_SIZE = re.compile(r"0*[1-9][0-9]{0,11}[bBkKmMgG]")
