"""What holds for every shipped experiment, read from its files; nothing here needs its packages."""

import ast
import re
from pathlib import Path

import pytest
import yaml

SRC = Path(__file__).resolve().parents[4] / "src"
TOOL = SRC.parent / "packages/innerloop/src/innerloop"
UV_LOCK = TOOL / "locks/uv.txt"
TEMPLATE = TOOL / "templates/experiment"
EXPERIMENTS = sorted(file.parents[1] for file in SRC.glob("*/environment/Dockerfile"))

each = pytest.mark.parametrize("folder", EXPERIMENTS, ids=lambda folder: folder.name)


def python_files() -> list[Path]:
    return [file for file in SRC.rglob("*.py") if not file.is_symlink()]


def imported(file: Path) -> set[str]:
    """The first part of every module that the file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("file", python_files(), ids=lambda file: str(file.relative_to(SRC)))
def test_the_code_knows_nothing_of_the_orchestrator(file: Path) -> None:
    assert not imported(file) & {"innerloop", "scripts"}
    assert "scripts/" not in file.read_text(encoding="utf-8")


@each
def test_the_dockerfile_has_the_stages_base_dev_and_job(folder: Path) -> None:
    text = (folder / "environment/Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert [name for _, name in stages] == ["base", "dev", "job"]
    assert stages[1][0] == stages[2][0] == "base"
    assert text.rstrip().endswith("FROM base AS job")  # Azure ML builds the last stage
    assert "--mount" not in text and "syntax=" not in text  # the legacy builder has neither
    assert re.findall(r"^COPY (\S+)", text, re.MULTILINE) == [
        "requirements.txt",
        "requirements-dev.txt",
    ]


@each
@pytest.mark.parametrize("place", ["environment", "deploy"])
def test_the_dockerfile_brings_the_uv_of_the_tools_own_lock(folder: Path, place: str) -> None:
    brings_the_tools_uv(folder / place / "Dockerfile")


def test_the_dockerfile_of_new_experiments_brings_it_too() -> None:
    brings_the_tools_uv(TEMPLATE / "environment/Dockerfile")


def brings_the_tools_uv(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    lock = UV_LOCK.read_text(encoding="utf-8")
    assert re.findall(r"uv==([\d.]+)", text) == re.findall(r"^uv==([\d.]+)", lock, re.MULTILINE)
    hashes = re.findall(r"--hash=sha256:\w+", text)
    assert len(hashes) == 2 and set(hashes) <= set(re.findall(r"--hash=sha256:\w+", lock))


LOCKS = (
    "environment/requirements.txt",
    "environment/requirements-dev.txt",
    "deploy/requirements.txt",
    "deploy/requirements-serve.txt",
)


@each
@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_locked_with_hashes_and_no_index_is_named(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    entries = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in entries.splitlines():
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9, -]+\])?==\S+ ", line), line
        assert "--hash=sha256:" in line, line


@each
def test_both_locks_agree_on_what_they_share(folder: Path) -> None:
    def versions(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        text = (folder / "environment" / name).read_text(encoding="utf-8")
        for package, version in re.findall(
            r"^([a-z0-9._-]+)(?:\[.*?\])?==(\S+)", text, re.MULTILINE
        ):
            found.setdefault(package, set()).add(version)
        return found

    base, dev = versions("requirements.txt"), versions("requirements-dev.txt")
    for package in base.keys() & dev.keys():
        assert dev[package] <= base[package], package


@each
def test_links_into_common_are_relative_and_lead_there(folder: Path) -> None:
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve(strict=True).is_relative_to(SRC / "common"), link


@each
def test_every_input_of_the_job_is_an_argument_of_the_script(folder: Path) -> None:
    job = yaml.safe_load((folder / "azure-ml-job.yaml").read_text(encoding="utf-8"))
    script = (folder / "train.py").read_text(encoding="utf-8")
    used = re.findall(r"--(\w+) \$\{\{inputs\.(\w+)\}\}", job["command"])
    assert used and {name for _, name in used} == set(job["inputs"])
    for option, name in used:
        assert option == name and f'"--{option}"' in script
        if not isinstance(job["inputs"][name], dict):
            default = re.search(rf'"--{option}", .*?default=([\d_]+)', script)
            assert default and int(default[1]) == job["inputs"][name]


@each
def test_the_head_of_train_py_says_how_to_run_it_and_what_to_expect(folder: Path) -> None:
    head = ast.get_docstring(ast.parse((folder / "train.py").read_text(encoding="utf-8")))
    assert head and "python train.py\n" in head
    assert "seconds" in head and "accuracy" in head and "outputs" in head


@each
def test_an_experiment_names_no_other(folder: Path) -> None:
    """Deleting one breaks nothing in another: code, job and environment name only themselves."""
    others = {other.name for other in EXPERIMENTS} - {folder.name}
    for file in folder.rglob("*"):
        if file.suffix in {".py", ".yaml", ".toml", ".in", ".ini"} and not file.is_symlink():
            words = set(re.findall(r"\w+", file.read_text(encoding="utf-8")))
            assert not words & others, file


@each
def test_the_image_that_serves_begins_with_the_layers_of_the_one_that_trained(folder: Path) -> None:
    """The same base, the same first steps, the same packages: the builder makes them once."""
    trained = (folder / "environment/Dockerfile").read_text(encoding="utf-8")
    serves = (folder / "deploy/Dockerfile").read_text(encoding="utf-8")

    def base(text: str) -> str:
        return text[text.index("\nFROM ") : text.index("\n\n\nFROM base AS ")]

    assert base(trained) == base(serves)
    locks = [folder / place / "requirements.txt" for place in ("environment", "deploy")]
    assert locks[0].read_bytes() == locks[1].read_bytes()
    assert re.findall(r"^USER (\S+)$", serves, re.MULTILINE)[-1] != "root"
    assert "--mount" not in serves and "syntax=" not in serves
