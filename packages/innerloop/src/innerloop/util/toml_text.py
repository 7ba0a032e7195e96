"""TOML as plain values, by the standard library or, before Python 3.11, by tomli.

It takes long to import: modules that every run needs import it where a text is parsed.
"""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A mark at the beginning of a file that an editor of Windows wrote.
_BOM = "\ufeff"


def parse(text: str) -> dict[str, Any]:
    """The values of a text. ValueError or RecursionError if it is no TOML."""
    return tomllib.loads(text.removeprefix(_BOM))
