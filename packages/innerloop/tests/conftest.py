"""Guards and fixtures for every test.

No test writes to the person's home or cache, and one that lacks what it needs is skipped, or fails
where INNERLOOP_REQUIRE=all promises that all is there.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import fork_server, group_order, made_once
from tests.support import (
    BUILDX,
    CI_TOOLS,
    REGISTRY,
    ROOT,
    TYPESCRIPT,
    Workspace,
    make_workspace,
)

# A job in the background of a script ignores Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long the cases take to make says how busy the machine is, and nothing about the tool.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=_SLOW)
# The same cases at every run: a red CI is the fault of the change, not of the day.
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=_SLOW,
)
# Of each property some cases, for a run that asks another question, such as whether a Python is fit.
settings.register_profile(
    "few", max_examples=8, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers inherit the variable
        shared = tempfile.mkdtemp(prefix="innerloop-shared-")
        os.environ[made_once.SHARED] = shared
        config.add_cleanup(lambda: shutil.rmtree(shared, ignore_errors=True))
    # xdist orders groups by the number of their tests; group_order does it by their time.
    config.option.loadscopereorder = False
    config.addinivalue_line("markers", "engine: starts a Docker engine of its own (root, dockerd)")
    config.addinivalue_line("markers", "devcontainer: needs the devcontainer CLI")
    config.addinivalue_line("markers", "editor: needs code-server (VS Code) and Chromium")
    config.addinivalue_line("markers", "azure: needs Azurite and openssl, for Azure on loopback")
    config.addinivalue_line(
        "markers", "buildkit: needs BuildKit, which Docker's buildx plugin brings"
    )
    config.addinivalue_line("markers", "workflows: needs the checkers of workflows (npm, PyPI)")
    config.addinivalue_line("markers", "typescript: needs TypeScript and node (npm)")
    config.addinivalue_line("markers", "shells: needs bash, zsh, fish and dash")
    config.addinivalue_line("markers", "registry: needs an image registry to run")
    config.addinivalue_line("markers", "cluster: needs openssl, for a Kubernetes API on loopback")
    config.addinivalue_line("markers", "mounts: needs root, to mount what only a test sees")
    config.addinivalue_line("markers", "slurm: needs Slurm's daemons and programs")
    config.addinivalue_line("markers", "sshd: needs OpenSSH's client, and its server unpacked")
    config.addinivalue_line("markers", "person: needs root, to act as the user with UID 1000")
    config.addinivalue_line(
        "markers", "nightly: long; only with `packages/innerloop/test --nightly`"
    )
    config.addinivalue_line(
        "markers", "stage(name): of a stage; only with `packages/innerloop/test --stage NAME`"
    )


def pytest_collection_finish() -> None:
    """Ten thousand tests stay to the end: the garbage collector need not look at them again and again.

    What forks from a worker shares their memory, too.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the long campaigns and stages that are not asked for, and groups the others.

    Groups say which tests stay together (`--dist loadgroup`).
    Those of a file, which share what they set up, and all that use one of TOGETHER. Docker's older
    builder fails when another test takes an image away whose layers it is just looking at; VS Code
    with its browser, and Azure on loopback with its client, take longer to set up than to use.
    """
    left_out = [item for item in items if _is_left_out(item)]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
    if not hasattr(config, "workerinput"):
        return
    groups = [_group(item) for item in items]
    for item, group in zip(items, groups, strict=True):
        item.add_marker(pytest.mark.xdist_group(group))
    items[:] = [items[index] for index in group_order.order(groups, group_order.recorded())]


TOGETHER = ("docker", "editor", "azure")


def _group(item: pytest.Item) -> str:
    for name in TOGETHER:
        if item.get_closest_marker(name):
            return name
    return item.path.relative_to(group_order.PACKAGE).as_posix()


_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[group_order.group_of(report.nodeid)] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In the process that the workers report to: what the groups of tests took."""
    if hasattr(session.config, "workerinput"):
        return
    if os.environ.get("INNERLOOP_DURATIONS") == "write" and "docker" in _seconds:
        group_order.record(_seconds)


def _is_left_out(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("stage")
    if (marker.args[0] if marker else "") != os.environ.get("INNERLOOP_STAGE", ""):
        return True
    return bool(item.get_closest_marker("nightly")) and not os.environ.get("INNERLOOP_NIGHTLY")


# How much the others give way to the tests with Docker, which one worker runs one after the other:
# they decide when the whole suite ends.
GIVE_WAY = 5
_PRIORITY = os.getpriority(os.PRIO_PROCESS, 0) if sys.platform != "win32" else 0


def _set_priority(item: pytest.Item) -> None:
    if sys.platform == "win32" or "PYTEST_XDIST_WORKER" not in os.environ:
        return
    more = 0 if item.get_closest_marker("docker") else GIVE_WAY
    with contextlib.suppress(PermissionError):  # only root takes it back
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY + more)


def pytest_runtest_setup(item: pytest.Item) -> None:
    _set_priority(item)
    for name, lacking in LACKING.items():
        if item.get_closest_marker(name) and (reason := lacking()):
            if os.environ.get("INNERLOOP_REQUIRE") == "all":
                pytest.fail(f"INNERLOOP_REQUIRE=all, but {reason}", pytrace=False)
            pytest.skip(reason)


@functools.cache
def _no_engine() -> str:
    if shutil.which("docker") is None:
        return "Docker is not installed"
    done = subprocess.run(["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True)
    return "" if done.returncode == 0 and done.stdout.strip() else "no Docker engine answers"


@functools.cache
def _no_devcontainer() -> str:
    return "" if shutil.which("devcontainer") else "the devcontainer CLI is not on PATH"


@functools.cache
def _no_editor() -> str:
    missing = [program for program in ("code-server", "chromium") if not shutil.which(program)]
    return f"{' and '.join(missing)} not on PATH (.ci/steps.sh installs them)" if missing else ""


@functools.cache
def _no_azure() -> str:
    if shutil.which("openssl") is None:
        return "openssl is not on PATH"
    from tests.azure.network import azurite  # here: it needs ssl, which not every Python has

    return "" if azurite() is not None else "Azurite (npm) is not on PATH"


@functools.cache
def _no_buildkit() -> str:
    return "" if BUILDX.exists() else f"there is no {BUILDX} (.ci/steps.sh has the step buildx)"


@functools.cache
def _no_registry() -> str:
    there = Path(REGISTRY).exists()
    return "" if there else f"there is no {REGISTRY} (.ci/steps.sh has the step registry)"


@functools.cache
def _no_workflow_checkers() -> str:
    folder = CI_TOOLS / "workflows"
    there = (
        "venv/bin/check-jsonschema",
        "node_modules/@actions/expressions",
        "node_modules/yaml",
        "node",
    )
    if all((folder / one).exists() for one in there) and (CI_TOOLS / "bin/actionlint").exists():
        return ""
    return f"{folder} lacks the checkers of workflows (.ci/steps.sh has the step workflow_checkers)"


@functools.cache
def _no_typescript() -> str:
    there = ("node", "node_modules/typescript", "node_modules/@types/vscode")
    if all((TYPESCRIPT / name).exists() for name in there):
        return ""
    return f"{TYPESCRIPT} lacks the compiler (.ci/steps.sh has the step typescript)"


@functools.cache
def _no_person() -> str:
    if os.name == "nt" or os.getuid() != 0 or shutil.which("setpriv") is None:
        return "only root on Linux can act as another person"
    return "" if Path("/usr/bin/python3").exists() else "there is no /usr/bin/python3"


@functools.cache
def _no_sshd() -> str:
    if not (CI_TOOLS / "sshd/usr/sbin/sshd").exists():
        return f"{CI_TOOLS}/sshd lacks sshd (.ci/steps.sh has the step ssh_server)"
    return "" if shutil.which("ssh-agent") else "OpenSSH's client is not on PATH"


@functools.cache
def _no_slurm() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
    missing = [name for name in programs if shutil.which(name, path=path) is None]
    if os.name == "nt" or os.getuid() != 0:
        return "only root on Linux can start a cluster of its own"
    return f"{missing[0]} is not on PATH (.ci/steps.sh has the step slurm)" if missing else ""


@functools.cache
def _no_shells() -> str:
    missing = [name for name in ("bash", "zsh", "fish", "dash") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not on PATH (.ci/steps.sh installs them)" if missing else ""


@functools.cache
def _no_cluster() -> str:
    return "" if shutil.which("openssl") else "openssl is not on PATH"


@functools.cache
def _no_mounts() -> str:
    if os.name == "nt" or os.getuid() != 0 or shutil.which("unshare") is None:
        return "only root on Linux can mount something for one program alone"
    return ""


@functools.cache
def _no_own_engine() -> str:
    if os.name == "nt" or os.getuid() != 0 or shutil.which("unshare") is None:
        return "only root on Linux can start an engine of its own"
    return "" if shutil.which("dockerd") else "dockerd is not on PATH"


LACKING = {
    "shells": _no_shells,
    "docker": _no_engine,
    "devcontainer": _no_devcontainer,
    "editor": _no_editor,
    "azure": _no_azure,
    "buildkit": _no_buildkit,
    "registry": _no_registry,
    "workflows": _no_workflow_checkers,
    "typescript": _no_typescript,
    "person": _no_person,
    "sshd": _no_sshd,
    "slurm": _no_slurm,
    "engine": _no_own_engine,
    "cluster": _no_cluster,
    "mounts": _no_mounts,
}


# What tells the tool where it runs. A test that is about one of them sets it.
OF_THE_CALLER = (
    *("INNERLOOP_EXPERIMENT", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "CODESPACES", "CODESPACE_NAME", "REMOTE_CONTAINERS"),
    *("NO_COLOR", "FORCE_COLOR", "BROWSER", "AZURE_TENANT_ID", "KUBECONFIG"),
    # With it, the tool compiles the whole of each environment that it makes.
    "PYTHONDONTWRITEBYTECODE",
)


@pytest.fixture(autouse=True, scope="session")
def _no_home_of_a_person() -> Iterator[None]:
    """HOME and the caches are temporary folders for the session: environments are made once in it.

    What a person set up for pip and Docker still counts, since it says how to reach them.
    """
    home = Path.home()
    kept = {
        "DOCKER_CONFIG": home / ".docker",
        "PIP_CONFIG_FILE": home / ".config" / "pip" / "pip.conf",
        "PIP_CACHE_DIR": home / ".cache" / "pip",
        "UV_CACHE_DIR": home / ".cache" / "uv",
    }
    scratch = Path(tempfile.mkdtemp(prefix="innerloop-tests-"))
    changes = {
        "HOME": str(scratch / "home"),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "INNERLOOP_CACHE": os.environ.get("INNERLOOP_TEST_CACHE") or str(scratch / "innerloop"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{name: str(path) for name, path in kept.items() if path.exists()},
    }
    before = dict(os.environ)
    Path(changes["HOME"]).mkdir()
    os.environ.update({k: v for k, v in changes.items() if k not in kept or k not in before})
    for name in OF_THE_CALLER:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def _tool(_no_home_of_a_person: None) -> Iterator[None]:
    """The tool's own environment is there, so that its first start is in no test's output."""
    if sys.platform != "win32" and not os.environ.get("INNERLOOP_TEST_CACHE"):
        made_once.share_environments(Path(os.environ["INNERLOOP_CACHE"]))
    done = subprocess.run([ROOT / "scripts" / "loop", "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if os.environ.get("COVERAGE_PROCESS_START"):
        _measure_the_tool()
    with fork_server.started(ROOT / "scripts" / "loop"):
        yield


def _measure_the_tool() -> None:
    """Every command line that a test starts is measured: `packages/innerloop/test --coverage`."""
    import coverage

    packages = Path(coverage.__file__).parent.parent
    hook = f"{packages}\nimport coverage; coverage.process_startup()\n"
    for folder in Path(os.environ["INNERLOOP_CACHE"], "tool").glob("*/lib/python*/site-packages"):
        (folder / "innerloop-coverage.pth").write_text(hook, encoding="utf-8")


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest, _tool: None) -> Iterator[Workspace]:
    """Empty, at a path with blanks and letters beyond ASCII; its images go when the test ends."""
    made = make_workspace(tmp_path / "Mein Schreibtisch é" / "work space")
    yield made
    if request.node.get_closest_marker("docker"):
        made.clean()
