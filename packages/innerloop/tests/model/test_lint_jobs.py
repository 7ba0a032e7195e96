"""Every folder of tests/broken/jobs is a job file that is wrong in exactly one way (or right), and
`expected.txt` says what a person reads: all of it, a line per finding, with its level.

A case is laid over `_base` into a folder `job/` of a workspace; `_beside/` goes next to it, and
`links.txt` names links as "path -> target". To write an expected.txt anew: INNERLOOP_EXPECT=write.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import override
from innerloop.model.lint.job_file import Finding, check, check_text

CASES = Path(__file__).resolve().parents[1] / "broken" / "jobs"
NAMES = sorted(path.name for path in CASES.iterdir() if not path.name.startswith("_"))


class Disk:
    """The view that the checks have, of a folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        try:
            return (self.root / path).exists()
        except OSError:
            return False

    def is_dir(self, path: str) -> bool:
        return (self.root / path).is_dir()

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def links(self, folder: str) -> Sequence[tuple[str, str]]:
        found = []
        for parent, folders, names in os.walk(self.root / folder):
            for name in sorted([*folders, *names]):
                path = Path(parent, name)
                if path.is_symlink():
                    position = os.path.relpath(path, self.root).replace(os.sep, "/")
                    found.append((position, os.readlink(path)))
        return found


def lay(case: str, root: Path) -> str:
    """Puts a case on disk; its job file's text."""
    shutil.copytree(CASES / "_base", root / "job")
    ignored = shutil.ignore_patterns("expected.txt", "links.txt", "_beside")
    shutil.copytree(CASES / case, root / "job", dirs_exist_ok=True, ignore=ignored)
    if (CASES / case / "_beside").is_dir():
        shutil.copytree(CASES / case / "_beside", root, dirs_exist_ok=True)
    links = CASES / case / "links.txt"
    for line in links.read_text().splitlines() if links.exists() else ():
        path, _, target = line.partition(" -> ")
        (root / "job" / path).symlink_to(target)
    return (root / "job" / "azure-ml-job.yaml").read_text(encoding="utf-8")


def lines(found: Sequence[Finding]) -> list[str]:
    return [f"{one.level} {one.code}: {one.message()}" for one in found]


@pytest.mark.parametrize("case", NAMES)
def test_a_job_file_and_what_is_said_of_it(case: str, tmp_path: Path) -> None:
    text = lay(case, tmp_path)
    said = lines(check_text(text, "job/azure-ml-job.yaml", Disk(tmp_path)))
    expected = CASES / case / "expected.txt"
    if os.environ.get("INNERLOOP_EXPECT") == "write":
        expected.write_text("".join(line + "\n" for line in said), encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8").splitlines()
    if case.startswith("right-"):
        assert said == []
    else:
        assert len(said) == 1, "wrong in exactly one way"


def test_a_set_value_is_checked_too(tmp_path: Path) -> None:
    text = lay("right-command", tmp_path)
    job = override(parse_job(text, "job/azure-ml-job.yaml"), ["compute=gpu cluster", "code=./gone"])
    assert [one.code for one in check(job, Disk(tmp_path))] == ["no-code", "bad-compute"]


def test_a_step_of_the_private_preview(tmp_path: Path) -> None:
    """A hint alone: who has the preview can send it."""
    text = (
        "type: pipeline\ncompute: azureml:c\njobs:\n"
        "  one: {command: ls, environment: {image: busybox}}\n"
        "  again: {type: do_while, body: '${{parent.jobs.one}}'}\n"
    )
    found = check_text(text, "job/azure-ml-job.yaml", Disk(tmp_path))
    assert [(one.code, one.level) for one in found] == [
        ("no-local-form", "hint"),
        ("preview", "hint"),
    ]
    assert "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED" in found[1].hint


def test_all_findings_at_once(tmp_path: Path) -> None:
    lay("right-command", tmp_path)
    text = (
        "name: my job\ncommand: python gone.py ${{inputs.x}}\ncode: .\ncode: .\n"
        "environment: azureml:e\ninputs: {y: 1}\nresources: {shm_size: big}\ncompute: <mine>\n"
    )
    found = check_text(text, "job/azure-ml-job.yaml", Disk(tmp_path))
    assert [one.code for one in found] == [
        "bad-name",
        "no-script",
        "undeclared-input",
        "duplicate-key",
        "no-version",
        "unused-input",
        "bad-shm-size",
        "placeholder",
    ]
    assert [one.position[1] for one in found] == [1, 2, 2, 4, 5, 6, 7, 8]


KEYS = st.sampled_from(
    [
        *(
            "command",
            "code",
            "inputs",
            "outputs",
            "environment",
            "compute",
            "type",
            "jobs",
            "trial",
        ),
        *("resources", "limits", "distribution", "search_space", "component", "path", "value"),
        *("image", "build", "conda_file", "services", "tags", "environment_variables", "x", "mode"),
        *("sampling_algorithm", "objective", "settings", "default", "instance_count", "name"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.sampled_from(
        [
            *("python a.py ${{inputs.x}} $[[${{inputs.y}}]]", "sweep", "pipeline", "command", "."),
            *("${{parent.inputs.x}}", "${{parent.jobs.x.outputs.x}}", "azureml:a:1", "./x.yaml"),
            *("choice", "uniform", "uri_file", "integer", "<name>", "${{parent.outputs.x}}"),
        ]
    ),
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=5)
        ),
        max_leaves=20,
    ),
    max_size=8,
)


@given(DOCUMENTS)
def test_no_file_however_odd_ends_in_a_traceback(document: dict[str, object]) -> None:
    class Nothing:
        def exists(self, path: str) -> bool:
            return path.endswith("x")

        def is_dir(self, path: str) -> bool:
            return False

        def read(self, path: str) -> str | None:
            return yaml.safe_dump({**document, "type": "command"}) if "x" in path else None

        def links(self, folder: str) -> Sequence[tuple[str, str]]:
            return []

    text = yaml.safe_dump(document)
    for one in check_text(text, "job.yaml", Nothing()):
        assert one.what
        assert one.where.startswith(("job.yaml:", "x.yaml:")), one
