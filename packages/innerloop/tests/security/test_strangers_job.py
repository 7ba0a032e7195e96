"""What a stranger's job gets of this machine is said before its first run, and asked at a terminal."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from innerloop.util.cache_folder import cache_folder
from tests.support import Workspace

JOB = "command: cat ${{inputs.notes}}\ncode: .\nenvironment: {image: python:3.11-slim-bookworm}\n"
SAID = "gets more of this machine than its workspace"


@pytest.fixture
def hostile(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A job that reads a file outside of its workspace."""
    (tmp_path / "private.txt").write_text("private\n")
    (tmp_path / "cache").mkdir()
    for entry in cache_folder().iterdir():  # the environments that exist, but no answer
        if entry.name != "consent":
            (tmp_path / "cache" / entry.name).symlink_to(entry)
    workspace.env["INNERLOOP_CACHE"] = str(tmp_path / "cache")
    job = f"{JOB}inputs: {{notes: {{type: uri_file, path: {tmp_path}/private.txt}}}}\n"
    workspace.write("jobs/a/job.yml", job)
    return workspace


def answers(path: Path) -> list[Path]:
    folder = path / "cache" / "consent"
    return list(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo terminal")
def test_person_is_asked_once_and_again_after_a_change(hostile: Workspace, tmp_path: Path) -> None:
    from tests.support_terminal import Terminal

    def run(answer: str) -> tuple[int, str]:
        loop = str(hostile.root / "scripts" / "loop")
        words = [loop, "run", "jobs/a/job.yml", "--backend", "venv"]
        terminal = Terminal(words, hostile.root, {**hostile.env, "CI": ""})
        if answer:
            terminal.wait_for("[y/N]")
            terminal.type(answer)
        code = terminal.end()
        return code, terminal.text

    code, text = run("n\n")
    assert code == 1 and "[not-trusted]" in text and "private\r" not in text
    assert answers(tmp_path) == []
    assert not (hostile.root / "outputs").exists()
    code, text = run("y\n")
    assert code == 0 and "private" in text
    (answer,) = answers(tmp_path)
    assert answer.stat().st_mode & 0o077 == 0
    code, text = run("")
    assert code == 0 and SAID not in text
    (tmp_path / "other.txt").write_text("other\n")
    path = hostile.root / "jobs/a/job.yml"
    path.write_text(path.read_text().replace("private.txt", "other.txt"))
    code, text = run("\n")
    assert code == 1 and "[not-trusted]" in text


def test_without_a_terminal_it_is_said_and_goes_on(hostile: Workspace, tmp_path: Path) -> None:
    answer = hostile.loop("run", "jobs/a/job.yml", "--backend", "venv")
    assert answer.code == 0 and answer.out == "private\n"
    assert SAID in answer.err
    assert re.search(rf"jobs/a/job.yml:4:\d+: it reads {tmp_path}/private.txt", answer.err)
    assert answers(tmp_path) == []
    hostile.loop("run", "jobs/a/job.yml", "--backend", "venv", "--trust")
    assert SAID not in hostile.loop("run", "jobs/a/job.yml", "--backend", "venv").err


def test_links_in_the_workspace_are_followed_to_their_end(
    hostile: Workspace, tmp_path: Path
) -> None:
    (hostile.root / "jobs/a/near.txt").symlink_to(tmp_path / "private.txt")
    job = f"{JOB}inputs: {{notes: {{type: uri_file, path: near.txt}}}}\n"
    hostile.write("jobs/a/job.yml", job)
    answer = hostile.loop("run", "jobs/a/job.yml", "--backend", "venv", "--dry-run", "--json")
    notes = json.loads(answer.out)["notes"]
    assert any(f"it reads {tmp_path}/private.txt" in note for note in notes)


def test_setting_makes_no_folder_outside_before_it_is_said(
    hostile: Workspace, tmp_path: Path
) -> None:
    hostile.write("jobs/a/job.yml", f"{JOB}inputs: {{notes: {{type: uri_folder, path: x}}}}\n")
    folder = tmp_path / "outside"
    hostile.write(
        "jobs/a/innerloop.toml", f'[data.notes]\npath = "{folder.as_posix()}"\ncreate = true\n'
    )
    answer = hostile.loop("run", "jobs/a/job.yml", "--backend", "venv", "--dry-run")
    assert f"it reads and writes {folder}" in answer.out and not folder.exists()
    real = hostile.loop("run", "jobs/a/job.yml", "--backend", "venv")
    assert real.code == 1 and "[outside-workspace]" in real.err and not folder.exists()


def test_ordinary_job_is_asked_nothing(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n")
    answer = workspace.loop("run", "line", "--dry-run")
    assert answer.code == 0 and "beyond the workspace" not in answer.out


@pytest.mark.docker
def test_options_of_the_job_are_said_and_those_of_the_person_are_not(workspace: Workspace) -> None:
    workspace.write(
        "jobs/a/job.yml",
        "command: echo ran\ncode: .\nenvironment: {image: python:3.11-slim-bookworm}\n"
        "resources:\n  shm_size: 1g\n  docker_args: --ipc=host -v /etc:/h:ro --privileged=false\n",
    )
    answer = workspace.loop(
        "run", "jobs/a/job.yml", "--backend", "docker", "--docker-option=--volume=/usr:/u"
    )
    assert (answer.code, answer.out) == (0, "ran\n"), answer.err
    for clause in ("shares this machine's ipc [(]--ipc=host", "mounts /etc for reading"):
        assert re.search(rf"jobs/a/job.yml:6:\d+: it {clause}", answer.err)
    assert "/usr" not in answer.err and "privileged:" not in answer.err
    assert answer.err.count("it mounts") == 1


@pytest.mark.docker
def test_code_that_is_the_whole_disk_is_said(workspace: Workspace) -> None:
    workspace.write(
        "jobs/a/job.yml", "command: ls\ncode: /\nenvironment: {image: python:3.11-slim-bookworm}\n"
    )
    answer = workspace.loop("run", "jobs/a/job.yml", "--backend", "docker", "--dry-run")
    assert re.search(r"jobs/a/job.yml:2:\d+: it reads and writes /\n", answer.out)


def test_dev_container_is_asked_before_the_engine(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n")
    workspace.loop("sync")
    path = workspace.root / ".devcontainer/line/devcontainer.json"
    text = path.read_text().replace(
        '"build": {', '"initializeCommand": "touch stolen",\n  "build": {'
    )
    path.write_text(text)
    answer = workspace.loop("up", "line", env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert "it runs a command on this machine, before it starts: touch stolen" in answer.err
    assert answer.code == 1 and not (workspace.root / "stolen").exists()
