"""The text that an editor or another program sends on stdin."""

from __future__ import annotations

import sys

from .errors import UsageError, UserError

# The largest text, in bytes: far above any job file.
LARGEST = 4_000_000


def read_text(option: str) -> str:
    """All of stdin as text, without a byte order mark and carriage returns at ends of lines.

    UsageError if stdin is a terminal, where nothing would be sent; UserError for a text that is too
    large or not UTF-8. `option` asked for it.
    """
    if sys.stdin.isatty():
        raise UsageError(
            f"{option} reads the file's text from stdin, which is a terminal",
            code="invalid-arguments",
            hint="Write `< FILE` at the end",
        )
    content = sys.stdin.buffer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UserError(
            f"the text is larger than {LARGEST // 1_000_000} MB",
            code="file-too-large",
            where="stdin",
            hint="Make it smaller",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"the text is not UTF-8 (byte {error.start})",
            code="not-utf8",
            where="stdin",
            hint="Send it as UTF-8",
        ) from error
    return text.replace("\r\n", "\n")
