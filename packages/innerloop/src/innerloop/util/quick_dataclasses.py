"""`dataclass` without the time that the standard library takes to make them.

The standard library compiles five functions for each class, 0.6 ms of every start, and a run imports
140 classes. A class that only has fields gets the same methods here: common ones, that read the fields
when they are called, and an `__init__` that is compiled when the first instance is made. The classes
have the standard library's `__dataclass_fields__`, so `replace`, `fields` and `asdict` work as ever.
Fields are compared as in a tuple, on every version of Python.

What is not handled here (order, inheritance of fields, keyword-only fields) is the standard library's
business.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any


class _Later(ModuleType):
    """The standard library's `inspect` for its `dataclasses`, which seldom looks at it.

    With what it imports itself it takes a tenth of a start.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


if "dataclasses" in sys.modules or "inspect" in sys.modules:
    import dataclasses
else:
    sys.modules["inspect"] = _Later("inspect")
    try:
        import dataclasses
    finally:
        del sys.modules["inspect"]

_HANDLED = {"frozen", "slots"}
_NOT_FIELDS = ("ClassVar", "typing.ClassVar", "InitVar", "dataclasses.InitVar", "KW_ONLY")
# The one thing here that the standard library does not document.
_FIELD = getattr(dataclasses, "_FIELD", None)


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """As the standard library's."""
        if cls is not None:
            return _made(cls, options)
        return lambda cls: _made(cls, options)


def _made(cls: type, options: dict[str, Any]) -> type:
    if _FIELD is None or not _is_handled(cls, options):
        made: type = dataclasses.dataclass(**options)(cls)
        return made
    return make(cls, frozen=bool(options.get("frozen")), slots=bool(options.get("slots")))


def _is_handled(cls: type, options: dict[str, Any]) -> bool:
    return (
        options.keys() <= _HANDLED
        and type(cls) is type
        and not hasattr(cls, "__dataclass_fields__")
        and not any(str(text).startswith(_NOT_FIELDS) for text in cls.__annotations__.values())
    )


def make(cls: type, *, frozen: bool, slots: bool) -> type:
    """`dataclass(frozen=..., slots=...)` for a class that only has fields."""
    fields = {name: _field(cls, name, text) for name, text in cls.__annotations__.items()}
    for field in fields.values():
        if field.default is not dataclasses.MISSING and not slots:
            setattr(cls, field.name, field.default)
        elif isinstance(cls.__dict__.get(field.name), dataclasses.Field):
            delattr(cls, field.name)
    namespace = dict(cls.__dict__)
    methods = _methods(fields, namespace, frozen)
    if slots:
        if frozen:
            methods = {"__getstate__": _get_state, "__setstate__": _set_state, **methods}
        left_out = {"__dict__", "__weakref__", *fields}
        namespace = {name: value for name, value in namespace.items() if name not in left_out}
        name = cls.__qualname__
        cls = type(cls.__name__, cls.__bases__, {**methods, **namespace, "__slots__": (*fields,)})
        cls.__qualname__ = name
        if methods.get("__hash__") is not None and namespace.get("__hash__") is None:
            cls.__hash__ = methods["__hash__"]  # type: ignore[method-assign]
    else:
        for name, method in methods.items():
            if namespace.get(name) is None:
                setattr(cls, name, method)
    if "__init__" not in namespace:
        cls.__init__ = _first_init(cls, fields, frozen)  # type: ignore[misc]
    return cls


def _field(cls: type, name: str, annotation: Any) -> dataclasses.Field[Any]:
    default = cls.__dict__.get(name, dataclasses.MISSING)
    is_made = isinstance(default, dataclasses.Field)
    field: Any = default if is_made else dataclasses.field(default=default)
    if field.default is not dataclasses.MISSING and type(field.default).__hash__ is None:
        raise ValueError(f"mutable default for the field {name} of {cls}: use default_factory")
    field.name, field.type = name, annotation
    field._field_type = _FIELD
    if field.kw_only is dataclasses.MISSING:
        field.kw_only = False
    made: dataclasses.Field[Any] = field
    return made


def _methods(
    fields: dict[str, dataclasses.Field[Any]], namespace: dict[str, Any], frozen: bool
) -> dict[str, Any]:
    compared = [field.name for field in fields.values() if field.compare]
    key = _key(compared)

    def equals(self: Any, other: Any) -> Any:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hash_of(self: Any) -> int:
        return hash(key(self))

    shown = [field.name for field in fields.values() if field.repr]

    @recursive_repr()
    def text_of(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({values})"

    methods: dict[str, Any] = {"__eq__": equals, "__repr__": text_of}
    methods |= {"__match_args__": tuple(f.name for f in fields.values() if f.init)}
    methods |= {"__dataclass_fields__": fields, "__dataclass_params__": _parameters(frozen)}
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        methods["__hash__"] = hash_of
    elif "__eq__" not in namespace:
        methods["__hash__"] = None
    return methods


def _key(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that returns the values of some attributes as a tuple."""
    if not names:
        return lambda value: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)


def _parameters(frozen: bool) -> SimpleNamespace:
    return SimpleNamespace(
        init=True, repr=True, eq=True, order=False, unsafe_hash=False, frozen=frozen
    )


def _first_init(cls: type, fields: dict[str, dataclasses.Field[Any]], frozen: bool) -> Any:
    """An `__init__` that replaces itself by a compiled one."""

    def first(self: Any, *arguments: Any, **values: Any) -> None:
        init = _compiled_init(cls, fields, frozen)
        cls.__init__ = init  # type: ignore[misc]
        init(self, *arguments, **values)

    _check_order(cls, fields)
    return first


def _check_order(cls: type, fields: dict[str, dataclasses.Field[Any]]) -> None:
    optional = ""
    for field in fields.values():
        if field.init and not _has_default(field) and optional:
            raise TypeError(f"{cls}: {field.name} without a default follows {optional} with one")
        optional = field.name if field.init and _has_default(field) else optional


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _compiled_init(
    cls: type, fields: dict[str, dataclasses.Field[Any]], frozen: bool
) -> Callable[..., None]:
    names: dict[str, Any] = {"_missing": object(), "_set": object.__setattr__}
    parameters, body = ["self"], []
    for field in fields.values():
        value = field.name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_new_{value}"] = field.default_factory
            parameters += [f"{value}=_missing"] * field.init
            value = f"_new_{value}() if {value} is _missing else {value}"
            value = value if field.init else f"_new_{field.name}()"
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{value}"] = field.default
            parameters += [f"{value}=_default_{value}"] * field.init
            value = value if field.init else f"_default_{value}"
        elif field.init:
            parameters.append(value)
        else:
            continue
        body.append(
            f"_set(self, {field.name!r}, {value})" if frozen else f"self.{field.name} = {value}"
        )
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n {lines}", names)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)
