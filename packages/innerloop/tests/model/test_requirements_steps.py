"""What the steps of a generated Dockerfile install by uv, and what by pip: their shell's commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from innerloop.model.dockerfiles import dockerfile
from innerloop.model.dockerfiles.dockerfile_mounts import BuildMounts, mounted
from innerloop.model.dockerfiles.requirements_steps import UV, install_step, uv_step

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs sh")
LOCK = "uv==1.2 \\\n    --hash=sha256:aa\n"
FILES = ("/opt/innerloop", "/etc/pip.conf", "/etc/xdg/pip/pip.conf")
TOOLS_OWN = "/run/secrets/innerloop-pip.conf"
# Stands in for Python with pip: `pip config list` prints a file, and what PIP_CONFIG_FILE would add.
PYTHON = """#!/bin/sh
if [ "$2 $3 $4" = "pip config list" ] && [ -f "$HOME/listed" ]; then
    cat "$HOME/listed"
    [ -z "$PIP_CONFIG_FILE" ] || echo "global.index-url='https://company.test'"
elif [ "$2 $3" = "pip --version" ] && [ -f "$HOME/listed" ]; then
    echo pip
elif [ "$2 $3" = "pip install" ] && [ -f "$HOME/listed" ]; then
    echo "pip $*" >> "$HOME/called"
    if [ "$8" = --target ]; then mkdir -p "$9/bin" && cp "$HOME/uv" "$9/bin/uv"; fi
else
    exit 1
fi
"""
UV_STUB = '#!/bin/sh\necho "uv $*" >> "$HOME/called"\nexit "${REFUSES:-0}"\n'


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The root of what stands in for an image: its programs are in `bin`."""
    (tmp_path / "bin").mkdir()
    for name, text in (("bin/python3", PYTHON), ("uv", UV_STUB)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def step(image: Path, text: str, shell: str = "sh", **env: str) -> str:
    """What the shell of a step prints, with the places of the image below its root."""
    (run,) = dockerfile.parse(f"FROM a\n{text}", "Dockerfile").last.instructions[1:]
    command = run.arguments
    for path in FILES:
        command = command.replace(path, f"{image}{path}")
    path = f"{image}/bin:/usr/bin:/bin"
    words = ["-eo", "pipefail", "-c"] if shell == "bash" else ["-c"]
    done = subprocess.run(
        [shell, *words, command],
        env={"PATH": path, "HOME": str(image), **env},
        cwd=image,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_uv(image: Path) -> bool:
    return Path(f"{image}{UV}").exists()


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", True),
        (":env:.cert='/a.pem'\n:env:.no-cache-dir='1'\nglobal.timeout='60'\n", True),
        ("list.format='columns'\ndownload.index-url='https://company.test'\n", True),
        ("global.index-url='https://company.test'\n", False),
        ("global.timeout='60'\nglobal.extra-index-url='\\nhttps://company.test'\n", False),
        ("install.find-links='/wheels'\n", False),
        (":env:.constraint='/constraints.txt'\n", False),
        (":env:.no-binary=':all:'\n", False),
        (":env:.something-new='1'\n", False),
    ],
)
def test_uv_is_installed_unless_settings_of_pip_matter(
    image: Path, shell: str, listed: str, expected: bool
) -> None:
    (image / "listed").write_text(listed)
    printed = step(image, uv_step(LOCK), shell)
    assert has_uv(image) is expected
    assert ("settings of pip" in printed) is not expected
    called = (image / "called").read_text() if expected else ""
    assert ("--require-hashes" in called) is expected


@pytest.mark.parametrize(("file", "expected"), [(TOOLS_OWN, True), ("/company/pip.conf", False)])
def test_settings_that_the_tool_gives_uv_too_do_not_matter(
    image: Path, file: str, expected: bool
) -> None:
    (image / "listed").write_text("")
    step(image, uv_step(LOCK), PIP_CONFIG_FILE=file)
    assert has_uv(image) is expected


@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        ("", "", True),
        ("PIP_CERT", "", True),
        ("PIP_INDEX_URL", "", False),
        ("PIP_EXTRA_INDEX_URL", "", False),
        ("", "etc/pip.conf", False),
        ("", ".config/pip/pip.conf", False),
    ],
)
def test_image_without_pip_gives_its_uv_unless_it_has_settings_of_pip(
    image: Path, variable: str, file: str, expected: bool
) -> None:
    (image / "uv").rename(image / "bin/uv")
    if file:
        (image / file).parent.mkdir(parents=True)
        (image / file).write_text("[global]\n")
    step(image, uv_step(LOCK), **({variable: "https://company.test"} if variable else {}))
    assert has_uv(image) is expected


def test_uv_of_a_base_image_is_not_taken_where_settings_matter(image: Path) -> None:
    (image / "listed").write_text("")
    step(image, uv_step(LOCK))
    (image / "listed").write_text("global.index-url='https://company.test'\n")
    step(image, uv_step(LOCK))
    assert not has_uv(image)


@pytest.mark.parametrize(
    ("uv", "refuses", "called"), [(True, "0", "uv"), (True, "2", "uv pip"), (False, "0", "pip")]
)
def test_pip_installs_where_there_is_no_uv_or_it_fails(
    image: Path, uv: bool, refuses: str, called: str
) -> None:
    (image / "listed").write_text("")
    if uv:
        step(image, uv_step(LOCK))
        (image / "called").unlink()
    printed = step(image, install_step("it's.txt", hashed=True), REFUSES=refuses)
    lines = (image / "called").read_text().splitlines()
    assert [line.split()[0] for line in lines] == called.split()
    assert all(line.endswith("--require-hashes -r it's.txt") for line in lines)
    assert printed.count("innerloop: ") == ("pip" in called.split())


def test_file_that_may_lose_its_hashes_is_checked_by_pip_as_far_as_it_has_some() -> None:
    uvs, pips = install_step("a.txt", hashed=True, enforced=False).split("then", 1)
    assert "--require-hashes" in uvs and "--require-hashes" not in pips
    assert "uv" not in install_step("a.txt", hashed=False)


def test_steps_have_the_caches_of_uv_and_pip() -> None:
    text = f"FROM a\n{uv_step(LOCK)}{install_step('a.txt', hashed=True)}"
    found = mounted(text, BuildMounts(caches=True))
    assert "--cache-dir /var/cache/innerloop-uv/" in found and "--no-cache" not in found
    assert found.count("id=innerloop-pip-cache") == 2
