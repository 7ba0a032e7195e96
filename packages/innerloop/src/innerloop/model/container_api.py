"""The body of the engine's POST /containers/create that makes the container of a `ContainerSpec`. Pure.

It says what the client says for the argv of the same spec. What is not understood here is left to the
client: then there is no body.

Source: Docker Engine API v1.41, "Create a container"; docker/cli, cli/command/container/opts.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..util.late_patterns import late_pattern
from .container import APART, ContainerSpec, run_argv

Body = dict[str, Any]

_UNITS = {unit: 1024**power for power, unit in enumerate("bkmgtp")}
# Names of capabilities without their prefix.
_CAPABILITY = late_pattern(r"(?:CAP_)?([A-Z_]{3,40})")


class _NotUnderstood(Exception):
    """The client knows what this means."""


def create_body(spec: ContainerSpec, environ: Mapping[str, str]) -> Body | None:
    """The body; None where the client has to start the container.

    `environ` has the values of the variables that the client would take from its own environment.
    """
    if spec.starter is not None or spec.detach:
        return None
    try:
        return _Builder(spec, environ).body()
    except _NotUnderstood:
        return None


class _Builder:
    """Reads the options of a spec in the order in which the client gets them: the last one counts."""

    def __init__(self, spec: ContainerSpec, environ: Mapping[str, str]) -> None:
        self.spec = spec
        self.environ = environ
        self.config: Body = {}
        self.host: Body = {
            "NetworkMode": "default",
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": spec.remove,
            # As the client has them where no option says otherwise.
            "MemorySwappiness": -1,
            "OomKillDisable": False,
        }
        self.env: dict[str, str] = {}
        self.labels = dict(spec.labels)

    def body(self) -> Body:
        spec = self.spec
        for group in spec.groups:
            self.add("GroupAdd", str(group))
        if spec.shm_size:
            self.host["ShmSize"] = _bytes(spec.shm_size)
        self.config["User"] = spec.user
        self.options(spec.devices)
        if spec.is_apart:
            self.host["NetworkMode"] = APART
        self.options(spec.options)
        for name, value in spec.env.items():
            self.env[name] = f"{name}={value}"
        for name in spec.client_env:
            self.client_variable(name)
        run_argv(spec)  # raises for an image that is none
        ports = {f"{port.container}/tcp": port for port in spec.ports if not port.gated}
        for key, port in ports.items():
            binding = {"HostIp": "127.0.0.1", "HostPort": str(port.host)}
            self.host.setdefault("PortBindings", {})[key] = [binding]
        mounts = [part for mount in spec.mounts for part in mount.each()]
        if mounts:
            self.host["Mounts"] = [
                {
                    "Type": "bind",
                    "Source": mount.source,
                    "Target": mount.target,
                    **({"ReadOnly": True} if mount.read_only else {}),
                }
                for mount in mounts
            ]
        if spec.init:
            self.host["Init"] = True
        config: Body = {
            "Image": spec.image,
            "Cmd": list(spec.command) or None,
            "Entrypoint": None if spec.entrypoint is None else [spec.entrypoint],
            "WorkingDir": spec.workdir,
            "Env": list(self.env.values()),
            "Labels": self.labels,
            "Tty": spec.terminal,
            "OpenStdin": spec.interactive,
            "StdinOnce": spec.interactive,
            "AttachStdin": spec.interactive,
            "AttachStdout": True,
            "AttachStderr": True,
            "ExposedPorts": {key: {} for key in ports},
        }
        return {**config, **self.config, "HostConfig": self.host}

    def options(self, words: Sequence[str]) -> None:
        rest = list(words)
        while rest:
            name, has_value, value = rest.pop(0).partition("=")
            if name in _SWITCHES:
                if value not in ("", "true", "false") or (has_value and not value):
                    raise _NotUnderstood
                self.host[_SWITCHES[name]] = value != "false"
                continue
            if name not in _VALUES:
                raise _NotUnderstood
            if not name.startswith("--") and has_value:
                raise _NotUnderstood  # "-m=1g"
            if not has_value:
                if not rest:
                    raise _NotUnderstood
                value = rest.pop(0)
            _VALUES[name](self, value)

    def add(self, key: str, value: Any) -> None:
        self.host.setdefault(key, []).append(value)

    def client_variable(self, name: str) -> None:
        """A name without a value leaves out the image's own variable."""
        self.env[name] = f"{name}={self.environ[name]}" if name in self.environ else name

    def add_env(self, value: str) -> None:
        name, has_value, _ = value.partition("=")
        if not name or re.search(r"\s", name):
            raise _NotUnderstood
        if has_value:
            self.env[name] = value
        else:
            self.client_variable(name)

    def add_label(self, value: str) -> None:
        name, _, text = value.partition("=")
        if not name:
            raise _NotUnderstood
        self.labels[name] = text

    def add_device(self, value: str) -> None:
        if re.fullmatch(r"/dev/[\w./-]+", value):
            device = {"PathOnHost": value, "PathInContainer": value, "CgroupPermissions": "rwm"}
            self.add("Devices", device)
        elif re.fullmatch(r"[a-z0-9][\w.-]*/[\w.-]+=[\w.:-]+", value):
            requests = self.host.setdefault("DeviceRequests", [])
            cdi = next((entry for entry in requests if entry["Driver"] == "cdi"), None)
            if cdi is None:
                requests.append(cdi := {"Driver": "cdi", "DeviceIDs": []})
            cdi["DeviceIDs"].append(value)
        else:
            raise _NotUnderstood

    def add_gpus(self, value: str) -> None:
        """The values that `Gpu.docker_value` writes."""
        request: Body = {"Driver": "", "Capabilities": [["gpu"]], "Options": {}}
        if value == "all":
            request["Count"] = -1
        elif re.fullmatch(r"[1-9]\d{0,5}", value):
            request["Count"] = int(value)
        elif match := re.fullmatch(r'device=([^",]+)|"device=([^"]+)"', value):
            request["DeviceIDs"] = (match[1] or match[2]).split(",")
        else:
            raise _NotUnderstood
        self.host.setdefault("DeviceRequests", []).insert(0, request)

    def add_ulimit(self, value: str) -> None:
        match = re.fullmatch(r"([a-z]{2,12})=(-1|\d{1,18})(?::(-1|\d{1,18}))?", value)
        if match is None:
            raise _NotUnderstood
        name, soft, hard = match[1], int(match[2]), int(match[3] or match[2])
        others = [limit for limit in self.host.get("Ulimits", []) if limit["Name"] != name]
        self.host["Ulimits"] = [*others, {"Name": name, "Soft": soft, "Hard": hard}]

    def add_capability(self, key: str, value: str) -> None:
        match = _CAPABILITY.fullmatch(value.upper())
        if match is None:
            raise _NotUnderstood
        name = match[1] if match[1] == "ALL" else f"CAP_{match[1]}"
        named = [*self.host.get("CapAdd", []), *self.host.get("CapDrop", [])]
        if name in named or "ALL" in self.host.get(key, []) or (name == "ALL" and key in self.host):
            raise _NotUnderstood
        self.host[key] = sorted([*self.host.get(key, []), name])

    def add_host(self, value: str) -> None:
        match = re.fullmatch(r"([\w.-]+)[:=](host-gateway|\d{1,3}(?:\.\d{1,3}){3})", value)
        if match is None:
            raise _NotUnderstood
        self.add("ExtraHosts", f"{match[1]}:{match[2]}")

    def add_security(self, value: str) -> None:
        """A profile of seccomp is a file that the client reads."""
        if value not in ("no-new-privileges", "seccomp=unconfined", "apparmor=unconfined"):
            raise _NotUnderstood
        self.add("SecurityOpt", value)

    def add_network(self, value: str) -> None:
        """Values with `=` have a syntax of their own; a second network is one more."""
        if not re.fullmatch(r"[\w.-]+", value) or self.host["NetworkMode"] not in (
            "default",
            APART,
        ):
            raise _NotUnderstood
        self.host["NetworkMode"] = value


def _text(key: str) -> Callable[[_Builder, str], None]:
    def set_text(builder: _Builder, value: str) -> None:
        builder.host[key] = value

    return set_text


def _size(key: str) -> Callable[[_Builder, str], None]:
    def set_size(builder: _Builder, value: str) -> None:
        builder.host[key] = -1 if (key, value) == ("MemorySwap", "-1") else _bytes(value)

    return set_size


def _set_cpus(builder: _Builder, value: str) -> None:
    """So many processors, in billionths."""
    match = re.fullmatch(r"(\d{1,4})(?:\.(\d{1,9}))?", value)
    if match is None:
        raise _NotUnderstood
    builder.host["NanoCpus"] = int(match[1]) * 10**9 + int((match[2] or "").ljust(9, "0"))


def _set_user(builder: _Builder, value: str) -> None:
    builder.config["User"] = value


def _set_host_name(builder: _Builder, value: str) -> None:
    builder.config["Hostname"] = value


def _add(key: str) -> Callable[[_Builder, str], None]:
    return lambda builder, value: builder.add(key, value)


# The options that are understood, with what they do with their value.
_VALUES: Mapping[str, Callable[[_Builder, str], None]] = {
    "--env": _Builder.add_env,
    "-e": _Builder.add_env,
    "--label": _Builder.add_label,
    "-l": _Builder.add_label,
    "--device": _Builder.add_device,
    "--gpus": _Builder.add_gpus,
    "--runtime": _text("Runtime"),
    "--group-add": _add("GroupAdd"),
    "--user": _set_user,
    "-u": _set_user,
    "--hostname": _set_host_name,
    "--network": _Builder.add_network,
    "--net": _Builder.add_network,
    "--ipc": _text("IpcMode"),
    "--pid": _text("PidMode"),
    "--uts": _text("UTSMode"),
    "--userns": _text("UsernsMode"),
    "--shm-size": _size("ShmSize"),
    "--memory": _size("Memory"),
    "-m": _size("Memory"),
    "--memory-swap": _size("MemorySwap"),
    "--cpus": _set_cpus,
    "--cpuset-cpus": _text("CpusetCpus"),
    "--ulimit": _Builder.add_ulimit,
    "--cap-add": lambda builder, value: builder.add_capability("CapAdd", value),
    "--cap-drop": lambda builder, value: builder.add_capability("CapDrop", value),
    "--security-opt": _Builder.add_security,
    "--add-host": _Builder.add_host,
}
_SWITCHES = {"--privileged": "Privileged", "--read-only": "ReadonlyRootfs", "--rm": "AutoRemove"}


def _bytes(text: str) -> int:
    """A number of bytes as the client reads it: "64m", "1.5g". Powers of 1024."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([bkmgtp]?)(?:i?b)?", text.lower())
    if match is None or text.lower().endswith(("bb", "bib")):
        raise _NotUnderstood
    return int(float(match[1]) * _UNITS[match[2] or "b"])
