"""`check` over YAML files of all kinds: findings at their places, whatever the file is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.cli import main
from innerloop.model.lint.deploy_rules import check_folder
from innerloop.model.lint.finding import Finding
from innerloop.model.lint.job_file import read_and_check
from tests.model.yaml_shapes import KINDS, texts, with_other_values

JOB, BESIDE, DEPLOY = "src/a/job.yaml", "src/a/beside.yaml", "src/a/deploy"
# Jobs that read the file beside them in each way there is.
READERS = (
    "type: pipeline\njobs: {a: {type: command, component: ./beside.yaml, inputs: {epochs: 2}}}\n",
    "type: sweep\ntrial: ./beside.yaml\nsearch_space: {epochs: {type: choice, values: [1]}}\n",
    "command: python train.py\ncode: .\nenvironment: {image: python, conda_file: beside.yaml}\n",
    "command: python train.py\ncode: .\nenvironment: beside.yaml\n",
)
FOLLOWED = ("command", "sweep", "pipeline")


class Tree:
    """Files in memory."""

    def __init__(self, **beside: str) -> None:
        self.files = {"src/a/train.py": "", "src/a/environment/Dockerfile": "FROM python\n"}
        self.files |= {f"{DEPLOY}/sample.json": "{}", **beside}

    def exists(self, path: str) -> bool:
        return path in self.files or self.is_dir(path)

    def is_dir(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self.files)

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def links(self, folder: str) -> list[tuple[str, str]]:
        return []


def require_places(findings: list[Finding], text: str, file: str) -> None:
    """Each finding is one line, and names a line that the file has."""
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 1
    for finding in findings:
        assert re.match(
            r"[^:\n]+:\d+:\d+(-\d+)?: (error|warning|info): [^\n]+ \[[a-z-]+\]$", str(finding)
        )
        assert finding.position.file != file or finding.position.line <= lines


def test_there_are_shapes_enough() -> None:
    shapes = {text for whole, _ in KINDS.values() for _, text in texts(whole)}
    assert len(KINDS) > 90 and len(shapes) > 1500


@pytest.mark.parametrize("kind", KINDS)
def test_check_text_of_any_shape_has_findings_at_places(kind: str) -> None:
    whole, codes = KINDS[kind]
    for _, text in texts(whole):
        require_places(read_and_check(text, JOB, Tree())[1], text, JOB)
    if codes is not None:
        assert {finding.code for finding in read_and_check(whole, JOB, Tree())[1]} == set(codes)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_check_text_with_any_value_at_any_key_has_findings_at_places(kind: str) -> None:
    for text in with_other_values(KINDS[kind][0]):
        require_places(read_and_check(text, JOB, Tree())[1], text, JOB)


@pytest.mark.parametrize("reader", READERS)
def test_check_text_with_any_shape_beside_the_job_has_findings_at_places(reader: str) -> None:
    for text in beside():
        found = read_and_check(reader, JOB, Tree(**{BESIDE: text}))[1]
        require_places(found, reader, JOB)
        require_places(found, text, BESIDE)


def beside() -> Iterator[str]:
    for whole, _ in KINDS.values():
        yield whole
    for kind in ("component", "conda", "environment"):
        yield from with_other_values(KINDS[kind][0])


def test_check_folder_of_any_shape_has_findings_at_places() -> None:
    names = ["deployment.yaml", "endpoint.yaml", "sample.json"]
    for deployment, endpoint in deploy_folders():
        written = {"deployment": deployment, "endpoint": endpoint}
        tree = Tree(**{f"{DEPLOY}/{name}.yaml": text for name, text in written.items()})
        found = check_folder(DEPLOY, names, "src/a/environment", tree)
        for name, text in written.items():
            require_places(found, text, f"{DEPLOY}/{name}.yaml")


def deploy_folders() -> Iterator[tuple[str, str]]:
    deployment, endpoint = KINDS["deployment"][0], KINDS["endpoint"][0]
    for whole, _ in KINDS.values():
        yield whole, endpoint
        yield deployment, whole
    yield from ((text, endpoint) for text in with_other_values(deployment))
    yield from ((deployment, text) for text in with_other_values(endpoint))


# Files as bytes, and the exit code of `check`.
BYTES = {
    "a byte order mark": (b"\xef\xbb\xbfcommand: echo ok\nenvironment: {image: python}\n", 0),
    "carriage returns": (b"command: echo ok\r\nenvironment: {image: python}\r\n", 0),
    "latin 1": (b"command: echo caf\xe9\n", 1),
    "a cut letter": (b"command: echo caf\xc3", 1),
    "utf-16": ("command: echo ok\n".encode("utf-16"), 1),
    "utf-32": ("command: echo ok\n".encode("utf-32-le"), 1),
    "zeros": (b"\0" * 5000, 1),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1),
    "a surrogate": (b"command: echo \xed\xa0\x80\n", 1),
    "an archive": (b"PK\x03\x04\x14\0\0\0", 1),
    "only a mark": (b"\xef\xbb\xbf", 1),
    "long": (b"command: echo ok\n" + b"# " + b"x" * 3_000_000, 1),
    "nothing": (b"", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_check_of_any_bytes_ends_with_lines_that_name_the_file(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content, expected = BYTES[name]
    (tmp_path / "pyproject.toml").write_text("[tool.innerloop]\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/loop").write_text("")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/job.yaml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / "scripts/loop")])
    code = main.main(["check", "jobs/job.yaml"])
    out, err = capfd.readouterr()
    assert code == expected, out + err
    assert "Traceback" not in out + err
    assert code == 0 or re.search(r"jobs/job\.yaml(:\d+|\b)", out + err), out + err
