"""What BuildKit gets is the person's Dockerfile with mounts on its RUN steps, and nothing else."""

from __future__ import annotations

import pytest

from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.dockerfiles.dockerfile_mounts import BuildMounts, is_added, mounted, plain_step

CA = BuildMounts(("innerloop-ca",), {"PIP_CERT": "/run/secrets/innerloop-ca"})
CACHE = BuildMounts(caches=True)


def test_nothing_wanted_is_the_very_text() -> None:
    text = "# one\nFROM a\n\n# two\nRUN  pip install --no-cache-dir x\n"
    assert mounted(text, BuildMounts()) == text


def test_a_secret_is_on_every_step_of_every_stage_and_named_by_arg_alone() -> None:
    text = "FROM a AS base\nRUN one \\\n  && two\nFROM base\nUSER dev\nrun three\nCMD four\n"
    secret = "--mount=type=secret,id=innerloop-ca,mode=0444"
    argument = "ARG PIP_CERT=/run/secrets/innerloop-ca\n"
    assert mounted(text, CA) == (
        f"FROM a AS base\n{argument}RUN {secret} one \\\n  && two\n"
        f"FROM base\n{argument}USER dev\nrun {secret} three\nCMD four\n"
    )


def test_a_stage_without_steps_is_left_alone() -> None:
    assert mounted("FROM a AS b\nFROM b\nCOPY x /x\n", CA) == "FROM a AS b\nFROM b\nCOPY x /x\n"


def test_the_cache_takes_the_flag_away_that_would_not_use_it() -> None:
    text = "FROM a\nRUN pip install --no-cache-dir --require-hashes -r x.txt\n"
    found = mounted(text, CACHE)
    assert "ARG PIP_CACHE_DIR=/var/cache/innerloop-pip\n" in found
    assert found.endswith(",mode=0777 pip install --require-hashes -r x.txt\n")
    assert "target=/var/cache/innerloop-pip" in found


def test_the_cache_of_uv_replaces_its_option_in_the_step_that_has_it() -> None:
    text = (
        "FROM a\nRUN apk add --no-cache uv && make\n"
        "RUN apk add --no-cache b && A=1 /opt/uv/bin/uv sync --frozen \\\n  --no-cache && c\n"
    )
    assert mounted(text, CACHE) == (
        "FROM a\nARG UV_LINK_MODE=copy\nRUN apk add --no-cache uv && make\n"
        "RUN --mount=type=cache,id=innerloop-uv-cache,target=/var/cache/innerloop-uv,mode=0777 "
        "apk add --no-cache b && A=1 /opt/uv/bin/uv sync --frozen \\\n"
        "  --cache-dir /var/cache/innerloop-uv/$(id -u) && c\n"
    )


def test_pip_and_uv_have_their_caches_in_one_step() -> None:
    text = "FROM a\nRUN uv pip install --no-cache x || pip install --no-cache-dir x\n"
    found = mounted(text, CACHE)
    assert "ARG PIP_CACHE_DIR=/var/cache/innerloop-pip UV_LINK_MODE=copy\n" in found
    assert found.count("type=cache") == 2
    assert found.endswith(
        " uv pip install --cache-dir /var/cache/innerloop-uv/$(id -u) x || pip install x\n"
    )


def test_the_settings_of_uv_are_in_the_stages_that_use_it() -> None:
    text = "FROM a AS b\nRUN make\nFROM b\nRUN uv sync\nRUN make\n"
    secret = (
        "--mount=type=secret,id=innerloop-uv.toml,"
        "target=/run/secrets/innerloop-settings/uv/uv.toml,mode=0444"
    )
    assert mounted(text, BuildMounts(uv_settings="innerloop-uv.toml")) == (
        "FROM a AS b\nRUN make\n"
        "FROM b\nARG XDG_CONFIG_DIRS=/run/secrets/innerloop-settings:/etc/xdg\n"
        f"RUN {secret} uv sync\nRUN {secret} make\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRUN apt-get install -y git\n",
        "FROM a\nENV PIP_CACHE_DIR=/mine\nRUN pip install x\n",
        "FROM a\nRUN pip install --cache-dir /mine x\n",
        "FROM a\nRUN --mount=type=cache,target=/root/.cache/pip pip install x\n",
    ],
    ids=["no pip", "own variable", "own option", "own mount"],
)
def test_a_dockerfile_with_its_own_idea_of_a_cache_keeps_it(text: str) -> None:
    assert mounted(text, CACHE) == text


def test_directives_stay_at_the_top_and_flags_of_the_person_stay() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM a\nRUN --network=none make\n"
    assert mounted(text, CA).startswith("# syntax=docker/dockerfile:1\nFROM a\nARG ")
    assert mounted(text, CA).endswith("mode=0444 --network=none make\n")


def test_a_here_document_stays_whole() -> None:
    text = "FROM a\nRUN <<END\npip install x\nRUN not a step\nEND\nUSER dev\n"
    assert mounted(text, CA).endswith(
        "mode=0444 <<END\npip install x\nRUN not a step\nEND\nUSER dev\n"
    )


def test_a_step_in_a_log_is_known_again() -> None:
    step = "RUN --mount=type=secret,id=innerloop-ca,mode=0444 --mount=type=cache,id=mine,target=/x make"
    assert plain_step(step) == "RUN --mount=type=cache,id=mine,target=/x make"


@pytest.mark.parametrize("command", ["pip install --no-cache-dir x", "uv sync --no-cache"])
def test_what_is_added_is_known_again(command: str) -> None:
    found = parse(mounted(f"FROM a\nRUN {command}\n", CACHE), "Dockerfile").stages[0]
    _, added, step = found.instructions
    assert is_added(added) and not is_added(step)
    assert plain_step(step.text).split()[:2] == f"RUN {command}".split()[:2]
