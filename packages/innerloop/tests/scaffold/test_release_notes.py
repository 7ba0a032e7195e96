"""What is shown of the changelog between two versions."""

from __future__ import annotations

import pytest

from innerloop.scaffold import release_notes

CHANGELOG = """# Changelog
What a user notices.

## Unreleased
### Later
- not yet

## 0.10.0
### New
- ten
### Changed: new names
| before | now |
|---|---|
| `a` | `b` |

## [0.9.0] 2026-01-01
- an entry of no section
### Fixed
- nine

## 0.2.0
### New
- two
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("0.2.0", "0.10.0", ["0.10.0", "0.9.0"]),
        ("0.9.0", "0.10.0", ["0.10.0"]),
        ("0.9.0rc1", "0.9.0", ["0.9.0"]),
        ("0.1.0", "0.9.0", ["0.9.0", "0.2.0"]),
        ("0.10.0", "0.10.0", []),
        ("0.10.0", "0.2.0", []),
        ("0.2.0", "0.8.0.dev1", []),
    ],
)
def test_between_two_versions_names_those_after_the_first(
    old: str, new: str, expected: list[str]
) -> None:
    assert [notes.version for notes in release_notes.between(CHANGELOG, old, new)] == expected


def test_between_reads_lists_and_tables_by_section() -> None:
    (notes,) = release_notes.between(CHANGELOG, "0.9.0", "0.10.0")
    assert notes.sections == (("New", ("ten",)), ("Changed: new names", ("`a`: `b`",)))


def test_between_keeps_entries_above_the_first_section() -> None:
    notes, _ = release_notes.between(CHANGELOG, "0.1.0", "0.9.0")
    assert notes.sections == (("", ("an entry of no section",)), ("Fixed", ("nine",)))
    assert list(release_notes.folded(notes)) == ["  - an entry of no section", "Fixed:", "  - nine"]


@pytest.mark.parametrize("body", ["", "\n\n", "Only text.\n"], ids=["end", "blank", "text"])
def test_between_a_version_without_sections_has_no_entries(body: str) -> None:
    (notes,) = release_notes.between(f"# Changelog\n\n## 1.0.0\n{body}", "0.9.0", "1.0.0")
    assert notes.sections == () and list(release_notes.folded(notes)) == []


def test_between_a_version_without_sections_has_its_list() -> None:
    text = "## 1.1.0\n- one\n- two\n\n## 1.0.0\n- old\n"
    (notes,) = release_notes.between(text, "1.0.0", "1.1.0")
    assert list(release_notes.folded(notes)) == ["  - one", "  - two"]


@pytest.mark.parametrize("changelog", ["", "# Changelog\n", "## Unreleased\n- not yet\n"])
def test_between_a_changelog_without_versions_is_empty(changelog: str) -> None:
    assert release_notes.between(changelog, "0.1.0", "1.0.0") == ()


def test_folded_shows_each_section_and_counts_the_rest() -> None:
    entries = "".join(f"- entry {number} {'x' * 200}\n" for number in range(40))
    text = f"## 1.0.0\n### Long\n{entries}### Short\n- one\n"
    (notes,) = release_notes.between(text, "0.9.0", "1.0.0")
    lines = list(release_notes.folded(notes))
    assert lines[0] == "Long:" and "Short:" in lines and lines[-1] == "  - one"
    assert len(lines) < 20 and max(map(len, lines)) <= 114
    shown = sum(line.startswith("  - entry") for line in lines)
    assert f"    and {40 - shown} more" in lines


def test_own_changelog_has_entries_of_a_version_or_of_the_next() -> None:
    assert "\n## " in release_notes.text()
