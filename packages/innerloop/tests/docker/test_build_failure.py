"""Which line of a Dockerfile a failed build is about, and why, in the words of each builder."""

from __future__ import annotations

import re

import pytest

from innerloop.docker.build_failure import explain
from innerloop.docker.image_build import failure
from innerloop.model.dockerfiles.dockerfile import parse, pruned
from innerloop.model.dockerfiles.dockerfile_mounts import BuildMounts, mounted
from innerloop.sync.render.tasks_json import PATTERN

TEXT = """\
# What the job needs.
ARG PYTHON=3.11

FROM python:$PYTHON AS unused
RUN make it

FROM python:$PYTHON AS base
ENV A=1
COPY requirements.txt /tmp/
RUN pip install -r /tmp/requirements.txt
# Programs of the system.
RUN apt-get update \\
    && apt-get install --yes \\
        git \\
        # a comment names nosuch-tool
        nosuch-tool
WORKDIR $A/work

FROM base AS dev
RUN pip install -r /tmp/requirements.txt
USER nosuch
RUN true

FROM base AS job
RUN true
"""
DOCKERFILE = parse(TEXT, "src/line/environment/Dockerfile")
PIP = "ERROR: No matching distribution found for foo==9"
SENT = mounted(pruned(DOCKERFILE, "job"), BuildMounts(("innerloop-ca",), {"A": "/run/secrets/innerloop-ca"}, caches=True))  # fmt: skip
WRONG = "The command '/bin/sh -c x' returned a non-zero code: 1"


def at(line: int) -> str:
    """BuildKit's excerpt for a line of the Dockerfile, which has another number in what it got."""
    wanted = TEXT.splitlines()[line - 1].split()[-1]
    number = next(n for n, text in enumerate(SENT.splitlines(), 1) if text.split()[-1:] == [wanted])
    return f"Dockerfile:{number}"


@pytest.mark.parametrize(
    ("target", "lines", "line", "reason"),
    [
        pytest.param(
            "job",
            ["Step 5/8 : RUN pip install -r /tmp/requirements.txt", " ---> Running in 01", PIP,
             "[notice] A new release of pip is available", "Removing intermediate container 01", WRONG],
            10, "No matching distribution found for foo==9", id="classic-pip",
        ),
        pytest.param(
            "dev",
            ["Step 5/11 : RUN pip install -r /tmp/requirements.txt", " ---> 01",
             "Step 9/11 : RUN pip install -r /tmp/requirements.txt", "ModuleNotFoundError: No module named 'x'",
             WRONG],
            20, "ModuleNotFoundError: No module named 'x'", id="classic-equal-steps-by-number",
        ),
        pytest.param(
            "job",
            ["Step 6/8 : RUN apt-get update     && apt-get install --yes         git         nosuch-tool",
             "Reading package lists...", "E: Unable to locate package nosuch-tool", WRONG],
            16, "Unable to locate package nosuch-tool", id="classic-line-within-a-step",
        ),
        pytest.param(
            "job",
            ["Step 4/8 : COPY requirements.txt /tmp/",
             "COPY failed: file not found in build context: stat requirements.txt: file does not exist"],
            9, "COPY failed: file not found in build context: stat requirements.txt: file does not exist",
            id="classic-copy",
        ),
        pytest.param(
            "job",
            ["Step 2/8 : FROM python:$PYTHON AS base", "pull access denied for python"],
            7, "pull access denied for python", id="classic-base",
        ),
        pytest.param(
            "dev",
            ["Step 10/11 : USER nosuch", "Step 11/11 : RUN true", " ---> Running in 01",
             "Removing intermediate container 01",
             "unable to find user nosuch: no matching entries in passwd file"],
            22, "unable to find user nosuch: no matching entries in passwd file", id="classic-user",
        ),
        pytest.param(
            "job", ["Step 8/8 : RUN true", "hi", "The command 'x' returned a non-zero code: 3"],
            25, "hi (exit code 3)", id="classic-last-words",
        ),
        pytest.param(
            "job", ["Step 8/8 : RUN true", " ---> Running in 01", WRONG],
            25, "the command ended with exit code 1", id="classic-no-words",
        ),
        pytest.param(
            "dev",
            ["#4 [base 3/6] RUN pip install -r /tmp/requirements.txt", "#4 DONE 1.2s",
             "#8 [dev 2/3] RUN pip install -r /tmp/requirements.txt", "#8 0.512 Looking", f"#8 0.9 {PIP}",
             '#8 ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 1',
             "------", " > [dev 2/3] RUN pip install -r /tmp/requirements.txt:", f"0.9 {PIP}", "------",
             'ERROR: failed to solve: process "/bin/sh -c pip" did not complete successfully: exit code: 1'],
            20, "No matching distribution found for foo==9", id="buildkit-equal-steps-by-stage",
        ),
        pytest.param(
            "dev",
            ["#5 [base 4/5] RUN apt-get update", "#6 [dev 2/3] RUN pip install -r /tmp/requirements.txt",
             "#5 0.3 E: Package 'nosuch-tool' has no installation candidate", "#6 CANCELED",
             '#5 ERROR: process "/bin/sh -c x" did not complete successfully: exit code: 100'],
            16, "Package 'nosuch-tool' has no installation candidate", id="buildkit-not-the-last-begun",
        ),
        pytest.param(
            "job",
            ["#2 [internal] load metadata for docker.io/library/python:3.11",
             "#2 ERROR: docker.io/library/python:3.11: not found", "------", "Dockerfile:4",
             "ERROR: failed to solve: docker.io/library/python:3.11: not found"],
            7, "docker.io/library/python:3.11: not found", id="buildkit-base",
        ),
        pytest.param(
            "job",
            ["#5 [base 2/5] COPY requirements.txt /tmp/",
             '#5 ERROR: failed to calculate checksum of ref 1::2: "/requirements.txt": not found'],
            9, 'failed to calculate checksum of ref 1::2: "/requirements.txt": not found', id="buildkit-copy",
        ),
        pytest.param(
            "job",
            ["#7 [base 5/5] WORKDIR /1/work", "#7 ERROR: mkdir /1/work: not a directory"],
            17, "mkdir /1/work: not a directory", id="buildkit-variable-in-its-header",
        ),
        pytest.param(
            "job",
            ["Error: failed to solve: dockerfile parse error on line 3: ENV must have two arguments"],
            24, "ENV must have two arguments", id="buildkit-parse-error-without-the-text",
        ),
        pytest.param(
            "dev",
            ["[1/2] STEP 5/6: RUN pip install -r /tmp/requirements.txt", "[2/2] STEP 1/4: FROM base AS dev",
             "[2/2] STEP 3/4: RUN pip install -r /tmp/requirements.txt", PIP,
             'Error: building at STEP "RUN pip install": while running runtime: exit status 1'],
            20, "No matching distribution found for foo==9", id="podman-equal-steps-by-stage",
        ),
        pytest.param(
            "job",
            ["[1/2] STEP 4/6: COPY requirements.txt /tmp/",
             'Error: building at STEP "COPY requirements.txt /tmp/": copier: stat: "/x": no such file'],
            9, 'copier: stat: "/x": no such file',
            id="podman-copy",
        ),
        pytest.param(
            "dev",
            ["Step 1/12 : ARG _DEV_CONTAINERS_BASE_IMAGE=scratch", "Step 6/12 : COPY requirements.txt /tmp/",
             "Step 7/12 : RUN apt-get update     && apt-get install --yes         git         nosuch-tool",
             "/bin/sh: 1: apt-get: not found", WRONG, "Error: Command failed: docker build -f /tmp/x -t y"],
            12, "/bin/sh: 1: apt-get: not found", id="devcontainer-cli-adds-an-instruction",
        ),
        pytest.param("job", [], 24, "the builder gave no reason", id="nothing"),
    ],
)  # fmt: skip
def test_explain_failed_build_names_line_and_reason(
    target: str, lines: list[str], line: int, reason: str
) -> None:
    found = explain(DOCKERFILE, target, lines)
    assert (found.line, found.reason) == (line, reason)


@pytest.mark.parametrize("line", [7, 9, 25])
def test_explain_maps_buildkits_line_to_the_dockerfile(line: int) -> None:
    lines = ["#5 [base 2/9] RUN something else", at(line), "ERROR: failed to solve: exit code: 1"]
    assert explain(DOCKERFILE, "job", lines, SENT).line == line


def test_failure_is_a_line_of_the_problems_panel() -> None:
    report = (
        f"innerloop: {failure(DOCKERFILE, ['Step 8/8 : RUN true', PIP, WRONG], 'job').report()}"
    )
    match = re.fullmatch(PATTERN["regexp"], report.splitlines()[0])
    assert match is not None
    assert (match[1], match[2]) == ("src/line/environment/Dockerfile", "25")
    assert (
        match[PATTERN["message"]]
        == "the image cannot be built: No matching distribution found for foo==9"
    )
