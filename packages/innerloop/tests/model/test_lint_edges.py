"""Findings about what fails, or means something else, only after the upload."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.model.lint.finding import Finding, blocks_submission
from innerloop.model.lint.job_file import check_text
from innerloop.workspace.loader import WorkspaceFiles

NAME = "src/one/job.yaml"
HEAD = "code: .\nenvironment: {image: python}\ncompute: azureml:cpu\n"
BUILT = "code: .\nenvironment: {build: {path: ./environment}}\ncompute: azureml:cpu\n"


def found(root: Path, text: str, **files: str) -> list[Finding]:
    for path, content in {"train.py": "print(1)\n", **files}.items():
        file = root / "src/one" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return [
        finding
        for finding in check_text(text, NAME, WorkspaceFiles(root))
        if not finding.code.endswith("-unused")
    ]


def places(findings: list[Finding]) -> list[str]:
    return [f"{one.severity.value} {one.code} {one.position}" for one in findings]


# --- exit codes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "column"),
    [
        ("python train.py | tee log.txt", 10),
        ("python train.py 2>&1 | tee log.txt", 10),
        ("python train.py |& tee log.txt", 10),
        ("mkdir -p x && python train.py | tee x/log", 24),
        ("A=1 torchrun train.py | grep loss", 14),
        ("exec python train.py | cat", 15),
        ("python train.py || true", 10),
        ("python train.py || echo failed", 10),
        ("python train.py; echo done", 10),
        ("bash run.sh; date; ls", 10),
    ],
)
def test_check_of_a_command_that_hides_a_failure_warns(
    tmp_path: Path, command: str, column: int
) -> None:
    findings = found(tmp_path, f"command: {command}\n{HEAD}", **{"run.sh": ""})
    assert places(findings) == [f"warning failure-hidden {NAME}:1:{column}"]
    assert not blocks_submission(findings)


@pytest.mark.parametrize(
    "command",
    [
        "set -o pipefail; python train.py | tee log.txt",
        "set -euo pipefail && python train.py | tee log.txt",
        "python train.py | tee log.txt; exit ${PIPESTATUS[0]}",
        "cat list.txt | python train.py",
        "cat list.txt | xargs python train.py",
        "python train.py && echo done",
        "set -e; python train.py; echo done",
        "pip install six | cat && python train.py",
        "python train.py || exit 3",
        "python train.py || (echo failed; exit 1)",
        "echo 'python x | y' && python train.py",
        "python train.py --expression 'a | b; c'",
        "python train.py > log.txt 2>&1",
        "python train.py; python train.py",
        "pip uninstall -y x || true; python train.py",
    ],
)
def test_check_of_a_command_that_fails_with_its_program_is_silent(
    tmp_path: Path, command: str
) -> None:
    findings = found(tmp_path, f"command: {command!r}\n{HEAD}".replace("\\'", "''"))
    assert [one for one in findings if one.code == "failure-hidden"] == []


# --- builds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ignore", "copy", "code"),
    [
        ("*.txt\n", "COPY requirements.txt /tmp/", "copy-source-ignored"),
        ("*\n!Dockerfile\n", "COPY requirements.txt /tmp/", "copy-source-ignored"),
        ("more/\n", "COPY more /tmp/more", "copy-source-ignored"),
        ("more\n", "ADD more/a.txt /tmp/", "copy-source-ignored"),
        ("*\n!requirements.txt\n", "COPY requirements.txt /tmp/", ""),
        ("*.csv\n", "COPY requirements.txt /tmp/", ""),
        ("more/*\n!more/a.txt\n", "COPY more /tmp/more", ""),
        ("*\n", "COPY --from=base requirements.txt /tmp/", ""),
    ],
)
def test_check_of_a_copy_that_dockerignore_excludes_is_an_error(
    tmp_path: Path, ignore: str, copy: str, code: str
) -> None:
    findings = found(
        tmp_path,
        f"command: python train.py\n{BUILT}",
        **{
            "environment/Dockerfile": f"FROM python AS base\n{copy}\n",
            "environment/.dockerignore": ignore,
            "environment/requirements.txt": "six\n",
            "environment/more/a.txt": "a\n",
        },
    )
    where = "src/one/environment/Dockerfile:2:1"
    assert places(findings) == ([f"error {code} {where}"] if code else [])


@pytest.mark.parametrize(
    ("requirements", "copy", "line"),
    [
        ("-r base.txt\n", "COPY requirements.txt /tmp/", 1),
        ("six\n-r ../base.txt\n", "COPY . /tmp/", 2),
        ("six\n--constraint=limits.txt\n", "COPY requirements.txt /tmp/", 2),
        ("-rbase.txt\n", "COPY requirements.txt /tmp/", 1),
        ("-r gone.txt\n", "COPY requirements.txt /tmp/", 1),
        ("-r base.txt\n", "COPY requirements.txt base.txt /tmp/", 0),
        ("-r base.txt\n", "COPY *.txt /tmp/", 0),
        ("-r base.txt\n", "COPY . /tmp/", 0),
        ("-r https://example.com/r.txt\nsix\n", "COPY requirements.txt /tmp/", 0),
        ("# -r base.txt\n--require-hashes\n", "COPY requirements.txt /tmp/", 0),
    ],
)
def test_check_of_requirements_that_the_build_lacks_is_an_error(
    tmp_path: Path, requirements: str, copy: str, line: int
) -> None:
    findings = found(
        tmp_path,
        f"command: python train.py\n{BUILT}",
        **{
            "environment/Dockerfile": f"FROM python\n{copy}\nRUN pip install -r /tmp/requirements.txt\n",
            "environment/requirements.txt": requirements,
            "environment/base.txt": "six\n",
            "environment/limits.txt": "six<2\n",
        },
    )
    where = f"src/one/environment/requirements.txt:{line}:1"
    assert places(findings) == ([f"error requirements-not-copied {where}"] if line else [])


# --- code ------------------------------------------------------------------------------------------


def test_check_of_code_that_contains_results_warns_until_they_are_ignored(tmp_path: Path) -> None:
    text = f"command: python train.py\n{HEAD}"
    results = {"outputs/run/model.pt": "x", ".venv/a": "x", "wandb/b": "x"}
    findings = found(tmp_path, text, **results)
    assert places(findings) == [f"warning code-with-outputs {NAME}:2:1"]
    assert "outputs/, wandb/, .venv/" in findings[0].message
    assert not blocks_submission(findings)
    assert found(tmp_path, text, **{".amlignore": "outputs/\n.venv\nwandb/\n"}) == []


def test_check_of_the_whole_workspace_as_code_names_its_outputs(tmp_path: Path) -> None:
    (tmp_path / "outputs/one").mkdir(parents=True)
    text = f"command: python src/one/train.py\n{HEAD}".replace("code: .", "code: ../..")
    assert places(found(tmp_path, text)) == [f"warning code-with-outputs {NAME}:2:1"]


def test_check_of_large_code_is_a_warning_with_its_size(tmp_path: Path) -> None:
    text = f"command: python train.py\n{HEAD}"
    found(tmp_path, text)
    with open(tmp_path / "src/one/weights.bin", "wb") as file:
        file.truncate(300_000_000)
    findings = found(tmp_path, text)
    assert places(findings) == [f"warning code-large {NAME}:2:1"]
    assert "300 MB" in findings[0].message and not blocks_submission(findings)
    assert found(tmp_path, text, **{".amlignore": "*.bin\n"}) == []


# --- what YAML makes of a text ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("yes", "True"),
        ("Off", "False"),
        ("017", "15"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("12:30:45", "45045"),
        ("+1", ""),
        ("true", ""),
        ("'yes'", ""),
        ("1e-5", ""),
        ("0o17", ""),
        ("1.10", ""),
        ("5", ""),
    ],
)
def test_check_of_a_value_that_yaml_reads_otherwise_says_so(
    tmp_path: Path, written: str, said: str
) -> None:
    text = f"command: python train.py ${{{{inputs.x}}}}\ninputs:\n  x: {written}\n{HEAD}"
    findings = found(tmp_path, text)
    assert places(findings) == ([f"info value-read-otherwise {NAME}:3:3"] if said else [])
    assert not said or f"YAML reads {written} as {said}:" in findings[0].message


def test_check_of_a_values_form_in_a_step_has_its_position(tmp_path: Path) -> None:
    text = (
        "type: pipeline\ncompute: azureml:cpu\njobs:\n  a:\n    command: echo ${{inputs.x}}\n"
        "    environment: {image: python}\n    inputs:\n      x: on\n"
    )
    assert places(found(tmp_path, text)) == [f"info value-read-otherwise {NAME}:8:7"]


@pytest.mark.parametrize(
    "line",
    [
        "inputs: {yes: 1}",
        "outputs: {1: }",
        "tags: {on: x}",
        "properties: {1.5: x}",
        "services: {off: {type: jupyter_lab}}",
        "tags: {2026-11-29: x}",
        "tags: {~: x}",
    ],
)
def test_check_of_a_name_that_is_no_text_warns_at_it(tmp_path: Path, line: str) -> None:
    findings = found(tmp_path, f"{line}\ncommand: python train.py\n{HEAD}")
    column = line.index("{") + 2
    assert f"warning not-a-string {NAME}:1:{column}" in places(findings)


@pytest.mark.parametrize(
    ("old", "new", "line", "column"),
    [
        ("code: .", "code: .\t", 2, 8),
        ("code: .", "code:\t.", 2, 6),
        ("code: .", "code: . \t# all of it", 2, 9),
        ("{image: python}", "{image: python, description: why?}", 3, 46),
    ],
)
def test_check_of_what_azures_parser_refuses_warns(
    tmp_path: Path, old: str, new: str, line: int, column: int
) -> None:
    text = f"command: python train.py\n{HEAD}".replace(old, new, 1)
    assert places(found(tmp_path, text)) == [f"warning yaml-not-portable {NAME}:{line}:{column}"]


@pytest.mark.parametrize("command", ["'python train.py\t--x'", '"python train.py --x ?"'])
def test_check_of_a_tab_within_quotes_is_silent(tmp_path: Path, command: str) -> None:
    assert found(tmp_path, f"command: {command}\n{HEAD}") == []


# --- counts and ranges -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distribution", "key"),
    [
        ("type: pytorch, process_count_per_instance: 0", "process_count_per_instance"),
        ("type: mpi, process_count_per_instance: -2", "process_count_per_instance"),
        ("type: tensorflow, worker_count: 0", "worker_count"),
        ("type: tensorflow, parameter_server_count: -1", "parameter_server_count"),
    ],
)
def test_check_of_a_wrong_count_of_processes_is_an_error(
    tmp_path: Path, distribution: str, key: str
) -> None:
    text = f"command: python train.py\ndistribution: {{{distribution}}}\n{HEAD}"
    column = len("distribution: {") + distribution.index(key) + 1
    assert places(found(tmp_path, text)) == [f"error number-out-of-range {NAME}:2:{column}"]


SWEEP = """type: sweep
trial:
  command: python train.py ${{search_space.x}}
  code: .
  environment: {image: python}
search_space: {x: SPACE}
sampling_algorithm: random
objective: {goal: maximize, primary_metric: m}
limits: {max_total_trials: 2}
compute: azureml:cpu
"""


@pytest.mark.parametrize(
    ("space", "code"),
    [
        ("{type: uniform, min_value: 1, max_value: 0}", "search-space-invalid"),
        ("{type: normal, mu: 0, sigma: 0}", "search-space-invalid"),
        ("{type: quniform, min_value: 0, max_value: 1, q: -1}", "search-space-invalid"),
        ("{type: randint, upper: 0}", "search-space-invalid"),
        ("{type: randint, upper: 2.5}", "search-space-invalid"),
        ("5", "search-space-invalid"),
        ("{type: choice, values: [a, null]}", "literal-unsupported"),
        ("{type: choice, values: [[1], b]}", "literal-unsupported"),
        ("{type: loguniform, min_value: 1e-3, max_value: 2}", ""),
        ("{type: choice, values: [1, b, 0.5]}", ""),
    ],
)
def test_check_of_a_range_without_values_warns(tmp_path: Path, space: str, code: str) -> None:
    findings = found(tmp_path, SWEEP.replace("SPACE", space))
    assert [one.code for one in findings] == ([code] if code else [])
    assert all(one.position.line == 6 for one in findings)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("random", "bayesian", "search-space-invalid"),
        ("random", "grid", "search-space-invalid"),
        ("random", "{type: random, seed: x}", "not-a-number"),
        ("primary_metric: m", "primary_metric: 5", "not-a-string"),
        ("trials: 2", "trials: 5000", "number-out-of-range"),
        ("trials: 2", "trials: 2, timeout: 60, trial_timeout: 600", "number-out-of-range"),
        ("limits", "early_termination: {type: bandit, slack_factor: 1, slack_amount: 1}\nlimits",
         "value-not-allowed"),
        ("limits", "early_termination: {type: truncation_selection}\nlimits", "number-out-of-range"),
        ("type: sweep\n", "", "job-type-missing"),
    ],
)  # fmt: skip
def test_check_of_a_sweep_that_the_service_refuses_warns(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    text = SWEEP.replace("SPACE", "{type: lognormal, mu: 0, sigma: 1}").replace(old, new, 1)
    findings = found(tmp_path, text)
    assert [one.code for one in findings] == [code]
    assert blocks_submission(findings)


# --- steps and components --------------------------------------------------------------------------

COMPONENT = """type: command
inputs:
  a: {type: integer, min: 1, max: 9, default: 1}
  s: {type: string, enum: [x, y], default: x}
  b: {type: boolean, default: false}
outputs: {o: {type: uri_folder}}
command: python train.py ${{inputs.a}} ${{inputs.s}} ${{inputs.b}} ${{outputs.o}}
code: .
environment: {image: python}
"""
PIPELINE = """type: pipeline
settings: {default_compute: azureml:cpu}
jobs:
  one:
    type: command
    component: ./component.yaml
    BODY
"""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("inputs: {a: x}", "type-mismatch"),
        ("inputs: {a: 1.5}", "type-mismatch"),
        ("inputs: {b: maybe}", "type-mismatch"),
        ("inputs: {a: 10}", "value-not-allowed"),
        ("inputs: {a: 0}", "value-not-allowed"),
        ("inputs: {s: z}", "value-not-allowed"),
        ("outputs: {z: }", "output-undeclared"),
        ("inputs: {a: '5', s: y, b: True}", ""),
        ("outputs: {o: {mode: upload}}", ""),
    ],
)
def test_check_of_what_a_component_does_not_allow_warns(
    tmp_path: Path, body: str, code: str
) -> None:
    text = PIPELINE.replace("BODY", body)
    findings = found(tmp_path, text, **{"component.yaml": COMPONENT})
    assert [one.code for one in findings] == ([code] if code else [])
    assert all((one.position.file, one.position.line) == (NAME, 7) for one in findings)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("azureml:cpu}", "cpu}", "compute-reference-invalid"),
        ("azureml:cpu}", "azureml:local}", "compute-reference-invalid"),
        ("./component.yaml", "azureml:c", "version-missing"),
        ("type: pipeline\n", "", "job-type-missing"),
    ],
)
def test_check_of_a_pipelines_references_warns(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    text = PIPELINE.replace("    BODY\n", "").replace(old, new, 1)
    findings = found(tmp_path, text, **{"component.yaml": COMPONENT})
    assert [one.code for one in findings if one.severity.value == "warning"] == [code]


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ("env.yaml", "Write file:env.yaml"),
        ("mcr.microsoft.com/azureml/base", "Write environment: {image: mcr.microsoft.com/azureml/base}"),
        ("python:3.11", "or azureml:python:3.11 for an environment"),
        ("train", "Write azureml:train:1"),
        ("/subscriptions/a/environments/e/versions/1", "Write azureml:/subscriptions/"),
        ("{name: train, version: '2'}", "Write environment: azureml:train:2"),
    ],
)  # fmt: skip
def test_check_of_an_environment_that_is_not_found_says_how_to_write_it(
    tmp_path: Path, environment: str, hint: str
) -> None:
    text = f"command: python train.py\n{HEAD}".replace("{image: python}", environment)
    (finding,) = found(tmp_path, text)
    assert finding.code == "environment-reference-invalid" and hint in finding.hint


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("environment: azureml:train:latest", 2),
        ("environment: {image: python}\ninputs: {x: {path: azureml:digits:latest}}", 3),
    ],
)
def test_check_of_a_version_called_latest_says_so(tmp_path: Path, text: str, line: int) -> None:
    text = f"command: echo ${{{{inputs.x}}}}\n{text}\ncompute: azureml:cpu\n"
    findings = [one for one in found(tmp_path, text) if one.code == "version-missing"]
    assert [(one.severity.value, one.position.line) for one in findings] == [("info", line)]
