"""YAML files of many kinds, as repositories have them, and what happens to files on their way.

`KINDS` are whole documents; `CHANGES` make other texts of each: other line ends, broken syntax, values
of another type in the place of each key. Nothing is copied from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

COMMAND = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python train.py --rate ${{inputs.rate}} --data ${{inputs.data}} --to ${{outputs.model}}
code: .
inputs:
  rate: 0.1
  data: {type: uri_folder, path: "azureml:digits:1", mode: download}
outputs:
  model: {type: uri_folder}
environment:
  build: {path: ./environment}
environment_variables: {LEVEL: "1"}
distribution: {type: pytorch, process_count_per_instance: 2}
resources: {instance_count: 2, shm_size: 4g, docker_args: --ipc=host}
limits: {timeout: 3600}
services: {board: {type: tensor_board, log_dir: logs}}
identity: {type: managed}
queue_settings: {job_tier: spot}
tags: {team: vision}
compute: azureml:cpu
experiment_name: shapes
"""
SWEEP = """type: sweep
trial:
  command: python train.py --rate ${{search_space.rate}} --depth ${{inputs.depth}}
  code: .
  environment: azureml:train@latest
inputs: {depth: 3}
search_space:
  rate: {type: uniform, min_value: 0.1, max_value: 1}
  kind: {type: choice, values: [a, b]}
sampling_algorithm: random
objective: {goal: maximize, primary_metric: accuracy}
early_termination: {type: bandit, slack_factor: 0.1, evaluation_interval: 2}
limits: {max_total_trials: 4, max_concurrent_trials: 2}
compute: azureml:cpu
"""
PIPELINE = """type: pipeline
inputs: {epochs: 2}
outputs: {model: {type: uri_folder}}
settings: {default_compute: azureml:cpu, continue_on_step_failure: false}
jobs:
  prepare:
    command: python prepare.py --to ${{outputs.table}}
    code: .
    environment: {image: "python:3.11"}
    outputs: {table: {type: uri_folder}}
  train:
    type: command
    component: ./train.yaml
    inputs:
      table: ${{parent.jobs.prepare.outputs.table}}
      epochs: ${{parent.inputs.epochs}}
    outputs: {model: "${{parent.outputs.model}}"}
  search:
    type: sweep
    trial: azureml:tune:1
    search_space: {rate: {type: uniform, min_value: 0, max_value: 1}}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 2}
"""
COMPONENT = """$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: train
version: 1
inputs:
  table: {type: uri_folder}
  epochs: {type: integer, default: 1, optional: true, min: 1, max: 9}
outputs: {model: {type: uri_folder}}
command: python train.py --table ${{inputs.table}} $[[--epochs ${{inputs.epochs}}]]
code: .
environment: azureml:train:1
"""
GITHUB = """name: train
on:
  workflow_dispatch:
    inputs:
      epochs: {description: how long, type: number, default: 3, required: true}
      mode: {type: choice, options: [fast, slow], default: fast}
      where: {type: environment}
      dry: {type: boolean, default: false}
  schedule: [{cron: "0 3 * * 1"}]
permissions: {id-token: write}
jobs:
  train:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v6
      - run: scripts/loop submit shapes --set inputs.epochs=${{ inputs.epochs }}
"""
DEVOPS = """trigger: none
parameters:
  - {name: epochs, type: number, default: 3}
  - {name: names, type: stringList, default: [a, b], values: [a, b, c]}
  - {name: more, type: object, default: {a: 1}}
schedules:
  - {cron: "0 3 * * 1", branches: {include: [main]}, always: true}
pool: {vmImage: ubuntu-24.04}
steps:
  - script: scripts/loop submit shapes --set inputs.epochs=${{ parameters.epochs }}
  - ${{ if eq(parameters.epochs, 3) }}:
      - script: echo three
"""

# name -> (text, the codes of its findings, None for any that a job may have).
KINDS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "command": (COMMAND, None),
    "sweep": (SWEEP, None),
    "pipeline": (PIPELINE, None),
    "component": (COMPONENT, ("component-not-job",)),
    "github": (GITHUB, ("not-a-job-file",)),
    "devops": (DEVOPS, ("not-a-job-file",)),
    "spark": ("type: spark\nentry: {file: main.py}\nconf: {spark.driver.cores: 1}\ncode: .\n", ("no-local-equivalent",)),
    "automl": ("type: automl\ntask: classification\ntarget_column_name: y\nlimits: {max_trials: 3}\n", ("no-local-equivalent",)),
    "parallel": ("type: parallel\ntask: {type: run_function, entry_script: a.py}\nmini_batch_size: 1\n", ("no-local-equivalent",)),
    "schedule": ("$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json\nname: weekly\ntrigger: {type: cron, expression: '0 3 * * 1', start_time: 2026-11-01T00:00:00, time_zone: UTC}\ncreate_job: ./job.yaml\n", ("no-local-equivalent",)),
    "monitor": ("name: drift\ntrigger: {type: recurrence, frequency: day, interval: 1}\ncreate_monitor: {compute: {instance_type: standard_e4s_v3}}\n", ("no-local-equivalent",)),
    "endpoint": ("$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nname: digits\nauth_mode: key\ntraffic: {blue: 100}\n", ("not-a-job-file",)),
    "deployment": ("name: blue\nendpoint_name: digits\nmodel: azureml:digits@latest\ncode_configuration: {code: ., scoring_script: score.py}\nenvironment: {image: python}\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n", ("not-a-job-file",)),
    "batch": ("$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json\nname: b\nendpoint_name: e\ncompute: azureml:cpu\nresources: {instance_count: 1}\nmini_batch_size: 10\n", ("not-a-job-file",)),
    "data": ("$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: digits\nversion: 1\ntype: uri_folder\npath: ./data\n", ("not-a-job-file",)),
    "data without a schema": ("name: digits\nversion: '1'\ntype: mltable\npath: azureml://datastores/blobs/paths/a/\n", ("not-a-job-file",)),
    "mltable": ("paths: [{file: ./a.csv}]\ntransformations: [{read_delimited: {delimiter: ',', encoding: ascii}}]\n", ("not-a-job-file",)),
    "environment": ("$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: train\nimage: python:3.11\nconda_file: {dependencies: [python=3.11]}\n", ("not-a-job-file",)),
    "environment of a build": ("name: train\nbuild: {path: ., dockerfile_path: Dockerfile}\n", ("not-a-job-file",)),
    "compute": ("$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: cpu\ntype: amlcompute\nsize: Standard_DS3_v2\nmin_instances: 0\n", ("not-a-job-file",)),
    "compute instance": ("name: mine\ntype: computeinstance\nsize: STANDARD_DS3_V2\nidle_time_before_shutdown_minutes: 30\n", ("not-a-job-file",)),
    "datastore": ("name: blobs\ntype: azure_blob\naccount_name: acc\ncontainer_name: box\n", ("not-a-job-file",)),
    "model": ("name: digits\ntype: custom_model\npath: model/\n", ("not-a-job-file",)),
    "workspace": ("$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: ws\nlocation: westeurope\n", ("not-a-job-file",)),
    "connection": ("$schema: https://azuremlschemas.azureedge.net/latest/connection.schema.json\nname: c\ntype: git\ntarget: https://example.com\n", ("not-a-job-file",)),
    "registry": ("name: r\nreplication_locations: [{location: westeurope}]\n", ("not-a-job-file",)),
    "prompt flow": ("inputs: {q: {type: string}}\noutputs: {a: {type: string}}\nnodes: [{name: n, type: python}]\n", ("not-a-job-file",)),
    "github that calls": ("on: push\njobs:\n  train: {uses: ./.github/workflows/train.yml, with: {epochs: 3}}\n", ("not-a-job-file",)),
    "github action": ("name: train\nruns: {using: composite, steps: [{run: echo, shell: bash}]}\n", ("not-a-job-file",)),
    "dependabot": ("version: 2\nupdates: [{package-ecosystem: pip, directory: /, schedule: {interval: weekly}}]\n", ("not-a-job-file",)),
    "devops stages": ("stages:\n- stage: train\n  jobs:\n  - job: a\n    steps: [{script: echo}]\n", ("not-a-job-file",)),
    "devops template": ("parameters: {name: x}\nsteps:\n- template: a.yml\n", ("not-a-job-file",)),
    "gitlab": ("stages: [train]\ntrain: {stage: train, script: [python train.py]}\n", ("not-a-job-file",)),
    "compose": ("services:\n  web: {build: ., ports: ['80:80']}\n  db: {image: postgres}\nvolumes: {data: }\n", ("not-a-job-file",)),
    "kubernetes": ("apiVersion: batch/v1\nkind: Job\nmetadata: {name: train}\nspec: {template: {spec: {containers: [{name: a, image: b, command: [python, train.py]}]}}}\n", ("not-a-job-file",)),
    "kubernetes list": ("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Service}]\n", ("not-a-job-file",)),
    "argo": ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {entrypoint: main, templates: [{name: main, container: {image: a, command: [python]}}]}\n", ("not-a-job-file",)),
    "helm": ("apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n{{- if .Values.on }}\n  labels: a\n{{- end }}\n", ("not-yaml",)),
    "helm values": ("replicaCount: 1\nimage: {repository: a, tag: ''}\nresources: {}\n", None),
    "conda": ("name: train\nchannels: [conda-forge]\ndependencies: [python=3.11, numpy, {pip: [six]}]\n", ("not-a-job-file",)),
    "mlflow project": ("name: p\nentry_points: {main: {command: python train.py}}\n", ("not-a-job-file",)),
    "dvc": ("stages:\n  train: {cmd: python train.py, deps: [a.csv], outs: [m.pkl]}\n", ("not-a-job-file",)),
    "wandb": ("program: train.py\nmethod: bayes\nparameters: {rate: {min: 0, max: 1}}\n", ("not-a-job-file",)),
    "hydra": ("defaults: [_self_, {model: small}]\nhydra: {run: {dir: .}}\nrate: 0.1\n", ("not-a-job-file",)),
    "pre-commit": ("repos:\n- repo: https://example.com/a\n  rev: v1\n  hooks: [{id: black}]\n", ("not-a-job-file",)),
    "openapi": ("openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {/score: {post: {responses: {'200': {description: ok}}}}}\n", ("not-a-job-file",)),
    "mkdocs": ("site_name: a\nnav: [{Home: index.md}]\nmarkdown_extensions: [toc]\n", ("not-a-job-file",)),
    "ansible": ("- hosts: all\n  tasks: [{name: a, shell: python train.py}]\n", ("not-a-job-file",)),
    "cloudformation": ("Resources:\n  Box: {Type: 'AWS::S3::Bucket', Properties: {BucketName: !Sub '${A}-b'}}\n", ("not-yaml",)),
    "answer of the service": ("id: /subscriptions/x\ntype: Microsoft.MachineLearningServices/workspaces/jobs\nproperties: {}\n", ("not-a-job-file",)),
    "an old run": ("script: train.py\nframework: Python\nenvironment: {docker: {enabled: true}}\n", ("not-a-job-file",)),
    "kustomize": ("resources: [a.yaml]\nimages: [{name: a, newTag: b}]\n", ("not-a-job-file",)),
    "circleci": ("version: 2.1\njobs: {train: {docker: [{image: python}], steps: [checkout, {run: python train.py}]}}\nworkflows: {main: {jobs: [train]}}\n", ("not-a-job-file",)),
    "travis": ("language: python\nscript: [pytest]\nmatrix: {include: [{python: 3.11}]}\n", ("not-a-job-file",)),
    "citation": ("cff-version: 1.2.0\ntitle: a\nauthors: [{family-names: B}]\ndate-released: 2026-11-01\n", None),
    "empty": ("", ("not-a-job-file",)),
    "comments": ("# nothing here\n\n", ("not-a-job-file",)),
    "marks": ("---\n...\n", ("not-a-job-file",)),
    "null": ("null\n", ("not-a-job-file",)),
    "scalar": ("hello\n", ("not-a-job-file",)),
    "number": ("42\n", ("not-a-job-file",)),
    "boolean": ("on\n", ("not-a-job-file",)),
    "date": ("2026-11-01\n", ("not-a-job-file",)),
    "list": ("- command: python train.py\n- 1\n", ("not-a-job-file",)),
    "empty mapping": ("{}\n", None),
    "set": ("? command\n? code\n", None),
    "block text": ("|\n  command: python train.py\n", ("not-a-job-file",)),
    "several documents": ("command: echo\n---\ncommand: echo\n", ("not-yaml",)),
    "list keys": ("? [a, b]\n: 1\ncommand: echo\n", ("not-yaml",)),
    "odd keys": ("1: a\ntrue: b\nnull: c\n2026-11-01: d\n1.5: e\ncommand: echo ok\n? !!binary aGk=\n: f\nenvironment: {image: python}\n", None),
    "merge keys": ("x: &base {image: python}\ncommand: echo\nenvironment: {<<: *base, name: e}\ninputs: {<<: {a: 1}}\n", None),
    "merge of a list": ("x: &a {a: 1}\ny: &b {b: 2}\ncommand: echo\ninputs:\n  <<: [*a, *b]\n", None),
    "merge of nothing": ("command: echo\ninputs: {<<: 1}\n", ("not-yaml",)),
    "anchors": ("command: &c echo ok\ndescription: *c\ninputs: &i {a: 1}\noutputs: {a: *i}\nenvironment: {image: python}\n", None),
    "alias to nothing": ("command: *nothing\n", ("not-yaml",)),
    "alias to itself": ("command: &a [*a]\n", ("yaml-alias-endless",)),
    "laughs": ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)), ("yaml-alias-endless",)),
    "tags": ("command: !!str 5\ncode: !local .\n", ("not-yaml",)),
    "python tag": ("command: !!python/object/apply:os.system ['echo']\n", ("not-yaml",)),
    "known tags": ("command: !!str echo\ninputs: {a: !!int '5', b: !!float 1, c: !!bool 'yes', d: !!null '', e: !!binary aGk=, f: !!timestamp 2026-11-01}\n", None),
    "other tags": ("command: echo\ninputs: {a: !!set {x, y}, b: !!omap [x: 1], c: !!pairs [x: 1]}\n", None),
    "wrong tags": ("command: echo\ninputs: {a: !!int five}\n", ("not-yaml",)),
    "wrong date": ("command: echo\ninputs: {a: 2026-13-45}\n", ("not-yaml",)),
    "yaml 1.1": ("command: echo ok\ninputs: {a: yes, b: 1e-5, c: 0o17, d: 1_000, e: 017, f: 12:30:45, g: .inf, h: .NaN, i: ~, j: =, k: 0x1F, l: 0b11, m: 2026-11-01, n: 2026-11-01T10:00:00Z, o: y, p: '[]', q: 1.0}\n", None),
    "version line": ("%YAML 1.2\n---\ncommand: echo ok\n", None),
    "other version": ("%YAML 2.0\n---\ncommand: echo\n", ("not-yaml",)),
    "conflict": ("command: echo\n<<<<<<< HEAD\ncode: .\n=======\ncode: ..\n>>>>>>> other\n", ("not-yaml",)),
    "unclosed quote": ('command: "echo\ncode: .\n', ("not-yaml",)),
    "unclosed list": ("command: [a, b\ncode: .\n", ("not-yaml",)),
    "two colons": ("command: echo: ok\n", ("not-yaml",)),
    "an at sign": ("command: @echo\n", ("not-yaml",)),
    "a percent sign": ("command: %echo\n", ("not-yaml",)),
    "a zero byte": ('command: "echo \\0"\n', ("text-unusable",)),
    "a surrogate": ('command: "echo \\ud800"\n', None),
    "a bell": ("command: echo \x07\n", ("not-yaml",)),
    "deep": ("command: " + "[" * 5000 + "]" * 5000 + "\n", ("not-yaml",)),
    "deep mappings": ("".join(f"{' ' * n}a:\n" for n in range(300)), ("not-yaml",)),
    "a long line": (f"command: echo {'x' * 100_000}\nenvironment: {{image: python}}\n", None),
    "a long key": (f"command: echo\n{'k' * 2000}: 1\n", ("not-yaml",)),
    "many keys": ("command: echo\ninputs:\n" + "".join(f"  n{n}: {n}\n" for n in range(3000)), None),
    "other scripts": ("command: echo 学习\ninputs: {größe: 1, '数据': {type: uri_folder, path: данные}}\ndescription: 🧠\n", None),
    "jinja": ("{% set name = 'a' %}\ncommand: python {{ script }}\n", ("not-yaml",)),
    "jinja in a value": ("command: echo\ncompute: {{ cluster }}\n", None),
    "json": ('{"command": "echo", "environment": {"image": "python"}, "inputs": {"a": 1}}\n', None),
    "capitals": ("Command: python train.py\nEnvironment: {Image: python}\n", None),
    "group inputs": ("command: echo ${{inputs.g.a}}\ninputs: {g: {a: 1, b: 2}}\n", None),
}  # fmt: skip

# Values of another type than a key has, one for each kind.
OTHER_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, float("nan"), "", " ", "x", "${{inputs.x}}", "azureml:", "é" * 300,
    [], [1], [[]], {}, {"a": None}, {"a": {"b": 1}}, {"type": 1}, {"path": [1]}, 10**30, b"\xff",
)  # fmt: skip


def texts(text: str) -> Iterator[tuple[str, str]]:
    """(what was done, the text) for changes that files meet on their way."""
    yield "as it is", text
    for name, change in CHANGES.items():
        yield name, change(text)


def _duplicated(text: str) -> str:
    return text + (text if text.endswith("\n") else f"\n{text}")


CHANGES: dict[str, Callable[[str], str]] = {
    "byte order mark": lambda text: "\ufeff" + text,
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "old line ends": lambda text: text.replace("\n", "\r"),
    "no last line end": lambda text: text.rstrip("\n"),
    "tabs": lambda text: text.replace("  ", "\t"),
    "a tab at the end": lambda text: text.replace("\n", "\t\n"),
    "the first half": lambda text: text[: len(text) // 2],
    "the second half": lambda text: text[len(text) // 2 :],
    "everything twice": _duplicated,
    "below a key": lambda text: "all:\n" + "".join(f"  {line}\n" for line in text.splitlines()),
    "in a list": lambda text: "".join(
        f"{'  ' if number else '- '}{line}\n" for number, line in enumerate(text.splitlines())
    ),
    "with an end": lambda text: f"---\n{text}...\n",
    "another document": lambda text: f"{text}---\na: 1\n",
    "line separators": lambda text: text.replace("\n", "\u2028"),
    "next lines": lambda text: text.replace("\n", "\x85"),
    "no colons": lambda text: text.replace(":", ""),
    "no blanks": lambda text: text.replace(" ", ""),
    "no line ends": lambda text: text.replace("\n", " "),
}


def with_other_values(text: str) -> Iterator[str]:
    """The document with each kind of value in the place of each of its keys."""
    document = yaml.safe_load(text)
    paths = list(_paths(document, ()))
    for path in paths:
        for value in OTHER_VALUES:
            yield yaml.safe_dump(_replaced(document, path, value), allow_unicode=True)


def _paths(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*path, key)
            yield from _paths(below, (*path, key))


def _replaced(value: Any, path: tuple[str, ...], new: Any) -> Any:
    if not path:
        return new
    return {**value, path[0]: _replaced(value[path[0]], path[1:], new)}
