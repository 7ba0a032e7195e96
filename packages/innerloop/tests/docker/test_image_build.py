"""What a person reads when an image does not build: the step's own words, and where it stands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from innerloop.docker.image_build import BuildLog, failure, follow
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.settings.settings import Settings

TEXT = "FROM python:3.11\nRUN true\nRUN pip install \\\n    nothing-of-that-name\n"
EXPERIMENT = Experiment("line", parse(TEXT, "src/line/environment/Dockerfile"), Settings())

OLDER = [
    "Step 1/3 : FROM python:3.11",
    "Step 2/3 : RUN true",
    "Step 3/3 : RUN pip install     nothing-of-that-name",
    " ---> Running in 0123",
    "ERROR: No matching distribution found for nothing-of-that-name",
    "The command '/bin/sh -c pip install     nothing-of-that-name' returned a non-zero code: 1",
]
BUILDKIT = [
    "#5 [2/3] RUN true",
    "#6 [3/3] RUN pip install     nothing-of-that-name",
    "#6 1.234 ERROR: No matching distribution found for nothing-of-that-name",
    "Dockerfile:3",
    "ERROR: failed to solve: process ... did not complete successfully: exit code: 1",
]


ONCE = """import pathlib, sys
turns = pathlib.Path(sys.argv[1])
turns.write_text(turns.read_text() + "." if turns.exists() else ".")
if len(turns.read_text()) < int(sys.argv[2]):
    sys.exit("failed to get digest sha256:0123: open /var/lib/docker/0123: no such file" if len(sys.argv) == 3 else "broken")
print("built")
"""


@pytest.mark.parametrize(
    ("words", "code", "turns"),
    [(["2"], 0, 2), (["1"], 0, 1), (["9"], 1, 2), (["2", "another reason"], 1, 1)],
)
def test_a_layer_that_went_away_meanwhile_is_asked_for_once_more(
    tmp_path: Path, words: list[str], code: int, turns: int
) -> None:
    """A program that ends as the older builder does, until its second or ninth turn."""
    argv = [sys.executable, "-c", ONCE, str(tmp_path / "turns"), *words]
    assert follow(argv, BuildLog("line:job"), stdin="", env=os.environ) == code
    assert len((tmp_path / "turns").read_text()) == turns


LABELLED = """Step 1/4 : FROM python:3.11
 ---> f2afabdc69b7
Step 2/4 : LABEL innerloop.digest=abc
 ---> Running in de5b6fb6420c
Removing intermediate container de5b6fb6420c
 ---> d017aaaec5b7
Step 3/4 : LABEL "innerloop.workspace"=/home/ada
 ---> Using cache
Step 4/4 : LABEL maintainer=ada
 ---> Using cache
Successfully built d017aaaec5b7""".splitlines()


def test_log_of_a_build_shows_no_step_that_nobody_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    log = BuildLog("line:job")
    for line in LABELLED:
        log.line(line)
    shown = [line[2:] for line in capsys.readouterr().err.splitlines()[1:]]
    assert shown == [*LABELLED[:2], *LABELLED[8:]]
    assert log.lines == LABELLED


def test_step_in_a_terminal_is_one_line_of_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    log = BuildLog("line:job")
    log._progress.is_live = True
    log.line("Step 2/3 : RUN pip install     --no-cache-dir " + "--require-hashes " * 9)
    log.line("Step 3/3 : ENV A=1")
    long, short = capsys.readouterr().err.splitlines()[1:]
    assert len(long) == 60 and long.startswith("  Step 2/3 : RUN pip install --no-cache-dir --req")
    assert (long[-1], short) == ("…", "  Step 3/3 : ENV A=1")


@pytest.mark.parametrize("lines", [OLDER, BUILDKIT], ids=["older builder", "BuildKit"])
def test_the_step_and_its_line(lines: list[str]) -> None:
    message = failure(EXPERIMENT.dockerfile, lines).message()
    start = "src/line/environment/Dockerfile:4: the image cannot be built: No matching distribution"
    assert message.startswith(start)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("write /x: no space left on device", "The disk is full"),
        ("Cannot connect to the Docker daemon at unix:///x", "The Docker engine has stopped"),
        ("pull access denied for nobody/nothing", "cannot be pulled"),
        (
            "Get https://example.com: dial tcp: lookup example.com: no such host",
            "A download failed",
        ),
    ],
)
def test_what_can_be_known_is_said(line: str, hint: str) -> None:
    assert hint in failure(EXPERIMENT.dockerfile, [*OLDER[:3], line]).message()


def test_a_long_output_is_cut_at_its_beginning() -> None:
    message = failure(EXPERIMENT.dockerfile, [f"line {number}" for number in range(100)]).message()
    assert "line 99" in message
    assert "line 10\n" not in message
