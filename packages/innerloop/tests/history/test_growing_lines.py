"""Series in files that grow: what each look gives is what a first look would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import pytest

from innerloop.history import growing_files, growing_lines, json_metrics, written_metrics
from innerloop.util import regular_files
from innerloop.util.errors import UserError

LARGEST = 1_000_000


@pytest.fixture(autouse=True)
def _keeps_short_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_files, "SHORT", 0)
    monkeypatch.setattr(growing_files, "_kept", {})


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that were parsed since the list was cleared."""
    seen: list[str] = []
    real = json_metrics.entries_of

    def entries_of(lines: str) -> list[dict[str, Any]]:
        seen.extend(lines.splitlines())
        return real(lines)

    monkeypatch.setattr(json_metrics, "entries_of", entries_of)
    return seen


def line(step: int, loss: object = 0.5) -> str:
    return f'{{"step": {step}, "loss": {loss}}}\n'


def losses(path: Path) -> list[str]:
    found = growing_lines.read(path, "m", LARGEST)
    expected = json_metrics.read(None, path.read_text(encoding="utf-8"), ("", "m")).series
    assert repr(found) == repr(expected)
    return [f"{value:g}" for value in found["loss"].values] if found else []


def append(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8", newline="") as file:
        file.write(text)


def test_file_that_grows_is_read_on_from_its_last_line(tmp_path: Path, parsed: list[str]) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, line(0) + line(1, 2) + '{"step": 2, "lo')
    assert losses(path) == ["0.5", "2"]
    parsed.clear()
    append(path, 'ss": 3}')
    assert growing_lines.read(path, "m", LARGEST)["loss"].values == (0.5, 2, 3)
    append(path, "\r\n[1]\n\n" + line(3, '"NaN"') + line(4, "null"))
    assert growing_lines.read(path, "m", LARGEST)["loss"].steps[:4] == (0, 1, 2, 3)
    assert not any('"step": 0' in one for one in parsed)
    assert losses(path)[:4] == ["0.5", "2", "3", "nan"]


@pytest.mark.parametrize("change", ["cut", "shorter", "longer", "same length", "replaced", "gone"])
def test_file_that_was_written_again_is_read_from_its_start(tmp_path: Path, change: str) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, line(0, 1) + line(1, 2))
    assert losses(path) == ["1", "2"]
    if change == "cut":
        os.truncate(path, len(line(0, 1)))
    elif change == "replaced":
        other = tmp_path / "other"
        other.write_text(line(0, 1) + line(1, 2) + line(2, 7), encoding="utf-8")
        other.replace(path)
    elif change == "gone":
        path.unlink()
        assert written_metrics.read(tmp_path).series == {}
        append(path, line(5, 5))
    else:
        text = {
            "shorter": line(0, 9),
            "longer": line(0, 9) * 3,
            "same length": line(0, 1) + line(1, 9),
        }
        path.write_text(text[change], encoding="utf-8")
    expected = {
        "cut": ["1"],
        "shorter": ["9"],
        "longer": ["9", "9", "9"],
        "same length": ["1", "9"],
        "replaced": ["1", "2", "7"],
        "gone": ["5"],
    }
    assert losses(path) == expected[change]


def test_files_that_are_kept_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_files, "MOST", 3 * len(line(0)))
    for name in ("a", "b", "a", "c"):
        path = tmp_path / name
        append(path, line(0))
        losses(path)
    assert [Path(path).name for path in growing_files._kept] == ["a", "c"]
    monkeypatch.setattr(growing_files, "SHORT", 1000)
    losses(tmp_path / "a")
    assert [Path(path).name for path in growing_files._kept] == ["c"]


def test_file_that_is_too_large_is_named(tmp_path: Path) -> None:
    append(tmp_path / "metrics.jsonl", line(0))
    with pytest.raises(UserError) as caught:
        growing_lines.read(tmp_path / "metrics.jsonl", "m", 3)
    assert caught.value.code == "file-too-large"


def test_reading_on_reads_no_more_than_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, "".join(map(line, range(5000))))
    growing_lines.read(path, "m", LARGEST)
    append(path, line(5000))
    real = regular_files.opened
    places: list[int] = []

    class Watched:
        def __init__(self, file: IO[bytes]) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def read(self, most: int) -> bytes:
            content = self.file.read(most)
            places.append(len(content))
            return content

    from contextlib import contextmanager

    @contextmanager
    def opened(path: Path) -> Any:
        with real(path) as file:
            yield Watched(file)

    monkeypatch.setattr(regular_files, "opened", opened)
    assert len(growing_lines.read(path, "m", LARGEST)["loss"].values) == 5001
    assert sum(places) < 5 * 1024
