"""The JSON schema of job files, for editors that read YAML with a schema.

It is made of the tables of `job_fields`, so that completion and hover are the same with and without
the tool. It refuses what `check` refuses in names of keys, and is wide in values: a reference
(`${{...}}`) may stand nearly everywhere. Source: JSON Schema, draft 7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .job import LITERAL_TYPES
from .job_fields import FileKind, JobField, fields_at, is_closed, place_of

# Mappings whose names a person chooses.
_NAMED = ("inputs", "outputs", "services", "search_space", "jobs")
_OPEN = {"type": ["object", "string", "null"]}
# Words of JSON Schema that are no key of a job file.
_OF_SCHEMA = ("properties", "additionalProperties", "anyOf", "type", "enum", "else", "if")
# What may stand in place of a value: a reference, or another spelling that Azure ML accepts.
_OTHER = {"type": "string", "pattern": r"\$\{\{|[A-Z]"}


def schema() -> dict[str, Any]:
    """The schema of command, sweep and pipeline jobs, and of components."""
    kinds: tuple[FileKind, ...] = ("command", "sweep", "pipeline", "component")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A job or a component of Azure ML, which runs here as well",
        "type": "object",
        "if": _IS_COMPONENT,
        "then": _ref("component"),
        "else": {
            "if": _is_kind("sweep", "trial"),
            "then": _ref("sweep"),
            "else": {
                "if": _is_kind("pipeline", "jobs"),
                "then": _ref("pipeline"),
                "else": _ref("command"),
            },
        },
        "definitions": _hoisted({kind: _mapping(kind, ()) for kind in kinds}),
    }


def schema_text() -> str:
    """The schema's file: each definition on a line of its own."""
    value = schema()
    definitions = value.pop("definitions")
    lines = [f"{json.dumps(key)}: {_json(one)}" for key, one in value.items()]
    below = ",\n".join(f"  {json.dumps(name)}: {_json(one)}" for name, one in definitions.items())
    lines.append(f'"definitions": {{\n{below}\n }}')
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _hoisted(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions, with each mapping that occurs below them written once, by a name."""
    names: dict[str, str] = {}
    found: dict[str, Any] = {}

    def hoist(value: Any, key: str) -> Any:
        if isinstance(value, list):
            return [hoist(one, key) for one in value]
        if not isinstance(value, dict):
            return value
        description = {one: value[one] for one in value if one == "description"}
        rest = {
            name: hoist(one, key if name in _OF_SCHEMA else name)
            for name, one in value.items()
            if name not in description or not isinstance(one, str)
        }
        if "properties" not in rest or not isinstance(rest.get("type"), (str, list)):
            return {**({} if rest is value else description), **rest}
        text = json.dumps(rest, sort_keys=True)
        if text not in names:
            number = sum(name.rstrip("0123456789") == key for name in found) + 1
            names[text] = f"{key}{number}" if number > 1 else key
            found[names[text]] = rest
        return {**description, "$ref": f"#/definitions/{names[text]}"}

    tops = {}
    for kind, top in kinds.items():
        properties = {key: hoist(one, key) for key, one in top["properties"].items()}
        tops[kind] = {**top, "properties": properties}
    return {**tops, **{f"{name}": found[name] for name in sorted(found)}}


def _ref(kind: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{kind}"}


def _any_of(*keys: str) -> dict[str, Any]:
    return {"anyOf": [{"required": [key]} for key in keys]}


_IS_COMPONENT: Mapping[str, Any] = {
    "anyOf": [
        {
            "required": ["$schema"],
            "properties": {"$schema": {"type": "string", "pattern": "[Cc]omponent\\.schema"}},
        },
        {
            "allOf": [
                {"not": {"required": ["$schema"]}},
                _any_of("version", "is_deterministic", "additional_includes"),
            ]
        },
    ]
}


def _is_kind(kind: str, key: str) -> dict[str, Any]:
    named = {"type": "string", "pattern": f"/{kind}Job\\."}
    return {
        "anyOf": [
            {"required": ["type"], "properties": {"type": {"const": kind}}},
            {
                "allOf": [
                    {"not": {"required": ["type"]}},
                    {
                        "anyOf": [
                            {"required": ["$schema"], "properties": {"$schema": named}},
                            {"required": [key]},
                        ]
                    },
                ]
            },
        ]
    }


def _mapping(kind: FileKind, path: tuple[str, ...]) -> dict[str, Any]:
    """The mapping at a path, where "*" is a name that a person chooses."""
    fields = fields_at(kind, path)
    value: dict[str, Any] = {
        "type": "object",
        "properties": {one.key: _value(kind, (*path, one.key), one) for one in fields},
    }
    if kind == "pipeline" and path[:1] == ("jobs",):
        if len(path) == 2:  # a step with a component accepts any key
            known = {"propertyNames": {"enum": [one.key for one in fields]}}
            value |= {"if": {"required": ["component"]}, "else": known}
    elif is_closed(kind, path):
        value["additionalProperties"] = False
    return value


def _value(kind: FileKind, path: tuple[str, ...], one: JobField) -> dict[str, Any]:
    return {"description": one.meaning, **_values(kind, path, one)}


def _values(kind: FileKind, path: tuple[str, ...], one: JobField) -> dict[str, Any]:
    place = place_of(kind, path[:-1])
    if one.key in _NAMED and place == "":
        below = _mapping(kind, (*path, "*"))
        is_step = one.key == "jobs"
        types = (
            ["object"] if is_step else ["object", "string", "number", "boolean", "array", "null"]
        )
        return {
            "type": ["object", "null"],
            "additionalProperties": {**below, "type": types},
        }
    if fields_at(kind, path) and one.key != "sampling_algorithm":
        texts = ["string"] if one.key in ("environment", "trial") else []
        return {**_mapping(kind, path), "type": ["object", "null", *texts]}
    if one.key == "$schema":
        return {"type": "string", "examples": list(one.values)}
    if one.values:
        return _choice(one, place)
    if one.shape == "number":
        return {"type": ["number", "string", "null"]}
    if one.shape == "boolean":
        return {"type": ["boolean", "string", "null"]}
    if one.shape == "mapping":
        return _OPEN
    return {"type": ["array", "null"]} if one.shape == "list" else {}


def _choice(one: JobField, place: str | None) -> dict[str, Any]:
    values = list(one.values)
    if place in ("input", "output") and one.key == "type":
        values = [*dict.fromkeys((*values, *LITERAL_TYPES, "path"))]
    choices = [{"enum": values}, _OTHER, {"type": "null"}]
    if one.key in ("sampling_algorithm", "nodes"):
        choices.append({"type": "object"})
    return {"anyOf": choices}
