"""A pattern that is compiled at its first use is as one that is compiled at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from innerloop.util.late_patterns import late_pattern


def test_it_is_compiled_at_its_first_use() -> None:
    late = late_pattern("(?P<one>a)+(", re.IGNORECASE)
    with pytest.raises(re.error):
        late.match("a")


@pytest.mark.parametrize("text", ["(?P<one>a)b", b"(?P<one>a)b"])
def test_methods_and_attributes_are_those_of_the_pattern(text: Any) -> None:
    late, usual = late_pattern(text, re.IGNORECASE), re.compile(text, re.IGNORECASE)
    word: Any = b"xAbAB" if isinstance(text, bytes) else "xAbAB"
    for _ in range(2):
        assert late.findall(word) == usual.findall(word)
        assert late.sub(word[:1], word) == usual.sub(word[:1], word)
        assert [found.span("one") for found in late.finditer(word)] == [(1, 2), (3, 4)]
    assert (late.pattern, late.groups, late.flags) == (usual.pattern, usual.groups, usual.flags)
