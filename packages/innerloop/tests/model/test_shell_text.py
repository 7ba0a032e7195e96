"""A Dockerfile's value as a text for sh: sh replaces the variables as the Dockerfile would."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.dockerfiles import shell_words
from innerloop.model.dockerfiles.shell_text import shell_text
from innerloop.model.dockerfiles.shell_words import WordError

VARIABLES = {"A": "one", "LONG_NAME": "b c/d*'\"$A`\\", "EMPTY": "", "FILE": "x/y.tar.gz"}
PIECES = st.sampled_from(
    [
        "a", "/opt/x", ":", " ", "\\$A", "\\ ", "'$A \"'", '"$A b"', '"a\\"b"', '"a\\b"', "$A",
        "${A}", "$LONG_NAME", "${LONG_NAME}", "${NONE}", "$NONE", "${A:-x}", "${NONE:-x $A y}",
        "${EMPTY:-x}", "${EMPTY-x}", "${A:+:$A}", "${NONE:+:x}", "${NONE+x}", "${FILE%.*}",
        "${FILE%%.*}", "${FILE#*/}", "${FILE##*/}", "`date`", "$(date)", "&& rm", ";", "~", "*", "!",
        "$", "$$", "$1", "é", '"${NONE:-a b}"', "{{ x }}", "%files", "=", "\\\\",
    ]
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=40, max_size=40))
def test_shell_text_is_replaced_by_sh_as_the_dockerfile_replaces_it(values: list[str]) -> None:
    """Many values in one process: each costs nothing then."""
    known = []
    for value in values:
        try:
            known.append((value, shell_words.expand(value, VARIABLES)))
            shell_text(value)
        except WordError:
            known = [pair for pair in known if pair[0] != value]
    script = "".join(f"printf '%s\\0' {shell_text(value)}\n" for value, _ in known)
    done = subprocess.run(["sh", "-c", script], env=VARIABLES, capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [expanded for _, expanded in known]


@pytest.mark.parametrize(
    "value", ["${A/x/y}", "${A:=x}", "${}", "'open", '"open', "${A:-", "${A#$B}"]
)
def test_shell_text_of_what_no_plain_sh_has_is_refused(value: str) -> None:
    with pytest.raises(WordError):
        shell_text(value)


def test_shell_text_knows_the_dockerfiles_own_escape() -> None:
    assert shell_text("C:\\x`$A", "`") == '"C:\\\\x\\$A"'
