"""Settings of the workspace and of its experiments.

They are `[tool.innerloop]` in pyproject.toml for the workspace, and `innerloop.toml` beside an
experiment's code for that experiment. The experiment's keys win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, get_args

from ...util import git_markers
from ...util.errors import UserError, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of
from ...util.yaml_errors import is_text
from ..container import ENGINE_KINDS, EngineKind, is_image_name
from ..gpu import AUTO, WORDS, GpuSetting, parse_setting
from . import adoption, orchestrators
from .adoption import Adoption
from .orchestrators import Orchestrators


@dataclass(frozen=True, slots=True)
class DataSetting:
    """A data input on this machine.

    `path`: the folder or file, relative to the workspace's root ("" is data/<asset's name>).
    `create`: the program creates the data itself, so a missing folder is created, not an error.
    """

    path: str = ""
    create: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentSetting:
    """What replaces, on this machine, an environment that is registered on Azure ML.

    `images`: an image by the environment's name. For every other name: `image`, an image, or
    `build`, a folder with a Dockerfile, or `file`, a lock or another file that says what to install
    (both relative to the workspace's root). `base` is the image on which it is installed, "" for
    the usual one. `file_position` is where `file` is set.
    """

    image: str = ""
    build: str = ""
    file: str = ""
    base: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    file_position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class UnparsedTable:
    """A table of a file (`argo`, `remote` or `schedule`), at the path `at`.

    It is parsed only where it is needed, so that a mistake in it stops no local run.
    """

    table: Any
    text: str = field(repr=False)
    name: str
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AzureSetting:
    """`endpoint`: the name of the online endpoint; "" for the one in deploy/endpoint.yaml."""

    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an experiment, on top of its workspace's.

    ports: forwarded from the dev container.
    data: by the name of the input.
    dev_stage: the Dockerfile's stage of the dev container.
    debug_port: where a run waits for the debugger; None for a port derived from the name.
    environment: replacements of registered environments.
    azure: names on Azure.
    schedule, argo, remote: the unparsed tables.
    Of the workspace only: engine, the client of the container engine (None: the one that is there);
    ca, the file of a company's certificate authority, relative to the root;
    registry, where prebuilt images are pushed and pulled ("ghcr.io/owner/name");
    torch_cpu_index, the URL of an index of PyTorch's builds for the CPU ("": PyTorch's own); orchestrators;
    adopted, None for a workspace that `init` made.
    """

    gpu: GpuSetting = AUTO
    ports: tuple[int, ...] = ()
    data: Mapping[str, DataSetting] = field(default_factory=dict)
    dev_stage: str = "dev"
    debug_port: int | None = None
    environment: EnvironmentSetting = EnvironmentSetting()
    azure: AzureSetting = AzureSetting()
    engine: EngineKind | None = None
    ca: str = ""
    registry: str = ""
    torch_cpu_index: str = ""
    schedule: UnparsedTable | None = None
    orchestrators: Orchestrators = field(default_factory=Orchestrators)
    adopted: Adoption | None = None
    argo: tuple[UnparsedTable, ...] = ()
    remote: tuple[UnparsedTable, ...] = ()


def of_workspace(text: str, name: str) -> Settings:
    """The settings in pyproject.toml's text; the defaults if it has no `[tool.innerloop]`."""
    at = _Positions(text, name, ("tool", "innerloop"))
    table: Any = read_toml(text, name, at.above)
    for key in at.above:
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise UserError(
                f"{key} is not a table",
                code="setting-invalid",
                where=at(),
                hint="Write [tool.innerloop] and its keys below",
            )
    table = dict(table)
    table.pop("experiments", None)  # `declarations` reads them
    base = Settings(
        engine=_engine(table.pop("engine", None), at),
        ca=_word(table.pop("ca", ""), "ca", at),
        # Image names are lower-case.
        registry=_word(table.pop("registry", ""), "registry", at).rstrip("/").lower(),
        torch_cpu_index=_word(table.pop("torch_cpu_index", ""), "torch_cpu_index", at),
        orchestrators=orchestrators.take_from(table, text, name),
        adopted=adoption.of_table(table.pop("adopted", None), at("adopted")),
        argo=_unparsed(table.pop("argo", None), text, name, ("tool", "innerloop", "argo")),
        remote=_unparsed(table.pop("remote", None), text, name, ("tool", "innerloop", "remote")),
    )
    if "schedule" in table:
        raise UserError(
            "[tool.innerloop.schedule]: a schedule belongs to an experiment",
            code="setting-misplaced",
            where=position_of(text, name, "tool", "innerloop", "schedule"),
            hint="Write [schedule] in src/EXPERIMENT/innerloop.toml",
        )
    return _settings(table, base, at, "[tool.innerloop] ")


def of_root_file(text: str | None, name: str, settings: Settings) -> Settings:
    """The workspace's settings with what the root's innerloop.toml says (None: no such file).

    Its keys count for every experiment and job, as those of `[tool.innerloop]`, on top of them.
    """
    if text is None:
        return settings
    table = read_toml(text, name)
    table.pop("experiments", None)  # `declarations` reads them
    adopted = adoption.of_table(table.pop("adopted", None), position_of(text, name, "adopted"))
    if "schedule" in table:
        raise UserError(
            "[schedule]: a schedule belongs to an experiment",
            code="setting-misplaced",
            where=position_of(text, name, "schedule"),
            hint="Write [experiments.NAME.schedule]",
        )
    settings = of_table(table, text, name, (), settings) if table else settings
    return settings if adopted is None else replace(settings, adopted=adopted)


def _engine(value: Any, at: _Positions) -> EngineKind | None:
    if value is None:
        return None
    if value not in ENGINE_KINDS:
        raise UserError(
            f"[tool.innerloop] engine = {value!r} is unknown",
            code="setting-invalid",
            where=at("engine"),
            hint=did_you_mean(str(value), list(ENGINE_KINDS)),
        )
    kind: EngineKind = value
    return kind


# An empty text is the default of both. A registry is the beginning of an image's name.
_WORDS = {
    "ca": late_pattern(r"[^\x00-\x1f\x7f]*"),
    "registry": late_pattern(r"(?:[A-Za-z0-9][\w.:/-]*)?", re.ASCII),
    "torch_cpu_index": late_pattern(r"(?:https?://[^\s\"'@]+)?"),
}


def _word(value: Any, key: str, at: _Positions) -> str:
    if not isinstance(value, str) or not _WORDS[key].fullmatch(value):
        example = {
            "ca": "certificates/company.pem",
            "registry": "ghcr.io/owner/name",
            "torch_cpu_index": "https://packages.example.com/pytorch-cpu/simple",
        }[key]
        raise UserError(
            f"[tool.innerloop] {key} = {value!r} is invalid",
            code="setting-invalid",
            where=at(key),
            hint=f'Write {key} = "{example}"',
        )
    return value


def of_experiment(text: str | None, name: str, workspace: Settings) -> Settings:
    """The settings in innerloop.toml's text (None: no such file), on top of the workspace's."""
    if text is None:
        return workspace
    table = read_toml(text, name)
    if name == "innerloop.toml":  # at the root of the workspace
        for key in ("experiments", "adopted", "remote"):
            table.pop(key, None)
    return of_table(table, text, name, (), workspace)


# The settings that an experiment may have.
OWN = (
    "gpu",
    "ports",
    "data",
    "dev_stage",
    "debug_port",
    "schedule",
    "environment",
    "azure",
    "argo",
    "remote",
)


def of_table(
    table: Mapping[str, Any], text: str, name: str, above: tuple[str, ...], base: Settings
) -> Settings:
    """The settings in a table of a file, which the tables `above` lead to, on top of others."""
    schedule = base.schedule
    if "schedule" in table:
        schedule = UnparsedTable(table["schedule"], text, name, (*above, "schedule"))
    argo = _unparsed(table.get("argo"), text, name, (*above, "argo"))
    section = f"[{'.'.join(above)}] " if above else ""
    own = _settings(table, base, _Positions(text, name, above), section)
    remote = _unparsed(table.get("remote"), text, name, (*above, "remote"))
    return replace(own, schedule=schedule, argo=(*base.argo, *argo), remote=(*base.remote, *remote))


def _unparsed(table: Any, text: str, name: str, at: tuple[str, ...]) -> tuple[UnparsedTable, ...]:
    return () if table is None else (UnparsedTable(table, text, name, at),)


@dataclass(frozen=True, slots=True)
class _Positions:
    """Positions of keys in the text of a file, below the table at `above`."""

    text: str
    name: str
    above: tuple[str, ...] = ()

    def __call__(self, *keys: str) -> Position:
        return position_of(self.text, self.name, *self.above, *keys)


def read_toml(text: str, name: str, above: Sequence[str] = ()) -> dict[str, Any]:
    """The whole file.

    One that git left in conflict counts as long as both sides agree on the table at `above`.
    """
    if not git_markers.is_whole(text):
        return _parsed(text, name)
    try:
        sides = [_parsed(git_markers.side(text, half), name) for half in get_args(git_markers.Side)]
    except UserError:
        sides = []
    if not sides or _below(sides[0], above) != _below(sides[1], above):
        of = f" in [{'.'.join(above)}]" if above and sides else ""
        raise UserError(
            f"git left this file in conflict{of}",
            code="settings-unmerged",
            where=Position(name, git_markers.first_line(text), 1),
            hint="Keep one of the two sides, or both, and remove git's markers",
        )
    return sides[0]


def _below(table: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _parsed(text: str, name: str) -> dict[str, Any]:
    from ...util import toml_text  # here: the values alone do not need it

    try:
        table: dict[str, Any] = toml_text.parse(text)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", what)
        where = Position(name, int(place[1]), int(place[2])) if place else Position(name)
        what = what[: place.start()] if place else what
        raise UserError(
            f"not TOML: {what}", code="not-toml", where=where, hint="Correct the file"
        ) from error
    if not is_text(table):
        raise UserError(
            "a text contains a zero byte, which nothing can hold",
            code="text-unusable",
            where=name,
            hint="Remove its escape",
        )
    return table


def _settings(table: Mapping[str, Any], base: Settings, at: _Positions, section: str) -> Settings:
    for key in table:
        if key not in OWN:
            raise UserError(
                f'{section}"{key}" is unknown',
                code="setting-unknown",
                where=at(key),
                hint=did_you_mean(key, [*OWN]),
            )
    try:
        gpu = parse_setting(table["gpu"], at("gpu")) if "gpu" in table else base.gpu
    except ValueError as error:
        raise UserError(
            f"{section}{error}", code="setting-invalid", where=at("gpu"), hint=WORDS
        ) from error
    ports = table.get("ports", list(base.ports))
    if not isinstance(ports, list) or not all(_is_port(port) for port in ports):
        raise UserError(
            f"{section}ports is not a list of port numbers",
            code="setting-invalid",
            where=at("ports"),
            hint="Write ports = [6006]",
        )
    debug_port = table.get("debug_port", base.debug_port)
    if debug_port is not None and not _is_port(debug_port):
        raise UserError(
            f"{section}debug_port is not a port number",
            code="setting-invalid",
            where=at("debug_port"),
            hint="Write debug_port = 24500",
        )
    dev_stage = table.get("dev_stage", base.dev_stage)
    if not isinstance(dev_stage, str):
        raise UserError(
            f"{section}dev_stage is not a string",
            code="setting-invalid",
            where=at("dev_stage"),
            hint='Write dev_stage = "dev"',
        )
    return replace(
        base,
        gpu=gpu,
        ports=tuple(ports),
        data={**base.data, **_data(table.get("data", {}), at, section)},
        dev_stage=dev_stage,
        debug_port=debug_port,
        environment=_environment(table.get("environment"), base.environment, at, section),
        azure=_azure(table.get("azure"), base.azure, at, section),
    )


def _azure(table: Any, base: AzureSetting, at: _Positions, section: str) -> AzureSetting:
    if table is None:
        return base
    hint = 'Write [azure] and endpoint = "..."'
    if not isinstance(table, dict):
        raise UserError(
            f"{section}azure is not a table", code="setting-invalid", where=at("azure"), hint=hint
        )
    for key, value in table.items():
        if key != "endpoint":
            what = f'{section}azure: "{key}" is unknown'
            raise UserError(
                what,
                code="setting-unknown",
                where=at("azure", key),
                hint=did_you_mean(key, ["endpoint"]),
            )
        if not isinstance(value, str):
            raise UserError(
                f"{section}azure.{key} is not a string",
                code="setting-invalid",
                where=at("azure", key),
                hint=hint,
            )
    return AzureSetting(str(table.get("endpoint", base.endpoint)))


def _environment(
    table: Any, base: EnvironmentSetting, at: _Positions, section: str
) -> EnvironmentSetting:
    if table is None:
        return base
    hint = 'Write [environment] and image = "...", build = "FOLDER" or file = "uv.lock"'
    if not isinstance(table, dict):
        raise UserError(
            f"{section}environment is not a table",
            code="setting-invalid",
            where=at("environment"),
            hint=hint,
        )
    known = ["image", "build", "file", "base", "images"]
    for key, value in table.items():
        if key not in known:
            what = f'{section}environment: "{key}" is unknown'
            raise UserError(
                what,
                code="setting-unknown",
                where=at("environment", key),
                hint=did_you_mean(key, known),
            )
        type_ = dict if key == "images" else str
        if not isinstance(value, type_):
            what = f"{section}environment.{key} is not a {'table' if type_ is dict else 'string'}"
            raise UserError(what, code="setting-invalid", where=at("environment", key), hint=hint)
    images = table.get("images", {})
    for path, image in (
        (("image",), table.get("image", "")),
        (("base",), table.get("base", "")),
        *((("images", key), value) for key, value in images.items()),
    ):
        if not isinstance(image, str) or not (image == "" or is_image_name(image)):
            raise UserError(
                f"{section}environment.{'.'.join(path)} is not the name of an image",
                code="setting-invalid",
                where=at("environment", *path),
                hint="Write a name such as python:3.11-slim",
            )
    return EnvironmentSetting(
        # The experiment's image, build or file replaces all three of the workspace.
        image=table.get("image", "" if {"build", "file"} & set(table) else base.image),
        build=table.get("build", "" if {"image", "file"} & set(table) else base.build),
        file=table.get("file", "" if {"image", "build"} & set(table) else base.file),
        base=table.get("base", base.base),
        file_position=at("environment", "file") if "file" in table else base.file_position,
        images={**base.images, **images},
    )


def _data(table: Any, at: _Positions, section: str) -> dict[str, DataSetting]:
    if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
        raise UserError(
            f"{section}data is not a table of inputs",
            code="setting-invalid",
            where=at("data"),
            hint='Write [data.data_path] and path = "data/x"',
        )
    known = ["path", "create"]
    for input_name, entry in table.items():
        for key in entry:
            if key not in known:
                raise UserError(
                    f'{section}data.{input_name}: "{key}" is unknown',
                    code="setting-unknown",
                    where=at("data", input_name, key),
                    hint=did_you_mean(key, known),
                )
            type_ = bool if key == "create" else str
            if not isinstance(entry[key], type_):
                kind = "true or false" if type_ is bool else "a string"
                raise UserError(
                    f"{section}data.{input_name}.{key} is not {kind}",
                    code="setting-invalid",
                    where=at("data", input_name, key),
                    hint='Write [data.data_path] and path = "data/x"',
                )
    return {
        input_name: DataSetting(entry.get("path", ""), entry.get("create", False))
        for input_name, entry in table.items()
    }


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
