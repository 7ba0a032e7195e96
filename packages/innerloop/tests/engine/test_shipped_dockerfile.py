"""The Dockerfile of a new experiment, with the older builder: uv installs its lock, or pip does."""

from __future__ import annotations

import shutil
from hashlib import sha256

import pytest

from innerloop.scaffold.create import TEMPLATE
from innerloop.util import locked_environments
from tests.company import WHEEL
from tests.support import Workspace, docker

pytestmark = [pytest.mark.docker]

SHIPPED = (TEMPLATE / "environment" / "Dockerfile").read_text(encoding="utf-8")
FILE = "company_numbers-1.0-py3-none-any.whl"
LOCK = f"company-numbers==1.0 \\\n    --hash=sha256:{sha256(WHEEL).hexdigest()}\n"
# What only one of them reads: where the wheel is, and that there is no index.
ONLY = {
    "pip": "ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels",
    "uv": "ENV PIP_NO_INDEX=1 UV_NO_INDEX=1 UV_FIND_LINKS=/wheels\nCOPY uv /opt/uv/bin/uv",
}


@pytest.mark.parametrize("installer", ONLY)
def test_lock_is_installed_with_byte_code_by_uv_or_where_that_cannot_by_pip(
    workspace: Workspace, installer: str
) -> None:
    base = SHIPPED.partition("\n\n\nFROM ")[0]
    first = "FROM python:3.11-slim-bookworm AS base\n"
    assert first in base
    text = base.replace(first, f"{first}COPY {FILE} /wheels/{FILE}\n{ONLY[installer]}\n")
    look = "import company_numbers; print(company_numbers.ANSWER, company_numbers.__cached__)"
    environment = workspace.add("line", look, dockerfile=f"{text}\n") / "environment"
    (environment / FILE).write_bytes(WHEEL)
    (environment / "requirements.txt").write_text(LOCK)
    shutil.copy(locked_environments.uv(), environment / "uv")
    built = workspace.loop("build", "line", env={"DOCKER_BUILDKIT": "0"})
    assert built.code == 0, built.err
    assert "there is no uv: pip installs the packages" in built.err
    assert ("+ company-numbers==1.0" in built.err) is (installer == "uv")
    ran = workspace.loop("run", "line", "--backend", "docker")
    answer, compiled = ran.out.split()
    assert answer == "42", ran.err
    docker("run", "--rm", built.out.strip(), "test", "-f", compiled)
