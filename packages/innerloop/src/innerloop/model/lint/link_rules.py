"""Symbolic links to shared code: Azure ML's snapshot follows them, and fails on some."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ...util.position import Position
from .finding import INFO, WARNING, Files, Finding


def check_links(root: str, files: Files) -> Iterator[Finding]:
    """Findings of all links below the code's folder, and of ignore rules that they make useless."""
    yield from _links(root, files)
    yield from _ignore_rules(root, files)


def _links(root: str, files: Files) -> Iterator[Finding]:
    for link, target in files.links(root):
        position = Position(link, 1, 1)
        hint = "Recreate it with `scripts/loop share`"
        destination = _destination(link, target)
        if re.match(r"/|[A-Za-z]:[/\\]|\\\\", target):
            message = (
                f"the link is absolute ({target}): it breaks in every other clone and container"
            )
            yield Finding(position, message, hint, "link-absolute", INFO)
        elif destination == ".." or destination.startswith("../"):
            message = f"the link leads out of the workspace ({target})"
            yield Finding(position, message, hint, "link-outside-workspace")
        elif _is_cyclic(link, destination, files):
            message = f"the link is part of a cycle ({target}): the upload never ends"
            hint = "Link to a folder that does not contain it"
            yield Finding(position, message, hint, "link-cyclic", WARNING)
        elif not files.exists(destination):
            message = f"the link's target does not exist ({target}): the upload fails"
            yield Finding(position, message, hint, "link-broken")


def _destination(link: str, target: str) -> str:
    """The path in the workspace that a relative link points to; other links are not followed."""
    plain = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), plain))


def _is_cyclic(link: str, destination: str, files: Files) -> bool:
    """Whether following the link, and the links behind it, reaches a folder twice."""
    todo, visited = [(link, destination)], {link}
    while todo:
        source, folder = todo.pop()
        if folder == link or link.startswith(f"{folder}/") or source.startswith(f"{folder}/"):
            return True
        if not files.exists(folder) or not files.is_dir(folder):
            continue
        for path, target in files.links(folder):
            if path not in visited:
                visited.add(path)
                todo.append((path, _destination(path, target)))
    return False


def _ignore_rules(root: str, files: Files) -> Iterator[Finding]:
    """Findings of ignore rules about a link, or a path behind it.

    azure-ai-ml matches rules against the path that the link points to (../shared/data for
    common/data).
    """
    name = next((one for one in _ignore_files(root) if files.read(one) is not None), None)
    if name is None:
        return
    links = {
        posixpath.relpath(path, root): posixpath.relpath(_destination(path, target), root)
        for path, target in files.links(root)
    }
    for number, line in enumerate((files.read(name) or "").splitlines(), start=1):
        rule = line.strip().lstrip("!").removeprefix("/")
        plain = rule.rstrip("/")
        link = next((one for one in links if f"{plain}/".startswith(f"{one}/")), None)
        if link is None or line.lstrip().startswith("#"):
            continue
        yield Finding(
            Position(name, number, 1),
            f"the rule {line.strip()} has no effect on Azure ML: {link} is a link, and rules are "
            "matched against the path that it points to",
            f"Add {links[link]}{rule[len(link) :]}",
            "ignore-rule-behind-link",
            INFO,
        )


def _ignore_files(root: str) -> tuple[str, str]:
    return posixpath.join(root, ".amlignore"), posixpath.join(root, ".gitignore")
