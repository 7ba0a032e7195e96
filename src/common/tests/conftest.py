"""Makes `common` importable as in an experiment's folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))
