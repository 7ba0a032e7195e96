"""The functions that read locks, find what they lack and write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import locks
from tools.locks import LockError, Platform

A, B = "a" * 64, "b" * 64
LINUX = Platform("3.11.9", "Linux", "x86_64")
METADATA = {
    "coverage==7.17.4": [],
    "early==1": ["coverage>=7"],
    "pytest-cov==7": ["coverage[toml]>=7.10.6"],
    "late==1": ["Coverage>=7"],
    "both==1": ["coverage[html]>=7"],
    "on-windows==1": ["coverage[toml]; sys_platform == 'win32'"],
    "optional==1": ["coverage[toml]; extra == 'measure'"],
    "asks==1": ["optional[measure]"],
    "itself==1": ["itself[one]; extra == 'all'", "coverage[toml]; extra == 'one'"],
    "asks-all==1": ["itself[all]"],
    "strict==1": ["coverage<7"],
    "lonely==1": ["absent>=1"],
    "for-old==1": ["absent>=1; python_version < '3.11'"],
}
COVERAGE = "coverage==7.17.4"


def lock(*pins: str) -> str:
    """Each pin is `name==version`, and ` ; marker` where it has one."""
    return "".join(f"{pin} \\\n    --hash=sha256:{A}\n    # via something\n" for pin in pins)


def codes(*pins: str) -> list[tuple[int, str]]:
    found = locks.problems(locks.parse(lock(*pins)), METADATA, [LINUX])
    return [(one.line, one.code) for one in found]


def pins(text: str) -> list[str]:
    return [line[:-2] for line in text.splitlines() if line.endswith("\\") and "--" not in line]


def test_parse_reads_every_part_of_an_entry() -> None:
    text = (
        "# made by uv\n"
        "coverage[toml, html]==7.17.4 ; python_full_version >= '3.11' \\\n"
        f"    --hash=sha256:{A} \\\n"
        f"    --hash=sha256:{B}\n"
        "    # via pytest-cov\n"
    )
    (entry,) = locks.parse(text)
    assert (entry.name, entry.version, entry.extras) == (
        "coverage",
        "7.17.4",
        frozenset({"toml", "html"}),
    )
    assert entry.marker == "python_full_version >= '3.11'"
    assert entry.hashes == (f"sha256:{A}", f"sha256:{B}")
    assert (entry.first, entry.last) == (2, 4)
    assert (entry.release, entry.form) == ("coverage==7.17.4", "coverage[html, toml]")
    assert entry.applies(LINUX) and not entry.applies(Platform("3.10.12", "Linux", "x86_64"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"coverage>=7 \\\n    --hash=sha256:{A}\n", 1),
        ("# one\ncoverage==7.17.4\n", 2),
        ("coverage==7.17.4 \\\n    # via pytest-cov\n", 1),
        (f"coverage==7.17.4 \\\n    --hash=sha256:{A} \\\n", 1),
        (f"coverage==7.17.4 \\\n    --hash=md5:{A[:32]}\n", 1),
        (f"coverage==7.* \\\n    --hash=sha256:{A}\n\n--index-url somewhere\n", 4),
        (f"coverage @ file:///tmp/x.whl \\\n    --hash=sha256:{A}\n", 1),
        ("-r other.txt\n", 1),
    ],
)
def test_parse_of_a_line_that_is_not_pinned_and_hashed_fails_there(text: str, line: int) -> None:
    with pytest.raises(LockError, match=rf"^{line}: "):
        locks.parse(text)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([COVERAGE, "pytest-cov==7"], [(1, "extra-not-locked")]),
        (["coverage[toml]==7.17.4", "pytest-cov==7"], []),
        # An extra beside it makes another form of it, which old pip leaves free.
        (["coverage[html, toml]==7.17.4", "pytest-cov==7"], [(1, "extra-not-locked")]),
        (["coverage[html]==7.17.4", "coverage[toml]==7.17.4", "both==1", "pytest-cov==7"], []),
        (["coverage[toml]==7.17.4", "late==1"], []),
        (["early==1", "coverage[toml]==7.17.4"], [(4, "plain-not-locked")]),
        (["early==1", COVERAGE, "coverage[toml]==7.17.4"], []),
        ([COVERAGE, "on-windows==1"], []),
        ([COVERAGE, "optional==1"], []),
        ([COVERAGE, "optional[measure]==1"], [(1, "extra-not-locked")]),
        ([COVERAGE, "asks==1", "optional[measure]==1"], [(1, "extra-not-locked")]),
        ([COVERAGE, "asks-all==1", "itself[all]==1"], [(1, "extra-not-locked")]),
        (["coverage[toml]==7.17.4", "asks-all==1", "itself[all]==1"], []),
        ([COVERAGE, "strict==1"], [(4, "version-refused")]),
        (["lonely==1"], [(1, "not-locked")]),
        (["for-old==1"], []),
        ([f"{COVERAGE} ; sys_platform == 'win32'", "late==1"], [(4, "not-locked")]),
    ],
)
def test_problems_are_what_a_lock_lacks_on_a_platform(
    listed: list[str], expected: list[tuple[int, str]]
) -> None:
    assert codes(*listed) == expected


def test_problems_on_any_platform_are_found() -> None:
    text = lock(COVERAGE, "on-windows==1", "for-old==1")
    found = locks.problems(locks.parse(text), METADATA)
    assert [(one.line, one.code) for one in found] == [
        (1, "extra-not-locked"),
        *[(7, "not-locked")] * len(locks.MACHINES),
    ]
    assert all("3.10.12" in one.what for one in found[1:])


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([COVERAGE, "pytest-cov==7"], ["coverage[toml]==7.17.4", "pytest-cov==7"]),
        (
            [f"{COVERAGE} ; sys_platform == 'win32'", "on-windows==1"],
            ["coverage[toml]==7.17.4 ; sys_platform == 'win32'", "on-windows==1"],
        ),
        (
            ["both==1", COVERAGE, "pytest-cov==7"],
            ["both==1", "coverage[html]==7.17.4", "coverage[toml]==7.17.4", "pytest-cov==7"],
        ),
        (
            ["early==1", COVERAGE, "pytest-cov==7"],
            ["early==1", COVERAGE, "coverage[toml]==7.17.4", "pytest-cov==7"],
        ),
        # What uv writes with --no-strip-extras.
        (
            ["early==1", "coverage[toml]==7.17.4", "pytest-cov==7"],
            ["early==1", COVERAGE, "coverage[toml]==7.17.4", "pytest-cov==7"],
        ),
        (
            ["coverage[html, toml]==7.17.4", "pytest-cov==7"],
            ["coverage[html, toml]==7.17.4", "coverage[toml]==7.17.4", "pytest-cov==7"],
        ),
        ([COVERAGE, "late==1"], [COVERAGE, "late==1"]),
    ],
)
def test_add_extras_writes_a_line_for_each_form_that_is_required(
    listed: list[str], expected: list[str]
) -> None:
    written = locks.add_extras(lock(*listed), METADATA)
    assert pins(written) == expected
    assert {entry.hashes for entry in locks.parse(written)} == {(f"sha256:{A}",)}
    assert written.count("# via something") == len(listed)
    assert locks.add_extras(written, METADATA) == written
    assert not locks.problems(locks.parse(written), METADATA)


def test_add_extras_of_a_release_without_metadata_fails() -> None:
    with pytest.raises(LockError, match="no frozen metadata of coverage==8"):
        locks.add_extras(lock("coverage==8"), METADATA)


def test_main_extras_rewrites_the_named_lock_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = tmp_path / "requires.json"
    frozen.write_text(json.dumps(METADATA))
    monkeypatch.setattr(locks, "load_metadata", lambda: json.loads(frozen.read_text()))
    path = tmp_path / "lock.txt"
    path.write_bytes(lock(COVERAGE, "pytest-cov==7").encode())
    assert locks.main(["extras", str(path)]) == 0
    assert path.read_bytes() == lock("coverage[toml]==7.17.4", "pytest-cov==7").encode()
    assert capsys.readouterr().out == f"{path}: extras added\n"
    assert locks.main(["extras", str(path)]) == 0
    assert capsys.readouterr().out == ""
    path.write_text("coverage\n")
    assert locks.main(["extras", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"locks: {path}:1: ")
