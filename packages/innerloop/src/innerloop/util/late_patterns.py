"""`re.compile` at the first use of the pattern.

To compile a pattern takes as long as to import a small module, and a command uses few of the patterns
in the modules that it imports. A pattern here has the methods and attributes of `re.Pattern`, but is no
argument for the functions of `re`.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def late_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, later."""
    return cast("re.Pattern[AnyStr]", _Late(text, flags))


class _Late:
    def __init__(self, text: Any, flags: int) -> None:
        self._arguments = text, flags

    def __getattr__(self, name: str) -> Any:
        """Of the compiled pattern; kept, so that the next use takes no longer than there."""
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = self.__dict__.get("_compiled")
        if compiled is None:
            compiled = self.__dict__["_compiled"] = re.compile(*self._arguments)
        value = self.__dict__[name] = getattr(compiled, name)
        return value
