"""The user of an image as the reader of Dockerfiles and the engine's builders have it."""

from __future__ import annotations

import os
import subprocess

import pytest

from innerloop.model.dockerfiles.dockerfile import parse, pruned
from tests.support import BUILDX

pytestmark = [pytest.mark.docker, pytest.mark.nightly]

TEXTS = [
    "FROM scratch\nARG U=dev\nUSER $U\n",
    "ARG U=dev\nFROM scratch\nARG U\nUSER ${U}\n",
    "ARG U=dev\nFROM scratch\nUSER ${U:-me}\n",
    "FROM scratch AS a\nENV U=dev\nFROM a\nUSER $U:$U\n",
    "FROM scratch AS a\nONBUILD USER later\nFROM a\nLABEL a=b\n",
    "ARG A=1 B=2\nFROM scratch AS s1.2\nUSER x\nFROM s$A.$B\nLABEL a=b\n",
    "ARG A=3\nARG T=s${A}\nFROM scratch AS s3\nUSER x\nFROM $T\nLABEL a=b\n",
    "ARG A\nFROM scratch AS s3\nUSER x\nFROM s${A:-3}\nLABEL a=b\n",
    'FROM scratch AS x\nUSER y\nFROM "x"\nLABEL q=w\n',
    "FROM scratch AS unused\nUSER one\nFROM scratch AS b\nFROM scratch\nCOPY --from=1 / /\nUSER two\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("builder", ["legacy", "buildkit"])
def test_user_of_is_the_built_images(text: str, builder: str) -> None:
    if builder == "buildkit" and not BUILDX.exists():
        pytest.skip(f"there is no {BUILDX}")
    env = {**os.environ, "DOCKER_BUILDKIT": "0"}
    if builder == "buildkit":
        env |= {"DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(BUILDX.parent.parent)}
    file = parse(text, "Dockerfile")
    for built in (text, pruned(file, None)):
        argv = ["docker", "build", "--quiet", "-"]
        done = subprocess.run(
            argv, input=built, text=True, capture_output=True, env=env, check=True
        )
        image = done.stdout.split()[-1]
        inspect = ["docker", "image", "inspect", "--format", "{{.Config.User}}", image]
        user = subprocess.run(inspect, text=True, capture_output=True, check=True).stdout.strip()
        assert user == file.user_of(file.last)
