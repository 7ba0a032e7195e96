"""The files that a .dockerignore excludes from a build.

Source: Docker's documentation, ".dockerignore files": patterns of Go's filepath.Match with `**` for
any number of folders, from the root of the context; a pattern that matches a folder matches what is
in it; the last pattern that matches decides, and one that begins with `!` lets in again.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Callable

NAME = ".dockerignore"
# Beyond these a pattern takes too long to compile or to match: it excludes nothing.
LONGEST, MOST_STARS, MOST_RULES = 1000, 12, 2000
# Always sent: the builder needs them.
_NEEDED = ("Dockerfile", NAME)


def matcher(text: str) -> Callable[[str], bool]:
    """A function that says whether a file, by its path in the context with "/", is excluded."""
    lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    rules = [rule for rule in map(_rule, lines[:MOST_RULES]) if rule is not None]

    def ignored(path: str) -> bool:
        if path in _NEEDED:
            return False
        parts = path.split("/")
        parents = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        excluded = False
        for includes, pattern in rules:
            if excluded == includes and any(pattern.fullmatch(parent) for parent in parents):
                excluded = not includes
        return excluded

    return ignored


def _rule(line: str) -> tuple[bool, re.Pattern[str]] | None:
    """None for a pattern that is invalid, as `[z-a]`, or that no path of a file could need."""
    words = line.strip()
    includes = words.startswith("!")
    cleaned = posixpath.normpath(words.removeprefix("!").strip()).lstrip("/")
    if len(cleaned) > LONGEST or len(re.findall(r"\*+", cleaned)) > MOST_STARS:
        return None
    try:
        with warnings.catch_warnings():
            # Sets whose meaning may change in a later Python: `[[`, `--`.
            warnings.simplefilter("ignore", FutureWarning)
            return includes, re.compile(_expression(cleaned), re.DOTALL)
    except re.error:
        return None


def _expression(pattern: str) -> str:
    expression = ""
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|\\.|.", pattern, re.DOTALL):
        if token in _SPECIAL:
            expression += _SPECIAL[token]
        elif token[0] == "[" and len(token) > 2:
            expression += token.replace("\\", "\\\\")
        else:
            expression += re.escape(token[-1] if token[0] == "\\" and len(token) == 2 else token)
    return expression


_SPECIAL = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
