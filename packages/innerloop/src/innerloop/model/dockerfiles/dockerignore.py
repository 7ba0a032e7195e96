"""What a .dockerignore keeps out of a build. Pure.

Source: Docker's documentation, ".dockerignore files": patterns of Go's filepath.Match with `**` for
any number of folders, from the root of the context; a pattern that matches a folder matches what is
in it; the last pattern that matches decides, and one that begins with `!` lets in again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

NAME = ".dockerignore"
# Always sent, since the builder needs them.
_NEEDED = ("Dockerfile", NAME)


def matcher(text: str) -> Callable[[str], bool]:
    """Whether a file, as its path in the context with "/", is kept out."""
    rules = [_rule(line) for line in text.splitlines() if line.strip() and line[0] != "#"]

    def ignored(path: str) -> bool:
        if path in _NEEDED:
            return False
        parts = path.split("/")
        parents = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        out = False
        for lets_in, pattern in rules:
            if out == lets_in and any(pattern.fullmatch(one) for one in parents):
                out = not lets_in
        return out

    return ignored


def _rule(line: str) -> tuple[bool, re.Pattern[str]]:
    words = line.strip()
    lets_in = words.startswith("!")
    cleaned = posixpath.normpath(words.removeprefix("!").strip()).lstrip("/")
    return lets_in, re.compile(_expression(cleaned), re.DOTALL)


def _expression(pattern: str) -> str:
    found = ""
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|\\.|.", pattern, re.DOTALL):
        if token in _SPECIAL:
            found += _SPECIAL[token]
        elif token[0] == "[" and len(token) > 2:
            found += token.replace("\\", "\\\\")
        else:
            found += re.escape(token[-1] if token[0] == "\\" and len(token) == 2 else token)
    return found


_SPECIAL = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
