"""The parser of a command's arguments. Apart from `main`: what is cached needs none."""

from __future__ import annotations

import argparse
import re
from functools import partial
from typing import NoReturn

from ..util.errors import UsageError
from .command_table import BY_NAME, PASS_THROUGH, load


def parser_of(name: str) -> argparse.ArgumentParser:
    module = load(name)
    parser = _ArgumentParser(
        prog=f"loop {name}",
        description=BY_NAME[name].summary,
        epilog=module.EXAMPLES,
        # Each argument that is added makes one. Without a width it would ask for the terminal's.
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=80),
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return parser


class _ArgumentParser(argparse.ArgumentParser):
    def format_help(self) -> str:
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_help()

    def format_usage(self) -> str:
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_usage()

    def error(self, message: str) -> NoReturn:
        hint = f"See `{self.prog} --help`"
        if added := re.match("unrecognized arguments: (.*)", message):
            hint = self._meant(added[1]) or hint
        raise UsageError(f"{self.prog}: {message}", code="invalid-arguments", hint=hint)

    def _meant(self, words: str) -> str:
        """A hint for unknown arguments: a similar option, or that they belong after --."""
        import difflib

        typed = words.split()[0].partition("=")[0]
        if close := difflib.get_close_matches(typed, self._option_string_actions, cutoff=0.8):
            return f"Did you mean {close[0]}?"
        if self.prog.split()[-1] in PASS_THROUGH:
            return f"Arguments for the program go after --: {self.prog} ... -- {words}"
        return ""
