"""Dockerfiles as definition files of Apptainer: what is translated, and what is refused by its line."""

from __future__ import annotations

import re

import pytest

from innerloop.model.dockerfiles.definition import Definition, define, plain_base
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.util.errors import UserError
from innerloop.util.position import Position


def defined(text: str, target: str | None = None) -> Definition:
    return define(parse(text, "environment/Dockerfile"), target)


STAGES = """ARG VERSION=3.11
FROM python:${VERSION} AS builder
RUN pip wheel x
FROM alpine AS unused
RUN false
FROM python:${VERSION}-slim AS job
COPY --from=builder /wheels /more* /opt/
COPY --from=busybox /bin/busybox /bin/
FROM job AS dev
RUN pip install pytest
"""


def test_define_takes_the_stages_that_the_target_needs_and_names_them_in_order() -> None:
    definition = defined(STAGES, "dev")
    assert [(stage.name, stage.base) for stage in definition.stages] == [
        ("s0", "python:3.11"), ("i2", "busybox"), ("s3", "python:3.11-slim"),
    ]  # fmt: skip
    assert definition.stages[1].script == ""
    script = definition.stages[-1].script
    assert script.index("/opt/") < script.index("pip install pytest")


def test_text_has_no_word_of_the_dockerfile_that_a_definition_file_would_read() -> None:
    text = defined('FROM a:1\nRUN echo "{{ x }}" \\\n%post\nENV A={{B}}\n').text()
    assert text.splitlines() == [
        "Bootstrap: docker", "From: a:1", "Stage: s0", "",
        "%files", "    s0 /.innerloop/build", "",
        "%post", "    /bin/sh /.innerloop/build/post.sh",
    ]  # fmt: skip


def test_text_copies_from_stages_into_a_folder_for_each_path() -> None:
    assert re.findall(r'%files from (.*)\n((?: {4}".*\n)+)', defined(STAGES, "job").text()) == [
        ("s0", '    "/wheels" "/.innerloop/from/1/0/"\n    "/more*" "/.innerloop/from/1/1/"\n'),
        ("i2", '    "/bin/busybox" "/.innerloop/from/2/0/"\n'),
    ]


def test_steps_are_named_as_an_engine_names_them() -> None:
    script = defined("FROM a\nLABEL x=y\nENV A=1\nRUN one \\\n  two\n").stages[0].script
    assert re.findall(r"^il_step '(.*)'$", script, re.MULTILINE) == [
        "Step 1/2 : ENV A=1", "Step 2/2 : RUN one two",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ("SHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\nRUN a | b",
         "/bin/bash -eo pipefail -c 'a | b'"),
        ('RUN ["python", "-m", "x y"]', "python -m 'x y'"),
        ("RUN <<EOF\none\ntwo\nEOF", "/bin/sh -c 'one\ntwo\n'"),
        ("RUN python3 <<-EOF\n\tone\n\tEOF", "/bin/sh -c 'python3 <<-EOF\none\nEOF\n'"),
        ("RUN --mount=type=cache,target=/root/.cache x", "il_mount /root/.cache"),
        ("RUN --mount=type=bind,src=a.txt,dst=/tmp/a x", "il_mount /tmp/a copy/1"),
        ("RUN --network=host x", "/bin/sh -c x"),
        ("ENV A=1 B=$A", 'il_1="${A}"'),
        ("ENV A some 'text' $B", "il_0=\"some text ${B}\""),
        ("ARG A=x\nENV A=y\nARG A=z", 'export A="x"'),
        ("WORKDIR /a b", 'mkdir -p -- "/a b" && cd -- "/a b"'),
        ("USER app:app", 'il_user "app:app"'),
        ("COPY a b c/", 'il_copy "c/" 1 "" "" copy/1'),
        ("COPY a c", 'il_copy "c" 0 "" "" copy/1'),
        ("COPY a*.txt c", 'il_copy "c" 1 "" "" copy/1'),
        ('COPY --chown=1:2 --chmod=640 --link ["a b", "/c"]', 'il_copy "/c" 0 "1:2" "640" copy/1'),
        ("ENV D=/x\nCOPY a $D/y", 'il_copy "${D}/y" 0 "" "" copy/1'),
        ("COPY <<EOF /etc/x\nhello\nEOF", 'il_copy "/etc/x" 0 "" "" copy/1'),
    ],
)  # fmt: skip
def test_step_becomes_a_line_of_the_script(step: str, line: str) -> None:
    assert f"\n{line}\n" in defined(f"FROM a\n{step}\n").stages[0].script + "\n"


def test_context_files_are_known_with_variables_texts_and_unpacking() -> None:
    steps = "ARG N=req\nCOPY $N.txt /x/\nADD a.tar.gz /y\nCOPY <<'E' b /z/\n$HOME\nE\n"
    one, two, three = defined(f"FROM a\n{steps}").stages[0].context
    assert (one.sources, one.unpacks, one.line) == (("req.txt",), False, 3)
    assert (two.sources, two.unpacks) == (("a.tar.gz",), True)
    assert (three.sources, three.texts) == (("b",), (("E", "$HOME\n"),))


@pytest.mark.parametrize(
    "step",
    [
        "RUN --mount=type=secret,id=token cat /run/secrets/token",
        "RUN --mount=type=ssh git clone x",
        "RUN --network=none x",
        "RUN --security=insecure x",
        "RUN <<EOF\n#!/usr/bin/env python3\nEOF",
        "ADD https://example.org/x.tar.gz /x",
        "ADD --checksum=sha256:1 https://example.org/x /x",
        "ADD git@example.org:a/b.git /x",
        "COPY --parents a/b /x",
        "COPY --exclude=*.md . /x",
        "COPY $UNKNOWN /x",
        "COPY --from=busybox / /x",
        'COPY --from=busybox /a"b /x',
        "COPY <<E /x\n$HOME\nE",
        "ENV a-b=1",
        "ENV A=${B/x/y}",
        "WORKDIR ${A:=x}",
        "UNHEARD of",
        "FROM scratch",
    ],
)
def test_instruction_without_an_equal_is_refused_at_its_line(step: str) -> None:
    with pytest.raises(UserError) as caught:
        defined(f"FROM a\n\n{step}\n")
    assert caught.value.code == "apptainer-instruction"
    assert caught.value.position == Position("environment/Dockerfile", 3, 1)


def test_base_without_a_value_is_refused_at_its_line() -> None:
    with pytest.raises(UserError) as caught:
        defined("ARG BASE\nFROM $BASE\nRUN x\n")
    assert caught.value.code == "image-invalid"


def test_user_of_steps_is_said() -> None:
    assert defined("FROM a\nUSER root\nRUN x\n").notes == ()
    (note,) = defined("FROM a\nUSER app\nRUN x\n").notes
    assert note.startswith("environment/Dockerfile:2: the steps after USER app run as root")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM a:1\n", "a:1"),
        ("ARG V=2\nFROM a:$V AS x\nLABEL a=b\nCMD x\nFROM x\nWORKDIR /w\nUSER 1\n", "a:2"),
        ("FROM a\nENV A=1\n", ""),
        ("FROM a AS b\nRUN x\nFROM b\n", ""),
        ("FROM a AS b\nONBUILD RUN x\nFROM b\n", ""),
    ],
)
def test_plain_base_is_the_image_that_nothing_changes(text: str, base: str) -> None:
    assert plain_base(parse(text, "Dockerfile"), None) == base
