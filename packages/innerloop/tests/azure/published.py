"""Bodies held against the service's own published schemas, where those lie beside the workspace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tests.azure.conftest import Cloud
from tests.azure.standin import ROOT as WORKSPACE_ID
from tests.support import ROOT

SCHEMAS = Path(os.environ.get("INNERLOOP_SCHEMAS", ROOT.parent / "shared" / "schemas"))
# Which published file the client's bodies belong to: part of the path -> (file, definition).
PUBLISHED = {
    "jobs": ("arm-2025-01-01-preview", "workspaces_jobs"),
    "environments": ("arm-2023-04-01-preview", "workspaces_environments_versions"),
    "codes": ("arm-2023-04-01", "workspaces_codes_versions"),
    "components": ("arm-2025-01-01-preview", "workspaces_components_versions"),
    "models": ("arm-2023-04-01", "workspaces_models_versions"),
    "onlineEndpoints": ("arm-2023-04-01", "workspaces_onlineEndpoints"),
    "deployments": ("arm-2023-04-01-preview", "workspaces_onlineEndpoints_deployments"),
    "data": ("arm-2025-01-01-preview", "workspaces_data_versions"),
}


@cache
def document(name: str) -> Any:
    return open_bases(json.loads((SCHEMAS / "azureml" / f"{name}.json").read_text("utf-8")))


def open_bases(rule: Any) -> Any:
    """Open the base of each kind, and change nothing else.

    The published files close the base of a kind against the very keys that the kind adds (`allOf:
    [base, kind]`, where the base has additionalProperties: false): as published they refuse every
    document.
    """
    if isinstance(rule, list):
        return [open_bases(one) for one in rule]
    if not isinstance(rule, dict):
        return rule
    opened = {key: open_bases(one) for key, one in rule.items()}
    for one in opened.get("allOf", []) if isinstance(opened.get("allOf"), list) else []:
        if one.get("additionalProperties") is False:
            del one["additionalProperties"]
    return opened


@cache
def registry() -> Any:
    from referencing import Registry
    from referencing.jsonschema import DRAFT4

    common = DRAFT4.create_resource(document("arm-common-definitions"))
    address = "https://schema.management.azure.com/schemas/common/definitions.json"
    return Registry().with_resource(address, common)


def faults_of(path: str, body: Any) -> Iterator[str]:
    """What the service's schema has against a body.

    Two things are the client's own: it writes a code's hash_version as a number, and a sweep's goal
    in small letters. And a route "/", which the service's own inference server has, is taken
    although the schema wants a letter in it.
    """
    if "/codes/" in path:
        notes = body["properties"]["properties"]
        notes["hash_version"] = str(notes["hash_version"])
    if "objective" in body["properties"]:
        objective = body["properties"]["objective"]
        objective["goal"] = objective["goal"].capitalize()
    for route in (body["properties"].get("inferenceConfig") or {}).values():
        if isinstance(route, dict) and route.get("path") == "/":
            route["path"] = "/live"
    parts = path.removeprefix(WORKSPACE_ID).split("/")
    file, definition = PUBLISHED["deployments" if "deployments" in parts else parts[1]]
    whole = document(f"{file}-Microsoft.MachineLearningServices")
    rule = whole["resourceDefinitions"][definition]["properties"]["properties"]
    if "jobType" in body["properties"]:  # the very kind, so that a fault is told where it is
        rule = whole["definitions"][body["properties"]["jobType"] + "Job"]
    schema = {**rule, "definitions": whole["definitions"]}
    checker = jsonschema.Draft4Validator(schema, registry=registry())
    for error in checker.iter_errors(body["properties"]):
        deepest = jsonschema.exceptions.best_match([error]) or error
        kind, where = path.removeprefix(WORKSPACE_ID), deepest.json_path
        yield f"{kind} {where}: {deepest.validator} {deepest.validator_value}"[:300]


def check_bodies(cloud: Cloud) -> None:
    if (SCHEMAS / "azureml").is_dir():
        found = [one for path, body in cloud.azure.bodies.items() for one in faults_of(path, body)]
        assert found == [], "\n".join(found)
