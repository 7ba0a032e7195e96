"""A class that `quick_dataclasses` makes behaves as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from functools import partial
from typing import Any

import pytest

from innerloop.model.run import Availability
from innerloop.util import quick_dataclasses


class Plain:
    """Each kind of field."""

    name: str
    hidden: str = field(repr=False)
    size: int = 3
    parts: list[int] = field(default_factory=list)
    note: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        return f"{self.name} {self.size}"


class Empty:
    pass


class One:
    value: float


class Counted:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError(self.value)


class OwnMethods:
    value: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "own"


class Unset:
    value: int = field(init=False)
    made: list[int] = field(init=False, default_factory=list)


KINDS = [(frozen, slots) for frozen in (True, False) for slots in (True, False)]
CASES: list[tuple[type, tuple[Any, ...]]] = [
    (Plain, ("a", "b")),
    (Plain, ("a", "b", 4, (5,), "note")),
    (Plain, ("a", "b", 4, (5,), "another")),
    (Plain, ("a",)),
    (Plain, ("a", "b", 4, (5,), "note", "one too many")),
    (Empty, ()),
    (One, (float("nan"),)),
    (One, (1,)),
    (Counted, (1,)),
    (Counted, (-1,)),
    (OwnMethods, (1,)),
    (Unset, ()),
]


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # the kind of error is what is compared
        return type(error)


def _copied(cls: type) -> type:
    """The class anew, since its fields belong to one class."""
    left_out = ("__dict__", "__weakref__")
    body = {key: value for key, value in vars(cls).items() if key not in left_out}
    fields = [key for key, value in body.items() if isinstance(value, dataclasses.Field)]
    return type(cls.__name__, (), body | {key: _field(body[key]) for key in fields})


def _field(of: Any) -> Any:
    given = {name: getattr(of, name) for name in ("init", "repr", "hash", "compare")}
    given |= {"default": of.default, "default_factory": of.default_factory}
    given |= {"metadata": None, "kw_only": dataclasses.MISSING}
    if "doc" in dataclasses.Field.__slots__:
        given["doc"] = None
    return dataclasses.Field(**given)


def _behaviour(cls: Any, arguments: tuple[Any, ...]) -> list[Any]:
    made = _outcome(lambda: cls(*arguments))
    if isinstance(made, type):
        return [made]
    first = next(iter(dataclasses.fields(made)), None)
    name = first.name if first else "none"
    return [
        _outcome(lambda: repr(made)),
        _outcome(lambda: made == cls(*arguments)),
        _outcome(lambda: made == copy.copy(made)),
        made == object(),
        _outcome(lambda: hash(made) == hash(cls(*arguments))),
        isinstance(_outcome(lambda: setattr(made, name, 0)), type),
        # With slots, Python up to 3.11 raises TypeError here, by a fault of its own.
        isinstance(_outcome(lambda: setattr(made, "unknown", 0)), type),
        isinstance(_outcome(lambda: delattr(cls(*arguments), name)), type),
        _outcome(lambda: repr(dataclasses.replace(cls(*arguments), **{name: "new"}))),
        _outcome(lambda: repr(copy.deepcopy(cls(*arguments)))),
        _outcome(lambda: repr(dataclasses.asdict(cls(*arguments)))),
        [(f.name, f.type, f.default, f.init) for f in dataclasses.fields(made)],
        cls.__match_args__,
        hasattr(made, "__dict__"),
        type(_outcome(lambda: cls(*arguments[:-1], name=arguments[-1]))).__name__,
    ]


@pytest.mark.parametrize(("frozen", "slots"), KINDS)
@pytest.mark.parametrize(("cls", "arguments"), CASES)
def test_class_behaves_as_the_standard_ones(
    cls: type, arguments: tuple[Any, ...], frozen: bool, slots: bool
) -> None:
    quick = quick_dataclasses.make(_copied(cls), frozen=frozen, slots=slots)
    standard: Any = dataclasses.dataclass(frozen=frozen, slots=slots)(_copied(cls))
    assert _behaviour(quick, arguments)[1:] == _behaviour(standard, arguments)[1:]
    texts = [_outcome(partial(_text, cls, arguments)) for cls in (quick, standard)]
    assert texts[0] == texts[1]


def _text(cls: type, arguments: tuple[Any, ...]) -> str:
    return repr(cls(*arguments))


def test_classes_of_the_package_are_quick() -> None:
    assert Availability.__eq__.__module__ == quick_dataclasses.__name__


def test_value_of_the_package_comes_back_from_pickle() -> None:
    value = Availability(True, "an engine answers")
    assert pickle.loads(pickle.dumps(value)) == value


def test_mutable_default_is_refused() -> None:
    class Wrong:
        values: list[int] = []  # noqa: RUF012

    with pytest.raises(ValueError, match="values"):
        quick_dataclasses.make(Wrong, frozen=True, slots=True)


def test_field_without_a_default_after_one_with_is_refused() -> None:
    class Wrong:
        first: int = 1
        second: int

    with pytest.raises(TypeError, match="second"):
        quick_dataclasses.make(Wrong, frozen=True, slots=True)


@pytest.mark.parametrize("options", [{"order": True}, {"kw_only": True}])
def test_what_is_not_handled_is_the_standard_librarys(options: dict[str, Any]) -> None:
    cls = _copied(One)
    made: Any = quick_dataclasses.dataclass(**options)(cls)
    assert [f.name for f in dataclasses.fields(made)] == ["value"]
    assert made.__eq__.__module__ != quick_dataclasses.__name__
