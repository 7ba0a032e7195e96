"""`[tool.innerloop.argo]` of the workspace and `[argo]` of an experiment's innerloop.toml.

They hold what a cluster needs beside the job file. The experiment's keys win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, Literal, get_args

from ...util.errors import UserError, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of
from .. import k8s_quantity
from .settings import UnparsedTable

# Argo's locations of artifacts, and the keys that each needs.
# Source: Argo Workflows' ArtifactLocation.
ARTIFACTS: Mapping[str, tuple[str, ...]] = {
    "s3": ("key",),
    "gcs": ("key",),
    "azure": ("endpoint", "container", "blob"),
    "oss": ("key",),
    "http": ("url",),
    "git": ("repo",),
    "hdfs": ("path",),
}
RetryPolicy = Literal["Always", "OnFailure", "OnError", "OnTransientError"]
RETRY_POLICIES: tuple[RetryPolicy, ...] = get_args(RetryPolicy)
# Source: Kubernetes, "Labels and Selectors".
_LABEL_VALUE = late_pattern(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = late_pattern(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_DNS = late_pattern(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Volume:
    """Data in the cluster.

    `source` is the volume source of a pod ({"persistentVolumeClaim": ...}, {"hostPath": ...},
    {"nfs": ...}), `path` a folder or file in it ("" for all of it).
    """

    source: Mapping[str, Any]
    path: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Data that Argo downloads before the program starts: `source` is its location ({"s3": ...})."""

    source: Mapping[str, Any]


Store = Volume | Artifact


@dataclass(frozen=True, slots=True)
class ArgoSetting:
    """What `[argo]` says.

    context: of the kubeconfig; "" for the current one.
    namespace: "" for the context's.
    gpus: of each pod; None if not set.
    gpu_resource: the cluster's name for a GPU.
    cpu, memory: request and limit of each pod; "" for the cluster's default.
    retry: how often a pod is started again, by `retry_policy`.
    keep: seconds that a finished workflow stays in the cluster; None for ever.
    data: the location of each data input.
    outputs: the volume for ./outputs; None for Argo's artifact repository.
    positions: of the keys ("memory", "data.images"); "" is the table.
    """

    context: str = ""
    namespace: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    gpus: int | None = None
    gpu_resource: str = "nvidia.com/gpu"
    cpu: str = ""
    memory: str = ""
    retry: int = 0
    retry_policy: RetryPolicy = "OnError"
    keep: int | None = None
    priority_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Store] = field(default_factory=dict)
    outputs: Volume | None = None
    positions: Mapping[str, Position] = field(default_factory=dict, compare=False)

    def where(self, key: str) -> Position:
        """The position of a key, or of the nearest key around it."""
        while key not in self.positions and "." in key:
            key = key.rpartition(".")[0]
        return self.positions.get(key) or self.positions.get("", Position("innerloop.toml"))


def read(texts: Sequence[UnparsedTable]) -> ArgoSetting:
    """`texts`: the workspace's table first. Raises `UserError` with a position."""
    setting = ArgoSetting()
    for text in texts:
        setting = _ArgoReader(text).on_top_of(setting)
    return setting


_TEXTS = ("context", "service_account", "priority_class", "gpu_resource")
_NAMES = ("namespace", "service_account", "priority_class")
_KEYS = [one.name for one in fields(ArgoSetting) if one.name != "positions"]


class _ArgoReader:
    def __init__(self, source: UnparsedTable) -> None:
        self.source = source
        self.positions: dict[str, Position] = {"": self.position()}

    def position(self, *keys: str) -> Position:
        return position_of(self.source.text, self.source.name, *self.source.at, *keys)

    def error(self, what: str, hint: str, *keys: str, code: str = "setting-invalid") -> UserError:
        return UserError(f"argo{what}", code=code, where=self.position(*keys), hint=hint)

    def on_top_of(self, base: ArgoSetting) -> ArgoSetting:
        table = self.source.table
        if not isinstance(table, dict):
            raise self.error(" is not a table", "Write [argo]")
        for key in table:
            if key not in _KEYS:
                raise self.error(
                    f': "{key}" is unknown',
                    did_you_mean(key, _KEYS),
                    key,
                    code="setting-unknown",
                )
            self.positions[key] = self.position(key)
        changes: dict[str, Any] = {
            key: getattr(self, f"_{key}", self._text)(key, table[key]) for key in table
        }
        for key in ("node_selector", "labels", "data"):
            if key in changes:
                changes[key] = {**getattr(base, key), **changes[key]}
        return replace(base, **changes, positions={**base.positions, **self.positions})

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value or re.search(r"[\s\0]", value):
            raise self.error(f".{key} = {value!r} is no name", f'Write {key} = "NAME"', key)
        if key in _NAMES and not _DNS.fullmatch(value):
            what = f".{key} = {value!r} is not a name for Kubernetes"
            raise self.error(what, "Write lower-case letters, digits, - and .", key)
        return value

    def _count(self, key: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f".{key} = {value!r} is not a count", f"Write {key} = 1", key)
        return value

    _gpus = _retry = _keep = _count

    def _quantity(self, key: str, value: Any) -> str:
        text = str(value)
        if isinstance(value, bool) or not k8s_quantity.is_quantity(text):
            example = {"cpu": '"4" or "500m"', "memory": '"16Gi"'}[key]
            what = f".{key} = {value!r} is not a Kubernetes quantity"
            raise self.error(what, f"Write {key} = {example}", key)
        return text

    _cpu = _memory = _quantity

    def _retry_policy(self, key: str, value: Any) -> RetryPolicy:
        if value not in RETRY_POLICIES:
            what = f".retry_policy = {value!r} is unknown"
            raise self.error(what, did_you_mean(str(value), list(RETRY_POLICIES)), key)
        policy: RetryPolicy = value
        return policy

    def _image_pull_secrets(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(
            isinstance(name, str) and _DNS.fullmatch(name) for name in value
        ):
            raise self.error(f".{key} is not a list of names", f'Write {key} = ["registry"]', key)
        return tuple(value)

    def _words(self, key: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            hint = f'Write {key} = {{ "KEY" = "VALUE" }}'
            raise self.error(f".{key} is not a table of strings", hint, key)
        for name, text in value.items():
            if not _LABEL_KEY.fullmatch(name) or not _LABEL_VALUE.fullmatch(text):
                what = f".{key}: {name} = {text!r} is not a Kubernetes label"
                hint = "Write at most 63 letters, digits, -, _ and ., with a letter or digit at both ends"
                raise self.error(what, hint, key, name)
        return dict(value)

    _node_selector = _labels = _words

    def _tolerations(self, key: str, value: Any) -> tuple[dict[str, Any], ...]:
        known = ["key", "operator", "value", "effect", "tolerationSeconds"]
        hint = 'Write tolerations = [{ key = "nvidia.com/gpu", operator = "Exists" }]'
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.error(".tolerations is not a list of tables", hint, key)
        for one in value:
            for word in one:
                if word not in known:
                    what = f'.tolerations: "{word}" is unknown'
                    raise self.error(what, did_you_mean(word, known), key, code="setting-unknown")
        return tuple(dict(one) for one in value)

    def _data(self, key: str, value: Any) -> dict[str, Store]:
        if not isinstance(value, dict):
            raise self.error(".data is not a table of inputs", _DATA, key)
        return {name: self._store(name, one) for name, one in value.items()}

    def _store(self, name: str, value: Any) -> Store:
        at = ("data", name)
        self.positions[f"data.{name}"] = self.position(*at)
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ARTIFACTS:
            return self._artifact(next(iter(value)), value, at)
        return self._volume(value, at, [*_VOLUMES, *ARTIFACTS])

    def _artifact(self, kind: str, value: Mapping[str, Any], at: tuple[str, ...]) -> Artifact:
        given = value[kind]
        for key in ARTIFACTS[kind]:
            if not isinstance(given, dict) or not given.get(key):
                what = f".{'.'.join(at)}.{kind} has no {key}"
                raise self.error(what, f'Write {kind} = {{ {key} = "..." }}', *at, kind)
        return Artifact({kind: given})

    def _outputs(self, key: str, value: Any) -> Volume:
        return self._volume(value, (key,), list(_VOLUMES))

    def _volume(self, value: Any, at: tuple[str, ...], known: list[str]) -> Volume:
        name = ".".join(at)
        if not isinstance(value, dict):
            raise self.error(f".{name} is not a table", _DATA, *at)
        for key, one in value.items():
            if key not in [*known, "path"]:
                raise self.error(
                    f'.{name}: "{key}" is unknown',
                    did_you_mean(key, known),
                    *at,
                    code="setting-unknown",
                )
            if not isinstance(one, str) or not one:
                raise self.error(f".{name}.{key} is not a string", _DATA, *at)
        chosen = [key for key in _VOLUMES if key in value]
        if len(chosen) != 1 or set(value) - {"path", chosen[0]}:
            raise self.error(f".{name} names {len(chosen)} locations", f"Name one: {_DATA}", *at)
        path = value.get("path", "").strip("/")
        if ".." in path.split("/"):
            raise self.error(f".{name}.path leads out of the volume", "Write it without ..", *at)
        return Volume(self._source(chosen[0], value[chosen[0]], at), path)

    def _source(self, kind: str, value: str, at: tuple[str, ...]) -> dict[str, Any]:
        name = ".".join(at)
        if kind == "claim":
            if not _DNS.fullmatch(value):
                what = f".{name}.claim = {value!r} is not the name of a claim"
                raise self.error(what, "Write the PersistentVolumeClaim's name", *at)
            return {"persistentVolumeClaim": {"claimName": value}}
        if kind == "nfs":
            server, _, path = value.partition(":")
            if not server or not path.startswith("/"):
                what = f".{name}.nfs = {value!r} is not an NFS export"
                raise self.error(what, 'Write nfs = "server:/export/path"', *at)
            return {"nfs": {"server": server, "path": path}}
        if not value.startswith("/"):
            what = f".{name}.host_path = {value!r} is not an absolute path"
            raise self.error(what, 'Write host_path = "/data/images"', *at)
        return {"hostPath": {"path": value}}


_VOLUMES = ("claim", "nfs", "host_path")
_DATA = (
    '[argo.data.INPUT] and claim = "CLAIM" (path = "..."), nfs = "server:/path", host_path = "/path", '
    's3 = { bucket = "...", key = "..." }, gcs, azure or http'
)
