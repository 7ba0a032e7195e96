"""Common code by symbolic links: Azure ML's snapshot follows them, and fails on some."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from .finding import Files, Finding


def check_links(root: str, files: Files) -> Iterator[Finding]:
    """Of all links below the code's folder, and the ignore rules that they defeat."""
    yield from _links(root, files)
    yield from _ignore_rules(root, files)


def _links(root: str, files: Files) -> Iterator[Finding]:
    for link, target in files.links(root):
        where = f"{link}:1:1"
        hint = "Make it again with `scripts/loop share`"
        leads = _leads(link, target)
        if re.match(r"/|[A-Za-z]:[/\\]|\\\\", target):
            what = f"this link is absolute ({target}): it breaks in every other clone and container"
            yield Finding(where, what, hint, "absolute-link", "hint")
        elif leads == ".." or leads.startswith("../"):
            what = f"this link leads out of the workspace ({target})"
            yield Finding(where, what, hint, "escaping-link")
        elif _circles(link, leads, files):
            what = f"this link leads in a circle ({target}): the upload never ends"
            yield Finding(
                where, what, "Link to a folder that does not hold it", "cyclic-link", "azure"
            )
        elif not files.exists(leads):
            what = f"this link leads nowhere ({target}): the upload fails on it"
            yield Finding(where, what, hint, "broken-link")


def _leads(link: str, target: str) -> str:
    """Where a relative link leads, as a path of the workspace; through no other link."""
    plain = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), plain))


def _circles(link: str, leads: str, files: Files) -> bool:
    """Whether who follows the link, and the links behind it, comes to a folder twice."""
    todo, seen = [(link, leads)], {link}
    while todo:
        here, there = todo.pop()
        if there == link or link.startswith(f"{there}/") or here.startswith(f"{there}/"):
            return True
        if not files.exists(there) or not files.is_dir(there):
            continue
        for path, target in files.links(there):
            if path not in seen:
                seen.add(path)
                todo.append((path, _leads(path, target)))
    return False


def _ignore_rules(root: str, files: Files) -> Iterator[Finding]:
    """Rules for a link, or for what lies behind it: azure-ai-ml compares them with the path that
    the link leads to (../shared/data for common/data)."""
    name = next((one for one in _ignore_files(root) if files.read(one) is not None), None)
    if name is None:
        return
    links = {
        posixpath.relpath(path, root): posixpath.relpath(_leads(path, target), root)
        for path, target in files.links(root)
    }
    for number, line in enumerate((files.read(name) or "").splitlines(), start=1):
        rule = line.strip().lstrip("!").removeprefix("/")
        plain = rule.rstrip("/")
        link = next((one for one in links if f"{plain}/".startswith(f"{one}/")), None)
        if link is None or line.lstrip().startswith("#"):
            continue
        yield Finding(
            f"{name}:{number}:1",
            f"the rule {line.strip()} has no effect on Azure ML: {link} is a link, and it compares "
            "the path that this leads to",
            f"Add {links[link]}{rule[len(link) :]}",
            "ignore-behind-link",
            "hint",
        )


def _ignore_files(root: str) -> tuple[str, str]:
    return posixpath.join(root, ".amlignore"), posixpath.join(root, ".gitignore")
