"""What uv is told of pip's settings, and what its output says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from innerloop.util import network, uv_installer, venvs
from innerloop.util.network import Network


def of(tmp_path: Path, conf: str, **environ: str) -> Network:
    path = tmp_path / "pip.conf"
    path.write_text(conf)
    return network.of_machine({"PIP_CONFIG_FILE": str(path), **environ}, home=tmp_path)


@pytest.mark.parametrize(
    ("conf", "environ", "options"),
    [
        ("[global]\nfind-links = /opt/wheels\n", {}, ["--find-links", "/opt/wheels"]),
        ("[install]\nfind_links =\n  /a\n  https://b/c\n", {},
         ["--find-links", "/a", "--find-links", "https://b/c"]),
        ("", {"PIP_CONSTRAINT": "/a.txt /b.txt"},
         ["--constraint", "/a.txt", "--constraint", "/b.txt"]),
        ("[global]\nno-index = true\n", {}, ["--no-index"]),
        ("[global]\nno-index = true\n", {"PIP_NO_INDEX": "0"}, []),
        ("[global]\npre = yes\n", {}, ["--prerelease", "allow"]),
        ("[install]\nonly-binary = :all:\n", {}, ["--only-binary", ":all:"]),
        ("[install]\nno-binary = lxml,numpy\n", {},
         ["--no-binary", "lxml", "--no-binary", "numpy"]),
        ("[global]\nkeyring-provider = subprocess\n", {}, ["--keyring-provider", "subprocess"]),
        ("[list]\nfind-links = /never\n", {}, []),
    ],
)  # fmt: skip
def test_options_say_to_uv_what_pips_files_and_variables_say(
    tmp_path: Path, conf: str, environ: dict[str, str], options: Sequence[str]
) -> None:
    assert uv_installer.options(of(tmp_path, conf, **environ)) == options


@pytest.mark.parametrize(
    ("conf", "environ", "variables"),
    [
        ("[global]\nproxy = http://p:1\n", {}, {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}),
        ("[global]\nclient-cert = /me.pem\n", {}, {"SSL_CLIENT_CERT": "/me.pem"}),
        ("[global]\ntimeout = 90\nretries = 7\n", {},
         {"UV_HTTP_TIMEOUT": "90", "UV_HTTP_RETRIES": "7"}),
        ("", {"PIP_DEFAULT_TIMEOUT": "30"}, {"UV_HTTP_TIMEOUT": "30"}),
    ],
)  # fmt: skip
def test_variables_say_to_uv_what_pips_files_and_variables_say(
    tmp_path: Path, conf: str, environ: dict[str, str], variables: dict[str, str]
) -> None:
    reach = of(tmp_path, conf, **environ)
    told = uv_installer.variables(reach, {}, tmp_path / "cache", tmp_path / "cache/envs/a")
    assert told.items() >= variables.items()


def test_a_proxy_and_settings_of_uv_that_a_person_made_stay(tmp_path: Path) -> None:
    reach = of(tmp_path, "[global]\nproxy = http://p:1\nretries = 7\n", HTTPS_PROXY="http://q:2")
    told = uv_installer.variables(reach, {"UV_HTTP_RETRIES": "1"}, tmp_path, tmp_path / "a")
    assert not told.keys() & {"HTTPS_PROXY", "HTTP_PROXY", "UV_HTTP_RETRIES"}


def test_indexes_of_this_machine_alone_are_for_uv_and_not_for_a_container(tmp_path: Path) -> None:
    reach = of(tmp_path, "[global]\nextra-index-url = file:///opt/simple\n")
    assert reach.pip == {}
    told = network.for_installer(reach, tmp_path, {})
    assert told["UV_EXTRA_INDEX_URL"] == "file:///opt/simple"
    turned = network.public_index_first(reach, {})
    assert turned["UV_EXTRA_INDEX_URL"].startswith("https://pypi.org/")
    assert turned["UV_INDEX_URL"] == "file:///opt/simple"
    assert network.public_index_first(reach, {"UV_INDEX": "mine"}) == {}
    assert network.public_index_first(of(tmp_path, ""), {}) == {}


def test_the_cache_is_on_the_file_system_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only there can a package be linked."""
    devices = {"home": 1, "cache": 2, "mine": 3}
    monkeypatch.setattr(
        uv_installer, "_device", lambda path: devices[path.relative_to(tmp_path).parts[0]]
    )
    for name in ("home/.cache/uv", "mine"):
        (tmp_path / name).mkdir(parents=True)
    home = {"HOME": str(tmp_path / "home"), "LOCALAPPDATA": str(tmp_path / "home/.cache")}
    if os.name == "nt":
        (tmp_path / "home/.cache/uv/cache").mkdir()

    def told(environment: str, **environ: str) -> dict[str, str]:
        return uv_installer.variables(
            Network(), {**home, **environ}, tmp_path / "cache", tmp_path / environment
        )

    other = told("cache/envs/a")
    assert other["UV_CACHE_DIR"] == str(tmp_path / "cache" / uv_installer.CACHE)
    assert "UV_LINK_MODE" not in other
    assert ".cache" in told("home/envs/a")["UV_CACHE_DIR"]
    mine = told("cache/envs/a", UV_CACHE_DIR=str(tmp_path / "mine"))
    assert mine["UV_LINK_MODE"] == "copy" and "UV_CACHE_DIR" not in mine
    chosen = told("cache/envs/a", UV_CACHE_DIR=str(tmp_path / "mine"), UV_LINK_MODE="symlink")
    assert "UV_LINK_MODE" not in chosen


def test_constraints_with_hashes_are_for_pip(tmp_path: Path) -> None:
    reach = of(tmp_path, "[global]\nconstraint = /c.txt\n")
    assert uv_installer.needs_pip(reach, hashed=True)
    assert not uv_installer.needs_pip(reach, hashed=False)
    assert not uv_installer.needs_pip(of(tmp_path, ""), hashed=True)


def test_downloads_count_packages_and_bytes() -> None:
    downloads = uv_installer.Downloads()
    lines = [
        "Resolved 20 packages in 466ms",
        "Downloading torch (800.0MiB)",
        "Downloading numpy (16.0MiB)",
        " Downloaded numpy",
    ]
    assert [downloads.text(line) for line in lines] == [
        "Resolved 20 packages in 466ms",
        "downloaded 0 of 1 large packages, 0 MB of 839 MB",
        "downloaded 0 of 2 large packages, 0 MB of 856 MB",
        "downloaded 1 of 2 large packages, 17 MB of 856 MB",
    ]


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("  Downloading torch-2.14.1-cp311.whl (800.1 MB)", 800_100_000),
        ("Downloading torch (1.5GiB)", 1.5 * 1024**3),
        ("  Downloading x-1.whl.metadata (1,024 kB)", 0),
        ("Downloaded torch", 0),
    ],
)
def test_download_size_is_read_from_either_installers_line(line: str, size: float) -> None:
    assert uv_installer.download_size(line) == pytest.approx(size)


def test_a_failure_that_is_pips_too_is_final() -> None:
    assert uv_installer.is_final("error: Hash mismatch for `tomli==2.2.1`")
    assert uv_installer.is_final("  cause: No space left on device (os error 28)")
    assert not uv_installer.is_final("error: No solution found when resolving dependencies")
    assert uv_installer.reason("Using Python\nerror: No solution\n  cause: x") == "No solution"
    assert uv_installer.reason("") == "no reason given"


def test_requirements_that_name_nothing_need_no_installer(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("# nothing\n\n")
    assert not venvs._names_packages([lock])
    lock.write_text("# one\ntomli==2.2.1\n")
    assert venvs._names_packages([lock])


def test_a_lock_with_an_index_of_its_own_is_split_by_local_versions() -> None:
    lock = (
        "# head\n--extra-index-url https://a.test/s\n"
        "numpy==2.1 \\\n    --hash=sha256:1\n    # via torch\n"
        "torch==2.1 ; sys_platform == 'darwin' \\\n    --hash=sha256:2\n"
        "torch==2.1+cpu ; sys_platform != 'darwin' \\\n    --hash=sha256:3 \\\n    --hash=sha256:4\n"
    )
    index, local, rest = uv_installer.split(lock)
    assert index == "https://a.test/s"
    assert local == lock[lock.index("torch==2.1+cpu") :]
    assert rest == "# head\n" + lock[lock.index("numpy") : lock.index("torch==2.1+cpu")]
    assert uv_installer.split("numpy==2.1\n") == ("", "", "numpy==2.1\n")
