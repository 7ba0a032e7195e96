"""What variables, pip's files and .netrc say about the way out of this machine."""

from __future__ import annotations

import base64
import os
import stat
import sys
from pathlib import Path

import pytest

from innerloop.util import locked_environments, network
from innerloop.util.errors import UserError
from innerloop.util.network import Network

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def of(tmp_path: Path, **environ: str) -> Network:
    return network.of_machine({"PIP_CONFIG_FILE": os.devnull, **environ}, home=tmp_path)


def test_nothing_said_is_nothing(tmp_path: Path) -> None:
    assert of(tmp_path) == Network()
    assert Network().pip_conf == ""


def test_proxies_in_upper_and_lower_case(tmp_path: Path) -> None:
    found = of(tmp_path, https_proxy="http://p:1", NO_PROXY="localhost").proxies
    assert found == {
        "HTTPS_PROXY": "http://p:1",
        "https_proxy": "http://p:1",
        "NO_PROXY": "localhost",
        "no_proxy": "localhost",
    }


def test_pip_by_file_and_variable_with_the_password_of_netrc(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex_url = https://old.test/simple\ntimeout = 9\n"
        "[install]\nextra-index-url =\n  file:///here\n  https://more.test/simple\n"
    )
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine more.test login ada password p@ss%w/rd\n")
    netrc.chmod(stat.S_IRUSR | stat.S_IWUSR)
    environ = {"PIP_CONFIG_FILE": str(conf), "PIP_INDEX_URL": "https://new.test/simple"}
    found = network.of_machine(environ, home=tmp_path).pip
    assert found == {
        "index-url": ("https://new.test/simple",),
        "extra-index-url": ("https://ada:p%40ss%25w%2Frd@more.test/simple",),
        "timeout": ("9",),
    }


def test_folders_of_this_machine_say_nothing_to_a_container(tmp_path: Path) -> None:
    found = of(
        tmp_path, PIP_FIND_LINKS="/opt/wheels", PIP_EXTRA_INDEX_URL="file:///x", PIP_TIMEOUT="9"
    )
    assert found.pip == {}


def test_the_text_of_a_pip_conf(tmp_path: Path) -> None:
    found = of(tmp_path, PIP_INDEX_URL="https://a/s", PIP_EXTRA_INDEX_URL="https://b/s https://c/s")
    assert found.pip_conf == (
        "[global]\nextra-index-url = \n    https://b/s\n    https://c/s\nindex-url = https://a/s\n"
    )


def test_the_text_of_a_uv_toml_has_the_indexes_in_the_order_in_which_uv_asks(
    tmp_path: Path,
) -> None:
    assert of(tmp_path).uv_toml == ""
    found = of(
        tmp_path,
        PIP_INDEX_URL="https://pypi.org/simple",
        PIP_EXTRA_INDEX_URL="https://ada:x@b/s",
        PIP_FIND_LINKS="https://c/wheels",
        PIP_TRUSTED_HOST="b c",
    )
    assert found.uv_toml == (
        'find-links = ["https://c/wheels"]\nallow-insecure-host = ["b", "c"]\n'
        '[[index]]\nurl = "https://ada:x@b/s"\n'
        '[[index]]\nurl = "https://pypi.org/simple"\ndefault = true\n'
    )


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:3128", True),
        ("http://ada:x@127.0.0.1:3128", True),
        ("127.1.2.3:3128", True),
        ("http://[::1]:3128", True),
        ("http://proxy.test:3128", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_listens_on_this_machine_alone(tmp_path: Path, url: str, loopback: bool) -> None:
    assert of(tmp_path, HTTPS_PROXY=url).on_loopback is loopback
    assert not of(tmp_path, HTTPS_PROXY="http://p.test", NO_PROXY="localhost").on_loopback


def test_the_setting_before_the_variables_and_a_variable_that_leads_nowhere(tmp_path: Path) -> None:
    for name in ("own.pem", "other.pem"):
        (tmp_path / name).write_text(PEM)
    environ = {"SSL_CERT_FILE": "/not/there", "PIP_CERT": str(tmp_path / "other.pem")}
    assert of(tmp_path, **environ).ca == str(tmp_path / "other.pem")
    chosen = network.of_machine(environ, root=tmp_path, ca="own.pem", home=tmp_path)
    assert (chosen.ca, chosen.asked) == (str(tmp_path / "own.pem"), True)


def test_a_setting_that_leads_nowhere_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='pyproject.toml: there is no file "gone.pem"'):
        network.of_machine({}, root=tmp_path, ca="gone.pem", home=tmp_path)


def test_a_companys_certificate_alone_gets_the_public_ones_beside_it(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(PEM)
    made = network.bundle(Network(ca=str(tmp_path / "own.pem")), tmp_path / "cache")
    assert made is not None
    text = made.read_text()
    assert text.startswith(PEM) and text.count("BEGIN CERTIFICATE") > 20
    whole = network.bundle(Network(ca=str(made)), tmp_path / "cache")
    assert whole is not None and whole.read_text() == text


def test_the_binary_form_is_read_and_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.cer").write_bytes(b"\x30" + b"\1" * 20)
    made = network.bundle(Network(ca=str(tmp_path / "own.cer")), tmp_path)
    assert made is not None
    assert base64.b64encode(b"\x30" + b"\1" * 20).decode() in made.read_text()
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UserError, match="contains no certificate"):
        network.bundle(Network(ca=str(tmp_path / "text")), tmp_path)


def test_uv_is_told_what_pip_knows_by_itself(tmp_path: Path) -> None:
    reach = of(tmp_path, PIP_INDEX_URL="https://a/s", PIP_EXTRA_INDEX_URL="https://b/s")
    told = network.for_installer(reach, tmp_path, {})
    assert told == {"UV_EXTRA_INDEX_URL": "https://a/s", "UV_INDEX_URL": "https://b/s"}
    assert network.for_installer(reach, tmp_path, {"UV_INDEX_URL": "mine"}) == {}
    assert network.for_installer(reach, tmp_path, {"UV_DEFAULT_INDEX": "mine"}) == {}


@pytest.mark.parametrize(
    ("index", "extra", "order"),
    [
        ("https://pypi.org/simple", "https://corp/simple", ["https://corp/simple", "https://pypi.org/simple"]),
        ("https://corp/simple", "https://pypi.org/simple", ["https://corp/simple", "https://pypi.org/simple"]),
        ("https://a/s", "https://b/s https://c/s", ["https://a/s", "https://b/s", "https://c/s"]),
        ("", "https://b/s", ["https://b/s"]),
    ],
)  # fmt: skip
def test_uv_asks_private_indexes_first_and_is_never_told_to_take_the_best_match(
    tmp_path: Path, index: str, extra: str, order: list[str]
) -> None:
    settings = {"PIP_EXTRA_INDEX_URL": extra} | ({"PIP_INDEX_URL": index} if index else {})
    told = network.for_installer(of(tmp_path, **settings), tmp_path, {})
    asked = [*told["UV_EXTRA_INDEX_URL"].split(), *told.get("UV_INDEX_URL", "").split()]
    assert asked == order
    assert "UV_INDEX_STRATEGY" not in told


def test_a_value_shows_no_password(tmp_path: Path) -> None:
    reach = of(tmp_path, HTTPS_PROXY="http://ada:hidden@p:1", PIP_INDEX_URL="https://a:hidden@b/s")
    assert "hidden" not in repr(reach)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python reads TOML by itself from 3.11 on")
def test_the_tools_own_installs_go_by_the_setting(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text(PEM)
    (tmp_path / "pyproject.toml").write_text('[tool.innerloop]\nca = "own.pem"\n')
    reach = locked_environments.reach(tmp_path)
    assert (reach.ca, reach.asked) == (str(tmp_path / "own.pem"), True)
    told = network.for_installer(reach, tmp_path / "cache", {"SSL_CERT_FILE": "/another"})
    assert told["PIP_CERT"] == told["SSL_CERT_FILE"] != "/another"
