"""What `init` and `upgrade` are measured with: the tool's wheel, a template for copier, both installed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from _support import ROOT, call

PACKAGE = ROOT / "packages" / "innerloop"
sys.path.append(str(PACKAGE / "src"))

from innerloop.util import locked_environments, venvs  # noqa: E402

BUILD = "import sys; from hatchling import build; print(build.build_wheel(sys.argv[1]))"
# The questions of the template, as many as a small one has.
QUESTIONS = """_subdirectory: template
name:
  type: str
  default: work
orchestrators:
  type: str
  default: ""
"""
TITLE = "# The settings of the workspace {name}."
PERSON = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c"}
PERSON |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"}


@dataclass(frozen=True)
class Tools:
    """Programs that are installed, and where their templates are."""

    innerloop: Path
    wheel: Path
    copier: Path
    template: Path
    env: Mapping[str, str]


def prepare(folder: Path) -> Tools:
    """Build the wheel, install it and copier, and make copier a template of as many files."""
    env = {**os.environ, **PERSON, "INNERLOOP_CACHE": str(folder / "cache")}
    builder = venvs.python_of(locked_environments.ensure("build"))
    os.chdir(PACKAGE)  # a builder builds where it is started
    name = call([str(builder), "-I", "-c", BUILD, str(folder)]).split()[-1]
    environment = folder / "environment"
    call([sys.executable, "-m", "venv", "--system-site-packages", str(environment)])
    pip = [str(venvs.python_of(environment)), "-m", "pip", "--disable-pip-version-check", "install"]
    call([*pip, "--quiet", "--no-deps", "--no-index", str(folder / name)])
    _with_dependencies(environment)
    copier = venvs.ensure(
        venvs.cache_folder() / "copier" / _digest(PACKAGE / "requirements-copier.txt"),
        [PACKAGE / "requirements-copier.txt"],
        python=getattr(sys, "_base_executable", None) or sys.executable,
        purpose="copier",
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    tools = Tools(
        venvs.programs_of(environment) / "innerloop",
        folder / name,
        venvs.programs_of(copier) / "copier",
        folder / "template",
        env,
    )
    _make_template(tools, folder / "sample")
    return tools


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _with_dependencies(environment: Path) -> None:
    """The tool's dependencies are those of the environment that runs the benchmark."""
    import yaml

    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(yaml.__file__).parents[1]}\n")


def init(tools: Tools, target: Path) -> None:
    call([str(tools.innerloop), "init", str(target), "--no-git"], env=tools.env)


def copy(tools: Tools, target: Path) -> None:
    words = ["copy", "--defaults", "--quiet", "--vcs-ref", "v1"]
    call([str(tools.copier), *words, str(tools.template), str(target)], env=tools.env)


def files_of(folder: Path) -> list[Path]:
    """Without git's own, and without the wheel: copier pins no tool."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.suffix != ".whl"
    ]


def _make_template(tools: Tools, sample: Path) -> None:
    """The files that `init` makes; three of them have a variable in them, as they do there."""
    init(tools, sample)
    for path in files_of(sample):
        target = tools.template / "template" / path.relative_to(sample)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    readme, pyproject = (tools.template / "template" / n for n in ("README.md", "pyproject.toml"))
    for path in (readme, pyproject):
        text = path.read_text(encoding="utf-8").replace(sample.name, "{{ name }}")
        path.with_name(f"{path.name}.jinja").write_text(text, encoding="utf-8")
        path.unlink()
    answers = tools.template / "template" / "{{ _copier_conf.answers_file }}.jinja"
    answers.write_text("{{ _copier_answers|to_nice_yaml }}", encoding="utf-8")
    (tools.template / "copier.yml").write_text(QUESTIONS, encoding="utf-8")
    commit(tools, tools.template, "v1")


def commit(tools: Tools, folder: Path, tag: str = "") -> None:
    git = ["git", "-C", str(folder)]
    call(["git", "init", "--quiet", str(folder)], env=tools.env)
    call([*git, "add", "--all", "--force"], env=tools.env)
    call([*git, "commit", "--quiet", "-m", "all"], env=tools.env)
    if tag:
        call([*git, "tag", tag], env=tools.env)
