"""Dockerfiles of every kind, put together from pieces: the texts that the reader is compared on.

The recorded answers of BuildKit's parser (moby/buildkit v0.12.5, through the package `dockerfile` of
the Python package index) are in dockerfile_corpus.json; `python dockerfile_texts.py FOLDER` writes
them, with that package installed in the folder.
"""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("dockerfile_corpus.json")
# Instructions that may have a JSON array.
WITH_ARRAYS = ("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL")

HEADS = [
    "",
    "# syntax=docker/dockerfile:1\n",
    "# escape=`\n",
    "#escape=`\n# syntax = x\n",
    "# hello\n# escape=`\n",
    "\n# escape=`\n",
    "# ESCAPE = `\n",
    "\ufeff",
    "\ufeff# escape=`\n",
    "# foo=bar\n# escape=`\n",
    "# escape=\\\n",
]

PIECES = [
    "FROM a\n",
    "from a as b\n",
    "FROM --platform=linux/amd64 a AS c\n",
    "FROM\ta\tAS\td\n",
    "  FROM x\n",
    "FROM x\r\n",
    "FROM py\\\nthon\n",
    "FROM x AS \\\n  y\n",
    "RUN cat <<EOF\nFROM no\nEOF\n",
    "RUN <<-EOF\n\tFROM no\n\tEOF\n",
    "RUN <<'EOF' cat\nUSER $x\nEOF\n",
    'RUN <<"E O F" cat\nx\nE O F\n',
    "RUN cat <<A <<B\na\nA\nb\nB\n",
    "RUN cat <<A>f\nx\nA>f\n",
    "RUN cat <<< yes\n",
    "RUN cat <<<yes\n",
    'RUN cat <<< "yes"\n',
    "RUN cat << EOF\n",
    "RUN python -c 'print(1 << 20)'\n",
    "RUN echo $((1<<20))\n",
    "RUN echo $((1 <<20))\n20))\n",
    'RUN python -c "print(1<<2)"\n',
    'RUN echo "<<EOF"\n',
    "RUN echo '<<EOF'\n",
    "RUN echo \\<<EOF\n",
    "RUN echo it's <<EOF\n",
    "RUN echo ${x^^} <<EOF\n",
    "RUN echo ${x:-y} <<EOF\nz\nEOF\n",
    "RUN echo ${x##*/} <<EOF\nz\nEOF\n",
    "RUN echo ${x:0:3} <<EOF\n",
    "RUN echo ${#x} <<EOF\n",
    "RUN echo ${x:?m} <<EOF\n",
    "RUN echo ${x:+m} <<EOF\nEOF\n",
    "RUN echo $1 $@ $$ $ <<EOF\nEOF\n",
    "RUN 3<<EOF cat\nEOF\n",
    "RUN x3<<EOF cat\n",
    "RUN a \\\n  b\n",
    "RUN a \\\n\n  b\n",
    "RUN a \\\n# c\n  b\n",
    "RUN a \\  \n b\n",
    "RUN a \\\\\n",
    "RUN a \\\\\\\n b\n",
    "RUN \\\n",
    "RUN\\\n a\n",
    "\\\nRUN x\n",
    "RUN a # not a comment \\\n b\n",
    "# comment \\\nRUN x\n",
    "   # c\n",
    "\n",
    "  \n",
    "\t\n",
    'RUN ["a", "b"]\n',
    'RUN ["a", "b"] <<EOF\n',
    "RUN ['a']\n",
    'RUN ["a",\\\n "b"]\n',
    'CMD ["x"]\n',
    "CMD []\n",
    'ENTRYPOINT ["python"]\n',
    'SHELL ["bash","-lc"]\n',
    'SHELL ["bash", "-c"] \n',
    "COPY <<EOF /x\nFROM z\nEOF\n",
    "COPY <<a <<b /x/\n1\na\n2\nb\n",
    "ADD <<EOF /x\nEOF\n",
    "ENV X <<EOF\n",
    "LABEL a=<<EOF\n",
    "CMD cat <<EOF\n",
    "ONBUILD RUN <<EOF\nFROM z\nEOF\n",
    "ONBUILD COPY <<EOF /x\nq\nEOF\n",
    "ONBUILD ENV A <<EOF\n",
    "onbuild user me\n",
    "COPY --from=b /a /a\n",
    'COPY --from="b" --chown=a:b /a /b\n',
    "COPY --link --from=0 a b\n",
    "RUN --mount=type=bind,from=b,source=/x,target=/y cat /y\n",
    "RUN --mount=type=cache,target=/x \\\n  --network=none pip\n",
    'RUN --mount="type=bind,from=b" x\n',
    "RUN -- x\n",
    "RUN -x --from=b\n",
    "COPY --chmod=755 <<'EOT' /run.sh\n#!/bin/sh\nUSER no\nEOT\n",
    "RUN --security=insecure <<EOF\nhi\nEOF\n",
    "USER me\n",
    "USER ${U:-me}\n",
    'user "me"\n',
    "ARG A=1 B=2\n",
    "ARG A='x y'\n",
    "ENV A b c\n",
    "ENV A=b C=d\n",
    "EXPOSE 80\n",
    "STOPSIGNAL SIGTERM\n",
    "WORKDIR /a\x0cb\n",
    "RUN echo a\u2028USER b\n",
    "RUN echo a\x0cUSER\n",
    "RUN echo a\x85b\n",
    "RUN x\rUSER y\n",
    "MAINTAINER x\n",
    "HEALTHCHECK NONE\n",
    "HEALTHCHECK --interval=5s CMD curl x\n",
    "VOLUME /x\n",
    'LABEL a="b \\\n c"\n',
    "BOGUS x\n",
    "RUN if [ 1 -lt 2 ]; then cat <<EOF; fi\nx\nEOF;\n",
    "RUN cat <<EOF | bash\nx\nEOF\n",
    "RUN cat <<EOF|bash\nx\nEOF|bash\n",
    "RUN cat <<EOF && \\\n echo\nx\nEOF\n",
    "RUN cat <<EOF\nx\nEOF \nEOF\n",
    "RUN cat <<EOF\r\nx\r\nEOF\r\n",
    "RUN cat <<EOF\n  EOF\nEOF\n",
    "RUN cat <<$X\n$X\n",
    "RUN cat <<\\EOF\nEOF\n",
    'RUN cat <<E"O"F\nEOF\n',
    "RUN echo `a`\n",
    "RUN a `\n b\n",
    "RUN a ^\n",
]

_MUTATIONS = [*"\\\"'$<{}[]#`- \t\n=:,/E", "EOF", "<<", "<<EOF", "\\\n", "${", "--", "--from=b "]
# Newer than the recorded parser: ${x#pattern}, ${x%pattern}, ${x/a/b}.
_NEWER = re.compile(r"\$\{[^}]*[#%/]|[#%/]\S*\}")


def texts(seed: int, count: int) -> Iterator[str]:
    """Each piece alone, then `count` texts of several pieces, half of them with random changes."""
    yield from (piece for piece in PIECES if not _NEWER.search(piece))
    source = random.Random(seed)
    while count:
        pieces = [source.choice(PIECES) for _ in range(source.randint(1, 5))]
        text = source.choice(HEADS) + "".join(pieces)
        if count % 2:
            for _ in range(source.randint(1, 4)):
                at = source.randrange(len(text) + 1)
                text = text[:at] + source.choice(_MUTATIONS) + text[at + source.randint(0, 1) :]
        if not _NEWER.search(text):
            count -= 1
            yield text


def answer_of(parser: Any, text: str) -> list[list[Any]] | None:
    """BuildKit's answer as [keyword, line, whether it is an array, rest]; None for an error."""
    try:
        commands = parser.parse_string(text)
    except parser.GoParseError:
        return None
    if any(command.cmd is None for command in commands):
        return None  # the package gives some keywords with odd characters no name
    return [
        [
            command.cmd.upper(),
            command.start_line,
            bool(command.json) and command.cmd.upper() in WITH_ARRAYS,
            # Without the keyword and the here-documents.
            " ".join(re.split(r"[\t\v\f\r ]+", command.original.strip(), maxsplit=1)[1:])
            .split("\n")[0]
            .strip(),
        ]
        for command in commands
    ]


def parser_in(folder: str) -> Any:
    """The package `dockerfile`, installed in a folder."""
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("dockerfile")
    finally:
        sys.path.remove(folder)


if __name__ == "__main__":
    parser = parser_in(sys.argv[1])
    recorded = [[text, answer_of(parser, text)] for text in texts(1, 500)]
    CORPUS.write_text(
        "[\n" + ",\n".join(json.dumps(entry) for entry in recorded) + "\n]\n", encoding="utf-8"
    )
