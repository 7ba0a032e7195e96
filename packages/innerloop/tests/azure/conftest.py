"""A whole Azure on loopback.

The stand-in, the proxy before it, a real Azurite; one of each for all tests, cleaned between them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.azure import deployable, endpoints, network, standin, warm_worker
from tests.support import ROOT, TRACEBACK, Answer, Started, Workspace

if TYPE_CHECKING:
    from tests.azure.quick import Quick

TRAIN = "print('trained')\n"


@dataclass(slots=True)
class Cloud:
    """`env` is what a program needs to meet this Azure and no other; `warm`, to have its worker at once."""

    azure: standin.Azure
    proxy: network.Proxy
    env: dict[str, str]
    warm: dict[str, str]

    def loop(
        self, workspace: Workspace, *words: str, env: Mapping[str, str] | None = None
    ) -> Answer:
        """`scripts/loop WORDS`. In no output of any test is a secret, nor a traceback."""
        answer = workspace.loop(*words, env={**self.env, **self.warm, **(env or {})}, timeout=300)
        self.check(answer.out + answer.err)
        return answer

    def start(
        self, workspace: Workspace, *words: str, env: Mapping[str, str] | None = None
    ) -> Started:
        return workspace.start(*words, env={**self.env, **(env or {})})

    def check(self, text: str) -> None:
        assert TRACEBACK not in text, text
        for secret in standin.NEVER_SHOWN:
            assert secret not in text, text


@dataclass(slots=True)
class Deployed:
    """A cloud, a workspace with something to deploy, and the container that answers for it."""

    cloud: Cloud
    workspace: Workspace
    container: deployable.Container

    @property
    def known(self) -> endpoints.Endpoints:
        return endpoints.endpoints(self.cloud.azure)

    @property
    def traffic(self) -> dict[str, int]:
        return endpoints.traffic(self.cloud.azure, deployable.NAME)

    @property
    def names(self) -> list[str]:
        return sorted(endpoints.deployments(self.cloud.azure, deployable.NAME))

    @property
    def models(self) -> list[str]:
        return [path.split("/models/")[1] for path in self.cloud.azure.bodies if "/models/" in path]

    def deploy(self, *words: str, code: int = 0) -> Answer:
        answer = self.cloud.loop(self.workspace, "deploy", "tiny", *words)
        assert answer.code == code, answer.out + answer.err
        return answer

    def both(self, *words: str) -> None:
        """Two deployments: blue of the first model, then green of the second."""
        self.deploy()
        deployable.model(self.workspace, "run-2", "weights of the second\n")
        self.deploy(*words)


@pytest.fixture(scope="session")
def _cloud(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("azure")
    authority, server = network.certificates(folder)
    store = network.Azurite(folder, server, standin.ACCOUNT, standin.KEY)
    azure = standin.Azure(store.port)
    proxy = network.Proxy(azure, standin.HOSTS, server, store.port)
    for container in ("workspaceblobstore", "workspaceartifactstore"):
        azure.blobs.make(container)
    # Azure's client is set up here, so that its first use is in no test's output.
    code = "import sys; sys.path.insert(0, 'packages/innerloop/src'); from innerloop.util import locked_environments as b; print(b.ensure('azure'))"
    done = subprocess.run(
        ["python3", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    env = {
        **standin.environment(proxy.url, authority),
        "INNERLOOP_PAUSE": "0.05",
        "INNERLOOP_PATIENCE": "60",
    }
    environment = Path(done.stdout.splitlines()[-1])
    source, worker = ROOT / "packages/innerloop/src", "innerloop.remote.azureml.worker"
    with warm_worker.started(environment, source, worker, env) as warm:
        yield Cloud(azure, proxy, env, warm)
    proxy.close()
    store.close()


@pytest.fixture
def cloud(_cloud: Cloud) -> Iterator[Cloud]:
    _cloud.azure.reset()
    _cloud.proxy.weather = network.Weather()
    _cloud.proxy.refused.clear()
    _cloud.proxy.blob_bytes = 0
    yield _cloud
    for folder in ("workspaceblobstore", "workspaceartifactstore"):
        _cloud.azure.blobs.empty(folder)
    # Nobody else is ever asked: no telemetry, no other cloud, no plain http.
    assert _cloud.proxy.refused == []


@pytest.fixture(scope="session")
def _quick(_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    from tests.azure.quick import Quick

    quick = Quick(_cloud, tmp_path_factory.mktemp("worker"))
    yield quick
    quick.connection.close()


@pytest.fixture
def quick(_quick: Quick, cloud: Cloud) -> Iterator[Quick]:
    """The command line in this process; faults may strike the blob store as well."""
    from tests.azure import faults

    faults.calm(cloud)
    yield _quick
    faults.calm(cloud)


@pytest.fixture
def tiny(workspace: Workspace) -> Workspace:
    """An experiment with common code by a link, an input of each kind, and an ignore file."""
    job = (
        "experiment_name: tiny\n"
        "command: >-\n  python train.py --data ${{inputs.data}} --epochs ${{inputs.epochs}}\n"
        "  --out ${{outputs.model}}\n"
        "inputs:\n  data:\n    type: uri_folder\n    path: azureml:digits:1\n  epochs: 2\n"
        "outputs:\n  model:\n    type: uri_folder\n"
        "compute: azureml:cpu-cluster\n"
    )
    workspace.add("tiny", TRAIN, job=job)
    workspace.write("src/common/shapes.py", "SIDES = 4\n")
    workspace.write("src/common/tables/one.csv", "a,b\n1,2\n")
    common = workspace.root / "src/tiny/common"
    common.mkdir()
    (common / "shapes.py").symlink_to("../../common/shapes.py")
    (common / "tables").symlink_to("../../common/tables")
    workspace.write("src/tiny/.amlignore", "tests/\n*.pyc\n")
    workspace.write("src/tiny/tests/test_train.py", "def test(): pass\n")
    workspace.write("src/tiny/docs/Ünï cödé.md", "# Letters beyond ASCII\n")
    return workspace


@pytest.fixture
def deployed(cloud: Cloud, tiny: Workspace) -> Iterator[Deployed]:
    deployable.add(tiny)
    with deployable.container() as container:
        made = Deployed(cloud, tiny, container)
        made.known.ports["*"] = container.port
        yield made
