"""Behind a company's network, with a real index, authority and proxy.

What a build needs reaches it, and none of it stays in the image.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.util import locked_environments
from tests.company import HOST, PASSWORD, PROXY_PASSWORD, Company, start
from tests.support import BUILDKIT, Workspace, docker

pytestmark = [pytest.mark.docker]

INSTALLS = """
FROM python:3.11-slim-bookworm AS base
COPY requirements.txt /opt/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check \\
        --require-hashes -r /opt/requirements.txt
FROM base AS dev
RUN useradd --create-home --uid 1000 dev
USER dev
RUN pip download --no-cache-dir --no-deps -d /tmp/again company-numbers==1.0
FROM base AS job
"""
USES = "import company_numbers; print(company_numbers.ANSWER)"
CLEAN = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"), "")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return start(tmp_path_factory.mktemp("company"))


@pytest.fixture
def inside(workspace: Workspace, company: Company, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose owner has the company's proxy, authority, and index with a password."""
    workspace.write("certificates/company.pem", company.ca.read_text())
    workspace.write("pyproject.toml", '[tool.innerloop]\nca = "certificates/company.pem"\n')
    workspace.env = {
        **CLEAN,
        "HTTPS_PROXY": company.proxy,
        "PIP_INDEX_URL": company.index_with_login,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
    }
    workspace.add("line", USES, dockerfile=INSTALLS)
    # A comment that no other build has: another test's layers must not stand in for this one's.
    (workspace.root / "src/line/environment/requirements.txt").write_text(
        f"# {tmp_path}\n{company.requirement}"
    )
    yield workspace


@pytest.mark.buildkit
def test_it_all_reaches_the_build_and_nothing_of_it_stays(
    inside: Workspace, company: Company
) -> None:
    before = company.downloads
    built = inside.loop("build", "line", "--dev", env=BUILDKIT)
    assert built.code == 0, built.err
    assert company.downloads > before
    assert f"{HOST}:{company.index_port}" in company.relayed
    assert_clean(built.out.strip(), company, built.err)
    ran = inside.loop("run", "line", "--backend", "docker", env=BUILDKIT)
    assert (ran.code, ran.out) == (0, "42\n"), ran.err


@pytest.mark.buildkit
def test_credentials_of_netrc_and_a_conf_file(
    inside: Workspace, company: Company, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login ada password {PASSWORD}\n")
    netrc.chmod(0o600)
    conf = tmp_path / "pip.conf"
    conf.write_text(f"[global]\nextra-index-url =\n    file:///nowhere\n    {company.index}\n")
    env = {"PIP_INDEX_URL": company.index, "PIP_CONFIG_FILE": str(conf), "NETRC": str(netrc)}
    built = inside.loop("build", "line", env={**env, **BUILDKIT})
    assert built.code == 0, built.err
    assert_clean(built.out.strip(), company, built.err)


@pytest.mark.buildkit
def test_what_pip_has_once_downloaded_is_not_asked_for_again(
    inside: Workspace, company: Company
) -> None:
    assert inside.loop("build", "line", env=BUILDKIT).code == 0
    before = company.downloads
    again = inside.loop("build", "line", "--no-cache", env=BUILDKIT)
    assert again.code == 0, again.err
    assert company.downloads == before
    listed = subprocess.run(
        ["docker", "run", "--rm", again.out.strip(), "find", "/var/cache/innerloop-pip", "/root"],
        capture_output=True,
        text=True,
    ).stdout
    assert ".whl" not in listed and "http" not in listed, listed


INSTALLS_BY_UV = """
FROM python:3.11-slim-bookworm
COPY uv /opt/uv/bin/uv
COPY requirements.txt /opt/requirements.txt
RUN /opt/uv/bin/uv pip install --system --no-cache --require-hashes -r /opt/requirements.txt
"""


@pytest.mark.buildkit
def test_uv_gets_what_pip_gets_and_downloads_once(inside: Workspace, company: Company) -> None:
    environment = inside.root / "src/line/environment"
    shutil.copy(locked_environments.uv(), environment / "uv")
    inside.write("src/line/environment/Dockerfile", INSTALLS_BY_UV)
    built = inside.loop("build", "line", env=BUILDKIT)
    assert built.code == 0, built.err
    once = company.downloads
    assert_clean(built.out.strip(), company, built.err)
    ran = inside.loop("run", "line", "--backend", "docker", env=BUILDKIT)
    assert (ran.code, ran.out) == (0, "42\n"), ran.err
    again = inside.loop("build", "line", "--no-cache", env=BUILDKIT)
    assert again.code == 0, again.err
    assert company.downloads == once
    kept = docker(
        "run", "--rm", again.out.strip(), "find", "/var/cache", "/root", "/run", "-type", "f"
    )
    assert not [path for path in kept.split() if "innerloop" in path or "uv" in path], kept


@pytest.mark.buildkit
@pytest.mark.devcontainer
def test_a_dev_container_has_what_the_index_has(inside: Workspace, company: Company) -> None:
    assert inside.loop("sync").code == 0
    up = inside.loop("up", "line", env=BUILDKIT)
    try:
        assert up.code == 0, up.err
        told = inside.loop("exec", "line", "--", "python", "-c", USES, env=BUILDKIT)
        assert (told.code, told.out) == (0, "42\n"), told.err
        kept = [
            path
            for path in inside.root.rglob("*")
            if path.is_file() and "scripts" not in path.parts
        ]
        for path in kept:
            content = path.read_bytes()
            assert PASSWORD.encode() not in content and PROXY_PASSWORD.encode() not in content, path
    finally:
        inside.loop("down", "line")
        assert inside.loop("clean", "--all", "--yes").code == 0  # its cache is a volume


def test_the_older_builder_says_what_it_cannot_do(inside: Workspace) -> None:
    """Only the proxy can be handed to it in a way that leaves nothing behind."""
    inside.write("src/line/environment/Dockerfile", TAKES_THE_PROXY)
    built = inside.loop("build", "line", env={"DOCKER_BUILDKIT": "0"})
    assert built.code == 0, built.err
    assert "your package index and the certificate authority" in built.err
    assert "docker-buildx" in built.err
    kept = docker("history", "--no-trunc", built.out.strip())
    assert PROXY_PASSWORD not in kept and PASSWORD not in kept
    assert docker("run", "--rm", built.out.strip(), "cat", "/proxy") == "2\n"


TAKES_THE_PROXY = """
FROM python:3.11-slim-bookworm
RUN env | grep -ic "^https_proxy=" > /proxy
"""


def test_a_certificate_that_is_not_trusted_names_the_setting(
    inside: Workspace, company: Company
) -> None:
    inside.write("pyproject.toml", "[tool.innerloop]\n")
    index = f"--index-url {company.index_with_login}"
    inside.write(
        "src/line/environment/Dockerfile",
        "FROM python:3.11-slim-bookworm\nCOPY requirements.txt /opt/\n"
        f"RUN pip install --retries 0 {index} -r /opt/requirements.txt\n",
    )
    built = inside.loop("build", "line", env={"DOCKER_BUILDKIT": "0"})
    assert built.code == 1
    assert "[tool.innerloop] ca" in built.message and "Dockerfile:3" in built.message


def test_the_venv_place_installs_from_the_same_index(inside: Workspace, company: Company) -> None:
    before = company.downloads
    ran = inside.loop("run", "line", "--backend", "venv", env={"PIP_NO_CACHE_DIR": "1"})
    assert (ran.code, ran.out) == (0, "42\n"), ran.err
    assert company.downloads > before
    assert PASSWORD not in ran.err and PROXY_PASSWORD not in ran.err


LOOKS = """
import os, ssl
context = ssl.create_default_context()
names = [dict(part[0] for part in one["subject"]).get("commonName") for one in context.get_ca_certs()]
print("Company Test CA" in names, os.environ.get("https_proxy") == os.environ["HTTPS_PROXY"])
print(os.environ["HTTPS_PROXY"])
"""


def test_a_run_has_the_proxy_and_the_authority_and_a_dry_run_shows_no_password(
    inside: Workspace, company: Company
) -> None:
    inside.add("tiny", LOOKS)
    dry = inside.loop("run", "tiny", "--backend", "docker", "--dry-run", "--json")
    assert dry.code == 0 and "HTTPS_PROXY" in dry.out
    assert PROXY_PASSWORD not in dry.out and PASSWORD not in dry.out
    ran = inside.loop("run", "tiny", "--backend", "docker")
    assert (ran.code, ran.out) == (0, f"True True\n{company.proxy}\n"), ran.err
    assert "the proxy of this machine reaches the container" in ran.err
    here = inside.loop("run", "tiny", "--backend", "venv")
    assert here.out.startswith("True "), here.err


def assert_clean(image: str, company: Company, log: str) -> None:
    """Nothing secret in the image's history, its configuration, or any file of any layer.

    Nothing in the log of the build.
    """
    secrets = [PASSWORD, PROXY_PASSWORD, company.ca.read_text().splitlines()[3]]
    told = docker("history", "--no-trunc", image) + docker("image", "inspect", image) + log
    for secret in secrets:
        assert secret not in told
    seen = set()
    for name, content in files_of(image):
        seen.add(name)
        for secret in secrets:
            assert secret.encode() not in content, name
    assert "opt/requirements.txt" in seen  # the layers were really read
    variables = json.loads(docker("image", "inspect", "--format", "{{json .Config.Env}}", image))
    assert not [one for one in variables if "proxy" in one.lower() or "/run/secrets" in one]


def files_of(image: str) -> Iterator[tuple[str, bytes]]:
    """Every file of every layer but those of the base image, which is large and not ours."""
    base = docker(
        "image", "inspect", "--format", "{{len .RootFS.Layers}}", "python:3.11-slim-bookworm"
    )
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        yield "configuration", archive.extractfile(manifest[0]["Config"]).read()  # type: ignore[union-attr]
        for layer in manifest[0]["Layers"][int(base) :]:
            content = archive.extractfile(layer)
            with tarfile.open(fileobj=content) as files:
                for member in files:
                    if member.isfile() and (file := files.extractfile(member)):
                        yield member.name, file.read()
