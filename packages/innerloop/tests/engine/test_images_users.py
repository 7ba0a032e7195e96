"""A run's container for a person whom the image does not know, and for images of every kind."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Answer, Workspace, make_workspace, remove_behind

pytestmark = [pytest.mark.docker, pytest.mark.person]

PERSON = 4321
SOCKET = Path("/var/run/docker.sock")
WHO = """
import getpass, grp, json, os, pathlib, pwd
entry = pwd.getpwuid(os.getuid())
home = pathlib.Path.home()
(home / ".cache").mkdir(exist_ok=True)
print(json.dumps({
    "uid": os.getuid(), "name": getpass.getuser(), "passwd": entry.pw_name, "home": str(home),
    "group": grp.getgrgid(os.getgid()).gr_gid, "groups": sorted(os.getgroups()),
    "on_path": f"{home}/.local/bin" in os.environ["PATH"].split(":"),
}))
"""
DOCKERFILE = "FROM python:3.11-slim-bookworm\n"


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="innerloop-cache-"))
    os.chown(folder, PERSON, PERSON)
    yield folder
    remove_behind(folder)


@pytest.fixture
def theirs(cache: Path) -> Iterator[Workspace]:
    home = Path(tempfile.mkdtemp(prefix="innerloop-person-"))
    made = make_workspace(home / "work", share_scripts=False, copy_source=True)
    made.env = {
        "HOME": str(home), "INNERLOOP_CACHE": str(cache), "PATH": "/usr/local/bin:/usr/bin:/bin",
    }  # fmt: skip
    made.add("tiny", WHO)
    yield made
    made.clean()
    remove_behind(home)


def loop(theirs: Workspace, *words: str, groups: str = "") -> Answer:
    for path in (theirs.root.parent, *theirs.root.parent.rglob("*")):
        os.chown(path, PERSON, PERSON, follow_symlinks=False)
    number = str(SOCKET.stat().st_gid)
    become = [
        "setpriv",
        f"--reuid={PERSON}",
        f"--regid={PERSON}",
        f"--groups={PERSON},{number}{groups}",
    ]
    return theirs.loop(*words, prefix=become)


def dockerfile(theirs: Workspace, text: str) -> None:
    theirs.write("src/tiny/environment/Dockerfile", text)


def test_run_unknown_uid_has_name_home_path_and_groups(theirs: Workspace) -> None:
    for words in (("run", "tiny"), ("terminal", "tiny", "--", "python", "train.py")):
        answer = loop(theirs, *words, "--backend", "docker", groups=",7777")
        assert answer.code == 0, answer.err
        told = json.loads(answer.out.splitlines()[-1])
        assert (told["uid"], told["name"], told["home"]) == (PERSON, "dev", "/tmp")
        assert told["passwd"] == "dev" and told["on_path"] and 7777 in told["groups"]


def test_run_console_script_of_the_persons_own_package_is_found(theirs: Workspace) -> None:
    theirs.write("src/tiny/setup.py", SETUP)
    theirs.write("src/tiny/fit_line.py", "def main():\n    print('fitted')\n")
    command = "pip install --no-build-isolation --no-deps --quiet . && fit-line"
    theirs.write(
        "src/tiny/azure-ml-job.yaml",
        f"command: {command}\ncode: .\nenvironment: {{build: {{path: ./environment}}}}\n",
    )
    answer = loop(theirs, "run", "tiny", "--backend", "docker")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == "fitted"


@pytest.mark.parametrize(
    ("lines", "name", "home"),
    [
        ('ENTRYPOINT ["python"]\n', "dev", "/tmp"),
        ('ENTRYPOINT ["/bin/false"]\nCMD ["x"]\n', "dev", "/tmp"),
        ('SHELL ["/bin/false", "-c"]\nENTRYPOINT x\n', "dev", "/tmp"),
        ("ENV HOME=/root\n", "dev", "/tmp"),
        ("RUN echo dev:x:1:1::/:/bin/sh >> /etc/passwd\n", "dev2", "/tmp"),
        (f"RUN useradd --uid {PERSON} --create-home app\n", "app", "/home/app"),
        (f"RUN useradd --uid {PERSON} app\n", "app", "/tmp"),
        ("RUN mkdir -m 777 /work\nENV HOME=/work USER=me\nUSER nobody\n", "me", "/work"),
    ],
)
def test_run_image_of_any_kind_starts_the_jobs_command(
    theirs: Workspace, lines: str, name: str, home: str
) -> None:
    dockerfile(theirs, DOCKERFILE + lines)
    answer = loop(theirs, "run", "tiny", "--backend", "docker")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out.splitlines()[-1])
    assert (told["uid"], told["name"], told["home"]) == (PERSON, name, home)


def test_run_of_several_processes_knows_the_person(theirs: Workspace) -> None:
    theirs.write(
        "src/tiny/azure-ml-job.yaml",
        "command: python train.py\ncode: .\nenvironment: {build: {path: ./environment}}\n"
        "distribution: {type: pytorch, process_count_per_instance: 2}\n",
    )
    answer = loop(theirs, "run", "tiny", "--backend", "docker")
    assert answer.code == 0, answer.err
    told = [json.loads(line.split("] ", 1)[1]) for line in answer.out.splitlines()]
    assert [one["name"] for one in told] == ["dev", "dev"]
    assert all(one["on_path"] and one["home"] == "/tmp" for one in told)


def test_run_user_option_is_not_given_the_persons_files(theirs: Workspace) -> None:
    theirs.write("src/tiny/train.py", "open('/etc/passwd', 'a').close()\n")
    theirs.write(
        "src/tiny/azure-ml-job.yaml",
        "command: python train.py\ncode: .\nenvironment: {build: {path: ./environment}}\n"
        "resources: {docker_args: --user root}\n",
    )
    assert loop(theirs, "run", "tiny", "--backend", "docker").code == 0


SETUP = """
from setuptools import setup
setup(name="fit-line", version="1", py_modules=["fit_line"],
      entry_points={"console_scripts": ["fit-line = fit_line:main"]})
"""
