"""Text of bytes that come in parts, which may end within a letter."""

from __future__ import annotations

import codecs


class TextParts:
    """What is not UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text(self, part: bytes) -> str:
        """The text of a part, without the beginning of a letter at its end, which the next one gets."""
        return self._decoder.decode(part)

    def rest(self) -> str:
        """What is left at the end: "" unless the last letter is not whole."""
        return self._decoder.decode(b"", final=True)
