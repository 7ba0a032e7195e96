"""Requirements files: a package added where it belongs, and what a lock lacks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement as Real
from packaging.specifiers import SpecifierSet

from innerloop.model import requirements
from innerloop.model.requirements import USUAL, Requirement, admits, edited, parse, unlocked

TEXT = """# What train.py needs.
torch==2.14.1
torchvision==0.29.2  # built against this torch

scikit-learn>=1.7
"""


def asked(text: str) -> Requirement:
    requirement = parse(text)
    assert requirement is not None, text
    return requirement


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("pandas", "pandas"),
        (" pandas >= 2.2 , < 3 ", "pandas>=2.2,<3"),
        ("pandas (>=2)", "pandas>=2"),
        ("ray[tune, data]==2.*", "ray[data,tune]==2.*"),
        ('tomli>=2; python_version < "3.11"', 'tomli>=2; python_version < "3.11"'),
        (
            "x @ https://host/x-1.whl ; os_name == 'nt'",
            "x @ https://host/x-1.whl ; os_name == 'nt'",
        ),
        ("a~=1.4.2", "a~=1.4.2"),
        ("zope.interface===1!5+local", "zope.interface===1!5+local"),
    ],
)
def test_parse_reads_what_the_standard_reads(text: str, written: str) -> None:
    found = asked(text)
    assert str(found) == written
    assert Real(str(found)) == Real(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-r other.txt", "--pre", "./x.whl", "/x", "a b", "a>", "a>=1 b", "a[", "a[x", "a;"),
        *(
            "a\nb",
            "a>=1\n--index-url x",
            "-",
            "_x",
            "a @ ",
            "a @ ../x",
            "a" * 2000,
            "a==1,,=2",
            "é",
        ),
        *("a>=1;\n", "a[x]]", "a>=$HOME", "a>=`id`"),
    ],
)
def test_parse_takes_nothing_else(text: str) -> None:
    assert parse(text) is None or "\n" not in str(parse(text))
    if text.strip() == text or "\n" not in text:
        assert parse(text) is None


@pytest.mark.parametrize(
    ("words", "kinds", "before", "after"),
    [
        (["pandas>=2"], ["added"], "scikit-learn>=1.7\n", "scikit-learn>=1.7\npandas>=2\n"),
        (["Scikit.Learn"], ["there"], "", ""),
        (["scikit-learn>=1.7"], ["there"], "", ""),
        (["scikit-learn==1.8"], ["replaced"], "scikit-learn>=1.7", "scikit-learn==1.8"),
        (["torchvision==1"], ["replaced"], "torchvision==0.29.2  # b", "torchvision==1  # b"),
        (["torch[opt]"], ["replaced"], "torch==2.14.1", "torch[opt]==2.14.1"),
        (["six", "six"], ["added", "there"], "learn>=1.7\n", "learn>=1.7\nsix\n"),
    ],
)
def test_edited_changes_the_line_of_the_package_alone(
    words: list[str], kinds: list[str], before: str, after: str
) -> None:
    text, edits = edited(TEXT, [asked(word) for word in words])
    assert [edit.kind for edit in edits] == kinds
    assert text == TEXT.replace(before, after, 1) if before else text == TEXT


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        ("", "six", "six\n"),
        ("a", "six", "a\nsix\n"),
        ("a\r\nb\r\n", "six", "a\r\nb\r\nsix\r\n"),
        ("six>=1 --hash=sha256:0\n", "six>=2", "six>=2 --hash=sha256:0\n"),
        ('six>=1; os_name == "nt"\n', "six>=2", 'six>=2; os_name == "nt"\n'),
        ('six>=1; os_name == "nt"\n', "six>=2; os_name=='nt'", None),
        (
            "six>=1; os_name == 'nt'\nsix>=2; os_name != 'nt'\n",
            'six>=3; os_name != "nt"',
            "six>=1; os_name == 'nt'\nsix>=3; os_name != \"nt\"\n",
        ),
        ("six>=1 \\\n  --hash=sha256:0\n", "six>=2", "six>=1 \\\n  --hash=sha256:0\nsix>=2\n"),
        ("# six\n-c six\n", "six", "# six\n-c six\nsix\n"),
    ],
)
def test_edited_keeps_the_form_of_the_file(before: str, word: str, after: str | None) -> None:
    text, _ = edited(before, [asked(word)])
    if after is not None:
        assert text == after
    assert edited(text, [asked(word)])[0] == text


names = st.from_regex(r"[a-z]{1,5}(?:-[a-z]{1,3})?", fullmatch=True)
lines = st.one_of(
    st.sampled_from(["# a comment", "", "-c other.txt", "--pre"]),
    st.builds(
        "{}{}{}".format,
        names,
        st.sampled_from(["", ">=1", "==2.0"]),
        st.sampled_from(["", "  # why"]),
    ),
)


@given(
    st.lists(lines, max_size=8),
    names,
    st.sampled_from(["", ">=1", "<3"]),
    st.sampled_from("\n|\r\n"),
)
def test_edited_twice_is_edited_once_and_keeps_all_other_lines(
    before: list[str], name: str, specifier: str, end: str
) -> None:
    end = "\n" if end in "\n|" else "\r\n"
    text = "".join(line + end for line in before)
    after, _ = edited(text, [asked(name + specifier)])
    assert edited(after, [asked(name + specifier)])[0] == after
    others = [line for line in before if re.split(r"[=>< ]", line)[0] != name]
    assert [line for line in after.splitlines() if re.split(r"[=>< ]", line)[0] != name] == others


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("", {"torch": (), "torchvision": (), "scikit-learn": ()}),
        ("torch==2.14.1+cpu\ntorchvision==0.29.2\nscikit_learn==1.7.0\n", {}),
        ("torch==2.14.2\nTorchVision==0.29.2\nscikit-learn==1.6\n",
         {"torch": ("2.14.2",), "scikit-learn": ("1.6",)}),
        ("torch\ntorchvision==0.29.2\nscikit-learn\n", {}),
        ("torch==2.13 ; os_name == 'nt'\ntorch==2.14.1\ntorchvision==0.29.2\nscikit-learn==2\n", {}),
        ("-r others.txt\n", {}),
        ("-e .\n", {}),
    ],
)  # fmt: skip
def test_unlocked_names_what_the_lock_does_not_satisfy(
    lock: str, expected: dict[str, tuple[str, ...]]
) -> None:
    assert {one.requirement.name: one.locked for one in unlocked(TEXT, lock)} == expected


VERSIONS = ["0.9", "1.0", "1.0.1", "1.4.5", "1.5", "2.0", "2.0.post1", "2.1", "10.0", "1!1.0"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["==", "!=", ">=", "<=", "~="]),
            st.sampled_from(["1.0", "1.4", "1.4.2", "2.0", "10.0", "1!1.0"]),
            st.sampled_from(["", ".*"]),
        ),
        max_size=3,
    ),
    st.sampled_from(VERSIONS),
)
def test_admits_answers_as_the_standard_does(
    clauses: list[tuple[str, str, str]], version: str
) -> None:
    texts = [
        operator + word + (star if operator in ("==", "!=") else "")
        for operator, word, star in clauses
    ]
    specifier = ",".join(texts)
    assert admits(specifier, version) == SpecifierSet(specifier).contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("specifier", "version", "expected"),
    [
        ("==2.1", "2.1+cpu", True),
        ("==2.1+cpu", "2.1", False),
        (">1", "1.1", True),
        ("<2", "2.0", False),
        ("===1.0", "1.0.0", False),
        (">=some.words", "1", True),
        (">=2", "unusual version", True),
        ("", "1", True),
    ],
)
def test_admits_counts_what_it_cannot_read_as_admitted(
    specifier: str, version: str, expected: bool
) -> None:
    assert admits(specifier, version) is expected


HEAD = "#    uv pip compile {} requirements.in -o requirements.txt\n"


@pytest.mark.parametrize(
    ("source", "lock", "options", "unknown"),
    [
        ("", "", USUAL, ""),
        ("# " + HEAD[5:].format("--universal"), "", ("--universal",), ""),
        ("# " + HEAD[5:].format("--universal"), HEAD.format("--no-deps"), ("--no-deps",), ""),
        ("", HEAD.format("--torch-backend cpu --python-version=3.12"),
         ("--torch-backend", "cpu", "--python-version=3.12"), ""),
        ("", HEAD.format("--config-file evil.toml"), (), "--config-file"),
        ("", HEAD.format("--python ./evil"), (), "--python"),
        ("", HEAD.format("'unclosed"), (), None),
        ("", "numpy==2.2.6\n", tuple(word for word in USUAL if word != "--generate-hashes"), ""),
    ],
)  # fmt: skip
def test_compile_options_are_those_at_the_head(
    source: str, lock: str, options: tuple[str, ...], unknown: str | None
) -> None:
    found, refused = requirements.compile_options(source, lock)
    assert found == options
    assert refused == unknown if unknown is not None else refused
