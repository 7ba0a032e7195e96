"""What a Dockerfile copies and its build does not have: it fails on the builder, after the upload."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase

from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..dockerfiles import dockerignore
from ..dockerfiles.dockerfile import Dockerfile, Instruction
from .copy_sources import sources_of
from .finding import Files, Finding

_REQUIREMENTS = late_pattern(r"(?:.*[/_-])?(?:requirements|constraints)[^/]*\.(?:txt|in)")
_REFERS = late_pattern(
    r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?=[\w.]))(?P<path>[^\s#;]+)"
)


def check_copies(parsed: Dockerfile, context: str, files: Files) -> Iterator[Finding]:
    """COPY of what .dockerignore excludes, and requirement files that refer to others."""
    copies = [
        (instruction, source)
        for stage in parsed.stages
        for instruction in stage.instructions
        if instruction.keyword in ("COPY", "ADD")
        for source in sources_of(instruction)
        if "$" not in source and "://" not in source
    ]
    yield from _excluded(parsed, copies, context, files)
    yield from _requirements(parsed, copies, context, files)


def _excluded(
    parsed: Dockerfile, copies: list[tuple[Instruction, str]], context: str, files: Files
) -> Iterator[Finding]:
    """Source: BuildKit reads DOCKERFILE.dockerignore beside the Dockerfile instead, if it exists."""
    own = f"{parsed.name}.dockerignore"
    name = own if files.exists(own) else f"{context}/{dockerignore.NAME}"
    text = files.read(name)
    if not text:
        return
    is_ignored = dockerignore.matcher(text)
    for instruction, source in copies:
        path = posixpath.normpath(source.lstrip("/") or ".")
        if path == "." or path.startswith("..") or re.search(r"[*?\[]", path):
            continue
        if not files.exists(f"{context}/{path}") or not is_ignored(path):
            continue
        if files.is_dir(f"{context}/{path}") and "!" in text:
            continue  # a part of the folder may be let in again
        yield Finding(
            Position(parsed.name, instruction.line, 1),
            f"{instruction.keyword} {source}: {name} excludes it",
            "Remove the rule there",
            "copy-source-ignored",
        )


def installed_files(parsed: Dockerfile) -> dict[str, tuple[str, ...]]:
    """The requirement files of the build's folder that it copies, each with what brings it.

    That is the text of the COPY that names it, or of the RUN that installs it from a copied folder.
    """
    found: dict[str, tuple[str, ...]] = {}
    for stage in parsed.stages:
        for instruction in stage.instructions:
            paths: list[str] = []
            if instruction.keyword in ("COPY", "ADD"):
                sources = (source.lstrip("/") or "." for source in sources_of(instruction))
                paths = [path for path in map(posixpath.normpath, sources) if _is_named(path)]
            elif instruction.keyword == "RUN":
                paths = [path for path in _installed_by(instruction) if path not in found]
            for path in paths:
                found[path] = (*found.get(path, ()), instruction.text)
    return found


def _is_named(path: str) -> bool:
    return _REQUIREMENTS.fullmatch(path) is not None


def _requirements(
    parsed: Dockerfile, copies: list[tuple[Instruction, str]], context: str, files: Files
) -> Iterator[Finding]:
    """Requirement files that name others which the build does not copy."""
    if "--mount=type=bind" in "".join(
        instruction.text for stage in parsed.stages for instruction in stage.instructions
    ):
        return  # the files may be there without a COPY
    sources = [posixpath.normpath(source.lstrip("/") or ".") for _, source in copies]
    paths = [source for source in sources if _REQUIREMENTS.fullmatch(source)]
    folders = [source for source in sources if files.is_dir(f"{context}/{source}")]
    for name in _installed(parsed):  # those that COPY of a whole folder brings
        paths += [posixpath.normpath(f"{folder}/{name}") for folder in folders]
    for path in dict.fromkeys(paths):
        for number, reference in _references(files.read(f"{context}/{path}") or ""):
            named = posixpath.normpath(posixpath.join(posixpath.dirname(path), reference))
            if posixpath.isabs(named) or any(_brings(source, named) for source in sources):
                continue
            is_here = not named.startswith("..") and files.exists(f"{context}/{named}")
            why = "which the Dockerfile does not copy" if is_here else "which is not in the build"
            hint = f"COPY {named} beside it" if is_here else f"Move it into {context}, and copy it"
            yield Finding(
                Position(f"{context}/{path}", number, 1),
                f"{path} refers to {reference}, {why}: the installation fails there",
                hint,
                "requirements-not-copied",
            )


def _installed(parsed: Dockerfile) -> Iterator[str]:
    """The names of the requirement files that a RUN installs."""
    for stage in parsed.stages:
        for instruction in stage.instructions:
            if instruction.keyword == "RUN":
                yield from _installed_by(instruction)


def _installed_by(instruction: Instruction) -> list[str]:
    paths = re.findall(r"(?:-r|--requirement)[ =](\S+)", instruction.text)
    return [posixpath.basename(path) for path in paths]


def _references(text: str) -> Iterator[tuple[int, str]]:
    """(line, path) of the files that a requirements file includes."""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _REFERS.match(line)
        if match and "://" not in match["path"] and "$" not in match["path"]:
            try:
                yield number, shlex.split(match["path"])[0]
            except (ValueError, IndexError):
                continue


def _brings(source: str, path: str) -> bool:
    """Whether COPY of a source brings a file of the build's folder."""
    return (
        source == path
        or (source == "." and not path.startswith(".."))
        or path.startswith(f"{source}/")
        or fnmatchcase(path, source)
    )
