"""Components of a pipeline's steps: their declared inputs, and paths relative to their file.

Source: CLI (v2) command component YAML schema.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...util import yaml_text
from ...util.errors import UserError
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.yaml_text import YamlText
from .bindings import Bound
from .job import LITERAL_TYPES, Input, Reading

# A component file's text by its path relative to the workspace; None if it does not exist.
Read = Callable[[str], str | None]
# Keys of a step that replace its component's.
OVERRIDES = (
    "resources", "distribution", "environment_variables", "environment", "limits", "services",
    "queue_settings", "identity", "search_space", "sampling_algorithm", "objective", "compute",
    "early_termination",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Component:
    """A component in its own file or in a step.

    `at` is its path in the text, and `file` is what its own paths are relative to.
    """

    text: YamlText
    document: Mapping[str, Any]
    at: tuple[str, ...]
    file: str


def is_file(component: str) -> bool:
    """Whether a step names a file and not a registered component."""
    return not component.startswith("azureml:") and "://" not in component


def read_component(file: str, component: str, position: Position, read: Read) -> Component:
    """The component that a file names at a position. Raises `UserError` if there is none."""
    path = joined(file, component)
    content = read(path)
    if content is None:
        raise UserError(
            f"the component file {path} does not exist",
            code="component-file-missing",
            where=position,
            hint="Check the component's path",
        )
    text = yaml_text.parse(content, path)
    if not isinstance(text.value, dict):
        raise UserError(
            "not a component: expected a YAML mapping",
            code="not-a-mapping",
            where=Position(path, 1, 1),
            hint="Write its command, inputs and outputs",
        )
    return Component(text, text.value, (), path)


def default_input(
    key: str, declaration: Any, reading: Reading, *, optional: bool = False
) -> Input | None:
    """An input that a step does not set.

    It has its default, or no value if it is optional; None if it must be set.
    """
    if not isinstance(declaration, dict):
        return reading.input(key, declaration, ("inputs", key))
    type_ = str(declaration.get("type", ""))
    is_literal = type_.lower() in LITERAL_TYPES
    default = declaration.get("default")
    if default is not None and is_literal:
        return Input(key, "literal", _as_declared(default, type_.lower()))
    if default is not None:
        return Input(key, "data", type=type_, path=str(default))
    if optional or declaration.get("optional") is True:
        return Input(key, "literal" if is_literal else "data", path=None, optional=True)
    return None


def _as_declared(value: Any, type_: str) -> Any:
    """A default as azure-ai-ml sends it.

    It has its declared type (1e-3 is 0.001, a number's 1024 is 1024.0). Values that do not convert
    are unchanged.
    """
    try:
        if type_ in ("number", "float"):
            return float(value)
        if type_ in ("integer", "int"):
            return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return value
    if type_ in ("boolean", "bool") and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    return value


def flat_inputs(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Declared inputs, those of a group as group.member."""
    flat: dict[str, Any] = {}
    for name, declaration in declared.items():
        if isinstance(declaration, dict) and isinstance(declaration.get("values"), dict):
            members = flat_inputs({str(key): one for key, one in declaration["values"].items()})
            flat.update({f"{name}.{key}": member for key, member in members.items()})
        else:
            flat[name] = declaration
    return flat


def typed(bound: Bound, declaration: Any, from_file: str, to_file: str) -> Bound:
    """A step's input as its component declares it.

    It has the declared type, a literal path is data, and the path is relative to the component's
    file.
    """
    if not isinstance(bound, Input) or not isinstance(declaration, dict):
        return bound
    input_, type_ = bound, str(declaration.get("type", "")).lower()
    is_data = type_ and type_ not in LITERAL_TYPES
    if input_.kind == "literal" and input_.value is not None and is_data:
        input_ = Input(input_.name, "data", type=type_, path=str(input_.value))
    if input_.kind == "literal" or input_.path is None:
        return input_
    mode = declaration.get("mode")
    return replace(
        input_,
        type=type_ or input_.type,
        path=input_.path if input_.optional else moved(input_.path, from_file, to_file),
        mode=input_.mode or (None if mode is None else str(mode)),
    )


def joined(file: str, path: str) -> str:
    """A path relative to a file, relative to the workspace."""
    plain = path.removeprefix("file:").replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), plain))


def moved(path: str, from_file: str, to_file: str) -> str:
    """A local path relative to one file, relative to another; any other path unchanged."""
    plain = path.removeprefix("file:").replace("\\", "/")
    is_remote = "://" in path or path.startswith("azureml:") or not path
    if is_remote or from_file == to_file or posixpath.isabs(plain):
        return path
    return posixpath.relpath(joined(from_file, plain), posixpath.dirname(to_file) or ".")


def moved_environment(value: Mapping[str, Any], from_file: str, to_file: str) -> dict[str, Any]:
    """A step's environment with its paths relative to another file."""
    environment = dict(value)
    if isinstance(environment.get("conda_file"), str):
        environment["conda_file"] = moved(environment["conda_file"], from_file, to_file)
    build = environment.get("build")
    if isinstance(build, dict) and isinstance(build.get("path"), str):
        environment["build"] = {**build, "path": moved(build["path"], from_file, to_file)}
    return environment
