"""The rules of an ignore file (`.amlignore`, else `.gitignore`) as Azure ML reads them.

They are git's, with these differences: only the one file at the code's root counts; a rule is
matched against the path that a folder's links point to, which may begin with `..`; and a later rule
may include again what an earlier one excludes, even below an excluded folder.
Source: azure-ai-ml 1.35, `_utils/_pathspec.py` and `_utils/_asset_utils.py`; compared with them by
tests/azure/test_snapshot_as_sent.py.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass

# Beyond these a rule takes too long to compile or to match.
LONGEST, MOST_STARS = 1000, 12


@dataclass(frozen=True, slots=True)
class Rule:
    """`excludes` is false for a rule with `!`; `line` is its line number in the file."""

    pattern: re.Pattern[str]
    excludes: bool
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one file; `name` is "" if there is no file, and nothing is excluded."""

    name: str = ""
    rules: Sequence[Rule] = ()

    def excluding_rule(self, path: str) -> Rule | None:
        """The rule that excludes a path; None if the path is uploaded.

        `path` is relative to the code's root, with "/", with the links of its folders resolved.
        """
        decided = None
        for rule in self.rules:
            if rule.pattern.match(path):
                decided = rule
        return decided if decided is not None and decided.excludes else None


def parse(text: str, name: str) -> IgnoreRules:
    """Raises `UserError` for a rule that ends in a backslash: Azure ML's client fails on it.

    Lines end as in Python's text files (a form feed or U+2028 is part of a rule), and a byte order
    mark before the first is not part of it.
    """
    rules = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), start=1):
        rule = _rule(line.strip(), Position(name, number))
        if rule is not None:
            rules.append(rule)
    return IgnoreRules(name, tuple(rules))


def _rule(text: str, position: Position) -> Rule | None:
    excludes = not text.startswith("!")
    plain = text if excludes else text[1:]
    if not text or text.startswith("#") or text == "/":
        return None
    try:
        if len(plain) > LONGEST or len(re.findall(r"\*+", plain)) > MOST_STARS:
            raise ValueError(plain)
        with warnings.catch_warnings():
            # Sets whose meaning may change in a later Python: `[[`, `--`.
            warnings.simplefilter("ignore", FutureWarning)
            return Rule(re.compile(_expression(plain)), excludes, text, position.line)
    except (ValueError, re.error) as error:
        raise UserError(
            f"Azure ML cannot read the rule {text[:100]}",
            code="ignore-rule-invalid",
            where=position,
            hint="Write it another way",
        ) from error


def _expression(rule: str) -> str:
    """The regular expression of one rule; it matches whole paths."""
    parts = _parts(rule)
    if parts == ["**", ""] and not rule.startswith("/"):
        return r"^.+/.*$"
    if not parts:
        raise ValueError(rule)
    if len(parts) > 1 and not parts[-1]:
        parts[-1] = "**"
    text, slash = "^", False
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if part == "**":
            text += _any_depth(index, last)
            slash = 0 < index < last
            continue
        text += "/" * slash + ("[^/]+" if part == "*" else _glob(part))
        text += "(?:/.*)?" if index == last else ""  # a file, or a folder with all in it
        slash = True
    return text + "$"


def _parts(rule: str) -> list[str]:
    """The rule between its slashes.

    One that names no folder is found at any depth; one that begins with a slash only at the root.
    """
    parts = rule.split("/")
    parts = [one for i, one in enumerate(parts) if not (i and one == "**" == parts[i - 1])]
    if parts == ["**", ""]:
        return parts
    if not parts[0]:
        return parts[1:]
    single = len(parts) == 1 or (len(parts) == 2 and not parts[1])
    return ["**", *parts] if single and parts[0] != "**" else parts


def _any_depth(index: int, last: int) -> str:
    if index == 0:
        return ".+" if last == 0 else "(?:.+/)?"
    return "/.*" if index == last else "(?:/.+)?"


def _glob(part: str) -> str:
    """One part between slashes: `*`, `?`, `[...]` and backslashes as a shell reads them."""
    text, at = "", 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "\\":
            if at == len(part):
                raise ValueError(part)
            text += re.escape(part[at])
            at += 1
        elif character == "*":
            text += "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "[" and (end := _end_of_set(part, at)):
            text += _set(part[at:end])
            at = end
        else:
            text += re.escape(character)
    return text


def _end_of_set(part: str, at: int) -> int:
    """One past the bracket that closes the set which begins at `at`; 0 when none does."""
    inside = at + (part[at : at + 1] == "!")
    inside += part[inside : inside + 1] == "]"
    return part.find("]", inside) + 1


def _set(text: str) -> str:
    start = {"!": "[^", "^": "[\\^"}.get(text[0], "[")
    rest = text[1:] if text[0] in "!^" else text
    return start + rest.replace("\\", "\\\\")
