"""Which Azure ML workspace jobs go to: from variables, else from the studio's `config.json`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...util import files
from ...util.errors import UserError

FILES = (".azureml/config.json", "config.json")
# field -> (variable, key in config.json)
FIELDS = {
    "subscription": ("AZURE_SUBSCRIPTION_ID", "subscription_id"),
    "group": ("AZURE_RESOURCE_GROUP", "resource_group"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "workspace_name"),
}
MEND = (
    "In the Azure ML studio choose `Download config file` (top right) and put it into .azureml/, "
    "or set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"<.*>|\{.*\}|\$.*|(your|my)[-_ ].*|x{3,}.*|\.{3}|todo.*|change[-_ ]?me", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Target:
    """An Azure ML workspace, and `source`: where its names were found."""

    subscription: str
    group: str
    workspace: str
    source: str

    @property
    def id(self) -> str:
        """As Azure writes it, in lower case: two spellings are one workspace."""
        return (
            f"/subscriptions/{self.subscription}/resourcegroups/{self.group}"
            f"/providers/microsoft.machinelearningservices/workspaces/{self.workspace}"
        ).lower()


def find(root: Path, env: Mapping[str, str] | None = None) -> Target:
    """The workspace that this one is connected to; a `Mistake` says what is missing or has not
    been filled in."""
    given = os.environ if env is None else env
    name, table = _file(root)
    values, sources = {}, []
    for field, (variable, key) in FIELDS.items():
        value = given.get(variable, "").strip() or str(table.get(key) or "").strip()
        source = variable if given.get(variable, "").strip() else name
        _check(field, value, variable, key, source)
        values[field] = value
        sources.append(source)
    return Target(**values, source=", ".join(dict.fromkeys(sources)))


def find_for(root: Path, *, dry: bool) -> tuple[Target | None, UserError | None]:
    """The same for a preview, which is worth its while without a workspace as well: there the
    `Mistake` is handed back, to be said at its end."""
    try:
        return find(root), None
    except UserError as mistake:
        if not dry:
            raise
        return None, mistake


def _file(root: Path) -> tuple[str, Mapping[str, object]]:
    for name in FILES:
        text = files.read_text(root / name)
        if text is None:
            continue
        try:
            table = json.loads(text.removeprefix("\ufeff"))
        except json.JSONDecodeError as error:
            where = f"{name}:{error.lineno}:{error.colno}"
            raise UserError(f"not JSON: {error.msg}", where=where, hint=MEND) from error
        if not isinstance(table, dict):
            raise UserError("this is no workspace's configuration", where=name, hint=MEND)
        return name, table
    return "", {}


def _check(field: str, value: str, variable: str, key: str, source: str) -> None:
    if not value and not source:
        raise UserError("this workspace is not connected to Azure ML yet", hint=MEND)
    if not value:
        what = f'the {field} is missing: there is no "{key}", and {variable} is not set'
        raise UserError(what, where=source, hint=MEND)
    shown = f'"{key}"' if source in FILES else source
    if _PLACEHOLDER.fullmatch(value) or value == "00000000-0000-0000-0000-000000000000":
        what = f"{shown} has not been filled in: {value}"
        raise UserError(what, where=source if source in FILES else "", hint=MEND)
    if field == "subscription" and not _UUID.fullmatch(value):
        what = f"{shown} is no subscription's id: {value}"
        hint = "Write it as in the Azure portal: 8-4-4-4-12 hexadecimal digits"
        raise UserError(what, where=source if source in FILES else "", hint=hint)
