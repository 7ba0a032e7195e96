"""Settings: `[tool.innerloop]` in pyproject.toml for the workspace, `innerloop.toml` beside an
experiment's code for that experiment. The nearer one wins, key by key."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...util.errors import UserError, did_you_mean
from ...util.toml_positions import position_of
from . import orchestrators
from .orchestrators import Orchestrators

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GPU = ("auto", "all", "none")


@dataclass(frozen=True, slots=True)
class DataSetting:
    """What one data input means on this machine.

    `path`: the folder or file, relative to the workspace's root ("" is data/<asset's name>).
    `create`: the program fills the folder itself, so one that is missing is made, not refused.
    """

    path: str = ""
    create: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentSetting:
    """What stands on this machine for an environment that only Azure ML knows by its name.

    `images`: an image by the environment's name. For every other name: `image`, an image, or
    `build`, a folder with a Dockerfile (relative to the workspace's root).
    """

    image: str = ""
    build: str = ""
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArgoText:
    """A table `argo` of a file's text, as it stands at `at`: `argo_settings.read` reads it for those
    who ask, so that a slip in it stops no run."""

    table: Any
    text: str = field(repr=False)
    name: str
    at: tuple[str, ...] = ("argo",)


@dataclass(frozen=True, slots=True)
class ScheduleText:
    """The table `schedule` of a file's text, as it stands: `schedules.read` reads it for those who
    ask, so that a slip in it stops no run."""

    table: Any
    text: str = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True)
class AzureSetting:
    """`endpoint`: the name of the online endpoint, where it is not that of deploy/endpoint.yaml."""

    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """gpu: "auto" | "all" | "none". ports: forwarded from the dev container. data: by input.
    dev_stage: the Dockerfile's stage for people, where it is not called `dev`. debug_port: where an
    experiment's run waits for the debugger, None for one that follows from its name. environment:
    what stands for registered environments. azure: names on Azure. schedule: the experiment's
    `[schedule]`, unread. For the workspace alone: ca, the file of a company's certificate
    authority, relative to the root; registry, where prebuilt images are pushed and pulled
    ("ghcr.io/owner/name"); orchestrators."""

    gpu: str = "auto"
    ports: tuple[int, ...] = ()
    data: Mapping[str, DataSetting] = field(default_factory=dict)
    dev_stage: str = "dev"
    debug_port: int | None = None
    environment: EnvironmentSetting = EnvironmentSetting()
    azure: AzureSetting = AzureSetting()
    ca: str = ""
    registry: str = ""
    schedule: ScheduleText | None = None
    orchestrators: Orchestrators = field(default_factory=Orchestrators)
    argo: tuple[ArgoText, ...] = ()


def of_workspace(text: str, name: str) -> Settings:
    """From pyproject.toml's text; without `[tool.innerloop]`, the defaults."""
    table = dict(_toml(text, name).get("tool", {}).get("innerloop", {}))
    base = Settings(
        ca=_word(table.pop("ca", ""), "ca", name),
        # An image's name has no capitals.
        registry=_word(table.pop("registry", ""), "registry", name).rstrip("/").lower(),
        orchestrators=orchestrators.take_from(table, text, name),
        argo=_argo(table.pop("argo", None), text, name, ("tool", "innerloop", "argo")),
    )
    if "schedule" in table:
        raise UserError(
            "[tool.innerloop.schedule]: a schedule is an experiment's own",
            code="setting-misplaced",
            where=position_of(text, name, "tool", "innerloop", "schedule"),
            hint="Write [schedule] in src/EXPERIMENT/innerloop.toml",
        )
    return _settings(table, base, name, "[tool.innerloop] ")


def _word(value: Any, key: str, name: str) -> str:
    if not isinstance(value, str) or re.search(r"\s" if key == "registry" else r"[\n\0]", value):
        example = {"ca": "certificates/company.pem", "registry": "ghcr.io/owner/name"}[key]
        raise UserError(
            f"[tool.innerloop] {key} = {value!r} cannot be",
            code="setting-invalid",
            where=name,
            hint=f'Write {key} = "{example}"',
        )
    return value


def of_experiment(text: str | None, name: str, workspace: Settings) -> Settings:
    """From innerloop.toml's text (None: no such file), on top of the workspace's."""
    if text is None:
        return workspace
    table = _toml(text, name)
    schedule = ScheduleText(table["schedule"], text, name) if "schedule" in table else None
    argo = _argo(table.pop("argo", None), text, name, ("argo",))
    own = _settings(table, workspace, name, "")
    return replace(own, schedule=schedule, argo=(*workspace.argo, *argo))


def _argo(table: Any, text: str, name: str, at: tuple[str, ...]) -> tuple[ArgoText, ...]:
    return () if table is None else (ArgoText(table, text, name, at),)


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        table: dict[str, Any] = tomllib.loads(text)
        return table
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"not TOML: {error}", code="not-toml", where=name, hint="Mend the file"
        ) from error


def _settings(table: Mapping[str, Any], base: Settings, name: str, section: str) -> Settings:
    known = ["gpu", "ports", "data", "dev_stage", "debug_port", "schedule", "environment", "azure"]
    known.append("argo")  # read by those who ask
    for key in table:
        if key not in known:
            raise UserError(
                f'{section}"{key}" is no setting',
                code="setting-unknown",
                where=name,
                hint=did_you_mean(key, known),
            )
    gpu = table.get("gpu", base.gpu)
    if gpu not in GPU:
        raise UserError(
            f'{section}gpu = {gpu!r} is none of "auto", "all", "none"',
            code="setting-invalid",
            where=name,
            hint="Choose one",
        )
    ports = table.get("ports", list(base.ports))
    if not isinstance(ports, list) or not all(_is_port(port) for port in ports):
        raise UserError(
            f"{section}ports is no list of port numbers",
            code="setting-invalid",
            where=name,
            hint="Write ports = [6006]",
        )
    debug_port = table.get("debug_port", base.debug_port)
    if debug_port is not None and not _is_port(debug_port):
        raise UserError(
            f"{section}debug_port is no port number",
            code="setting-invalid",
            where=name,
            hint="Write debug_port = 24500",
        )
    return replace(
        base,
        gpu=gpu,
        ports=tuple(ports),
        data={**base.data, **_data(table.get("data", {}), name, section)},
        dev_stage=str(table.get("dev_stage", base.dev_stage)),
        debug_port=debug_port,
        environment=_environment(table.get("environment"), base.environment, name, section),
        azure=_azure(table.get("azure"), base.azure, name, section),
    )


def _azure(table: Any, base: AzureSetting, name: str, section: str) -> AzureSetting:
    if table is None:
        return base
    hint = 'Write [azure] and endpoint = "..."'
    if not isinstance(table, dict):
        raise UserError(
            f"{section}azure is no table", code="setting-invalid", where=name, hint=hint
        )
    for key, value in table.items():
        if key != "endpoint":
            what = f'{section}azure: "{key}" is no setting'
            raise UserError(
                what, code="setting-unknown", where=name, hint=did_you_mean(key, ["endpoint"])
            )
        if not isinstance(value, str):
            raise UserError(
                f"{section}azure.{key} is no text", code="setting-invalid", where=name, hint=hint
            )
    return AzureSetting(str(table.get("endpoint", base.endpoint)))


def _environment(
    table: Any, base: EnvironmentSetting, name: str, section: str
) -> EnvironmentSetting:
    if table is None:
        return base
    hint = 'Write [environment] and image = "...", or build = "FOLDER"'
    if not isinstance(table, dict):
        raise UserError(
            f"{section}environment is no table", code="setting-invalid", where=name, hint=hint
        )
    known = ["image", "build", "images"]
    for key, value in table.items():
        if key not in known:
            what = f'{section}environment: "{key}" is no setting'
            raise UserError(what, code="setting-unknown", where=name, hint=did_you_mean(key, known))
        wanted = dict if key == "images" else str
        if not isinstance(value, wanted):
            what = f"{section}environment.{key} is no {'table' if wanted is dict else 'text'}"
            raise UserError(what, code="setting-invalid", where=name, hint=hint)
    images = {str(key): str(value) for key, value in table.get("images", {}).items()}
    return EnvironmentSetting(
        # The nearer file's word counts whole: its image is not undone by an outer build.
        image=table.get("image", "" if "build" in table else base.image),
        build=table.get("build", "" if "image" in table else base.build),
        images={**base.images, **images},
    )


def _data(table: Any, name: str, section: str) -> dict[str, DataSetting]:
    if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
        raise UserError(
            f"{section}data is no table of inputs",
            code="setting-invalid",
            where=name,
            hint='Write [data.data_path] and path = "data/x"',
        )
    known = ["path", "create"]
    for input_name, entry in table.items():
        for key in entry:
            if key not in known:
                raise UserError(
                    f'{section}data.{input_name}: "{key}" is no setting',
                    code="setting-unknown",
                    where=name,
                    hint=did_you_mean(key, known),
                )
    return {
        input_name: DataSetting(str(entry.get("path", "")), bool(entry.get("create", False)))
        for input_name, entry in table.items()
    }


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
