"""The dev container template: published to a registry, applied, opened, and made a workspace.

With the devcontainer CLI, a registry on loopback and the machine's engine. The container gets the
tool from a package index that it reaches at the engine's bridge.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from innerloop import __version__
from innerloop.util.jsonc import parse
from tests.launcher.conftest import Index, dependencies, wheel
from tests.registry import running
from tests.support import ROOT, Answer, docker, remove_behind

__all__ = ["dependencies", "wheel"]  # fixtures
TEMPLATE = ROOT / "packages/innerloop/oci-template/src/innerloop"
# A stand-in for it is on every machine that runs these tests with Docker.
IMAGE = "3.11-slim-bookworm"
PERSON = 1000


def metadata() -> Mapping[str, object]:
    text = (TEMPLATE / "devcontainer-template.json").read_text(encoding="utf-8")
    value: Mapping[str, object] = json.loads(text)
    return value


def test_template_has_the_version_of_the_tool() -> None:
    value = metadata()
    options = value["options"]
    assert isinstance(options, dict)
    assert value["version"] == options["version"]["default"] == __version__
    assert options["version"]["proposals"] == [__version__]
    assert value["id"] == TEMPLATE.name


def test_template_says_what_to_run_at_the_first_start(tmp_path: Path) -> None:
    configuration = parse((TEMPLATE / ".devcontainer/devcontainer.json").read_text()).value
    command = ["sh", "-c", configuration["postAttachCommand"]]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "innerloop init ." in said.stdout
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/loop").touch()
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == ""


def test_every_option_is_used_and_every_used_one_is_declared() -> None:
    options = metadata()["options"]
    assert isinstance(options, dict)
    texts = "".join(path.read_text() for path in (TEMPLATE / ".devcontainer").iterdir())
    used = {part.partition("}")[0] for part in texts.split("${templateOption:")[1:]}
    assert used == set(options)


@pytest.fixture(scope="module")
def index(
    wheel: Path, dependencies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Variables of pip that name an index which containers reach."""
    folder = tmp_path_factory.mktemp("index")
    for path in (wheel, *dependencies.iterdir()):
        (folder / path.name).symlink_to(path)
    form = "{{json (index .IPAM.Config 0)}}"
    bridge = json.loads(docker("network", "inspect", "bridge", "--format", form))
    # An engine that found its bridge there names the subnet alone; the bridge has the first address.
    gateway = bridge.get("Gateway") or str(next(ipaddress.ip_network(bridge["Subnet"]).hosts()))
    server = ThreadingHTTPServer((gateway, 0), functools.partial(Index, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "PIP_INDEX_URL": f"http://{gateway}:{server.server_port}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_TRUSTED_HOST": gateway,
    }
    server.shutdown()


class _Person:
    """Who applies the template to a folder, and opens its container."""

    def __init__(self, folder: Path, index: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = {**os.environ, **index}

    def devcontainer(self, *words: str) -> Answer:
        argv = ["devcontainer", *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=900)
        return Answer(done.returncode, done.stdout.replace("\r", ""), done.stderr)

    def exec(self, *words: str) -> Answer:
        return self.devcontainer("exec", "--workspace-folder", str(self.folder), *words)


@pytest.fixture
def person(index: Mapping[str, str]) -> Iterator[_Person]:
    """Docker needs a folder that is not the test's own, which only root may enter."""
    parent = Path(tempfile.mkdtemp(prefix="innerloop-template-"))
    parent.chmod(0o755)
    (parent / "my work").mkdir()
    yield _Person(parent / "my work", index)
    remove_behind(parent)


@pytest.mark.docker
@pytest.mark.devcontainer
@pytest.mark.registry
@pytest.mark.network
@pytest.mark.person
def test_template_goes_from_a_registry_to_a_run(person: _Person, tmp_path: Path) -> None:
    with running(tmp_path) as address:
        registry = address.replace("127.0.0.1", "localhost")
        _publish(registry, tmp_path / "runner")
        applied = person.devcontainer(
            *("templates", "apply", "--template-id", f"{registry}/acme/templates/innerloop"),
            *("--workspace-folder", str(person.folder)),
            *("--template-args", json.dumps({"imageVariant": IMAGE})),
        )
        assert applied.code == 0, applied.err
    names = {path.relative_to(person.folder).as_posix() for path in person.folder.rglob("*")}
    assert names == {".devcontainer"} | {
        f".devcontainer/{name}" for name in ("devcontainer.json", "Dockerfile")
    }
    text = (person.folder / ".devcontainer/Dockerfile").read_text()
    assert f"FROM python:{IMAGE}\n" in text and f"innerloop=={__version__}" in text
    for path in (person.folder, *person.folder.rglob("*")):
        os.chown(path, PERSON, PERSON)
    up = person.devcontainer("up", "--workspace-folder", str(person.folder))
    container = ""
    try:
        assert up.code == 0, up.err[-5000:] + up.out
        outcome = json.loads(up.out.splitlines()[-1])
        container = outcome["containerId"]
        assert (outcome["outcome"], outcome["remoteUser"]) == ("success", "dev")
        # The command itself may be in the log as well.
        lines = [line for line in up.err.splitlines() if "Run: innerloop init ." in line]
        assert any("echo" not in line for line in lines), up.err[-5000:]
        _becomes_a_workspace(person)
    finally:
        _remove(container)


def _publish(registry: str, folder: Path) -> None:
    """As the release workflow does it."""
    text = (ROOT / ".github/workflows/innerloop-release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    folder.mkdir()
    steps = [("build", "dev container template", ROOT), ("template", "publish", folder)]
    env = {**os.environ, "REGISTRY": registry, "GITHUB_REPOSITORY": "Acme/Templates"}
    for job, name, cwd in steps:
        (script,) = [step["run"] for step in jobs[job]["steps"] if step.get("name") == name]
        script = script.replace("template.tar", shlex.quote(str(folder / "template.tar")))
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=cwd, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["innerloop"]["version"] == __version__


def _becomes_a_workspace(person: _Person) -> None:
    made = person.exec("innerloop", "init", ".", "--example", "tiny")
    assert made.code == 0, made.out + made.err
    owner = (person.folder / "scripts/loop").stat().st_uid
    assert owner == PERSON
    pin = (person.folder / "scripts/loop-requirements.txt").read_text()
    assert f"innerloop=={__version__} " in pin
    ran = person.exec("scripts/loop", "run", "tiny")
    assert ran.code == 0, ran.out[-3000:] + ran.err
    assert list((person.folder / "outputs/tiny").iterdir())
    checked = person.exec("scripts/loop", "sync", "--check")
    assert checked.code == 0, checked.out + checked.err


def _remove(container: str) -> None:
    if not container:
        return
    image = docker("inspect", "--format", "{{.Image}}", container).strip()
    mounts = json.loads(docker("inspect", "--format", "{{json .Mounts}}", container))
    volumes = [mount["Name"] for mount in mounts if mount["Type"] == "volume"]
    docker("rm", "--force", container)
    tags = docker("image", "inspect", "--format", '{{join .RepoTags " "}}', image).split()
    for tag in tags:
        docker("rmi", tag, tag.replace("-uid:", ":"))
    docker("volume", "rm", *volumes)
