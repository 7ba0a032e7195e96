"""Orchestrators, which start experiments from outside, and their settings in `[tool.innerloop]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, Final, Literal, TypeVar, get_args

from ...util.errors import UserError, did_you_mean
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of

Orchestrator = Literal["github", "azure-devops", "argo"]
GITHUB: Final = "github"
AZURE_DEVOPS: Final = "azure-devops"
ARGO: Final = "argo"
KNOWN: tuple[Orchestrator, ...] = get_args(Orchestrator)


@dataclass(frozen=True, slots=True)
class GitHub:
    """`[tool.innerloop.github]`.

    `environment`: the deployment environment with the variables and protection rules ("" for none).
    `runner`: the label of the Linux machine that runs the workflow.
    """

    environment: str = ""
    runner: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class AzureDevOps:
    """`[tool.innerloop.azure-devops]`.

    `service_connection`: the Azure Resource Manager connection that signs in. `variable_group`: the
    group with the names of the Azure ML workspace. `pool`: a self-hosted pool; "" for Microsoft's,
    with the image `vm_image`.
    """

    service_connection: str = "azure-ml"
    variable_group: str = "azure-ml"
    pool: str = ""
    vm_image: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class Orchestrators:
    """`names`: those that start an experiment whose `[schedule]` names none.

    `chosen`: whether pyproject.toml names them; if so, each also gets a workflow that checks every
    push.
    """

    names: tuple[Orchestrator, ...] = (GITHUB,)
    chosen: bool = False
    github: GitHub = field(default_factory=GitHub)
    azure_devops: AzureDevOps = field(default_factory=AzureDevOps)


_Kind = TypeVar("_Kind", GitHub, AzureDevOps)


def take_from(table: dict[str, Any], text: str, name: str) -> Orchestrators:
    """The orchestrators of `[tool.innerloop]`; their keys are removed from its table.

    Raises `UserError` with a position for invalid ones.
    """
    at = ("tool", "innerloop")
    chosen = "orchestrators" in table
    names = table.pop("orchestrators", [GITHUB])
    return Orchestrators(
        names=names_of(names, position_of(text, name, *at, "orchestrators"), "[tool.innerloop] "),
        chosen=chosen,
        github=_table(table.pop(GITHUB, {}), GitHub(), GITHUB, text, name),
        azure_devops=_table(
            table.pop(AZURE_DEVOPS, {}), AzureDevOps(), AZURE_DEVOPS, text, name
        ),
    )  # fmt: skip


def names_of(value: Any, position: Position, section: str) -> tuple[Orchestrator, ...]:
    """The orchestrators of a list, each once, in the order of `KNOWN`."""
    known = ", ".join(f'"{name}"' for name in KNOWN)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UserError(
            f"{section}orchestrators is not a list of names",
            code="setting-invalid",
            where=position,
            hint=f"Write orchestrators = [...] with some of {known}",
        )
    for name in value:
        if name not in KNOWN:
            what = f'{section}orchestrators: "{name}" is unknown'
            raise UserError(
                what,
                code="orchestrator-unknown",
                where=position,
                hint=did_you_mean(name, list(KNOWN)),
            )
    return tuple(name for name in KNOWN if name in value)


def _table(value: Any, default: _Kind, key: str, text: str, name: str) -> _Kind:
    section = f"[tool.innerloop.{key}]"
    table_position = position_of(text, name, "tool", "innerloop", key)
    known = [field_.name for field_ in fields(default)]
    if not isinstance(value, Mapping):
        raise UserError(
            f"{section} is not a table",
            code="setting-invalid",
            where=table_position,
            hint=f"Write {section}",
        )
    for word, setting in value.items():
        position = position_of(text, name, "tool", "innerloop", key, word)
        if word not in known:
            what = f'{section} "{word}" is unknown'
            raise UserError(
                what, code="setting-unknown", where=position, hint=did_you_mean(word, known)
            )
        if not isinstance(setting, str) or "\n" in setting:
            raise UserError(
                f"{section} {word} is not a string",
                code="setting-invalid",
                where=position,
                hint=f'Write {word} = "..."',
            )
    return type(default)(**{**_as_dict(default), **value})


def _as_dict(value: GitHub | AzureDevOps) -> dict[str, str]:
    return {field_.name: getattr(value, field_.name) for field_ in fields(value)}
