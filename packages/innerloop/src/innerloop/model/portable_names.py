"""Names of files that a storage service or another operating system cannot have. Pure.

Sources: "Naming and referencing containers, blobs, and metadata" (Azure Storage); "Naming Files,
Paths, and Namespaces" (Windows).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..util.json_records import WINDOWS_DEVICES
from ..util.late_patterns import late_pattern
from ..util.printable import is_unicode

# The longest name of a blob has 1,024 characters; the client puts a folder's name in front.
_LONGEST = 1024 - 64
_CONTROL = late_pattern(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_SUSPECT = late_pattern(r"\\|\.(?:/|$)")
# What any name that Windows cannot have contains.
_SUSPECT_ON_WINDOWS = late_pattern(
    r'[<>:"|?*\\\x00-\x1f]|[ .](?:/|$)|(?:^|/)(?:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\.|/|$)',
    re.IGNORECASE,
)
_OF_WINDOWS = late_pattern(r'[<>:"|?*\\\x00-\x1f]')
# The longest path of a file on Windows, unless long paths are turned on.
_LONGEST_ON_WINDOWS = 200


def storage_problem(name: str) -> str:
    """Why a file cannot be uploaded, as a clause; "" if it can. `name` has "/" between its parts."""
    if name.isascii() and name.isprintable() and not _SUSPECT.search(name):
        return "" if len(name) <= _LONGEST else f"its path has {len(name)} characters"
    if not is_unicode(name):
        return "its name is not UTF-8"
    if _CONTROL.search(name):
        return "its name has a control character"
    if "\\" in name:
        return 'its name has a "\\", which separates folders there'
    if any(part.endswith(".") for part in name.split("/")):
        return "its name, or a folder's, ends with a dot"
    return f"its path has {len(name)} characters" if len(name) > _LONGEST else ""


def windows_problem(name: str) -> str:
    """Why Windows cannot have a file of this name, as a clause; "" if it can."""
    if len(name) <= _LONGEST_ON_WINDOWS and not _SUSPECT_ON_WINDOWS.search(name):
        return ""
    for part in name.split("/"):
        if _OF_WINDOWS.search(part):
            return 'a name has one of < > : " | ? * \\ or a control character'
        if part.endswith((" ", ".")):
            return "a name ends with a blank or a dot"
        if part.split(".")[0].rstrip().lower() in WINDOWS_DEVICES:
            return f"{part.split('.')[0]} is the name of a device there"
    return "the path is too long" if len(name) > _LONGEST_ON_WINDOWS else ""


def clashes(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names that differ in case only."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name and other.rpartition("/")[0] == name.rpartition("/")[0]:
            yield other, name
