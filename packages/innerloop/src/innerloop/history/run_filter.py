"""Which runs a person means: the expression of `--where`, and the columns it and `--sort` name.

    test_accuracy > 0.95 and not (state = failed or tag = old)

A comparison is a column, one of `= != < <= > >= ~`, and a value; `~` is "contains". A column alone is
true where a run has it. Names and values that are no plain word stand in quotes. Pure.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from ..util.errors import UsageError, did_you_mean
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from . import metric_values
from .past_runs import PastRun

# What a cell of a column has; None where the run has none.
Cell = float | str | tuple[str, ...] | None
Test = Callable[[PastRun], bool]
# Deeper nested, or longer, no person writes an expression.
MOST_DEPTH, LONGEST = 50, 5_000

_COLUMNS: Mapping[str, Callable[[PastRun], Cell]] = {
    "run": lambda run: run.id,
    "experiment": lambda run: run.experiment,
    "state": lambda run: run.state,
    "backend": lambda run: run.backend,
    "seconds": lambda run: run.seconds,
    "started": lambda run: str(run.record.get("started") or "") or None,
    "ended": lambda run: str(run.record.get("ended") or "") or None,
    "exit_code": lambda run: metric_values.value_of(run.record.get("exit_code")),
    "code": lambda run: run.commit or None,
    "tag": lambda run: run.tags or None,
    "note": lambda run: run.note or None,
    "kept": lambda run: "yes" if run.said.kept else None,
    "host": lambda run: str(run.record.get("host") or "") or None,
    "image": lambda run: str(run.record.get("image") or "") or None,
    "command": lambda run: str(run.record.get("command") or "") or None,
}
# The names of the record's own columns.
OWN = tuple(_COLUMNS)
_TOKEN = late_pattern(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign><=|>=|!=|==|[=<>~()])|(?P<word>[^\s"'<>=!~()]+)|(?P<other>\S))"""
)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def cell(run: PastRun, name: str) -> Cell:
    """The cell of a column: one of the record, else a score, else an input.

    `scores.NAME` and `inputs.NAME` are a score and an input whatever their names are.
    """
    kind, _, rest = name.partition(".")
    if kind == "scores" and rest:
        return run.scores.get(rest)
    if kind == "inputs" and rest:
        return run.inputs.get(rest)
    if name in _COLUMNS:
        return _COLUMNS[name](run)
    return run.scores[name] if name in run.scores else run.inputs.get(name)


def columns(runs: Sequence[PastRun]) -> list[str]:
    """The names of all columns that the runs have."""
    own = (name for run in runs for name in (*run.scores, *run.inputs))
    return list(dict.fromkeys((*_COLUMNS, *own)))


@dataclass(frozen=True, slots=True)
class Where:
    """A parsed expression.

    `test` says whether a run is meant; `names` are its columns, each with where it stands, counted
    from 1.
    """

    text: str
    test: Test
    names: Sequence[tuple[str, int]]

    def select(self, runs: Sequence[PastRun]) -> list[PastRun]:
        """The runs that are meant. UsageError for a column that no run has."""
        known = columns(runs)
        for name, at in self.names if runs else ():
            if not is_column(name, known):
                _fail(f'no run has "{name}"', self.text, at, did_you_mean(name, known))
        return [run for run in runs if self.test(run)]


def is_column(name: str, known: Sequence[str]) -> bool:
    kind, _, rest = name.partition(".")
    return name in known or (kind in ("scores", "inputs") and rest in known)


def require_column(name: str, runs: Sequence[PastRun], option: str) -> None:
    """UsageError unless a run has the column that an option names."""
    known = columns(runs)
    if runs and not is_column(name, known):
        raise UsageError(
            f'no run has "{name}"', code="unknown-name", where=option,
            hint=did_you_mean(name, known),
        )  # fmt: skip


def sort(runs: Sequence[PastRun], name: str, *, falling: bool = False) -> list[PastRun]:
    """The runs in the order of a column: numbers before texts; NaN, then runs without it, come last."""

    def key(run: PastRun) -> tuple[float, str]:
        value = cell(run, name)
        number = _number(value)
        if number is not None:
            return (-number if falling else number), ""
        return 0.0, text_of(value)

    def rank(run: PastRun) -> int:
        value = cell(run, name)
        number = _number(value)
        return 3 if value is None else 1 if number is None else 2 if math.isnan(number) else 0

    ranked: list[list[PastRun]] = [[], [], [], []]
    for run in runs:
        ranked[rank(run)].append(run)
    numbers, texts, not_numbers, missing = ranked
    numbers.sort(key=key)
    texts.sort(key=key, reverse=falling)
    return [*numbers, *texts, *not_numbers, *missing]


def parse(text: str) -> Where:
    """The expression of a text. UsageError, with the place, if it is not one."""
    if len(text) > LONGEST:
        _fail(f"the expression is longer than {LONGEST} letters", text, 1, "Write a shorter one")
    parser = _Parser(text)
    test = parser.either(0)
    if parser.now.kind != "end":
        parser.fail('expected "and", "or" or the end')
    return Where(text, test, tuple(parser.names))


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind` is "word", "quoted", "sign" or "end"; `at` counts from 1."""

    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        word, at = match[kind], match.start(kind) + 1
        if kind == "other":
            what = "a quote without its end" if word in "\"'" else f'"{word}" has no meaning here'
            _fail(what, text, at, _HINT)
        if kind == "quoted":
            word = re.sub(r"\\(.)", r"\1", word[1:-1])
        tokens.append(_Token(kind, word, at))
    return [*tokens, _Token("end", "", len(text) + 1)]


_HINT = 'Write such as --where "test_accuracy > 0.95 and tag = best"'


def _fail(what: str, text: str, at: int, hint: str) -> NoReturn:
    raise UsageError(
        f"{what}: {text}", code="filter-invalid", where=Position("--where", 1, at), hint=hint
    )


class _Parser:
    """Recursive descent; each method returns the test of what it has read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = _tokens(text)
        self.names: list[tuple[str, int]] = []

    @property
    def now(self) -> _Token:
        return self.left[0]

    def fail(self, what: str) -> NoReturn:
        found = f'"{self.now.text}"' if self.now.kind != "end" else "the end"
        _fail(f"{what}, found {found}", self.text, self.now.at, _HINT)

    def take(self, *words: str, kind: str = "word") -> bool:
        """Go on after one of these words, if it comes next."""
        if self.now.kind == kind and self.now.text.lower() in words:
            self.left.pop(0)
            return True
        return False

    def either(self, depth: int) -> Test:
        tests = [self.both(depth)]
        while self.take("or"):
            tests.append(self.both(depth))
        return tests[0] if len(tests) == 1 else lambda run: any(test(run) for test in tests)

    def both(self, depth: int) -> Test:
        tests = [self.unless(depth)]
        while self.take("and"):
            tests.append(self.unless(depth))
        return tests[0] if len(tests) == 1 else lambda run: all(test(run) for test in tests)

    def unless(self, depth: int) -> Test:
        if depth > MOST_DEPTH:
            self.fail("the expression is nested too deeply")
        if self.take("not"):
            inner = self.unless(depth + 1)
            return lambda run: not inner(run)
        if self.take("(", kind="sign"):
            inner = self.either(depth + 1)
            if not self.take(")", kind="sign"):
                self.fail('expected ")"')
            return inner
        return self.comparison()

    def comparison(self) -> Test:
        column = self.now
        is_name = column.kind == "quoted" or (
            column.kind == "word" and column.text.lower() not in ("and", "or", "not")
        )
        if not is_name:
            self.fail("expected the name of a column")
        self.left.pop(0)
        self.names.append((column.text, column.at))
        name = column.text
        if self.now.kind != "sign" or self.now.text in "()":
            return lambda run: cell(run, name) is not None
        sign = self.left.pop(0).text
        value = self.now
        if value.kind not in ("word", "quoted"):
            self.fail(f'expected a value after "{sign}"')
        self.left.pop(0)
        wanted = value.text
        return lambda run: holds(cell(run, name), "=" if sign == "==" else sign, wanted)


def holds(value: Cell, sign: str, wanted: str) -> bool:
    """Whether a comparison is true. Where a run has no value, none is.

    Numbers are compared as numbers, anything else as text. Of several tags one is enough, but for
    `!=`, which all have to fulfil. NaN is equal to `nan`, and neither less nor greater than anything.
    """
    if value is None:
        return False
    if isinstance(value, tuple):
        every = all if sign == "!=" else any
        return every(holds(one, sign, wanted) for one in value)
    if sign == "~":
        return wanted.lower() in text_of(value).lower()
    number, other = _number(value), metric_values.parsed(wanted)
    if number is not None and other is not None:
        if math.isnan(number) or math.isnan(other):
            return (math.isnan(number) and math.isnan(other)) == (sign == "=") and sign in "!="
        return _SIGNS[sign](number, other)
    text = text_of(value)
    if sign in ("=", "!="):
        return (text == wanted or text.partition(" ")[0] == wanted) == (sign == "=")
    return {"<": text < wanted, "<=": text <= wanted, ">": text > wanted, ">=": text >= wanted}[
        sign
    ]


def _number(value: Cell) -> float | None:
    if isinstance(value, str):
        return metric_values.parsed(value)
    return value if isinstance(value, (int, float)) else None


def text_of(value: Cell) -> str:
    """A cell as text, a number with all its digits; "" for none."""
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else value if isinstance(value, str) else repr(value)
