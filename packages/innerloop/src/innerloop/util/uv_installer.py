"""uv as an installer: how it is told what pip knows, and what its output says.

uv reads neither pip's files nor pip's variables. Indexes and authorities are given to it as variables
(`network.for_installer`), the rest as the options of this module.

Sources: uv's documentation, "Compatibility with pip", "Environment variables", "Caching"; pip's
documentation, "Configuration".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from . import process
from .late_patterns import late_pattern
from .network import Network

# The first with `--universal`, `--no-strip-extras` and the options that a lock's head may name.
OLDEST = (0, 5)
# The tool's own folder of unpacked packages, in its cache.
CACHE = "packages"
# Variables of a person's other projects, which must not affect this environment.
IGNORED = (
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_PROJECT"),
    *("UV_BREAK_SYSTEM_PACKAGES", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR", "UV_TORCH_BACKEND"),
    *("UV_EXCLUDE_NEWER", "UV_RESOLUTION", "UV_OVERRIDE", "UV_EXCLUDE", "UV_BUILD_CONSTRAINT"),
)
_FALSE = ("", "0", "f", "false", "n", "no", "off")
# What pip cannot do better.
_FINAL = late_pattern(r"(?i)hash mismatch|do not match the hashes|no space left|not enough space")
_SIZE = late_pattern(r"\s*Downloading (\S+).*?\(([\d.,]+) ?([KMG])(i?)B\)")
_DONE = late_pattern(r"\s*Downloaded (\S+)")


def version_of(path: str) -> tuple[int, ...]:
    """The version that a program names; () for what does not start or is no uv."""
    done = process.run([path, "--version"])
    match = re.match(r"uv (\d+)\.(\d+)", done.out)
    return (int(match[1]), int(match[2])) if done.ok and match else ()


def of_person() -> str:
    """The path of the uv on PATH if it is new enough, else ""."""
    own = process.which("uv")
    return own if own is not None and version_of(own) >= OLDEST else ""


def options(network: Network) -> list[str]:
    """The options with which uv finds and chooses packages as pip does."""
    pip = network.local_pip
    words = [w for link in pip.get("find-links", ()) for w in ("--find-links", _expanded(link))]
    words += [w for path in pip.get("constraint", ()) for w in ("--constraint", _expanded(path))]
    if _is_true(pip.get("no-index", ())):
        words.append("--no-index")
    if _is_true(pip.get("pre", ())):
        words += ["--prerelease", "allow"]
    for key in ("no-binary", "only-binary"):
        names = [name for word in pip.get(key, ()) for name in word.split(",") if name != ":none:"]
        words += [w for name in names if name for w in (f"--{key}", name)]
    if pip.get("keyring-provider", ()) == ("subprocess",):
        words += ["--keyring-provider", "subprocess"]
    return words


def needs_pip(network: Network, *, hashed: bool) -> str:
    """Why pip has to install, as a phrase; "" if uv can.

    With hashes uv admits only constraints that are pinned.
    """
    return (
        "pip's settings name constraints" if hashed and network.local_pip.get("constraint") else ""
    )


def variables(
    network: Network, environ: Mapping[str, str], cache: Path, environment: Path
) -> dict[str, str]:
    """Variables for uv: proxy, authorities, limits, and the cache.

    What a person sets for uv stays. The cache is the person's own, or the tool's in `cache` if there
    is none, so that packages are linked and not copied: from another file system that is impossible.
    """
    pip = network.local_pip
    added: dict[str, str] = {}
    if (proxy := pip.get("proxy")) and not network.proxies:
        added |= {"HTTP_PROXY": proxy[0], "HTTPS_PROXY": proxy[0]}
    if client := pip.get("client-cert"):
        added["SSL_CLIENT_CERT"] = _expanded(client[0])
    if (seconds := pip.get("timeout")) and re.fullmatch(r"\d+(\.\d+)?", seconds[0]):
        added["UV_HTTP_TIMEOUT"] = str(max(1, round(float(seconds[0]))))
    if (retries := pip.get("retries")) and retries[0].isdigit():
        added["UV_HTTP_RETRIES"] = retries[0]
    if not network.ca and _has_system_store():
        # As pip does: a company's authority may be in the system's store alone.
        added |= {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    folder = environ.get("UV_CACHE_DIR") or str(_cache_of(environ, cache, environment))
    added["UV_CACHE_DIR"] = folder
    if not _same_file_system(Path(folder), environment):
        added["UV_LINK_MODE"] = "copy"  # else uv tries a link first, and warns
    return {name: value for name, value in added.items() if not environ.get(name)}


def split(lock: str) -> tuple[str, str, str]:
    """(an index, what a lock pins in a local version, the rest) of a lock with an index of its own.

    uv takes a package only from the first index that has it: what an index has besides the local versions
    ("2.14.1+cpu") must not come from there. The index is "" for a lock without both.
    """
    found = re.search(r"(?m)^--extra-index-url[ =](\S+)[ \t]*\n", lock)
    if found is None:
        return "", "", lock
    lock = lock[: found.start()] + lock[found.end() :]
    # A requirement with the lines that continue it.
    entries = re.findall(r"(?m)^(?:.*\\\r?\n)*.*(?:\n|\Z)", lock)
    local = [text for text in entries if re.match(r"[A-Za-z0-9][\w.\[\],-]*==[^\s;]*\+", text)]
    rest = [text for text in entries if text not in local]
    return (found[1] if local else ""), "".join(local), "".join(rest)


def is_final(output: str) -> bool:
    """Whether a failure would be pip's failure too."""
    return _FINAL.search(output) is not None


def has_no_version(output: str) -> bool:
    """Whether an index has a package, but not in the version that is asked for."""
    return "No solution found" in output


def reason(output: str) -> str:
    """A failure in one line."""
    lines = [line.strip() for line in output.splitlines()]
    found = next((line for line in lines if re.match(r"(?i)error|×", line)), (lines or [""])[-1])
    return re.sub(r"^(?i:error:)\s*|^×\s*", "", found)[:200] or "no reason given"


class Downloads:
    """What uv has downloaded, from the lines of its output.

    It names only packages of some size, so the count is of these.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, float] = {}
        self._done: set[str] = set()

    def text(self, line: str) -> str:
        """The line to show: packages and bytes during the download, else the line itself."""
        if size := _SIZE.match(line):
            self._sizes[size[1]] = _bytes(size[2], size[3], size[4])
        elif done := _DONE.match(line):
            self._done.add(done[1])
        else:
            return line
        got = sum(self._sizes.get(name, 0) for name in self._done)
        count = f"{len(self._done & self._sizes.keys())} of {len(self._sizes)} large packages"
        return f"downloaded {count}, {_text(got)} of {_text(sum(self._sizes.values()))}"


def download_size(line: str) -> float:
    """The bytes that an installer's line announces, 0 for any other line."""
    size = _SIZE.match(line)
    return _bytes(size[2], size[3], size[4]) if size else 0


def _bytes(number: str, prefix: str, binary: str) -> float:
    unit: int = (1024 if binary else 1000) ** " KMG".index(prefix)
    return float(number.replace(",", "")) * unit


def _text(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _is_true(words: tuple[str, ...]) -> bool:
    return bool(words) and words[0].lower() not in _FALSE


def _expanded(path: str) -> str:
    return os.path.expanduser(path) if path.startswith("~") else path


def _has_system_store() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    import ssl  # here: it loads OpenSSL, and uv is told of it seldom

    paths = ssl.get_default_verify_paths()
    return any(
        os.path.isfile(path)
        for path in (
            paths.openssl_cafile,
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/ssl/cert.pem",
        )
    )


def _cache_of(environ: Mapping[str, str], cache: Path, environment: Path) -> Path:
    if os.name == "nt":
        local = environ.get("LOCALAPPDATA")
        own = Path(local, "uv", "cache") if local else None
    else:
        home = environ.get("HOME")
        base = environ.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
        own = Path(base, "uv") if base else None
    is_usable = own is not None and own.is_dir() and os.access(own, os.W_OK)
    return own if own and is_usable and _same_file_system(own, environment) else cache / CACHE


def _same_file_system(one: Path, other: Path) -> bool:
    return _device(one) == _device(other)


def _device(path: Path) -> int:
    """That of the path, or of the folder in which it will be made."""
    while True:
        try:
            return os.stat(path).st_dev
        except OSError:
            if path.parent == path:
                return -1
            path = path.parent
