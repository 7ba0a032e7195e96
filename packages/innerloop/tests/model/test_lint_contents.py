"""Findings about what code and data hold besides ordinary files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.model.lint.finding import Finding, blocks_submission
from innerloop.model.lint.job_file import check_text
from innerloop.workspace import folder_reader, submodules
from innerloop.workspace.loader import WorkspaceFiles

NAME = "src/x/azure-ml-job.yaml"
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="such files need another system")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")


@pytest.fixture(autouse=True)
def nothing_read_yet() -> Iterator[None]:
    yield
    folder_reader.read.cache_clear()
    submodules.missing.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    write(root, "src/x/train.py", "print(1)\n")
    write(root, "data/d/a.txt", "1\n")
    return root


def write(root: Path, path: str, text: str, mode: int = 0o644) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    file.chmod(mode)
    return file


def check(
    root: Path, command: str = "python train.py", data: str = "../../data/d"
) -> list[Finding]:
    kind = "uri_folder" if (root / "src/x" / data).is_dir() else "uri_file"
    text = (
        f"command: {command} ${{{{inputs.d}}}}\ncode: .\nenvironment: azureml:e:1\n"
        f"compute: azureml:c\ninputs:\n  d:\n    type: {kind}\n    path: {data}\n"
    )
    return check_text(text, NAME, WorkspaceFiles(root))


def found(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.severity.value, one.code, str(one.position)) for one in findings]


CODE, DATA = f"{NAME}:2:1", f"{NAME}:8:5"


def test_ordinary_code_and_data_have_no_findings(root: Path) -> None:
    assert check(root) == []


def test_pointer_is_an_error_as_data_and_a_warning_in_a_folder(root: Path) -> None:
    write(root, "data/w.bin", LFS)
    findings = check(root, data="../../data/w.bin")
    assert found(findings) == [("error", "git-lfs-pointer", DATA)]
    assert "git lfs pull" in findings[0].hint
    folder_reader.read.cache_clear()
    write(root, "data/d/w.bin", LFS)
    write(root, "data/d/b.bin.dvc", "outs:\n")
    findings = check(root)
    assert found(findings) == [
        ("warning", "data-not-fetched", DATA), ("warning", "git-lfs-pointer", DATA)
    ]  # fmt: skip
    assert blocks_submission(findings)
    folder_reader.read.cache_clear()
    write(root, "data/d/.amlignore", "*.bin\n*.dvc\n")
    assert check(root) == []


def test_pointer_in_the_code_is_named_and_blocks_no_submission(root: Path) -> None:
    write(root, "src/x/weights.pt", LFS)
    findings = check(root)
    assert found(findings) == [("warning", "pointer-in-code", CODE)]
    assert "src/x/weights.pt" in findings[0].message and not blocks_submission(findings)
    write(root, "src/x/.amlignore", "weights.pt\n")
    assert check(root) == []


def test_submodule_that_is_not_checked_out_is_named(root: Path) -> None:
    (root / ".git").mkdir()
    write(root, ".gitmodules", '[submodule "v"]\n\tpath = src/x/vendor\n\turl = u\n')
    (root / "src/x/vendor").mkdir()
    findings = check(root)
    assert found(findings) == [("warning", "submodule-missing", CODE)]
    assert findings[0].hint.endswith("`git submodule update --init src/x/vendor`")
    assert not blocks_submission(findings)


@pytest.mark.parametrize("path", ["../../data/gone/a", "../../data/sub/a"])
def test_missing_data_have_the_command_that_fetches_them(root: Path, path: str) -> None:
    (root / ".git").mkdir()
    write(root, ".gitmodules", '[submodule "s"]\n\tpath = data/sub\n')
    write(root, "data/gone.dvc", "outs:\n")
    (root / "data/sub").mkdir()
    (finding,) = check(root, data=path)
    assert finding.code == "data-missing"
    assert ("dvc pull" if "gone" in path else "git submodule update --init") in finding.hint


@POSIX
def test_links_of_data_that_an_upload_fails_on_or_sends_from_elsewhere(
    root: Path, tmp_path: Path
) -> None:
    outside = write(tmp_path, "elsewhere/big.bin", "1")
    data = root / "data/d"
    (data / "near").symlink_to("a.txt")
    (data / "beside").symlink_to("../../src")
    assert check(root) == []
    folder_reader.read.cache_clear()
    (data / "out").symlink_to(outside)
    (data / "broken").symlink_to("gone")
    (data / "self").symlink_to(".")
    assert found(check(root)) == [
        ("warning", "link-cyclic", DATA), ("warning", "link-broken", DATA),
        ("info", "link-leads-out", DATA),
    ]  # fmt: skip


@POSIX
def test_entries_that_an_upload_waits_for_are_named(root: Path) -> None:
    os.mkfifo(root / "src/x/pipe")
    os.mkfifo(root / "data/d/pipe")
    assert found(check(root)) == [
        ("warning", "file-not-regular", "data/d/pipe:1:1"),
        ("warning", "file-not-regular", "src/x/pipe:1:1"),
    ]
    write(root, "src/x/.amlignore", "pipe\n")
    write(root, "data/d/.amlignore", "pipe\n")
    assert check(root) == []


@LINUX
def test_names_that_the_storage_or_windows_cannot_have(root: Path) -> None:
    for name in (b"caf\xe9", b"dot.", b"new\nline", b"con.txt", b"a:b", b"Same", b"same"):
        Path(os.fsdecode(os.path.join(os.fsencode(root / "src/x"), name))).write_bytes(b"1")
    findings = check(root)
    refused = [one for one in findings if one.code == "name-refused-by-storage"]
    assert [os.fsencode(one.position.file) for one in refused] == [
        b"src/x/caf\xe9", b"src/x/dot.", b"src/x/new\nline"
    ]  # fmt: skip
    portable = [one for one in findings if one.code == "name-not-portable"]
    assert [one.severity.value for one in portable] == ["info", "info"]
    assert "src/x/Same and src/x/same" in "".join(one.message for one in portable)
    assert all("\n" not in str(one) and str(one).isprintable() for one in findings)


SHELL = "#!/bin/sh\r\necho 1\r\n"


@POSIX
@pytest.mark.parametrize(
    ("command", "text", "mode", "code"),
    [
        ("./run.sh", SHELL, 0o755, "script-crlf"),
        ("bash run.sh", SHELL, 0o644, "script-crlf"),
        ("cd . && bash -e run.sh", "python train.py\r\nx\r\n", 0o644, "script-crlf"),
        ("source run.sh && python train.py", SHELL, 0o644, "script-crlf"),
        ("./run.sh", SHELL.replace("\r", ""), 0o644, "script-not-executable"),
        ("A=1 ./run.sh", "#!/usr/bin/env python\n", 0o644, "script-not-executable"),
        ("exec ./run.sh", SHELL.replace("\r", ""), 0o644, "script-not-executable"),
        ("./run.sh", SHELL.replace("\r", ""), 0o755, ""),
        ("bash run.sh", SHELL.replace("\r", ""), 0o644, ""),
        ("python run.sh", "import sys\r\nprint(1)\r\n", 0o644, ""),
        ("chmod +x run.sh && ./run.sh", SHELL.replace("\r", ""), 0o644, ""),
    ],
)
def test_script_that_linux_does_not_start(
    root: Path, command: str, text: str, mode: int, code: str
) -> None:
    write(root, "src/x/run.sh", text, mode)
    assert [one.code for one in check(root, command)] == ([code] if code else [])


@POSIX
def test_script_without_the_executable_bit_blocks_no_submission(root: Path) -> None:
    write(root, "src/x/tools/start", "#!/bin/sh\n", 0o644)
    findings = check(root, "tools/start")
    assert found(findings) == [("warning", "script-not-executable", f"{NAME}:1:10")]
    assert not blocks_submission(findings)


def test_large_folder_is_checked_within_its_limit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_reader, "MOST_ENTRIES", 100)
    for number in range(300):
        write(root, f"data/d/{number}", "1")
    assert check(root) == []
