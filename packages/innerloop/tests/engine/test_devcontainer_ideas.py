"""Experiments with their own ideas of a Dockerfile: each opens, runs and is tested all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.engine import dev
from tests.support import TINY, Workspace

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]

# A stand-in for an image of conda: root alone, its programs in a folder that only ENV PATH names.
CONDA = TINY + (
    "RUN mkdir -p /opt/conda/bin && ln -s /usr/bin/env /opt/conda/bin/conda"
    " && printf '#!/bin/sh\\necho conda\\n' > /opt/conda/bin/which-one"
    " && chmod +x /opt/conda/bin/which-one\nENV PATH=/opt/conda/bin:$PATH\n"
)
USER_SET = TINY + "RUN useradd -m -u 1000 data && useradd -m -u 1001 scientist\nUSER scientist\n"
NUMBER = TINY + "USER 1001\n"
VARIABLE = TINY + "ARG NAME=someone\nRUN useradd -m $NAME\nUSER $NAME\n"
OTHER_STAGE = (
    "FROM python:3.11-slim-bookworm AS runtime\nENV STAGE=runtime\n"
    "FROM runtime AS people\nENV STAGE=people\nFROM runtime AS final\n"
)
NO_BASH = TINY + "RUN rm -f /bin/bash /usr/bin/bash && chsh -s /bin/sh root\n"

IDEAS = {
    "one stage and only root": (TINY, "", "root", ""),
    "a conda base": (CONDA, "", "root", "which-one"),
    "USER is set": (USER_SET, "", "scientist", ""),
    "USER is a number": (NUMBER, "", "root", ""),
    "USER is a variable": (VARIABLE, "", "someone", ""),
    "another dev stage": (OTHER_STAGE, 'dev_stage = "people"\n', "root", "printenv STAGE"),
    "no bash": (NO_BASH, "", "root", ""),
}
SAYS = {"a conda base": "conda", "another dev stage": "people"}


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    yield workspace
    dev.clean(workspace)


@pytest.mark.parametrize("idea", IDEAS)
def test_it_opens_and_works(opened: Workspace, idea: str) -> None:
    """The container opens and works for root in a workspace that root owns.

    Root on the host is root in the container here; tests/docker/test_devcontainer_users.py has
    other users.
    """
    text, toml, user, ask = IDEAS[idea]
    opened.add("tiny", "print('trained')", dockerfile=text, toml=toml)
    assert opened.loop("sync").code == 0
    told = dev.up(opened)
    assert told["user"] == user
    ran = opened.loop("exec", "--", "python3", "train.py", cwd=opened.root / "src/tiny")
    assert (ran.code, ran.out) == (0, "trained\n"), ran.err
    run = opened.loop("run", "tiny", "--backend", "docker")
    assert (run.code, run.out) == (0, "trained\n"), run.err
    made = opened.loop("exec", "tiny", "--", "sh", "-c", 'touch made "$XDG_CACHE_HOME/made" ~/made')
    assert made.code == 0, made.err
    assert (opened.root / "src/tiny/made").stat().st_uid == os.getuid()
    if ask:
        said = opened.loop("exec", "tiny", "--", *ask.split())
        assert said.out.strip() == SAYS[idea], said.err
    reopened = dev.bare(opened, "up")
    assert reopened.code == 0 and told["container"] in reopened.out, reopened.err


def test_a_plain_reopen_in_container_works_without_bash_too(opened: Workspace) -> None:
    opened.add("tiny", "print('trained')", dockerfile=NO_BASH)
    assert opened.loop("sync").code == 0
    assert dev.bare(opened, "up").code == 0
    assert dev.bare(opened, "exec", "python3", "src/tiny/train.py").out == "trained\n"
    assert opened.loop("exec", "tiny", "--", "sh", "-c", "exit 3").code == 3
