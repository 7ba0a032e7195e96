"""`[remote.NAME]`: machines of the team's own, which are reached by ssh, and their Slurm clusters.

They are `[tool.innerloop.remote.NAME]` in pyproject.toml, and `[remote.NAME]` in innerloop.toml of the
root or of an experiment, whose keys win. A name without a table is the alias of a host in the
person's ssh configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal, get_args

from ...util.errors import UserError, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of
from ..gpu import WORDS, GpuSetting, parse_setting
from .settings import UnparsedTable
from .slurm_settings import CONTROL, InvalidRemoteValue, SlurmSetting
from .slurm_settings import KEYS as SLURM_KEYS
from .slurm_settings import value_of as slurm_value_of

# What starts a job there; "none" is a process in an environment made from the lock.
RemoteEngine = Literal["docker", "podman", "apptainer", "none"]
REMOTE_ENGINES: tuple[RemoteEngine, ...] = get_args(RemoteEngine)
DOCKER, PODMAN, APPTAINER, NO_ENGINE = REMOTE_ENGINES
DEFAULT_FOLDER = "~/.innerloop"
# The name of this machine, which is not reached by ssh: its host is "".
HERE = "localhost"
SLURM = "slurm"

# Words of ssh's command line: an option would begin with "-".
_HOST = late_pattern(r"(?:[A-Za-z0-9_][\w.+-]*@)?[A-Za-z0-9_\[][\w.:\[\]-]*", re.ASCII)
_NAME = late_pattern(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteSetting:
    """A machine that is reached by ssh, or this one.

    host: an alias of the person's ssh configuration, or [user@]name; "" for this machine.
    folder: where jobs, images' contexts and data are kept; absolute there, or below the home ("~/").
    engine: what starts jobs there; None for the first that answers.
    gpus: what jobs get there; None for the experiment's own setting.
    data: by the name of an input, the absolute path of data that are there already.
    slurm: what its jobs ask Slurm for; None without a table `slurm`.
    positions: of the keys ("host", "data.images"); "" is the table. Empty without a table.
    """

    name: str
    host: str
    folder: str = DEFAULT_FOLDER
    engine: RemoteEngine | None = None
    gpus: GpuSetting | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    slurm: SlurmSetting | None = None
    positions: Mapping[str, Position] = field(default_factory=dict, compare=False)

    def where(self, key: str) -> Position | str:
        """The position of a key, or of the table; "" without a table."""
        return self.positions.get(key) or self.positions.get("") or ""


def is_name(text: str) -> bool:
    """Whether `--backend ssh:NAME` can have this name."""
    return _NAME.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Whether ssh takes the text as a host, and not as an option."""
    return _HOST.fullmatch(text) is not None


def is_folder(text: str) -> bool:
    """Whether the text is a folder there for jobs: absolute, or below the home ("~/")."""
    parts = text.removeprefix("~").split("/")
    is_below = text.startswith(("/", "~/")) and any(parts)
    return is_below and not {"..", "."} & set(parts) and CONTROL.search(text) is None


def named(texts: Sequence[UnparsedTable], name: str) -> RemoteSetting:
    """The machine of this name; this machine for "". Raises `UserError` with a position.

    Without a table of this name, it is the host of this name. The table of this machine is the one
    named slurm, else the only one with a table `slurm`.
    """
    machines = read(texts)
    if name:
        return machines.get(name) or RemoteSetting(name, name)
    clusters = [machine for machine in machines.values() if machine.slurm is not None]
    only = clusters[0] if len(clusters) == 1 else RemoteSetting(HERE, "")
    return replace(machines.get(SLURM) or only, host="")


def read(texts: Sequence[UnparsedTable]) -> dict[str, RemoteSetting]:
    """The machines by name. `texts`: the workspace's table first. Raises `UserError` with a position."""
    found: dict[str, RemoteSetting] = {}
    for source in texts:
        if not isinstance(source.table, dict):
            raise _error(source, "remote is not a table of machines", _EXAMPLE)
        for name, table in source.table.items():
            if not is_name(name):
                hint = "Use letters, digits, -, _ and ."
                raise _error(source, f"remote.{name!r} is not the name of a machine", hint, name)
            found[name] = _on_top_of(found.get(name) or RemoteSetting(name, name), source, table)
    return found


_EXAMPLE = 'Write [remote.gpubox] and host = "gpubox"'


def _error(
    source: UnparsedTable, what: str, hint: str, *keys: str, code: str = "setting-invalid"
) -> UserError:
    where = position_of(source.text, source.name, *source.at, *keys)
    return UserError(what, code=code, where=where, hint=hint)


def _on_top_of(base: RemoteSetting, source: UnparsedTable, table: Any) -> RemoteSetting:
    name = base.name
    if not isinstance(table, dict):
        raise _error(source, f"remote.{name} is not a table", _EXAMPLE, name)
    positions = {**base.positions, "": position_of(source.text, source.name, *source.at, name)}
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS and key != SLURM:
            what = f'remote.{name}: "{key}" is unknown'
            hint = did_you_mean(key, [*_KEYS, SLURM])
            raise _error(source, what, hint, name, key, code="setting-unknown")
        if key == SLURM:
            changes[key] = _slurm(base, source, value, positions)
            continue
        try:
            changes[key] = _KEYS[key](value)
        except InvalidRemoteValue as error:
            what = f"remote.{name}.{key}{error.what}"
            raise _error(source, what, error.hint, name, key, *error.keys) from error
        inner_keys = value if key == "data" else ()
        for path in [(key,), *((key, inner) for inner in inner_keys)]:
            where = position_of(source.text, source.name, *source.at, name, *path)
            positions[".".join(path)] = where
    if "data" in changes:
        changes["data"] = {**base.data, **changes["data"]}
    return replace(base, **changes, positions=positions)


def _slurm(
    base: RemoteSetting, source: UnparsedTable, table: Any, positions: dict[str, Position]
) -> SlurmSetting:
    """The table on top of that of another file; its keys' `positions` are added."""
    name = base.name
    if not isinstance(table, dict):
        what = f"remote.{name}.slurm is not a table"
        hint = 'Write [remote.NAME.slurm] and partition = "gpu"'
        raise _error(source, what, hint, name, SLURM)
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in SLURM_KEYS:
            what = f'remote.{name}.slurm: "{key}" is unknown'
            hint = did_you_mean(key, list(SLURM_KEYS))
            raise _error(source, what, hint, name, SLURM, key, code="setting-unknown")
        try:
            changes[key] = slurm_value_of(key, value)
        except InvalidRemoteValue as error:
            what = f"remote.{name}.slurm.{key}{error.what}"
            raise _error(source, what, error.hint, name, SLURM, key) from error
        where = position_of(source.text, source.name, *source.at, name, SLURM, key)
        positions[f"{SLURM}.{key}"] = where
    positions[SLURM] = position_of(source.text, source.name, *source.at, name, SLURM)
    return replace(base.slurm or SlurmSetting(), **changes)


def _host(value: Any) -> str:
    if not isinstance(value, str) or not is_host(value):
        hint = 'Write host = "gpubox", a Host of ~/.ssh/config, or "user@name"'
        raise InvalidRemoteValue(f" = {value!r} is not the name of a host", hint)
    return value


def _folder(value: Any) -> str:
    hint = f'Write folder = "{DEFAULT_FOLDER}", or an absolute path there'
    if not isinstance(value, str) or not value or CONTROL.search(value):
        raise InvalidRemoteValue(f" = {value!r} is not a folder", hint)
    plain = value.rstrip("/")
    path = plain if plain.startswith(("/", "~")) else f"~/{plain}"
    if not is_folder(path):
        raise InvalidRemoteValue(f" = {value!r} is not a folder of its own", hint)
    return path


def _engine(value: Any) -> RemoteEngine:
    if value not in REMOTE_ENGINES:
        hint = did_you_mean(str(value), list(REMOTE_ENGINES))
        raise InvalidRemoteValue(f" = {value!r} is unknown", hint)
    engine: RemoteEngine = value
    return engine


def _gpus(value: Any) -> GpuSetting:
    try:
        return parse_setting(value)
    except ValueError as error:
        raise InvalidRemoteValue(f": {error}", WORDS) from error


def _data(value: Any) -> dict[str, str]:
    hint = 'Write data = { images = "/mnt/images" }, with an absolute path there for an input'
    if not isinstance(value, dict):
        raise InvalidRemoteValue(" is not a table of inputs", hint)
    for input_name, path in value.items():
        is_path = isinstance(path, str) and path.startswith("/") and not CONTROL.search(path)
        if not is_path or ".." in path.split("/"):
            raise InvalidRemoteValue(
                f".{input_name} = {path!r} is not an absolute path", hint, input_name
            )
    return {input_name: path.rstrip("/") or "/" for input_name, path in value.items()}


_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "host": _host,
    "folder": _folder,
    "engine": _engine,
    "gpus": _gpus,
    "data": _data,
}
