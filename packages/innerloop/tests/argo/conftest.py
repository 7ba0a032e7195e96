"""A cluster on loopback: the API, what runs its Workflows on the real engine, a real registry."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import registry
from tests.argo.api import READER, TOKEN, Api, Weather
from tests.argo.controller import Controller
from tests.azure import warm_worker
from tests.small_image import small_tiny
from tests.support import ROOT, TRACEBACK, Answer, Started, Workspace, docker, make_workspace


@dataclass(slots=True)
class Cluster:
    """`env` is what a program needs to meet this cluster and no other; `warm`, to have its worker at once."""

    api: Api
    controller: Controller
    env: dict[str, str]
    warm: dict[str, str]
    folder: Path

    def loop(
        self, workspace: Workspace, *words: str, env: Mapping[str, str] | None = None
    ) -> Answer:
        """`scripts/loop WORDS`. In no output of any test is a token, nor a traceback."""
        answer = workspace.loop(*words, env={**self.env, **self.warm, **(env or {})}, timeout=120)
        self.check(answer.out + answer.err)
        return answer

    def start(self, workspace: Workspace, *words: str) -> Started:
        return workspace.start(*words, env=self.env)

    def check(self, text: str) -> None:
        assert TRACEBACK not in text, text
        assert TOKEN not in text and READER not in text, text


@pytest.fixture(scope="session")
def _warm(_tool: None) -> Iterator[dict[str, str]]:
    """The Kubernetes client is set up here, so that its first use is in no test's output."""
    code = "import sys; sys.path.insert(0, 'packages/innerloop/src'); from innerloop.util import locked_environments as b; print(b.ensure('kubernetes'))"
    done = subprocess.run(
        ["python3", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    environment = Path(done.stdout.splitlines()[-1])
    source, worker = ROOT / "packages/innerloop/src", "innerloop.remote.argo.worker"
    with warm_worker.started(environment, source, worker, {}) as warm:
        yield warm


@pytest.fixture
def cluster(tmp_path: Path, _warm: dict[str, str]) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    api = Api(folder)
    controller = Controller(api, folder)
    env = {
        "KUBECONFIG": str(api.kubeconfig(folder / "config")),
        "INNERLOOP_PAUSE": "0.05",
        "INNERLOOP_PATIENCE": "60",
    }
    yield Cluster(api, controller, env, _warm, folder)
    api.weather = Weather()
    controller.close()
    api.close()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry, with the part of a team; what was pulled from it goes in the end."""
    with registry.running(tmp_path_factory.mktemp("registry")) as address:
        yield f"{address}/team"
        listed = docker("images", "--format", "{{.ID}}", "--filter", f"reference={address}/*/*")
        if listed.split():
            docker("rmi", "--force", *dict.fromkeys(listed.split()))


@pytest.fixture
def work(tmp_path: Path, images: str, _tool: None) -> Iterator[Workspace]:
    made = make_workspace(tmp_path / "work space")
    made.dockerfile = small_tiny()
    made.write("pyproject.toml", f'[tool.innerloop]\nregistry = "{images}"\n')
    yield made
    made.clean()
