"""The Dockerfile that is generated for a requirements file: uv installs it, or pip from its own index."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from innerloop.util import locked_environments
from tests.company import WHEEL
from tests.releases import index_over
from tests.small_image import BASE, small_image
from tests.support import Workspace, docker

pytestmark = [pytest.mark.docker]

FILE = "company_numbers-1.0-py3-none-any.whl"
LOCK = f"company-numbers==1.0 \\\n    --hash=sha256:{sha256(WHEEL).hexdigest()}\n"
PIP = "innerloop: pip installs the packages"
# It has no pip, and uv knows where the wheel is.
WITH_UV = """FROM {image}
COPY uv /usr/local/bin/uv
COPY *.whl /wheels/
ENV UV_NO_INDEX=1 UV_FIND_LINKS=/wheels
RUN python3 -c "import pip, shutil; shutil.rmtree(pip.__path__[0])"
"""
# uv would find the wheel as well.
WITH_AN_INDEX = """FROM {image}
COPY uv /opt/innerloop/uv/bin/uv
COPY *.whl /wheels/
RUN printf '[global]\\nindex-url = {index}\\n' > /etc/pip.conf
ENV UV_NO_INDEX=1 UV_FIND_LINKS=/wheels
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_bytes(WHEEL)
    shutil.copy(locked_environments.uv(), tmp_path / "uv")
    return tmp_path


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"innerloop-tests-{uuid.uuid4().hex[:12]}"
    yield chosen
    docker("rmi", "--force", chosen)


def base_image(name: str, folder: Path, text: str) -> None:
    argv = ["docker", "build", "--quiet", "--tag", name, "--file", "-", str(folder)]
    subprocess.run(argv, input=text.encode(), check=True, capture_output=True, timeout=300)


def built(workspace: Workspace, base: str, **env: str) -> list[str]:
    """The lines that the build of an experiment with LOCK prints. Its image has byte code."""
    look = "import company_numbers; print(company_numbers.ANSWER, company_numbers.__cached__)\n"
    workspace.write("ml/look.py", look)
    workspace.write("ml/job.yml", "command: python3 look.py\ncode: .\n")
    workspace.write("ml/requirements.txt", LOCK)
    workspace.write("ml/innerloop.toml", f'[environment]\nbase = "{base}"\n')
    declared = '[experiments.look]\njob = "ml/job.yml"\nenvironment = "ml/requirements.txt"\n'
    workspace.write("innerloop.toml", declared)
    done = workspace.loop("build", "look", env={"DOCKER_BUILDKIT": "0", **env})
    assert done.code == 0, done.err
    ran = workspace.loop("run", "look", "--backend", "docker", env={"DOCKER_BUILDKIT": "0", **env})
    answer, compiled = ran.out.split()
    assert answer == "42", ran.err
    docker("run", "--rm", done.out.strip(), "test", "-f", compiled)
    assert workspace.loop("clean", "--all", "--yes").code == 0
    return [line.strip() for line in done.err.splitlines()]


def test_uv_of_an_image_without_pip_installs(workspace: Workspace, folder: Path, name: str) -> None:
    base_image(name, folder, WITH_UV.format(image=BASE))
    printed = built(workspace, name)
    assert "+ company-numbers==1.0" in printed and PIP not in printed


def test_pip_installs_from_the_index_that_its_settings_in_the_image_name(
    workspace: Workspace, folder: Path, name: str
) -> None:
    with index_over(folder) as index:
        text = WITH_AN_INDEX.format(image=small_image(with_pip=True), index=index)
        base_image(name, folder, text)
        # The settings of this machine make the build share its network, and reach no older builder.
        printed = built(workspace, name, PIP_INDEX_URL=index)
    assert f"Looking in indexes: {index}" in printed
    assert printed.count(PIP) == 1 and "+ company-numbers==1.0" not in printed
