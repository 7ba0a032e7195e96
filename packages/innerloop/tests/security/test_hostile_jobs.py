"""Names and values of a stranger's job file: refused with a position, and literal in the editor."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from innerloop.cli.main import main
from innerloop.docker import docker_cli
from innerloop.util import process
from innerloop.util.errors import UserError

DOCKERFILE = "FROM python:3.11-slim\n"
HEAD = "command: python train.py\ncode: .\nenvironment: {build: {path: ./environment}}\n"

# (lines of a job file, the code of the finding, its line)
REFUSED = [
    ("services: {web: {type: x, port: 99999}}", "number-out-of-range", 4),
    ("services: {web: {type: x, port: -1}}", "number-out-of-range", 4),
    ("services: {web: {type: x, port: 0}}", "number-out-of-range", 4),
    ("services:\n  web:\n    port: true", "not-a-number", 6),
    ("services:\n  web:\n    port: 80.5", "not-a-number", 6),
    ("services:\n  web:\n    port: .nan", "not-a-number", 6),
    ("services:\n  web:\n    port: [1]", "not-a-number", 6),
    ("services: {a: {port: 7000}, b: {port: 7000}}", "port-duplicate", 4),
    ("services: {a: 3}", "not-a-mapping", 4),
    ('environment_variables:\n  "": x', "name-unusable", 5),
    ('environment_variables:\n  "a=b": x', "name-unusable", 5),
    ('environment_variables:\n  "a b": x', "name-unusable", 5),
    ('environment_variables:\n  "a\\tb": x', "name-unusable", 5),
    ('environment_variables:\n  "a\\0b": x', "text-unusable", 5),
    ('environment_variables:\n  A: "x\\0"', "text-unusable", 5),
    (f"environment_variables:\n  A: {'x' * 140_000}", "argument-too-long", 5),
    (f"inputs:\n  a: {'x' * 140_000}", "argument-too-long", 5),
    ('inputs:\n  "a=b": 1', "name-unusable", 5),
    ('inputs:\n  "": 1', "name-unusable", 5),
    ('inputs:\n  "../a": {type: uri_folder, path: ./environment}', "name-unusable", 5),
    ('inputs:\n  "..": {type: uri_folder, path: ./environment}', "name-unusable", 5),
    (f"inputs:\n  a:\n    path: {'x' * 300}", "name-unusable", 6),
    ('outputs:\n  "../x":', "name-unusable", 5),
    ('outputs:\n  "..":', "name-unusable", 5),
    ('outputs:\n  "a/b":', "name-unusable", 5),
    ('outputs:\n  "a\\\\b":', "name-unusable", 5),
    ('outputs:\n  "/etc":', "name-unusable", 5),
    ('outputs:\n  "C:x":', "name-unusable", 5),
    ('outputs:\n  "":', "name-unusable", 5),
    ("outputs:\n  .run:", "name-unusable", 5),
    ("outputs:\n  beside-outputs:", "name-unusable", 5),
    ("outputs:\n  nul:", "name-unusable", 5),
    ("outputs:\n  COM1.txt:", "name-unusable", 5),
    ("outputs:\n  Model:\n  model:", "name-unusable", 6),
    (f"outputs:\n  {'x' * 101}:", "name-unusable", 5),
    ('outputs:\n  "a\\e[31m":', "name-unusable", 5),
    ("resources: {shm_size: nonsense}", "shm-size-invalid", 4),
    ("resources: {shm_size: 99999999999999999999g}", "shm-size-invalid", 4),
    ('resources: {docker_args: "--label \'a"}', "docker-args-invalid", 4),
    ("resources: {docker_args: {a: 1}}", "docker-args-invalid", 4),
    ("limits: {timeout: -1}", "number-out-of-range", 4),
    ("limits: {timeout: 0}", "number-out-of-range", 4),
    ("limits: {timeout: 99999999999999999}", "number-out-of-range", 4),
    (f"limits: {{timeout: {'9' * 400}}}", "not-a-number", 4),
    ("limits: {timeout: .nan}", "not-a-number", 4),
    ("limits: {timeout: .inf}", "not-a-number", 4),
    ("limits: {timeout: --5}", "not-a-number", 4),
    ("distribution: {type: mpi, process_count_per_instance: 1000000000}", "number-out-of-range", 4),
    ("distribution: {type: tensorflow, worker_count: 1000000000}", "number-out-of-range", 4),
    ("environment: {image: --privileged}", "image-invalid", 3),
    ("environment: {image: 'a b'}", "image-invalid", 3),
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path.resolve() / "w"
    for path, text in (
        ("pyproject.toml", ""),
        ("src/line/environment/Dockerfile", DOCKERFILE),
        ("src/line/environment/requirements.txt", ""),
        ("src/line/train.py", "print(1)\n"),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    monkeypatch.setattr(sys, "argv", [str(folder / "scripts" / "loop")])
    monkeypatch.chdir(folder)
    return folder


def write_job(root: Path, text: str) -> None:
    (root / "src/line/azure-ml-job.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("lines", "code", "line"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_no_machine_can_start_is_a_finding_and_ends_a_run(
    lines: str, code: str, line: int, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    head = HEAD if not lines.startswith("environment:") else HEAD[: HEAD.index("environment:")]
    write_job(root, f"{head}{lines}\n")
    assert main(["check", "--json"]) == 1
    findings = [f for f in json.loads(capfd.readouterr().out) if f["code"] == code]
    assert [(f["line"], f["column"] > 0) for f in findings] == [(line, True)]
    if findings[0]["severity"] == "error":
        assert main(["run", "line", "--backend", "venv"]) == 1
        err = capfd.readouterr().err
        assert f"src/line/azure-ml-job.yaml:{line}:" in err
        assert f"[{code}]" in err or "[several]" in err
        assert not (root / "outputs").exists()


def test_a_command_that_is_too_long_is_refused_before_anything_starts(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By itself, and only with its inputs in it."""
    long = "x" * 100_000
    for text in (
        f"command: python train.py {'x' * 131_072}\n",
        f"command: python train.py ${{{{inputs.a}}}} ${{{{inputs.a}}}}\ninputs: {{a: {long}}}\n",
    ):
        write_job(root, f"{text}code: .\nenvironment: {{build: {{path: ./environment}}}}\n")
        assert main(["check"]) == 1
        assert "azure-ml-job.yaml:1:1-8: error: " in capfd.readouterr().out
        for words in (["run", "line"], ["run", "line", "--script", "train.py"]):
            assert main([*words, "--backend", "venv"]) == 1
            assert "131,071" in capfd.readouterr().err


def test_a_step_whose_name_is_a_path_is_refused(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("..", ".run", "a/b", "nul"):
        step = "{command: python train.py, code: ., environment: {build: {path: ./environment}}}"
        write_job(root, f"type: pipeline\njobs:\n  {json.dumps(name)}: {step}\n")
        assert main(["check", "--json"]) == 1
        codes = {finding["code"] for finding in json.loads(capfd.readouterr().out)}
        assert "name-unusable" in codes


def test_what_the_system_does_not_start_is_an_error() -> None:
    for argv in (["true", "x" * 3_000_000], ["true", "a\0b"], ["true", "\ud800"]):
        for start in (process.run, process.run_foreground, process.ChildProcess):
            with pytest.raises(UserError) as caught:
                start(argv)
            assert caught.value.code in ("argument-too-long", "text-unusable")


@pytest.mark.parametrize("name", ["--privileged", "-v", "", "a b", "a\nb"])
def test_an_image_is_never_an_option(name: str) -> None:
    for words in (docker_cli.pull, docker_cli.inspect_image, docker_cli.labels_of):
        with pytest.raises(UserError) as caught:
            words(name)
        assert caught.value.code == "image-invalid"


VARIABLES = (
    "${env:SECRET}", "${command:workbench.action.tasks.runTask}", "${input:command}",
    "${workspaceFolder}", "${config:git.path}", "${localEnv:SECRET}", "${containerEnv:SECRET}",
    "${userHome}", "a${env:SECRET}b", "${x${env:SECRET}}", "${localWorkspaceFolder}",
)  # fmt: skip


def strings_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in strings_of(part)]
    if isinstance(value, list):
        return [text for item in value for text in strings_of(item)]
    return [value] if isinstance(value, str) else []


def generated(root: Path) -> dict[str, Any]:
    files = (".vscode/launch.json", ".vscode/tasks.json", ".devcontainer/line/devcontainer.json")
    return {name: json.loads((root / name).read_text(encoding="utf-8")) for name in files}


def texts_of(root: Path) -> dict[str, list[str]]:
    return {name: strings_of(value) for name, value in generated(root).items()}


@pytest.mark.parametrize("text", VARIABLES)
@pytest.mark.parametrize(
    "lines",
    [
        "environment_variables:\n  A: {}\n",
        "environment_variables:\n  {}: a\n",
        "inputs:\n  a: {}\n",
        "services:\n  {}: {{port: 7777}}\n",
        "resources: {{shm_size: {}}}\n",
        "outputs:\n  {}:\n",
    ],
)
def test_an_editors_variables_are_in_no_generated_file(text: str, lines: str, root: Path) -> None:
    plain = {}
    write_job(root, HEAD)
    assert main(["sync"]) == 0
    plain = {name: {t for t in texts if "${" in t} for name, texts in texts_of(root).items()}
    write_job(root, HEAD + lines.format(json.dumps(text)))
    assert main(["sync"]) == 0
    for name, texts in texts_of(root).items():
        assert {part for part in texts if "${" in part} <= plain[name], name
    # F5 still has a way to start the job: the one that reads the job file itself.
    names = [entry["name"] for entry in generated(root)[".vscode/launch.json"]["configurations"]]
    assert "line: job in its container" in names


@pytest.mark.parametrize("text", VARIABLES)
def test_an_editors_variables_in_a_command_are_in_no_generated_file(text: str, root: Path) -> None:
    for command in (f"python train.py '{text}'", f"python '{text}.py'", f"python -X '{text}' a.py"):
        write_job(root, f"command: {json.dumps(command)}\n" + HEAD.split("\n", 1)[1])
        assert main(["sync"]) == 0
        names = [e["name"] for e in generated(root)[".vscode/launch.json"]["configurations"]]
        assert names == [
            "this experiment",
            "the tests in this file",
            "line: job in its container",
            "the open file",
        ]


def test_a_folder_named_like_a_variable_is_left_out(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_job(root, HEAD)
    assert main(["sync"]) == 0
    before = texts_of(root)
    folder = root / "src" / "${env:SECRET}" / "environment"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    assert main(["sync"]) == 1
    assert "[experiment-name-invalid]" in capfd.readouterr().err
    assert texts_of(root) == before


def test_run_gives_the_text_that_the_editor_would_replace(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_job(root, HEAD + "environment_variables:\n  A: ${env:HOME}\n")
    assert main(["check", "--json"]) in (0, 1)
    codes = {f["code"]: f["severity"] for f in json.loads(capfd.readouterr().out)}
    assert codes["editor-variable"] == "info"
    assert main(["run", "line", "--backend", "venv", "--dry-run", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["env"]["A"] == "${env:HOME}"


@pytest.mark.devcontainer
def test_the_devcontainer_cli_replaces_nothing_of_a_job(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "canary-5b1f")
    write_job(
        root,
        HEAD + 'services: {"${localEnv:SECRET}": {port: 7777}}\n'
        'resources: {shm_size: "${localEnv:SECRET}"}\n'
        "environment_variables: {A: '${localEnv:SECRET}'}\n",
    )
    assert main(["sync"]) == 0
    config = root / ".devcontainer/line/devcontainer.json"
    argv = ["devcontainer", "read-configuration", "--workspace-folder", str(root), "--config"]
    done = subprocess.run([*argv, str(config)], capture_output=True, text=True, timeout=60)
    assert re.search('"configuration"', done.stdout), done.stderr
    assert "canary-5b1f" not in done.stdout
