"""Every error and finding has a literal code, and docs/reference/error-codes.md explains it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import innerloop

PACKAGE = Path(innerloop.__file__).parent
PAGE = PACKAGE.parents[1] / "docs/reference/error-codes.md"
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ERRORS = {"UserError", "UsageError"}
# A method that subclasses in other files call, too.
INHERITED: dict[str, ast.expr | None] = {"problem": None}
# The code's position among the arguments.
FINDINGS = {"Finding": 3, "refused": 4, "ErrorInfo": 0}


@dataclass(frozen=True)
class Site:
    """A call that makes an error: `codes` are its literal codes, None if it has another one."""

    where: str
    codes: tuple[str, ...] | None


def test_every_error_has_a_literal_code() -> None:
    violations = [site.where for site in sites() if site.codes is None]
    assert violations == []


def test_codes_are_in_kebab_case() -> None:
    wrong = [
        f"{site.where}: {code}"
        for site in sites()
        for code in site.codes or ()
        if not KEBAB.fullmatch(code)
    ]
    assert wrong == []


def test_every_code_is_documented_once() -> None:
    documented = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(documented) == len(set(documented))
    used = {code for site in sites() for code in site.codes or ()}
    assert sorted(used ^ set(documented)) == []


@cache
def sites() -> tuple[Site, ...]:
    """All calls of the package that make an error or a finding."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [
            Site(f"{name}:{line}", codes)
            for line, codes in _calls(tree, {**INHERITED, **wrappers(tree)})
        ]
    return tuple(found)


def wrappers(tree: ast.Module) -> dict[str, ast.expr | None]:
    """The file's functions that pass on a parameter `code`, with its default."""
    return {
        node.name: default
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name != "__init__"
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if argument.arg == "code"
    }


def _calls(
    node: ast.AST, known: dict[str, ast.expr | None], in_wrapper: bool = False
) -> Iterator[tuple[int, tuple[str, ...] | None]]:
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        names = [one.arg for one in (*arguments.args, *arguments.kwonlyargs)]
        in_wrapper = "code" in names
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ERRORS or name in FINDINGS or name in known:
            yield node.lineno, _codes(node, name, known, in_wrapper)
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, known, in_wrapper)


def _codes(
    call: ast.Call, name: str, known: dict[str, ast.expr | None], in_wrapper: bool
) -> tuple[str, ...] | None:
    code = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
    at = FINDINGS.get(name, len(call.args))
    if code is None and at < len(call.args):
        code = call.args[at]
    if code is None:
        code = known.get(name)
    if isinstance(code, ast.Attribute) and code.attr == "code":
        return ()  # passed on from another error
    if isinstance(code, ast.Name) and code.id == "code" and in_wrapper:
        return ()
    return None if code is None else _literals(code)


def _literals(code: ast.expr) -> tuple[str, ...] | None:
    if isinstance(code, ast.Constant) and isinstance(code.value, str):
        return (code.value,)
    if isinstance(code, ast.IfExp):
        parts = (_literals(code.body), _literals(code.orelse))
        return None if None in parts else tuple(one for part in parts if part for one in part)
    return None


def test_a_missing_or_computed_code_is_a_violation() -> None:
    tree = ast.parse(
        "raise UserError('a', code='b-c')\n"
        "raise UserError('a')\n"
        "raise UsageError('a', code=f'{x}-y')\n"
        "raise UserError('a', code=error.code)\n"
        "raise UserError('a', code='b' if x else 'c')\n"
        "raise UserError('a', code=code)\n"
        "def wrap(what, *, code): return UserError(what, code=code)\n"
        "wrap('a')\n"
        "wrap('a', code='d')\n"
        "Finding(p, 'a', 'hint', 'e')\n"
        "Finding(p, 'a', 'hint', CODE)\n"
    )
    assert list(_calls(tree, wrappers(tree))) == [
        (1, ("b-c",)),
        (2, None),
        (3, None),
        (4, ()),
        (5, ("b", "c")),
        (6, None),
        (7, ()),
        (8, None),
        (9, ("d",)),
        (10, ("e",)),
        (11, None),
    ]
