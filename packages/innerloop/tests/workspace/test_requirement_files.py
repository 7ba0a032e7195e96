"""What decides an environment: a requirements file with the files that it refers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.workspace.requirement_files import contents


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("-r base.txt\n", "base.txt"),
        ("-rbase.txt\n", "base.txt"),
        ("--requirement=base.txt\n", "base.txt"),
        ("--requirement base.txt # the base\n", "base.txt"),
        ("-r sub/more.txt\n", "sub/deep.txt"),
        ("-c base.txt\nnumpy\n", "base.txt"),
        ("--constraint \\\n  base.txt\n", "base.txt"),
        ("-e ./pkg\n", "pkg/pyproject.toml"),
        ("-e pkg[extra]\n", "pkg/pyproject.toml"),
        ("./pkg\n", "pkg/src/one.py"),
        ("./pkg[a,b] ; python_version > '3'\n", "pkg/src/one.py"),
        ("one @ file:./pkg\n", "pkg/src/one.py"),
        ("./wheels/one-1-py3-none-any.whl --hash=sha256:abc\n", "wheels/one-1-py3-none-any.whl"),
        ("wheels/one-1-py3-none-any.whl\n", "wheels/one-1-py3-none-any.whl"),
        ("--find-links wheels\none\n", "wheels/one-1-py3-none-any.whl"),
        ("-r ../shared.txt\n", "../shared.txt"),
    ],
)
def test_contents_differ_when_a_referenced_file_does(
    tmp_path: Path, text: str, changed: str
) -> None:
    folder = tmp_path / "environment"
    write(folder, {"requirements.txt": text, **FILES})
    before = contents([folder / "requirements.txt"])
    assert contents([folder / "requirements.txt"]) == before
    (folder / changed).write_text("six==1.17.0\n", encoding="utf-8")
    assert contents([folder / "requirements.txt"]) != before


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("numpy==1\n# -r base.txt\n", "base.txt"),
        ("base @ https://x/base.txt\n", "base.txt"),
        ("-e ./pkg\n", "pkg/src/one.py"),  # used where it lies
        ("./pkg\n", "pkg/.venv/x.py"),
        ("pkg\n", "pkg/src/one.py"),
    ],
)
def test_contents_stay_when_another_file_changes(tmp_path: Path, text: str, changed: str) -> None:
    write(tmp_path, {"requirements.txt": text, **FILES})
    before = contents([tmp_path / "requirements.txt"])
    write(tmp_path, {changed: "other\n"})
    assert contents([tmp_path / "requirements.txt"]) == before


def test_contents_without_references_are_the_text(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "six==1\n", "b.txt": "numpy==2\n"})
    assert contents([tmp_path / "a.txt", tmp_path / "b.txt"]) == "six==1\n\nnumpy==2\n"


def test_contents_of_files_that_refer_to_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "-r b.txt\n", "b.txt": "-r a.txt\n-r missing.txt\n"})
    assert contents([tmp_path / "a.txt"])


FILES = {
    "base.txt": "six==1.16.0\n",
    "sub/more.txt": "-r deep.txt\n",
    "sub/deep.txt": "six\n",
    "pkg/pyproject.toml": "[project]\n",
    "pkg/src/one.py": "",
    "pkg/.venv/x.py": "",
    "wheels/one-1-py3-none-any.whl": "zip",
    "../shared.txt": "six\n",
}
