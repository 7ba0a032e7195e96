"""Small repositories of the shapes that teams have: path -> text. Nothing of them is the tool's."""

from __future__ import annotations

from collections.abc import Mapping

COMMAND = "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json"
COMPONENT = "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json"
PIPELINE = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
TRAIN = "import argparse\n\nprint('trained')\n"
TEST = "def test_one() -> None:\n    assert True\n"
CONDA = "name: train\ndependencies:\n  - python=3.11\n  - pip:\n      - six==1.17.0\n"

JOBS = {
    "README.md": "# Forecasts\n",
    "requirements.txt": "six==1.17.0\n",
    "jobs/train.yml": f"""$schema: {COMMAND}
command: python train.py --rate ${{{{inputs.rate}}}}
code: ../src/forecast
environment: azureml:forecast-env@latest
compute: azureml:cpu
inputs: {{rate: 0.1}}
""",
    "jobs/sweep.yml": f"""$schema: {COMMAND.replace('command', 'sweep')}
type: sweep
trial:
  command: python train.py --rate ${{{{search_space.rate}}}}
  code: ../src/forecast
  environment: azureml:forecast-env:2
search_space: {{rate: {{type: uniform, min_value: 0.1, max_value: 1.0}}}}
objective: {{goal: minimize, primary_metric: loss}}
limits: {{max_total_trials: 2}}
""",
    "jobs/automl.yml": "$schema: https://azuremlschemas.azureedge.net/latest/autoMLForecastingJob"
    ".schema.json\ntype: automl\ntask: forecasting\n",
    "environments/forecast.yml": "$schema: https://azuremlschemas.azureedge.net/latest/"
    "environment.schema.json\nname: forecast-env\nversion: 2\nimage: python:3.11-slim-bookworm\n"
    "conda_file: conda_train.yml\n",
    "environments/conda_train.yml": CONDA,
    "data/sales.yml": "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
    "name: sales\ntype: uri_folder\npath: ./sales\n",
    "src/forecast/train.py": TRAIN,
    "tests/unit/test_forecast.py": TEST,
    "azure-pipelines.yml": "trigger: [main]\npool: {vmImage: ubuntu-24.04}\nsteps:\n  - script: ls\n",
}
MLOPS = {
    "mlops/azureml/train/pipeline.yml": f"""$schema: {PIPELINE}
type: pipeline
settings: {{default_compute: azureml:cpu}}
jobs:
  prep:
    component: ./prep.yml
    inputs: {{text: hello}}
  train:
    component: ./train.yml
""",
    "mlops/azureml/train/prep.yml": f"$schema: {COMPONENT}\nname: prep\nversion: 1\n"
    "inputs: {text: {type: string}}\ncode: ../../../data-science/src\n"
    "environment: azureml:ds-env@latest\ncommand: python prep.py ${{inputs.text}}\n",
    "mlops/azureml/train/train.yml": f"$schema: {COMPONENT}\nname: train\nversion: 1\n"
    "code: ../../../data-science/src\nenvironment: azureml:ds-env@latest\ncommand: python train.py\n",
    "mlops/azureml/train/env.yml": "name: ds-env\nbuild: {path: ../../../data-science/environment}\n",
    "data-science/environment/Dockerfile": "FROM python:3.11-slim-bookworm\n",
    "data-science/src/prep.py": TRAIN,
    "data-science/src/train.py": TRAIN,
    "data-science/tests/test_prep.py": TEST,
    ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    runs-on: ubuntu-24.04\n"
    "    steps: [{run: pytest}]\n",
}
PACKAGES = {
    f"packages/{name}/{path}": text
    for name in ("churn", "fraud-model")
    for path, text in {
        "job.yml": "command: python -m model\ncode: ./src\nenvironment:\n  build:\n    path: ../..\n"
        f"    dockerfile_path: packages/{name}/Dockerfile\n",
        "Dockerfile": "FROM python:3.11-slim-bookworm\n",
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "1"\n',
        "src/model.py": TRAIN,
        "tests/test_model.py": TEST,
    }.items()
} | {"pyproject.toml": "[tool.ruff]\nline-length = 100\n\n[tool.ruff.format]\n"}
COMPONENTS = {
    "components/clean/component.yml": f"$schema: {COMPONENT}\nname: clean\nversion: 1\n"
    "inputs:\n  table: {type: uri_file}\n  share: {type: number, default: 0.5}\n"
    "  limit: {type: integer}\noutputs: {out: {type: uri_folder}}\ncode: ./src\n"
    "environment: {image: 'python:3.11-slim-bookworm'}\n"
    "command: python clean.py ${{inputs.table}} ${{inputs.share}} ${{inputs.limit}}\n",
    "components/clean/src/clean.py": TRAIN,
    "components/score/component.yml": f"$schema: {COMPONENT}\nname: score\nversion: 1\ncode: ./src\n"
    "environment: azureml:not-here:1\ncommand: python score.py\n",
    "components/score/src/score.py": TRAIN,
    "submit.py": "from azure.ai.ml import MLClient, dsl\n\n\n@dsl.pipeline()\ndef whole() -> None:\n"
    "    pass\n",
}
BESIDE = {
    "app/.devcontainer/devcontainer.json": '{"dockerComposeFile": "compose.yml", // theirs\n'
    ' "service": "app"}\n',
    "app/.devcontainer/compose.yml": "services: {app: {image: 'python:3.11-slim-bookworm'}}\n",
    ".devcontainer/devcontainer.json": '{"image": "python:3.11-slim-bookworm"}\n',
    "app/train.py": TRAIN,
    "app/azureml.yml": "command: python train.py\ncode: .\nenvironment: {image: python}\n",
    "app/requirements.txt": "six==1.17.0\n",
    "explore.ipynb": "{}\n",
}
IGNORED = {
    ".gitignore": "# ours\n.vscode/\n*requirements*.txt\n**/debug.py\n",
    ".vscode/settings.json": '{"editor.rulers": [88]}\n',
    "train/job.yaml": "command: python train.py\ncode: .\n"
    "environment: {image: 'python:3.11-slim-bookworm'}\n",
    "train/train.py": TRAIN,
    "train/test_train.py": TEST,
    ".pre-commit-config.yaml": "repos:\n- repo: https://github.com/psf/black-pre-commit-mirror\n"
    "  rev: 26.10.1\n  hooks: [{id: black}]\n",
}
SHAPES: Mapping[str, Mapping[str, str]] = {
    "jobs": JOBS,
    "mlops": MLOPS,
    "packages": PACKAGES,
    "components": COMPONENTS,
    "beside": BESIDE,
    "ignored": IGNORED,
}
