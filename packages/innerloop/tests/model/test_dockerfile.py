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


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ('FROM a AS base\nRUN read x <<< "yes"\nFROM base AS dev\n', ["base", "dev"]),
        ("FROM a AS base\nRUN python -c 'print(1 << 20)'\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS base\nRUN echo $((1<<20))\nFROM base AS dev\n", ["base", "dev"]),
        ('FROM a AS base\nRUN echo "<<EOF"\nFROM base AS dev\n', ["base", "dev"]),
        ("FROM a AS base\nENV X=<<EOF\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS base\nRUN <<E\nFROM b\nE\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS base\nRUN <<-E\n\tFROM b\n\tE\nFROM base AS dev\n", ["base", "dev"]),
        (
            "FROM a AS base\nCOPY <<A <<'B' /x/\nFROM b\nA\nFROM c\nB\nFROM base AS dev\n",
            ["base", "dev"],
        ),
        ("FROM a AS base\nRUN x \\\n\n # c\n FROM\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS base\nRUN x \\\\\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS base\nRUN echo a\u2028FROM b\nFROM base AS dev\n", ["base", "dev"]),
        ("FROM a AS ba\\\nse\nFROM base AS dev\n", ["base", "dev"]),
        ("\ufeffFROM a AS base\r\nFROM base AS dev\r\n", ["base", "dev"]),
        (
            "# check=skip=all\n# escape=`\nFROM a AS base\nRUN x `\n y\\\nFROM base AS dev\n",
            ["base", "dev"],
        ),
        ("\n# escape=`\nFROM a AS base\nRUN x `\nFROM base AS dev\n", ["base", "dev"]),
    ],
)
def test_parse_any_grammar_keeps_every_stage(text: str, stages: list[str]) -> None:
    assert [stage.name for stage in parse(text, "Dockerfile").stages] == stages


@pytest.mark.parametrize(
    ("head", "base", "expected"),
    [
        ("ARG A=1 B=2", "python:$A.$B", "python:1.2"),
        ("ARG A=3.11\nARG TAG=${A}-slim", "python:$TAG", "python:3.11-slim"),
        ("ARG A='3.11'", '"python:${A}"', "python:3.11"),
        ("ARG A", "python:${A:-3}${A-.1}${A:+x}", "python:3.1"),
        ("ARG A=3.11.2-slim", "python:${A%%-*}", "python:3.11.2"),
        ("ARG A=3.11.2-slim", "python:${A#*.}", "python:11.2-slim"),
        ("ARG A=x/y", "${A//x/z}", "z/y"),
        ("ARG A=${B:-${C:-deep}}", "$A", "deep"),
        ("arg a=python", "${a}", "python"),
    ],
)
def test_from_arguments_are_substituted_as_docker_does(head: str, base: str, expected: str) -> None:
    assert parse(f"{head}\nFROM {base}\n", "Dockerfile").last.base == expected


def test_from_of_a_platform_stage_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innerloop.util.processor.machine", lambda: "aarch64")
    text = "FROM a AS base-amd64\nFROM b AS base-arm64\nFROM base-$TARGETARCH\n"
    file = parse(text, "Dockerfile")
    assert file.image_of(file.last) == "b"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("FROM x\nARG U=dev\nUSER $U\n", "dev"),
        ("ARG U=dev\nFROM x\nARG U\nUSER ${U}\n", "dev"),
        ("ARG U=dev\nFROM x\nUSER ${U:-me}\n", "me"),
        ("FROM x AS a\nENV U=dev\nFROM a\nUSER $U:$U\n", "dev:dev"),
        ("FROM x AS a\nARG U=dev\nFROM a\nUSER ${U:-me}\n", "dev"),
        ("FROM x\nENV U=env\nARG U=arg\nUSER $U\n", "arg"),
        ("FROM x\nUSER $NB_UID\n", "$NB_UID"),
        ('FROM x\nuser "me"\n', "me"),
        ("FROM x AS a\nONBUILD USER later\nFROM a\nRUN true\n", "later"),
        ("FROM x AS a\nONBUILD USER later\nFROM a\nUSER last\n", "last"),
        ("FROM x AS a\nUSER one\nFROM y AS A\nUSER two\nFROM a\n", "two"),
        ("FROM x AS x\nUSER me\n", "me"),
    ],
)
def test_user_of_is_the_one_that_docker_sets(text: str, user: str) -> None:
    file = parse(text, "Dockerfile")
    assert file.user_of(file.last) == user


def test_pruned_with_a_stage_by_number_keeps_the_numbers() -> None:
    text = "FROM a AS unused\nFROM b AS build\nFROM c AS last\nCOPY --from=1 /x /x\n"
    assert pruned(parse(text, "Dockerfile"), None) == text


@pytest.mark.parametrize(
    "line",
    [
        "COPY --link --from=Build /x /x",
        'RUN --mount="type=bind,from=build,target=/x" true',
        "RUN --mount=type=bind,from=build \\\n  --mount=type=tmpfs,target=/y true",
        "COPY \\\n  --from=build \\\n  /x /x",
    ],
)
def test_pruned_keeps_the_stages_that_flags_name(line: str) -> None:
    file = parse(f"FROM a AS build\nFROM b AS no\nFROM c\n{line}\nRUN x --from=no\n", "Dockerfile")
    assert [stage.name for stage in parse(pruned(file, None), "D").stages] == ["build", ""]


def test_pruned_keeps_what_an_inherited_trigger_copies_from() -> None:
    text = "FROM a AS x\nFROM b AS base\nONBUILD COPY --from=x /a /a\nFROM base\n"
    assert pruned(parse(text, "Dockerfile"), None) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("FROM a\nRUN cat <<EOF\nFROM b\n", 2),
        ("FROM a AS 1\n", 1),
        ("FROM a AS b c\n", 1),
        ("FROM --from=x a\n", 1),
        ("FROM ${A:?no}\n", 1),
        ("FROM a\nFROM\n", 2),
    ],
)
def test_parse_what_docker_refuses_is_one_error_with_its_line(text: str, line: int) -> None:
    with pytest.raises(UserError) as raised:
        parse(text, "Dockerfile")
    assert raised.value.code == "dockerfile-invalid"
    assert f"Dockerfile:{line}:1" in raised.value.message()
