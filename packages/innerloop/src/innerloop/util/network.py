"""How this machine reaches the network: proxies, a company's certificate authority, and the package
index that pip is told to use. What it finds reaches builds, the tool's own installs and runs; its
credentials are handed on as secrets and printed nowhere.

Needs nothing but the standard library: it runs before the tool's own environment is there.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from . import files
from .errors import UserError

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

# BuildKit takes no larger secret. Source: moby/buildkit, session/secrets (500 KiB).
_LARGEST_SECRET = 500 * 1024


@dataclass(frozen=True, slots=True)
class Network:
    """`proxies`: variable -> URL, in upper and in lower case, since programs read one or the
    other. `ca`: the file of authorities that a person named, "" for none; `asked`: it was named in
    the workspace's settings, so that runs get it too. `pip`: setting -> its words, with the
    credentials of a .netrc file filled in."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = ""
    asked: bool = False
    pip: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def pip_conf(self) -> str:
        """The text of a pip.conf, "" when pip needs none."""
        if not self.pip:
            return ""
        lines = [f"{key} = {_joined(words)}" for key, words in sorted(self.pip.items())]
        return "\n".join(["[global]", *lines, ""])

    @property
    def urls(self) -> list[str]:
        """Every address that a build has to reach."""
        proxies = [url for name, url in self.proxies.items() if name.upper() != "NO_PROXY"]
        return [*proxies, *(url for key in _URLS for url in self.pip.get(key, ()))]

    @property
    def on_loopback(self) -> bool:
        """Whether a proxy or an index listens on this machine alone, as a personal proxy does."""
        return any(_is_loopback(url) for url in self.urls)


def of_machine(
    environ: Mapping[str, str], *, root: Path | None = None, ca: str = "", home: Path | None = None
) -> Network:
    """What the variables and pip's own files say. `ca` is the workspace's setting, relative to
    `root`; one that is not there is a `Mistake`, a variable that leads nowhere is not."""
    pip = _pip_settings(environ, home or Path.home())
    return Network(
        proxies=_proxies(environ),
        ca=_named(root, ca) if ca else _authority(environ, pip),
        asked=bool(ca),
        pip=_remote(pip, _netrc(environ, home or Path.home())),
    )


def bundle(network: Network, cache: Path) -> Path | None:
    """One file with all the authorities to trust, kept in the cache; None without any. A file
    that holds the company's alone gets this machine's public ones beside it: a program that is
    told of a file trusts nothing else."""
    if not network.ca:
        return None
    own = _pem(Path(network.ca))
    text = own if own.count(_BEGIN) > 20 else f"{own.rstrip()}\n{_public()}"
    if len(text.encode()) > _LARGEST_SECRET:
        text = own
    target = cache / "ca" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
    if not target.is_file():
        files.write_text(target, text)
    return target


def trust(path: str) -> dict[str, str]:
    """The variables that make Python, pip, curl, git and Node trust a file of authorities."""
    names = (*AUTHORITIES, "GIT_SSL_CAINFO")
    return dict.fromkeys(names, path)


def for_installer(network: Network, cache: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for pip and uv on this machine, beside those that are set: the authority of the
    settings, and pip's index for uv, which reads none of pip's files."""
    added: dict[str, str] = {}
    if network.ca and (file := bundle(network, cache) if network.asked else Path(network.ca)):
        added.update(trust(str(file)) if network.asked else {"SSL_CERT_FILE": str(file)})
    for key, name in (
        ("index-url", "UV_INDEX_URL"),
        ("extra-index-url", "UV_EXTRA_INDEX_URL"),
        ("trusted-host", "UV_INSECURE_HOST"),
    ):
        if words := network.pip.get(key):
            added[name] = " ".join(words)
    if "UV_EXTRA_INDEX_URL" in added:
        # As pip chooses; every file is checked against its hash, wherever it comes from.
        added["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in added.items() if network.asked or name not in environ}


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in PROXIES:
        value = environ.get(name.lower()) or environ.get(name)
        if value:
            found[name] = found[name.lower()] = value
    return found


def _named(root: Path | None, ca: str) -> str:
    path = (root or Path()) / os.path.expanduser(ca)
    if not os.path.isfile(path):
        raise UserError(
            f'there is no file "{ca}" with the certificate authority',
            where="pyproject.toml",
            hint="[tool.innerloop] ca names a PEM file, relative to the workspace's root",
        )
    return str(path)


def _authority(environ: Mapping[str, str], pip: Mapping[str, tuple[str, ...]]) -> str:
    named = [environ.get(name, "") for name in AUTHORITIES] + list(pip.get("cert", ()))
    return next((path for path in named if path and os.path.isfile(path)), "")


def _pip_settings(environ: Mapping[str, str], home: Path) -> dict[str, tuple[str, ...]]:
    """pip's settings in its own order: the machine's files, the person's, PIP_CONFIG_FILE, the
    variables. Source: pip's documentation, "Configuration"."""
    found: dict[str, tuple[str, ...]] = {}
    for path in _pip_files(environ, home):
        found.update(_of_file(path))
    for key in (*_PIP_KEYS, "cert"):
        if value := environ.get(f"PIP_{key.upper().replace('-', '_')}"):
            found[key] = tuple(value.split())
    return found


def _pip_files(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    given = environ.get("PIP_CONFIG_FILE", "")
    if given == os.devnull:
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
    if given:
        yield Path(given)


def _of_file(path: Path) -> dict[str, tuple[str, ...]]:
    if not os.path.isfile(path):  # which is quiet about folders that are closed to us
        return {}
    import configparser  # here, as most machines have no such file and every run asks

    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}  # pip says itself what is wrong with its file
    found: dict[str, tuple[str, ...]] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for key, value in parser.items(section):
                if (name := key.replace("_", "-")) in (*_PIP_KEYS, "cert") and value.split():
                    found[name] = tuple(value.split())
    return found


def _remote(
    pip: Mapping[str, tuple[str, ...]], credentials: netrc | None
) -> dict[str, tuple[str, ...]]:
    """Without what a container cannot see: folders of this machine. Where nothing is left that
    says where packages come from, pip needs to be told nothing."""
    kept: dict[str, tuple[str, ...]] = {}
    for key, words in pip.items():
        if key in _URLS:
            words = tuple(_with_login(w, credentials) for w in words if re.match("https?://", w))
        if words and key in _PIP_KEYS:
            kept[key] = words
    return kept if any(key in kept for key in (*_URLS, "trusted-host")) else {}


def _with_login(url: str, credentials: netrc | None) -> str:
    """The URL with the name and password that .netrc has for its host, where it has none itself."""
    parts = urlsplit(url)
    login = credentials.authenticators(parts.hostname or "") if credentials else None
    if login is None or "@" in parts.netloc:
        return url
    user, password = quote(login[0] or "", safe=""), quote(login[2] or "", safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))


def _netrc(environ: Mapping[str, str], home: Path) -> netrc | None:
    given = environ.get("NETRC")
    for path in [Path(given)] if given else [home / ".netrc", home / "_netrc"]:
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
    """The certificates as text; a file in the binary form (DER), as Windows exports it, too."""
    import ssl

    content = path.read_bytes()
    if _BEGIN.encode() in content:
        return content.decode("utf-8", "replace")
    if content[:1] == b"\x30":  # a DER sequence
        return ssl.DER_cert_to_PEM_cert(content)
    raise UserError("the file holds no certificate", where=str(path), hint="Name a PEM file")


def _public() -> str:
    """The authorities that this machine trusts by itself."""
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
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in found)


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else "".join(f"\n    {word}" for word in words)
