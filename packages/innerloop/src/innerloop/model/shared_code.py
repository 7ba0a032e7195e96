"""Shared code and its links.

`src/common/vision/augment.py` is linked into an experiment as `common/vision/augment.py`. Nothing
here reads the disk.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator

from ..util.errors import UsageError

COMMON = "src/common"
COMMON_TESTS = f"{COMMON}/tests"


def common_path(word: str) -> str:
    """The path of shared code as typed, relative to src/common, with "/".

    `vision/augment.py`, `./vision/augment.py`, `common/vision/augment.py` and
    `src/common/vision/augment.py` are the same path.
    """
    cleaned = posixpath.normpath(word.replace("\\", "/"))
    for head in (f"{COMMON}/", "common/"):
        if cleaned.startswith(head):
            cleaned = cleaned[len(head) :]
            break
    if cleaned in (".", COMMON, "common"):
        raise UsageError(
            "src/common cannot be shared as a whole",
            code="shared-code-invalid",
            hint="Name the file or folder in it that the experiment uses",
        )
    if cleaned.startswith("../") or cleaned == ".." or posixpath.isabs(cleaned):
        raise UsageError(
            f"{word} is not in {COMMON}",
            code="shared-code-invalid",
            hint="Only files and folders in it can be shared",
        )
    return cleaned


def link_of(folder: str, path: str) -> str:
    """The path of the link to src/common/<path> in the experiment's folder."""
    return f"{folder}/common/{path}"


def link_text(link: str, target: str) -> str:
    """The text of the link; both paths are relative to the root.

    It is relative, so that it works in every clone, container and upload.
    """
    return posixpath.relpath(target, posixpath.dirname(link))


def text_at(link: str, text: str, old: str, new: str) -> str:
    """The text of a link below the folder `old` once the folder is at `new`.

    A link out of the folder points to the same file from there; a link within it, or an absolute
    one, stays as it is written. All paths are relative to the root.
    """
    target = leads(link, text)
    is_within = target == old or target.startswith(f"{old}/")
    if posixpath.isabs(text) or is_within:
        return text
    return link_text(new + link[len(old) :], target)


def leads(link: str, text: str) -> str:
    """The path that a link's text points to, relative to the root (it may begin with "..")."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link), text.replace("\\", "/")))


def places_of_tests(targets: Iterable[str]) -> list[str]:
    """Where the tests of shared code may be, relative to the root.

    For vision/augment.py they may be in test_augment.py in src/common/tests or in its folder
    vision; for the folder vision, in src/common/tests/vision.
    """
    places: dict[str, None] = {}
    for target in sorted(targets):
        if target.startswith(f"{COMMON}/"):
            path = posixpath.splitext(target.removeprefix(f"{COMMON}/"))[0]
            parent, name = posixpath.split(path)
            for place in (f"test_{name}.py", posixpath.join(parent, f"test_{name}.py"), path):
                places[f"{COMMON_TESTS}/{place}"] = None
    return list(places)


def text_of_a_link(content: str, link: str) -> str | None:
    """The target's path if a file's content is what git writes in place of a link, else None.

    Git writes such a file where it may not create links (on Windows, core.symlinks=false): the
    link's text and nothing else.
    """
    if "\n" in content.strip() or len(content) > 500 or not content.startswith("../"):
        return None
    target = leads(link, content.strip())
    return target if target.startswith(f"{COMMON}/") else None


def meant(link: str, text: str, folder: str) -> list[str]:
    """The shared code that a broken link may have pointed to, the likeliest first.

    It is found by the end of the link's text, and by the link's own path below common/.
    """
    tail = re.search(r"(?:^|/)common/(.+)$", text.replace("\\", "/"))
    own = link.removeprefix(f"{folder}/common/")
    return [f"{COMMON}/{path}" for path in dict.fromkeys([*([tail[1]] if tail else []), own])]


def common_modules(source: str, path: str) -> Iterator[str]:
    """The shared modules that a Python file imports, as paths below src/common without ".py".

    For `from common.results import whole_file` this is `results`. `path` is the file's own.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    package = ("common", *posixpath.dirname(path).split("/")) if "/" in path else ("common",)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names = [module] + [(*module, alias.name) for alias in node.names]
        else:
            continue
        yield from ("/".join(name[1:]) for name in names if name[:1] == ("common",) and name[1:])
