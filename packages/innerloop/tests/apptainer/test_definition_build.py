"""Images by a definition file, built and run by a stand-in: see apptainer_stand_in.py.

One build of a Dockerfile with nearly every instruction; the program of its run says what became of
each.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.apptainer.conftest import Machine
from tests.small_image import small_tiny

pytestmark = [pytest.mark.docker, pytest.mark.mounts]

DOCKERFILE = r"""ARG VERSION=3.11
FROM python:${VERSION}-slim-bookworm AS builder
RUN mkdir -p /wheels/.hidden && echo "built {{ not a variable }}" > /wheels/one && ln -s one /wheels/two
RUN chmod 700 /wheels/one

FROM python:${VERSION}-slim-bookworm AS base
ARG VERSION
ARG GREETING="it's $VERSION"
ENV GREETED="$GREETING" PATH=/opt/tool/bin:$PATH NONE=${UNSET:+x}
ENV GREETED=second OLD=$GREETED
WORKDIR /job
RUN pwd > where && echo "$HOME $GREETING" > home
COPY *.txt requirements.in /opt/files/
COPY --chmod=750 tool.sh /opt/tool/bin/tool
COPY . /opt/all
COPY tree moved/
COPY one.txt renamed
ADD pack.tar.gz /opt/packed
COPY --from=builder /wheels /opt/wheels
COPY <<'EOF' /opt/text
a $HOME
EOF
RUN <<EOF
set -e
echo first > /opt/script
echo "second" >> /opt/script
EOF
RUN --mount=type=bind,source=one.txt,target=/tmp/bound --mount=type=cache,target=/opt/cache \
    cp /tmp/bound /opt/from-mount && touch /opt/cache/x
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
RUN echo $0 > /opt/shell; [[ -f /opt/files/one.txt ]]
RUN ["python", "-c", "open('/opt/exec', 'w').write('exec form')"]
RUN echo changed > /opt/files/two.txt
USER nobody
RUN id -u > /opt/user; echo $HOME >> /opt/user
EXPOSE 80
ENTRYPOINT ["/bin/false"]
FROM base
ENV LAST=1
"""
LOOK = """
import json, os, pathlib
def text(name):
    return pathlib.Path(name).read_text()
names = ("/job/where", "/job/home", "/opt/files/one.txt", "/opt/files/two.txt", "/job/renamed",
         "/opt/text", "/opt/script", "/opt/shell", "/opt/exec", "/opt/user", "/opt/from-mount",
         "/opt/packed/inner/file", "/opt/wheels/one", "/job/moved/deep/file")
print(json.dumps({
    "texts": {name: text(name) for name in names},
    "env": dict(os.environ),
    "all": sorted(str(p.relative_to("/opt/all")) for p in pathlib.Path("/opt/all").rglob("*")),
    "links": [os.readlink("/opt/wheels/two"), os.readlink("/opt/all/link")],
    "modes": [oct(os.stat(n).st_mode & 0o777) for n in ("/opt/tool/bin/tool", "/opt/wheels/one")],
    "there": [n for n in ("/.innerloop", "/tmp/bound", "/opt/cache") if os.path.exists(n)],
    "hidden": os.path.isdir("/opt/wheels/.hidden"),
    "tool": os.popen("tool").read(),
}))
"""


def _fill(environment: Path) -> None:
    for name, text in {
        "one.txt": "one", "two.txt": "two", "requirements.in": "", "secret.key": "never",
        "tree/deep/file": "deep", ".dockerignore": "*.key\ntree/left-out\n!tree/left-out/kept\n",
        "tree/left-out/kept": "k", "tree/left-out/gone": "g", "tool.sh": "#!/bin/sh\necho tool $LAST\n",
    }.items():  # fmt: skip
        path = environment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (environment / "link").symlink_to("one.txt")
    with tarfile.open(environment / "pack.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("inner/file")
        info.size = 6
        archive.addfile(info, io.BytesIO(b"packed"))


@pytest.fixture(scope="module")
def built(machine: Machine) -> tuple[dict[str, Any], str]:
    """What the program of the run sees, and what the build printed."""
    folder = machine.workspace.add("many", LOOK, dockerfile=DOCKERFILE)
    _fill(folder / "environment")
    answer = machine.loop("run", "many", "--backend", "apptainer")
    assert answer.code == 0, answer.err
    return json.loads(answer.out), answer.err


def test_steps_run_in_their_order_with_their_shell_folder_and_home(
    built: tuple[dict[str, Any], str],
) -> None:
    texts = built[0]["texts"]
    assert texts["/job/where"] == "/job\n"
    assert texts["/job/home"] == "/root it's 3.11\n"
    assert texts["/opt/script"] == "first\nsecond\n"
    assert texts["/opt/shell"] == "/bin/bash\n"
    assert texts["/opt/exec"] == "exec form"
    assert texts["/opt/files/two.txt"] == "changed\n"  # after the COPY before it
    assert texts["/opt/user"] == "0\n/nonexistent\n"
    assert "steps after USER nobody run as root" in built[1]


def test_files_are_those_that_docker_copies(built: tuple[dict[str, Any], str]) -> None:
    seen, _ = built
    texts = seen["texts"]
    assert (texts["/opt/files/one.txt"], texts["/job/renamed"]) == ("one", "one")
    assert texts["/job/moved/deep/file"] == "deep"
    assert texts["/opt/packed/inner/file"] == "packed"
    assert texts["/opt/wheels/one"] == "built {{ not a variable }}\n" and seen["hidden"]
    assert (texts["/opt/text"], texts["/opt/from-mount"]) == ("a $HOME\n", "one")
    assert seen["links"] == ["one", "one.txt"]
    assert seen["modes"] == ["0o750", "0o700"]
    assert {"tree/left-out/kept", "tree/deep/file", "link"} <= set(seen["all"])
    assert not {"secret.key", "tree/left-out/gone"} & set(seen["all"])
    assert seen["there"] == []


def test_variables_have_the_values_of_the_build(built: tuple[dict[str, Any], str]) -> None:
    env = built[0]["env"]
    assert (env["GREETED"], env["OLD"], env["NONE"], env["LAST"]) == (
        "second",
        "it's 3.11",
        "",
        "1",
    )
    # The folder of the person's own programs comes first, as in a container of docker.
    assert env["PATH"].startswith("/tmp/.local/bin:/opt/tool/bin:/usr/local/bin:")
    assert "GREETING" not in env and "VERSION" not in env
    assert built[0]["tool"] == "tool 1\n"


def test_failing_step_is_named_with_its_line(machine: Machine) -> None:
    dockerfile = "FROM python:3.11-slim-bookworm\n\nRUN echo why && exit 3\n"
    machine.workspace.add("fails", "", dockerfile=dockerfile)
    answer = machine.loop("run", "fails", "--backend", "apptainer")
    assert answer.code == 1
    assert "src/fails/environment/Dockerfile:3" in answer.message and "why" in answer.message
    assert not list(Path(machine.env["INNERLOOP_CACHE"], "sif").glob("fails-*/*"))


def test_settings_of_pip_reach_the_steps_for_pip_and_for_uv_and_no_layer(machine: Machine) -> None:
    settings = '"$PIP_CONFIG_FILE" "${XDG_CONFIG_DIRS%%:*}/uv/uv.toml"'
    dockerfile = (
        f"FROM python:3.11-slim-bookworm\nRUN cat {settings} | grep -c index.test/simple > /told\n"
    )
    look = "import os; print(open('/told').read(), os.path.exists('/.innerloop'))"
    machine.workspace.add("told", look, dockerfile=dockerfile)
    index = {"PIP_INDEX_URL": "https://index.test/simple", "PIP_EXTRA_INDEX_URL": ""}
    answer = machine.loop("run", "told", "--backend", "apptainer", env=index)
    assert (answer.code, answer.out) == (0, "2\n False\n"), answer.err


def test_what_cannot_be_translated_is_refused_before_anything_is_built(machine: Machine) -> None:
    builds = len(machine.calls("build"))
    dockerfile = "FROM a\nRUN --mount=type=secret,id=x cat /run/secrets/x\n"
    machine.workspace.add("secret", "", dockerfile=dockerfile)
    answer = machine.loop("run", "secret", "--backend", "apptainer")
    assert answer.code == 1 and "[apptainer-instruction]" in answer.message
    assert "src/secret/environment/Dockerfile:2" in answer.message
    assert len(machine.calls("build")) == builds


def test_image_of_the_engine_is_handed_over_where_one_answers(machine: Machine) -> None:
    dockerfile = f"{small_tiny()}RUN echo a > /x\n"
    machine.workspace.add("handed", "print(open('/x').read())", dockerfile=dockerfile)
    own = {"DOCKER_HOST": os.environ.get("DOCKER_HOST", "")}
    try:
        answer = machine.loop("run", "handed", "--backend", "apptainer", env=own)
        assert (answer.code, answer.out) == (0, "a\n\n"), answer.err
        assert machine.calls("build")[-1][-1].startswith("docker-archive:/")
    finally:
        machine.workspace.clean()
