"""The packages and the data of a run, and what differs between two runs."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from innerloop.history import run_diff, run_inputs, run_notes
from innerloop.history.past_runs import PastRun, read
from innerloop.model.environment import ResolvedEnvironment
from innerloop.model.environment_lock import EnvironmentLock
from innerloop.model.environment_source import EnvironmentSource
from innerloop.util.errors import UserError

REQUIREMENTS = """# compiled
-r base.txt
Ruamel.Yaml==0.18.6 \\
    --hash=sha256:aa
numpy[x] == 2.1.0 ; python_version > "3.9"
local @ file:///wheel
loose>=1
"""
UV = """version = 1
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "x" }

[[package]]
name = "a_b"
version = "1.0"
"""
PROJECT = '[project]\nname = "own"\nversion = "1"\n'
PIXI = "- conda: https://conda.anaconda.org/conda-forge/linux-64/scikit-learn-1.5.0-py311_0.conda\n"


def test_packages_are_the_pins_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/requirements.txt").write_text(REQUIREMENTS)
    (tmp_path / "env/base.txt").write_text("-r requirements.txt\nnumpy==1.0\nsix==1.17.0\n")
    environment = ResolvedEnvironment(folder="env")
    found = run_inputs.packages_of(tmp_path, environment)
    assert found == {"ruamel-yaml": "0.18.6", "numpy": "2.1.0", "six": "1.17.0"}
    assert run_inputs.pinned(run_inputs.text_of(found)) == found
    assert run_inputs.packages_of(tmp_path, ResolvedEnvironment(folder="none")) == {}
    assert run_inputs.packages_of(tmp_path, ResolvedEnvironment()) == {}


@pytest.mark.parametrize(
    ("text", "packages"),
    [(UV, {"numpy": "2.1.0", "a-b": "1.0"}), (PIXI, {"scikit-learn": "1.5.0"}), ("x: [", {})],
)
def test_packages_of_a_lock(text: str, packages: dict[str, str]) -> None:
    source = EnvironmentSource(kind="uv", path="uv.lock")
    lock = EnvironmentLock(source, (("uv.lock", text), ("pyproject.toml", PROJECT)))
    assert run_inputs.of_lock(lock) == packages


def test_data_has_its_number_size_and_last_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d/inner").mkdir(parents=True)
    for name, age in (("d/a", 10), ("d/inner/b", 20)):
        (tmp_path / name).write_text("12345")
        os.utime(tmp_path / name, (age, age))
    paths = {"folder": str(tmp_path / "d"), "file": str(tmp_path / "d/a"), "none": "/no/such"}
    found = run_inputs.data_of(paths)
    assert found["folder"] == {
        "path": paths["folder"], "files": 2, "bytes": 10, "newest": "1970-01-01T00:00:20+00:00",
    }  # fmt: skip
    assert (found["file"]["files"], found["none"]) == (1, {"path": "/no/such"})
    monkeypatch.setattr(run_inputs, "MOST_FILES", 1)
    assert run_inputs.data_of(paths)["folder"] == {"path": paths["folder"]}


def past(
    root: Path, name: str, packages: str | None, scores: dict[str, float], **record: Any
) -> PastRun:
    folder = root / "outputs/line" / name / ".run"
    folder.mkdir(parents=True)
    if packages is not None:
        (folder / "packages.txt").write_text(packages)
    return PastRun("line", name, f"outputs/line/{name}", record, scores)


def test_diff_has_what_differs_and_names_what_is_not_recorded(tmp_path: Path) -> None:
    gpu = {"why": "GPU 0", "devices": ["0"]}
    one = past(
        tmp_path, "a", "numpy==1.0\nsix==1.0\n", {"loss": math.nan, "acc": 0.5},
        image="x:1", data={"rows": {"path": "d", "files": 1, "bytes": 5, "newest": "t"}}, gpu=gpu,
    )  # fmt: skip
    two = past(
        tmp_path, "b", "numpy==2.0\nsix==1.0\nnew==1\n", {"loss": math.nan, "acc": 0.75},
        image="x:2", data={"rows": {"path": "d", "files": 2, "bytes": 9, "newest": "t"}},
    )  # fmt: skip
    found = run_diff.between(tmp_path, one, two)
    assert found.packages == {"numpy": ("1.0", "2.0"), "new": (None, "1")}
    assert found.scores == {"acc": (0.5, 0.75)} and found.environment == {"image": ("x:1", "x:2")}
    assert found.data["rows"][1] == "d: 2 files, 9 bytes, changed t"
    assert found.device == {"gpu": ("GPU 0", None)}
    assert (found.unknown, found.code.why) == ((), "the record of a has no commit")
    old = past(tmp_path, "c", None, {})
    assert run_diff.between(tmp_path, old, two).unknown == ("packages", "data")
    json.dumps(run_diff.between(tmp_path, old, two).json())


@pytest.mark.parametrize(
    "record",
    [
        {"git": {"commit": "--output=x"}},
        {"git": {"commit": "a" * 40, "left_out": ["x"]}, "data": {"rows": 5}, "gpu": {"why": 3}},
        {"git": {"commit": 7, "left_out": 5}, "data": {"rows": {"files": []}}, "gpu": [1]},
    ],
)
def test_diff_of_any_record_is_no_traceback(tmp_path: Path, record: dict[str, Any]) -> None:
    runs = [past(tmp_path, name, "\0==\n", {}, **record) for name in "ab"]
    assert run_diff.between(tmp_path, runs[0], runs[1]).code.why


def test_notes_that_cannot_be_read_are_named_and_stay(tmp_path: Path) -> None:
    folder = tmp_path / "outputs/line/a"
    (folder / ".run").mkdir(parents=True)
    (tmp_path / ".innerloop").mkdir()
    for text in ("[]", '{"tags": [1]}', '{"note": 5}', '{"tags": ["a", "a"], "kept": "yes"}'):
        (folder / run_notes.PATH).write_text(text)
        assert "notes.json" in read(tmp_path, "line", folder).problems[0]
        with pytest.raises(UserError) as caught:
            run_notes.change(tmp_path, folder, lambda old: old)
        assert caught.value.code == "record-unreadable"
        assert (folder / run_notes.PATH).read_text() == text
