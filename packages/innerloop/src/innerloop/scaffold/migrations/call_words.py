"""CallWords of the command line that have become other ones, where a person calls the tool.

Calls are in tasks, in the commands of dev containers, in workflows and in shell scripts. Only the
words change: comments, order and form stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from ...util.jsonc import Node, ParseError, parse
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass

_TOOL = late_pattern(r"(?:^|[/\\\s\"'])(?:loop|loop\.cmd)\Z")


@dataclass(frozen=True)
class CallWords:
    """old -> new: commands, options, and values of one option (by its old name)."""

    commands: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def in_text(self, text: str) -> str:
        """A shell script, a workflow, or any other text with command lines."""
        if not re.search(r"(?<![\w-])loop(?:\.cmd)?(?![\w-])", text):
            return text
        for old, values in self.values.items():
            of_option = rf"((?<![\w-]){re.escape(old)}(?:=|[ \t]+|[\"'],\s*[\"']))"
            for word, new in values.items():
                text = re.sub(rf"{of_option}{re.escape(word)}(?![\w-])", rf"\g<1>{new}", text)
        for old, new in self.options.items():
            text = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
        for old, new in self.commands.items():
            called = r"((?<![\w-])loop(?:\.cmd)?[\"']?[ \t]+)"
            text = re.sub(rf"{called}{re.escape(old)}(?![\w-])", rf"\g<1>{new}", text)
        return text

    def in_json(self, text: str) -> str:
        """JSON with comments; a text that cannot be parsed stays as it is."""
        try:
            root = parse(text).root
        except ParseError:
            return text
        edits = [] if root is None else sorted(self._edits(root), key=lambda edit: edit[0].start)
        for node, word in reversed(edits):
            text = f'{text[: node.start]}"{word}"{text[node.end :]}'
        return text

    def _edits(self, node: Node) -> Iterator[tuple[Node, str]]:
        """The strings to replace: words of a list, and command lines within one string."""
        members = {entry.key: entry.node for entry in node.entries if entry.key is not None}
        items = [entry.node for entry in node.entries if entry.key is None]
        if _is_tool(members.get("command")) and "args" in members:
            words = [entry.node for entry in members["args"].entries]
            yield from self._words(words)
        elif items and _is_tool(items[0]):
            yield from self._words(items[1:])
        for entry in node.entries:
            if entry.node.entries:
                yield from self._edits(entry.node)
            elif isinstance(entry.node.value, str):
                new = self.in_text(entry.node.value)
                if new != entry.node.value and '"' not in new and "\\" not in new:
                    yield entry.node, new

    def _words(self, words: list[Node]) -> Iterator[tuple[Node, str]]:
        """The arguments of one call, each a string of its own."""
        for number, node in enumerate(words):
            if not isinstance(node.value, str):
                continue
            before = words[number - 1].value if number else None
            new = self.options.get(node.value)
            if number == 0:
                new = self.commands.get(node.value, new)
            elif isinstance(before, str) and before in self.values:
                new = self.values[before].get(node.value, new)
            if new is not None:
                yield node, new


def _is_tool(node: Node | None) -> bool:
    return node is not None and isinstance(node.value, str) and bool(_TOOL.search(node.value))
