"""Requirements files as people write them (`requirements.in`), and the locks compiled from them.

Comments, order and line ends stay where a requirement is added or changed.

Sources: pip's documentation, "Requirements File Format"; Python Packaging User Guide, "Dependency
specifiers" and "Version specifiers".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ..util import versions
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.versions import Version
from ..util.wheels import normalized, packages

# A longer line is no requirement that somebody wrote.
_LONGEST = 1000
_NAME = late_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_CLAUSE = late_pattern(r"(===|==|~=|!=|<=|>=|<|>)\s*([A-Za-z0-9.*+!_-]+)")
_COMMENT = late_pattern(r"(?:^|\s)#.*$")
# An option behind a requirement: --hash=..., --config-settings=...
_OPTION = late_pattern(r"\s--[a-z].*$")
_REFERENCE = late_pattern(
    r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?=[\w.]))[\"']?(?P<path>[^\s#;\"']+)"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement: `name` as written; `extras` sorted; `specifier` ">=2,<3", `url` or neither."""

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    url: str = ""
    marker: str = ""

    @property
    def key(self) -> str:
        """The name by which two requirements are for the same package."""
        return normalized(self.name)

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        version = f" @ {self.url}" if self.url else self.specifier
        marker = f"{' ' * bool(self.url)}; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{version}{marker}"

    def over(self, old: Requirement) -> Requirement:
        """What stays when this one is asked for and `old` is there.

        Extras of both; a version and a marker of the old one where this one has none.
        """
        has_version = bool(self.specifier or self.url)
        return Requirement(
            name=old.name,
            extras=tuple(sorted({*self.extras, *old.extras})),
            specifier=self.specifier if has_version else old.specifier,
            url=self.url if has_version else old.url,
            marker=self.marker or old.marker,
        )


@dataclass(frozen=True, slots=True)
class RequirementEdit:
    """What happened to one requirement. `old` is that of the file; None for a new one."""

    kind: Literal["added", "replaced", "there"]
    new: Requirement
    old: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A requirement that the lock does not satisfy.

    `line` is its line in the requirements file, from 1; `locked` are the versions in the lock, empty
    if it lacks the package.
    """

    line: int
    requirement: Requirement
    locked: tuple[str, ...]


def parse(text: str) -> Requirement | None:
    """The requirement in a text without comment; None for anything else, such as a path."""
    text = text.strip()
    match = _NAME.match(text)
    if match is None or len(text) > _LONGEST or "\n" in text or "\r" in text:
        return None
    rest = text[match.end() :].lstrip()
    extras: tuple[str, ...] = ()
    if rest.startswith("["):
        inside, bracket, rest = rest[1:].partition("]")
        names = [name.strip() for name in inside.split(",") if name.strip()]
        if not bracket or not all(_NAME.fullmatch(name) for name in names):
            return None
        extras, rest = tuple(sorted(dict.fromkeys(names))), rest.lstrip()
    if rest.startswith("@"):
        url, _, marker = rest[1:].strip().partition(" ;")
        is_url = re.fullmatch(r"[a-z+]+:\S+", url.strip()) is not None
        return Requirement(match[0], extras, "", url.strip(), marker.strip()) if is_url else None
    version, semicolon, marker = rest.partition(";")
    version = version.strip()
    if version.startswith("(") and version.endswith(")"):
        version = version[1:-1]
    clauses = [clause.strip() for clause in version.split(",") if clause.strip()]
    parts = [_CLAUSE.fullmatch(clause) for clause in clauses]
    if not all(parts) or (semicolon and not marker.strip()):
        return None
    specifier = ",".join(part[1] + part[2] for part in parts if part)
    return Requirement(match[0], extras, specifier, "", marker.strip())


def of_lines(text: str) -> Iterator[tuple[int, Requirement]]:
    """(line, requirement) of each line that is a requirement; continued lines count as none."""
    continued = False
    for number, line in enumerate(text.splitlines(), 1):
        is_part, continued = continued, line.rstrip().endswith("\\")
        if is_part or continued or line.lstrip().startswith(("#", "-")):
            continue
        requirement = parse(_bare(line))
        if requirement is not None:
            yield number, requirement


def references(text: str) -> tuple[str, ...]:
    """The paths of the files that a requirements file includes (-r) or is bound to (-c)."""
    matches = map(_REFERENCE.match, text.splitlines())
    return tuple(match["path"] for match in matches if match)


def edited(text: str, asked: Sequence[Requirement]) -> tuple[str, tuple[RequirementEdit, ...]]:
    """The file's text with the requirements, and what happened to each of them.

    One that the file has stays as it is, unless its version or its extras are to change. A new one
    comes after the last line.
    """
    edits = []
    for requirement in asked:
        text, edit = _with(text, requirement)
        edits.append(edit)
    return text, tuple(edits)


def _with(text: str, asked: Requirement) -> tuple[str, RequirementEdit]:
    newline = "\r\n" if "\r\n" in text else "\n"
    same = [(line, one) for line, one in of_lines(text) if one.key == asked.key]
    if len(same) > 1:  # one for each system or Python
        same = [(line, one) for line, one in same if _plain(one.marker) == _plain(asked.marker)]
    elif asked.marker:
        same = [
            (line, one) for line, one in same if _plain(one.marker) in ("", _plain(asked.marker))
        ]
    if not same:
        head = text if not text or text.endswith("\n") else text + newline
        return f"{head}{asked}{newline}", RequirementEdit("added", asked)
    number, old = same[0]
    new = asked.over(old)
    if new == old:
        return text, RequirementEdit("there", old, old)
    lines = text.splitlines(keepends=True)
    line = lines[number - 1]
    written = _bare(line).strip()
    lines[number - 1] = line.replace(written, str(new), 1)
    return "".join(lines), RequirementEdit("replaced", new, old)


def _bare(line: str) -> str:
    """A line without its comment and the options behind the requirement."""
    return _OPTION.sub("", _COMMENT.sub("", line[:_LONGEST].rstrip("\r\n")))


def _plain(marker: str) -> str:
    return re.sub(r"\s+", " ", marker.replace('"', "'")).strip()


def unlocked(text: str, lock: str) -> tuple[Unlocked, ...]:
    """The requirements of a file that its lock lacks, or has in no version that they admit.

    What cannot be known counts as locked: a version in an unusual form, a URL, a marker that may
    hold nowhere, and all of it if the lock includes other files.
    """
    if references(lock) or re.search(r"(?m)^\s*(?:-e|--editable)\b", lock):
        return ()
    pinned: dict[str, list[str]] = {}
    for package in packages(lock):
        pinned.setdefault(normalized(package.name), []).append(package.version)
    unpinned = {one.key for _, one in of_lines(lock)} - pinned.keys()
    return tuple(_unlocked(text, pinned, unpinned))


def _unlocked(
    text: str, pinned: Mapping[str, Sequence[str]], unpinned: set[str]
) -> Iterator[Unlocked]:
    for line, requirement in of_lines(text):
        locked = tuple(pinned.get(requirement.key, ()))
        if not locked and not requirement.marker and requirement.key not in unpinned:
            yield Unlocked(line, requirement, ())
        elif locked and not any(admits(requirement.specifier, version) for version in locked):
            yield Unlocked(line, requirement, locked)


def admits(specifier: str, text: str) -> bool:
    """Whether a version is one that a specifier (">=2,<3") admits; True where it is not known."""
    version = versions.parse(text)
    if version is None:
        return True
    clauses = (clause.strip() for clause in specifier.split(","))
    matches = (_CLAUSE.fullmatch(clause) for clause in clauses if clause)
    return all(_holds(match[1], match[2], version) for match in matches if match)


def _holds(operator: str, word: str, version: Version) -> bool:
    if operator == "===":
        return word.lower() == version.text.lower()
    if word.endswith(".*"):
        prefix = versions.parse(word[:-2])
        if prefix is None:
            return True
        is_within = version.epoch == prefix.epoch and _starts(version, word[:-2])
        return is_within if operator == "==" else not is_within
    other = versions.parse(word)
    if other is None:
        return True
    if not other.local:  # 2.1 admits 2.1+cpu
        version = replace(version, local=())
    if operator == "~=":
        is_within = version.epoch == other.epoch and _starts(version, _base(word))
        return version >= other and is_within
    return {
        "==": version == other,
        "!=": version != other,
        ">=": version >= other,
        "<=": version <= other,
        ">": version > other,
        "<": version < other,
    }[operator]


def _base(word: str) -> str:
    """What `~=` holds fixed: the release without its last number."""
    release = re.match(r"(?:\d+!)?[\d.]+", word)
    return (release[0] if release else word).rstrip(".").rpartition(".")[0]


def _starts(version: Version, prefix: str) -> bool:
    """Whether a version's release begins with the numbers of a prefix ("2.1")."""
    numbers = [int(part) for part in re.findall(r"\d+", prefix.partition("!")[2] or prefix)]
    release = [*version.release, *[0] * len(numbers)]
    return release[: len(numbers)] == numbers


# --- the command that compiles a lock ------------------------------------------------------------

# What the tool itself compiles a lock with: for every system, and for Python 3.10 and newer.
USUAL = ("--no-strip-extras", "--universal", "--python-version", "3.10", "--generate-hashes")
_FLAGS = {
    *("--no-strip-extras", "--universal", "--generate-hashes", "--no-annotate", "--emit-index-url"),
    *("--emit-index-annotation", "--emit-find-links", "--emit-build-options", "--no-deps"),
    *("--strip-extras", "--no-build", "--pre"),
}
_VALUES = {
    *("--python-version", "--python-platform", "--resolution", "--prerelease", "--fork-strategy"),
    *("--index-strategy", "--annotation-style", "--exclude-newer", "--torch-backend", "--index"),
    *("--index-url", "--default-index", "--extra-index-url", "--only-binary", "--no-binary"),
    *("--no-emit-package", "--no-build-package", "--extra"),
}


def compile_options(text: str, lock: str) -> tuple[tuple[str, ...], str]:
    """The options with which `uv pip compile` made a lock, and the first that is not known or "".

    They are in the comment at the head of the lock, else of the requirements file; without one they
    are the tool's own, with hashes unless there is a lock without.
    """
    for source in (lock, text):
        match = re.search(r"(?m)^#\s+uv pip compile (.*)$", source[:10_000])
        if match:
            return _options(match[1])
    usual = [
        word
        for word in USUAL
        if word != "--generate-hashes" or not packages(lock) or "--hash=" in lock
    ]
    return tuple(usual), ""


def _options(command: str) -> tuple[tuple[str, ...], str]:
    try:
        words = shlex.split(command)
    except ValueError:
        return (), command
    options: list[str] = []
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        name, equal, _ = word.partition("=")
        if word in ("-o", "--output-file"):
            at += 1
        elif word in _FLAGS or (name in _VALUES and equal):
            options.append(word)
        elif word in _VALUES and at < len(words):
            options += [word, words[at]]
            at += 1
        elif word.startswith("-") and name != "--output-file":
            return (), word
    return tuple(options), ""
