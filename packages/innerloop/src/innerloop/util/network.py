"""How this machine reaches the network.

This is proxies, a company's certificate authority, and the package index that pip is configured
for. Builds, installations and runs use it; credentials are passed on as secrets and never printed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from . import files, regular_files
from .digests import sha256
from .errors import UserError
from .late_patterns import late_pattern
from .quick_dataclasses import dataclass

if TYPE_CHECKING:
    from netrc import netrc

# The proxies that Docker knows as predefined build arguments: they reach every step of a build,
# and neither an image's history nor the builder's cache keeps them.
# Source: Dockerfile reference, "Predefined ARGs".
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")

# The variables that name a file of authorities; the first that is set counts.
AUTHORITIES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)

# Settings of pip that say where packages come from.
_PIP_KEYS = ("index-url", "extra-index-url", "find-links", "trusted-host", "timeout", "retries")
_URLS = ("index-url", "extra-index-url", "find-links")
# What else an installer on this machine needs to know.
_LOCAL_KEYS = (
    *("cert", "client-cert", "proxy", "constraint", "no-index", "pre", "no-binary", "only-binary"),
    "keyring-provider",
)

# BuildKit takes no larger secret. Source: moby/buildkit, session/secrets (500 KiB).
_LARGEST_SECRET = 500 * 1024


@dataclass(frozen=True, slots=True)
class Network:
    """Network settings.

    `proxies`: variable -> URL, in upper and lower case, since programs read one or the other. `ca`:
    the file with certificate authorities, "" for none; `asked`: it is set in the workspace's
    settings, so that runs get it too. `pip`: setting -> its words, with the credentials of a .netrc
    file; `local_pip`: the same with what only this machine has, such as folders of wheels.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = ""
    asked: bool = False
    pip: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    local_pip: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def pip_conf(self) -> str:
        """The text of a pip.conf, "" if pip needs none."""
        if not self.pip:
            return ""
        lines = [f"{key} = {_joined(words)}" for key, words in sorted(self.pip.items())]
        return "\n".join(["[global]", *lines, ""])

    @property
    def uv_toml(self) -> str:
        """The text of a uv.toml that says the same to uv, "" if pip needs no settings."""
        if not self.pip:
            return ""
        extra, default = _index_order(self.pip)
        words = {
            "find-links": self.pip.get("find-links", ()),
            "allow-insecure-host": self.pip.get("trusted-host", ()),
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in words.items() if value]
        for url in extra:
            lines += ["[[index]]", f"url = {json.dumps(url)}"]
        if default:
            lines += ["[[index]]", f"url = {json.dumps(default)}", "default = true"]
        return "\n".join([*lines, ""])

    @property
    def urls(self) -> list[str]:
        """Every URL that a build has to reach."""
        proxies = [url for name, url in self.proxies.items() if name.upper() != "NO_PROXY"]
        return [*proxies, *(url for key in _URLS for url in self.pip.get(key, ()))]

    @property
    def on_loopback(self) -> bool:
        """Whether a proxy or an index is on this machine's loopback address."""
        return any(_is_loopback(url) for url in self.urls)


def of_machine(
    environ: Mapping[str, str], *, root: Path | None = None, ca: str = "", home: Path | None = None
) -> Network:
    """The settings of the environment variables and pip's files.

    `ca` is the workspace's setting, relative to `root`. UserError if that file is missing;
    variables that name missing files are ignored.
    """
    pip = _pip_settings(environ, home or Path.home())
    credentials = _netrc(environ, home or Path.home())
    return Network(
        proxies=_proxies(environ),
        ca=_named(root, ca) if ca else _authority(environ, pip),
        asked=bool(ca),
        pip=_remote(pip, credentials),
        local_pip={key: _with_logins(key, words, credentials) for key, words in pip.items()},
    )


def bundle(network: Network, cache: Path) -> Path | None:
    """One file in the cache with all authorities to trust; None without a company's authority.

    A program that is given such a file trusts nothing else, so this machine's public authorities
    are added if the company's file has only its own.
    """
    if not network.ca:
        return None
    own = _pem(Path(network.ca))
    text = own if own.count(_BEGIN) > 20 else f"{own.rstrip()}\n{_public()}"
    if len(text.encode()) > _LARGEST_SECRET:
        text = own
    target = cache / "ca" / f"{sha256(text.encode()).hexdigest()[:16]}.pem"
    if not target.is_file():
        files.write_text(target, text, readable=True)
    return target


def trust(path: str) -> dict[str, str]:
    """Variables with which Python, pip, curl, git and Node trust a file of authorities."""
    names = (*AUTHORITIES, "GIT_SSL_CAINFO")
    return dict.fromkeys(names, path)


def for_installer(network: Network, cache: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Additional variables for pip and uv on this machine.

    They set the authority of the settings, and pip's indexes for uv, which does not read pip's files:
    in the person's order, of which uv takes the first that has a package. So a public index cannot
    shadow a package of a private one. A person's own settings of uv stay as they are.
    """
    added: dict[str, str] = {}
    if network.ca and (file := bundle(network, cache) if network.asked else Path(network.ca)):
        added.update(trust(str(file)) if network.asked else {"SSL_CERT_FILE": str(file)})
    if not any(name in environ for name in _UV_INDEXES):
        added.update(_indexes_of_uv(network.local_pip))
    if (hosts := network.local_pip.get("trusted-host")) and "UV_INSECURE_HOST" not in environ:
        added["UV_INSECURE_HOST"] = " ".join(hosts)
    return {name: value for name, value in added.items() if network.asked or name not in environ}


_UV_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_DEFAULT_INDEX = "https://pypi.org/simple"
_PUBLIC_INDEX = late_pattern(r"https?://(?:www\.)?(?:pypi\.org|pypi\.python\.org)(?:[/:]|$)")


def _index_order(pip: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], str]:
    """The extra indexes, which uv asks in their order, and the default one, which it asks then.

    PyPI comes last; the default index is "" where it is PyPI by itself.
    """
    default, extra = pip.get("index-url", ()), pip.get("extra-index-url", ())
    if not default:
        return extra, ""
    *first, last = sorted((*default, *extra), key=lambda url: bool(_PUBLIC_INDEX.match(url)))
    return tuple(first), last


def _indexes_of_uv(pip: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    extra, default = _index_order(pip)
    indexes = {"UV_INDEX_URL": default, "UV_EXTRA_INDEX_URL": " ".join(extra)}
    return {name: value for name, value in indexes.items() if value}


def public_index_first(network: Network, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for uv that turn the order of pip's indexes around; empty with less than two.

    Where a private index has a package, but not the version of the lock, uv looks no further. Only
    packages that are pinned by hashes may be asked for in this order.
    """
    pip = network.local_pip
    extra = pip.get("extra-index-url", ())
    order = [*pip.get("index-url", (_DEFAULT_INDEX,)), *extra]
    if len(order) < 2 or any(name in environ for name in _UV_INDEXES):
        return {}
    order = sorted(order, key=lambda url: not _PUBLIC_INDEX.match(url))
    return {"UV_EXTRA_INDEX_URL": " ".join(order[:-1]), "UV_INDEX_URL": order[-1]}


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    proxies = {}
    for name in PROXIES:
        value = environ.get(name.lower()) or environ.get(name)
        if value:
            proxies[name] = proxies[name.lower()] = value
    return proxies


def _named(root: Path | None, ca: str) -> str:
    path = (root or Path()) / os.path.expanduser(ca)
    if not os.path.isfile(path):
        raise UserError(
            f'there is no file "{ca}" with a certificate authority',
            code="ca-invalid",
            where="pyproject.toml",
            hint="[tool.innerloop] ca names a PEM file, relative to the workspace's root",
        )
    return str(path)


def _authority(environ: Mapping[str, str], pip: Mapping[str, tuple[str, ...]]) -> str:
    named = [environ.get(name, "") for name in AUTHORITIES] + list(pip.get("cert", ()))
    return next((path for path in named if path and os.path.isfile(path)), "")


def _pip_settings(environ: Mapping[str, str], home: Path) -> dict[str, tuple[str, ...]]:
    """Pip's settings, in its order of precedence.

    They come from the machine's files, the user's files, PIP_CONFIG_FILE, and variables. Source:
    pip's documentation, "Configuration".
    """
    settings: dict[str, tuple[str, ...]] = {}
    for path in _pip_files(environ, home):
        settings.update(_of_file(path))
    for key in (*_PIP_KEYS, *_LOCAL_KEYS):
        if value := environ.get(f"PIP_{key.upper().replace('-', '_')}"):
            settings[key] = tuple(value.split())
    if value := environ.get("PIP_DEFAULT_TIMEOUT"):  # pip's other name of the option
        settings.setdefault("timeout", (value,))
    return settings


def _pip_files(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    config_file = environ.get("PIP_CONFIG_FILE", "")
    if config_file == os.devnull:
        return
    if os.name == "nt":
        yield Path(environ.get("PROGRAMDATA", "C:/ProgramData"), "pip", "pip.ini")
        yield home / "pip" / "pip.ini"
        yield Path(environ.get("APPDATA", str(home)), "pip", "pip.ini")
    else:
        support = "Library/Application Support/pip/pip.conf"
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        yield from (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
        yield home / ".pip" / "pip.conf"
        yield home / support if sys.platform == "darwin" else config / "pip" / "pip.conf"
    if config_file:
        yield Path(config_file)


def _of_file(path: Path) -> dict[str, tuple[str, ...]]:
    if not os.path.isfile(path):  # False, too, for folders without permission
        return {}
    import configparser  # here: most machines have no such file

    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}  # pip reports the error itself
    settings: dict[str, tuple[str, ...]] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for key, value in parser.items(section):
                if (name := key.replace("_", "-")) in (*_PIP_KEYS, *_LOCAL_KEYS) and value.split():
                    settings[name] = tuple(value.split())
    return settings


def _remote(
    pip: Mapping[str, tuple[str, ...]], credentials: netrc | None
) -> dict[str, tuple[str, ...]]:
    """The settings that apply in a container: without folders of this machine.

    Empty if they do not set where packages come from.
    """
    remote: dict[str, tuple[str, ...]] = {}
    for key, words in pip.items():
        if key in _URLS:
            words = tuple(word for word in words if re.match("https?://", word))
            words = _with_logins(key, words, credentials)
        if words and key in _PIP_KEYS:
            remote[key] = words
    return remote if any(key in remote for key in (*_URLS, "trusted-host")) else {}


def _with_logins(key: str, words: tuple[str, ...], credentials: netrc | None) -> tuple[str, ...]:
    if key not in _URLS:
        return words
    return tuple(_with_login(w, credentials) if "://" in w else w for w in words)


def _with_login(url: str, credentials: netrc | None) -> str:
    """The URL, with its host's name and password from .netrc if it has none itself."""
    parts = urlsplit(url)
    login = credentials.authenticators(parts.hostname or "") if credentials else None
    if login is None or "@" in parts.netloc:
        return url
    user, password = quote(login[0] or "", safe=""), quote(login[2] or "", safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))


def _netrc(environ: Mapping[str, str], home: Path) -> netrc | None:
    netrc_file = environ.get("NETRC")
    for path in [Path(netrc_file)] if netrc_file else [home / ".netrc", home / "_netrc"]:
        if not os.path.isfile(path):
            continue
        import netrc

        try:
            return netrc.netrc(str(path))
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


_BEGIN = "-----BEGIN CERTIFICATE-----"


def _pem(path: Path) -> str:
    """The certificates as PEM text; the file may be binary (DER), as Windows exports it."""
    import ssl

    content = regular_files.read_or_fail(path, 10_000_000)
    if _BEGIN.encode() in content:
        return content.decode("utf-8", "replace")
    if content[:1] == b"\x30":  # a DER sequence
        return ssl.DER_cert_to_PEM_cert(content)
    raise UserError(
        "the file contains no certificate",
        code="ca-invalid",
        where=str(path),
        hint="Name a PEM file",
    )


def _public() -> str:
    """The authorities that this machine trusts without settings, as PEM text."""
    import ssl

    known = [
        ssl.get_default_verify_paths().openssl_cafile,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ]
    for path in known:
        if os.path.isfile(path):
            return Path(path).read_text(encoding="utf-8", errors="replace")
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates)


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else "".join(f"\n    {word}" for word in words)
