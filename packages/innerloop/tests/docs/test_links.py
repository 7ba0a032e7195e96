"""The Markdown files of the repository.

Links resolve, words are standard, README is short and lists every command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from innerloop.cli.command_table import BY_NAME
from innerloop.model.lint.finding import ACCEPTED
from tests.support import ROOT, repository_files
from tests.test_rooms import ROOMS

PACKAGE = ROOT / "packages/innerloop"
DOCS = PACKAGE / "docs"
README = ROOT / "README.md"
# What users read; the changelog names what was renamed.
PROSE = [
    README,
    ROOT / "SECURITY.md",
    PACKAGE / "README.md",
    PACKAGE / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
]
KINDS = ("tutorial", "how-to", "reference", "explanation")

_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`+[^`\n]*`+")

# STYLE: words and phrases with a standard equivalent, and names of the first edition.
BANNED = (
    r"is said\b",
    r"is a sentence\b",
    r"is one sentence\b",
    r"is none\b",
    r"\bmend(s|ed|ing)?\b",
    r"\banew\b",
    r"\bleave away\b",
    r"\bleft away\b",
    r"\bhalf-made\b",
    r"\bclash(es)?\b",
    r"(?<!sync/)\brender(s|ed|ing)?\b",
    r"\bstale\b",
    r"--place\b",
    r"loop (dependency|call|stale)\b",
    r"scripts/(bench|innerloop|locks)\b",
    r"rendered\.json",
)


def markdown_files() -> list[Path]:
    names = [name for name in repository_files() if name.endswith(".md")]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def without_code(text: str) -> str:
    return _CODE.sub("", _FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors of headings, as GitHub makes them: repeated headings get -1, -2 ..."""
    found: dict[str, int] = {}
    result = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        result.add(f"{slug}-{count}" if count else slug)
    return result


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Relative links and images of `path` that lead to no file, or to no heading of a file."""
    for target in _LINK.findall(without_code(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (path.parent / name) if name else path
        if name.startswith("/") or not file.exists():
            yield f"{target}: no such file"
        elif ROOT not in (file.resolve(), *file.resolve().parents):
            yield f"{target}: outside the repository"
        elif anchor and (
            file.suffix != ".md" or anchor not in anchors(file.read_text(encoding="utf-8"))
        ):
            yield f"{target}: no such heading"


def banned_words(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in BANNED:
            if found := re.search(pattern, line, re.IGNORECASE):
                yield f"{number}: {found.group()}"


def verbs() -> list[str]:
    folder = PACKAGE / "src/innerloop/commands"
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_every_markdown_file_resolve(path: Path) -> None:
    assert list(broken_links(path, path.read_text(encoding="utf-8"))) == []


def test_broken_links_missing_file_and_heading_are_found() -> None:
    text = "[a](nowhere.md) ![b](no.png) [c](#nothing) [d](#here) [e](https://x.example)\n"
    page = DOCS / "README.md"  # anchors without a file are looked up in the page on the disk
    assert list(broken_links(page, text + "[f](#how-to-guides)")) == [
        "nowhere.md: no such file",
        "no.png: no such file",
        "#nothing: no such heading",
        "#here: no such heading",
    ]


def test_broken_links_in_code_are_ignored() -> None:
    text = "`[a](nowhere.md)`\n\n```\n[b](nowhere.md)\n```\n"
    assert list(broken_links(README, text)) == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_uses_no_banned_word(path: Path) -> None:
    assert list(banned_words(path.read_text(encoding="utf-8"))) == []


def test_banned_words_of_the_first_edition_are_found() -> None:
    text = "A clash is said.\nUse --place docker\nwell\nloop stale"
    found = list(banned_words(text))
    assert found == ["1: is said", "1: clash", "2: --place", "4: stale", "4: loop stale"]


def test_readme_is_shorter_than_250_lines() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 250


def test_readme_begins_with_the_two_commands() -> None:
    commands = re.findall(r"^scripts/\S+.*?(?=\s{2,}#)", README.read_text("utf-8"), re.MULTILINE)
    assert commands[:2] == ["scripts/loop run digit_recognition", "scripts/test"]


@pytest.mark.parametrize(
    "path", [README, DOCS / "reference/commands.md"], ids=["readme", "reference"]
)
@pytest.mark.parametrize("verb", verbs())
def test_every_command_is_listed(path: Path, verb: str) -> None:
    words = set(re.findall(r"[a-z]+", " ".join(_CODE.findall(path.read_text(encoding="utf-8")))))
    is_for_editors = BY_NAME[verb].is_for_editors
    assert verb in words or (is_for_editors and path == README)


def test_index_of_docs_links_to_every_page() -> None:
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / name).resolve() for name in _LINK.findall(text)}
    assert {path for path in DOCS.rglob("*.md") if path.name != "README.md"} <= linked


def test_pages_of_docs_are_in_the_folder_of_their_kind() -> None:
    top = {path.name for path in DOCS.glob("*.md")}
    assert top <= {"README.md", "glossary.md", "architecture.md", "adding-a-backend.md"}
    folders = {path.parent.name for path in DOCS.rglob("*.md") if path.parent != DOCS}
    assert folders == set(KINDS)


def test_pictures_of_docs_are_all_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PROSE)
    pictures = {path.name for kind in ("*.png", "*.svg") for path in DOCS.rglob(kind)}
    assert pictures and {name for name in pictures if name not in text} == set()


def test_licence_of_the_package_is_that_of_the_repository() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_architecture_names_every_room_in_the_order_of_the_law() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == ROOMS


def test_architecture_names_only_modules_that_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    missing = [
        f"{room}/{name}"
        for room, cell in rows
        if room != "commands"
        for name in re.findall(r"`([a-z_]+)`", cell)
        if not list((PACKAGE / "src/innerloop" / room).rglob(f"{name}.py"))
    ]
    assert missing == []


def test_reference_lists_the_warnings_that_do_not_stop_a_submission() -> None:
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| warning |"))
    assert set(re.findall(r"`([a-z-]+)`", row)) == set(ACCEPTED)
