"""What COPY and ADD take from a build's folder."""

from __future__ import annotations

from ..dockerfiles import shell_words
from ..dockerfiles.dockerfile import Instruction
from ..dockerfiles.shell_words import WordError


def sources_of(instruction: Instruction) -> list[str]:
    """The sources as written; none for another stage's files and for here-documents."""
    if instruction.flag("from") is not None or instruction.heredocs:
        return []
    words = instruction.exec_form
    if words is None:
        try:
            words = tuple(shell_words.split(instruction.arguments, escape=instruction.escape))
        except WordError:
            return []
    return list(words[:-1])
