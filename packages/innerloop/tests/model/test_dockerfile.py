"""Reading a Dockerfile: stages, users, and the stages that a target is made of."""

from __future__ import annotations

import pytest

from innerloop.model.dockerfiles.dockerfile import parse, pruned
from innerloop.util.errors import UserError

THREE = """# syntax is not ours
ARG VERSION=3.11

FROM python:${VERSION}-slim AS base
RUN pip install \\
    # a comment in the middle
    numpy

FROM base AS dev
RUN useradd dev
USER dev

FROM base AS job
"""


def test_stages_users_and_images() -> None:
    file = parse(THREE, "Dockerfile")
    assert [stage.name for stage in file.stages] == ["base", "dev", "job"]
    assert [stage.line for stage in file.stages] == [4, 9, 13]
    assert [file.user_of(stage) for stage in file.stages] == ["", "dev", ""]
    assert file.image_of(file.last) == "python:3.11-slim"
    assert file.stage("DEV") == file.stages[1]
    assert file.stage("test") is None


@pytest.mark.parametrize(
    ("text", "base", "name", "user"),
    [
        ("FROM ubuntu\n", "ubuntu", "", ""),
        ("from ubuntu as x\nuser 1000:1000\n", "ubuntu", "x", "1000:1000"),
        ("FROM --platform=linux/amd64 ubuntu AS x\n", "ubuntu", "x", ""),
        ("ARG A\nFROM ${A:-debian}\n", "debian", "", ""),
        ('ARG A="debian"\nFROM $A\nUSER a\nUSER b', "debian", "", "b"),
        ("# escape=`\nFROM x\nRUN a `\n  USER\nUSER c\n", "x", "", "c"),
        ("FROM x\nRUN <<EOF\nUSER no\nEOF\nUSER yes\n", "x", "", "yes"),
        ("FROM x\r\nUSER me\r\n", "x", "", "me"),
    ],
)
def test_forms_of_one_stage(text: str, base: str, name: str, user: str) -> None:
    stage = parse(text, "Dockerfile").last
    assert (stage.base, stage.name, stage.user) == (base, name, user)


def test_a_user_is_that_of_the_stage_below() -> None:
    file = parse("FROM x AS a\nUSER me\nFROM a\nRUN true\n", "Dockerfile")
    assert file.user_of(file.last) == "me"


def test_only_the_stages_that_the_target_is_made_of_are_kept() -> None:
    file = parse(THREE, "Dockerfile")
    assert pruned(file, None) == THREE.replace(
        "FROM base AS dev\nRUN useradd dev\nUSER dev\n\n", ""
    ).replace("numpy\n\n", "numpy\n")
    assert "FROM base AS job" not in pruned(file, "dev")
    assert "ARG VERSION=3.11" in pruned(file, "dev")


def test_a_stage_that_is_copied_from_is_kept() -> None:
    text = "FROM x AS build\nFROM y AS unused\nFROM z AS last\nCOPY --from=build /a /a\nCOPY --from=1 /b /b\n"
    assert pruned(parse(text, "Dockerfile"), None) == text
    assert "unused" not in pruned(parse(text.replace("COPY --from=1 /b /b\n", ""), "D"), None)


def test_wrong_ones() -> None:
    with pytest.raises(UserError, match="Dockerfile:1:1: the Dockerfile has no FROM"):
        parse("RUN true\n", "Dockerfile")
    with pytest.raises(UserError, match="Dockerfile:2:1: FROM is invalid"):
        parse("# hi\nFROM a b c d\n", "Dockerfile")
    with pytest.raises(UserError, match='no stage "test". It has: base, dev, job'):
        pruned(parse(THREE, "Dockerfile"), "test")
