"""Which Azure ML workspace jobs go to: from variables, else from the studio's `config.json`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ...util import files
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass

FILES = (".azureml/config.json", "config.json")
# field -> (variable, key in config.json)
FIELDS = {
    "subscription": ("AZURE_SUBSCRIPTION_ID", "subscription_id"),
    "group": ("AZURE_RESOURCE_GROUP", "resource_group"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "workspace_name"),
}
CONNECT_HINT = (
    "In the Azure ML studio choose `Download config file` (top right) and put it into .azureml/, "
    "or set AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME"
)
_UUID = late_pattern(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLACEHOLDER = late_pattern(
    r"<.*>|\{.*\}|\$.*|(your|my)[-_ ].*|x{3,}.*|\.{3}|todo.*|change[-_ ]?me", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class WorkspaceRef:
    """An Azure ML workspace. `source` says where its names come from."""

    subscription: str
    group: str
    workspace: str
    source: str

    @property
    def id(self) -> str:
        """Its ARM id in lower case: two spellings name the same workspace."""
        return (
            f"/subscriptions/{self.subscription}/resourcegroups/{self.group}"
            f"/providers/microsoft.machinelearningservices/workspaces/{self.workspace}"
        ).lower()


def find(root: Path, env: Mapping[str, str] | None = None) -> WorkspaceRef:
    """The configured workspace.

    Raises UserError for a value that is missing or still a placeholder.
    """
    variables = os.environ if env is None else env
    name, table = _read_config(root)
    values, sources = {}, []
    for field, (variable, key) in FIELDS.items():
        value = variables.get(variable, "").strip() or str(table.get(key) or "").strip()
        source = variable if variables.get(variable, "").strip() else name
        _check(field, value, variable, key, source)
        values[field] = value
        sources.append(source)
    return WorkspaceRef(**values, source=", ".join(dict.fromkeys(sources)))


def find_for(root: Path, *, dry: bool) -> tuple[WorkspaceRef | None, UserError | None]:
    """`find` for a preview, which is useful without a workspace too.

    With `dry` the error is returned, to be raised at its end.
    """
    try:
        return find(root), None
    except UserError as error:
        if not dry:
            raise
        return None, error


def _read_config(root: Path) -> tuple[str, Mapping[str, object]]:
    """The name and the values of the first config.json; ("", {}) where there is none."""
    for name in FILES:
        text = files.read_text(root / name)
        if text is None:
            continue
        try:
            table = json.loads(text.removeprefix("\ufeff"))
        except json.JSONDecodeError as error:
            where = f"{name}:{error.lineno}:{error.colno}"
            raise UserError(
                f"not JSON: {error.msg}", code="not-json", where=where, hint=CONNECT_HINT
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(
                "not JSON: it is nested too deeply, or has a number with too many digits",
                code="not-json",
                where=name,
                hint=CONNECT_HINT,
            ) from error
        if not isinstance(table, dict):
            raise UserError(
                "not a workspace's configuration: expected a JSON object",
                code="azure-config-invalid",
                where=name,
                hint=CONNECT_HINT,
            )
        return name, table
    return "", {}


def _check(field: str, value: str, variable: str, key: str, source: str) -> None:
    if not value and not source:
        raise UserError(
            "this workspace is not connected to Azure ML yet",
            code="azure-not-connected",
            hint=CONNECT_HINT,
        )
    if not value:
        raise UserError(
            f'the {field} is missing: there is no "{key}", and {variable} is not set',
            code="azure-config-incomplete",
            where=source,
            hint=CONNECT_HINT,
        )
    shown = f'"{key}"' if source in FILES else source
    where = source if source in FILES else ""
    if _PLACEHOLDER.fullmatch(value) or value == "00000000-0000-0000-0000-000000000000":
        raise UserError(
            f"{shown} is still a placeholder: {value}",
            code="azure-config-placeholder",
            where=where,
            hint=CONNECT_HINT,
        )
    if field == "subscription" and not _UUID.fullmatch(value):
        raise UserError(
            f"{shown} is not the id of a subscription: {value}",
            code="azure-config-invalid",
            where=where,
            hint="Write it as in the Azure portal: 8-4-4-4-12 hexadecimal digits",
        )
