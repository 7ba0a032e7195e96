"""Who may start an experiment from outside: the orchestrators, and their settings in
`[tool.innerloop]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ...util.errors import UserError, did_you_mean
from ...util.toml_positions import position_of

GITHUB, AZURE_DEVOPS, ARGO = "github", "azure-devops", "argo"
KNOWN = (GITHUB, AZURE_DEVOPS, ARGO)


@dataclass(frozen=True, slots=True)
class GitHub:
    """`[tool.innerloop.github]`. `environment`: the deployment environment whose variables and
    protection rules hold ("" for none). `runner`: the label of the machine that
    waits, a Linux one."""

    environment: str = ""
    runner: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class AzureDevOps:
    """`[tool.innerloop.azure-devops]`. `service_connection`: the Azure Resource Manager connection
    that signs in. `variable_group`: the library's group with the names of the Azure ML workspace.
    `pool`: a pool of your own machines; "" is Microsoft's, with the image `vm_image`."""

    service_connection: str = "azure-ml"
    variable_group: str = "azure-ml"
    pool: str = ""
    vm_image: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class Orchestrators:
    """`names`: those that start what has a `[schedule]`, when it names none itself. `chosen`: they
    were named by a person, so they get what checks every push as well."""

    names: tuple[str, ...] = (GITHUB,)
    chosen: bool = False
    github: GitHub = field(default_factory=GitHub)
    azure_devops: AzureDevOps = field(default_factory=AzureDevOps)


_Kind = TypeVar("_Kind", GitHub, AzureDevOps)


def take_from(table: dict[str, Any], text: str, name: str) -> Orchestrators:
    """What `[tool.innerloop]` says of orchestrators, taken out of its table; a `Mistake` with
    file:line where it cannot be."""
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


def names_of(value: Any, where: str, section: str) -> tuple[str, ...]:
    """A list of known orchestrators, each once, in the order of `KNOWN`."""
    known = ", ".join(f'"{one}"' for one in KNOWN)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UserError(
            f"{section}orchestrators is no list of names",
            where=where,
            hint=f"Write orchestrators = [...] with some of {known}",
        )
    for one in value:
        if one not in KNOWN:
            what = f'{section}orchestrators: "{one}" is none that we know'
            raise UserError(what, where=where, hint=did_you_mean(one, list(KNOWN)))
    return tuple(one for one in KNOWN if one in value)


def _table(value: Any, default: _Kind, key: str, text: str, name: str) -> _Kind:
    section = f"[tool.innerloop.{key}]"
    where = position_of(text, name, "tool", "innerloop", key)
    known = [one.name for one in fields(default)]
    if not isinstance(value, Mapping):
        raise UserError(f"{section} is no table", where=where, hint=f"Write {section}")
    for word, given in value.items():
        position = position_of(text, name, "tool", "innerloop", key, word)
        if word not in known:
            what = f'{section} "{word}" is no setting'
            raise UserError(what, where=position, hint=did_you_mean(word, known))
        if not isinstance(given, str) or "\n" in given:
            raise UserError(
                f"{section} {word} is no text", where=position, hint=f'Write {word} = "..."'
            )
    return type(default)(**{**_as_dict(default), **value})


def _as_dict(value: GitHub | AzureDevOps) -> dict[str, str]:
    return {one.name: getattr(value, one.name) for one in fields(value)}
