"""The local path of a job's data, derived from their address: its last parts under data/.

Sources: "Data input and output URI" of the Azure ML CLI (v2); the URI schemes of Azure Storage
(https, wasbs, abfss) and of Data Lake Storage Gen1 (adl, retired in February 2024).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from urllib.parse import unquote, urlsplit

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

_ASSET = late_pattern(r"azureml:(?P<name>[^:@/]+)(?:[:@](?P<version>[^/]+)(?P<inner>/.*)?)?")
_REGISTERED = late_pattern(
    r"azureml:(?://|/).*?/(?P<kind>data|models)/(?P<name>[^/]+)(?:/(?:versions|labels)/(?P<version>[^/]+))?/?"
)
_RESOURCE = late_pattern(
    r"(?:azureml:)?/subscriptions/.*/(?P<kind>data|models|datasets)/(?P<name>[^/]+)"
    r"(?:/(?:versions|labels)/(?P<version>[^/]+))?/?"
)
_DATASTORE = late_pattern(
    r"azureml:(?://|/).*?datastores/(?P<name>[^/]+)(?:/paths)?(?:/(?P<path>.*))?"
)
_JOB = late_pattern(r"azureml:(?://jobs/|/.*/jobs/)(?P<name>[^/:]+)(?P<path>.*)")
_BLOB = late_pattern(r"(?P<account>[^.@/]+)\.(?:blob|dfs)\.core\.windows\.net")
_WINDOWS_DRIVE = late_pattern(r"[a-zA-Z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Location:
    """`path`: relative to the workspace's root with "/", or absolute.

    `is_here`: whether the job file itself names a local path.

    `url`: for a plain GET; "" if only Azure's own tools can download it. `fetch`: the command that
    downloads it, "" if unknown; `hint`: what must be substituted in it.
    """

    path: str
    is_here: bool = False
    url: str = ""
    fetch: str = ""
    hint: str = ""


def locate(job_file: str, address: str, kind: str = "uri_folder") -> Location:
    """The place on this machine of the data that a job file names by an address.

    `azureml:mnist:1` and `azureml:mnist@latest` are data/mnist, and a path in them
    (`azureml:mnist:1/a.csv`) is data/mnist/a.csv; a datastore's path is data/<datastore>/<path>, a
    URL data/<host>/<path>; any other path is relative to the job file.
    """
    for pattern, make in (
        (_ASSET, _asset), (_DATASTORE, _datastore), (_REGISTERED, _asset),
        (_RESOURCE, _asset), (_JOB, _job),
    ):  # fmt: skip
        if found := pattern.fullmatch(address):
            return make(found, address, kind)
    if "://" in address:
        try:
            return _web(address, kind)
        except ValueError:  # not a URL: "https://[", "https://host:port"
            return Location(f"data/{_safe(address)}")
    if address.startswith("runs:/"):
        return Location(
            f"data/runs/{_safe(address[6:])}",
            fetch=f"mlflow artifacts download --artifact-uri {shlex.quote(address)}",
        )
    plain = address.removeprefix("file:")
    if not _WINDOWS_DRIVE.match(plain):
        plain = posixpath.join(posixpath.dirname(job_file), plain.replace("\\", "/"))
    return Location(posixpath.normpath(plain.replace("\\", "/")), is_here=True)


def _asset(found: re.Match[str], address: str, kind: str) -> Location:
    name, version = found["name"], found.groupdict().get("version")
    path = posixpath.normpath(f"data/{_safe(name)}/{_safe(found.groupdict().get('inner') or '')}")
    if kind.endswith("_model") or found.groupdict().get("kind") == "models":
        return Location(path, fetch=_model(found, address, version))
    label = f"@{version}" if re.match(r"azureml:[^:@/]+@", address) else f":{version or 1}"
    return Location(path, fetch=f"scripts/loop data get azureml:{name}{label}")


def _model(found: re.Match[str], address: str, version: str | None) -> str:
    registry = re.match(r"azureml://registries/([^/]+)/", address)
    words = ["az", "ml", "model", "download", "--name", found["name"]]
    words += ["--version", version or "1", "--download-path", "data"]
    if registry:
        words += ["--registry-name", registry[1]]
    return shlex.join(words)


def _datastore(found: re.Match[str], address: str, kind: str) -> Location:
    inner = _safe(found["path"] or "")
    path = posixpath.normpath(f"data/{_safe(found['name'])}/{inner}")
    many = "" if kind == "uri_file" else " --recursive"
    source = f"https://ACCOUNT.blob.core.windows.net/CONTAINER/{found['path'] or ''}"
    return Location(
        path,
        fetch=f"azcopy copy {shlex.quote(source)} {shlex.quote(path)}{many}",
        hint=f" (`az ml datastore show --name {shlex.quote(found['name'])}` names both)",
    )


def _job(found: re.Match[str], address: str, kind: str) -> Location:
    name = found["name"]
    path = posixpath.normpath(f"data/jobs/{_safe(name)}/{_safe(found['path'])}")
    return Location(
        path,
        fetch=f"az ml job download --name {shlex.quote(name)} --all --download-path data/jobs/{name}",
    )


def _web(address: str, kind: str) -> Location:
    parts = urlsplit(address)
    scheme, host, inner = parts.scheme.lower(), parts.hostname or "", unquote(parts.path)
    if scheme == "file":
        return Location(posixpath.normpath(inner or "/"), is_here=True)
    container = unquote(parts.username or "")
    host = host.replace(".dfs.", ".blob.") if scheme.startswith("abfs") else host
    port = f":{parts.port}" if parts.port else ""
    at = posixpath.join("data", _safe(f"{host}{port}"), _safe(container), _safe(inner))
    path = posixpath.normpath(at)
    if scheme in ("http", "https"):
        return Location(path, url=address, fetch=_copy(host, address, path, kind))
    if scheme in ("wasb", "wasbs", "abfs", "abfss") and container:
        url = f"https://{host}/{container}{parts.path}"
        return Location(path, url=url, fetch=_copy(host, url, path, kind))
    return Location(path)


def _copy(host: str, url: str, path: str, kind: str) -> str:
    if _BLOB.fullmatch(host):
        many = "" if kind == "uri_file" else " --recursive"
        return f"azcopy login && azcopy copy {shlex.quote(url)} {shlex.quote(path)}{many}"
    return f"curl --location --create-dirs --output {shlex.quote(path)} {shlex.quote(url)}"


def _safe(path: str) -> str:
    """The path with names that are valid on every system and cannot leave their folder."""
    names = [part for part in re.split(r"[/\\]", path) if part not in ("", ".", "..")]
    return "/".join(re.sub(r'[<>:"|?*\x00-\x1f]', "_", name) for name in names)
