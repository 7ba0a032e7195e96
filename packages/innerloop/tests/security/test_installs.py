"""Every installation is checked by hashes, of which none is left out unnoticed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from innerloop.util import venvs
from tests.support import ROOT

# Installs without hashes, each with the reason. (file, text in the command)
WITHOUT_HASHES = {
    ("packages/innerloop/src/innerloop/model/dockerfiles/requirements_steps.py", "{python} -m"): (
        "the start of pip's command, which --require-hashes follows for a lock; packages of a person's "
        "conda file have no hashes, and of a requirements file with hashes pip checks all"
    ),
    ("packages/innerloop/src/innerloop/model/dockerfiles/lock_dockerfile.py", "uv sync"): (
        "uv checks every hash in uv.lock"
    ),
    ("packages/innerloop/src/innerloop/in_env_scripts/remote/agent.sh", '"$@"'): (
        "`$@` has the options of the requirements file: --require-hashes where it has hashes"
    ),
    ("packages/innerloop/src/innerloop/templates/uv-environment/Dockerfile", "uv sync"): (
        "uv checks every hash in uv.lock"
    ),
    ("packages/innerloop/tools/locks.py", "--upgrade"): (
        "the maintainers' tool asks pip about releases, in a temporary environment"
    ),
    ("packages/innerloop/tools/locks.py", "--dry-run"): "installs nothing",
    (".github/workflows/innerloop-release.yml", "--no-deps --no-index dist/*.whl"): (
        "the wheel that this very job built"
    ),
    ("packages/innerloop/src/innerloop/scaffold/tool_wheel.py", '"download"'): (
        "the wheel whose hash `init` writes down: there is none to check it by yet"
    ),
    ("packages/innerloop/src/innerloop/scaffold/upgrade_source.py", '"download"'): (
        "the wheel whose hash `upgrade` writes down: there is none to check it by yet"
    ),
    (".github/workflows/innerloop-release.yml", "npm install --global"): (
        "one version of the devcontainer CLI, which has no dependencies; npm checks its hash"
    ),
    ("packages/innerloop/benchmarks/_templates.py", '"--no-index", str(folder / name)'): (
        "the wheel that the benchmark built"
    ),
    ("packages/innerloop/oci-template/src/innerloop/.devcontainer/Dockerfile", "pip install"): (
        "one version, for people who have no workspace yet: what `init` makes has hashes"
    ),
    (".ci/steps.sh", "npm install"): "versions in the same file; npm checks the registry's hashes",
    ("packages/innerloop/src/innerloop/devcontainers/cli_argv.py", "PINNED"): (
        "one version of the devcontainer CLI, which has no dependencies; npm checks its hash"
    ),
}
INSTALL = re.compile(
    r"\bpip3?(\b|\")[^\n]*?\b(install|download)\b|\bnpm (install|ci|i) |\buvx\b|\bpipx (run|install)"
    r"|\[npx, |\bnpx -|\buv (tool|sync|add|run)\b|easy_install|conda install"
)
# What asks an index other than in the person's order, or brings packages along.
FORBIDDEN = re.compile(
    r"unsafe-(best|any)-match|unsafe-first-match|\"--seed\", \"--python\"|--seed --python"
)


def sources() -> list[Path]:
    argv = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    names = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    keep = []
    for name in names.split("\0"):
        path = ROOT / name
        is_text = path.suffix in ("", ".py", ".sh", ".yml", ".yaml", ".json", ".toml", ".cmd")
        is_document = name.startswith(("packages/innerloop/tests/", "packages/innerloop/docs/"))
        if name and is_text and not is_document and path.is_file() and not path.is_symlink():
            keep.append(path)
    return keep


def commands(path: Path) -> list[str]:
    """The logical lines with an installation: shells continue lines by a backslash."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        code = line.strip()
        if not INSTALL.search(code) or code.startswith(("#", '"""', "hint=", '"hint')):
            continue
        # An argv that goes on in the next line, as Python's lists do.
        found.append(
            " ".join([code, *lines[number + 1 : number + 4]])
            if path.suffix in ("", ".py")
            else code
        )
    return found


def is_message(command: str) -> bool:
    """Text for people, which names a command in backquotes."""
    return re.search(r"`[^`]*(pip|npm|npx|uv)[^`]*`", command) is not None


def test_every_install_command_has_hashes_or_a_reason() -> None:
    used = set()
    unhashed = []
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for command in commands(path):
            if "--require-hashes" in command or is_message(command):
                continue
            reason = next(
                (key for key in WITHOUT_HASHES if key[0] == name and key[1] in command), None
            )
            if reason is None:
                unhashed.append(f"{name}: {command}")
            used.add(reason)
    assert unhashed == []
    assert used - {None} == set(WITHOUT_HASHES)


def test_commands_are_found() -> None:
    """The search itself: it finds the installs that are known."""
    found = {path.relative_to(ROOT).as_posix() for path in sources() if commands(path)}
    assert {
        "packages/innerloop/src/innerloop/templates/experiment/environment/Dockerfile",
        "packages/innerloop/src/innerloop/util/venvs.py",
        ".ci/steps.sh",
        ".github/workflows/innerloop-release.yml",
        "scripts/loop",
    } <= found


def test_no_index_is_asked_out_of_order() -> None:
    for path in sources():
        assert not FORBIDDEN.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("make", [venvs._with_uv, venvs._with_pip])
def test_environments_are_made_from_hashes_alone(make: object, tmp_path: Path) -> None:
    words = ("uv",) if make is venvs._with_uv else ()
    steps = make(*words, tmp_path, [tmp_path / "a.txt"], "python3")  # type: ignore[operator]
    installs = [step for step in steps if "install" in step]
    assert len(installs) == 1 and "--require-hashes" in installs[0]
    assert all("--seed" not in step for step in steps)


def test_actions_are_pinned_by_commit() -> None:
    for path in sources():
        if path.suffix in (".yml", ".yaml") and ".github" in path.parts:
            for action in re.findall(r"uses: *([^\s#]+)", path.read_text(encoding="utf-8")):
                assert re.search(r"@[0-9a-f]{40}$", action) or action.startswith("./"), action
