"""`[remote.NAME.slurm]`: what is asked of Slurm, one error for each mistake, and findings about jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from innerloop.model.lint import remote_rules
from innerloop.model.settings import remotes, settings
from innerloop.model.settings.slurm_settings import SlurmSetting, seconds_of, time_text
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.support import Workspace

TABLES = """
[remote.cluster.slurm]
environment = "apptainer"
partition = "gpu,gpu-long"
memory = "32G"
time = "1-12:00:00"
requeue = false
setup = ["module load cuda/12.4"]
sbatch = ["--exclusive", "--mail-type=END"]
"""


def read(text: str, own: str = "") -> dict[str, remotes.RemoteSetting]:
    root = settings.of_root_file(
        text, "innerloop.toml", settings.of_workspace("", "pyproject.toml")
    )
    return remotes.read(settings.of_experiment(own, "src/a/innerloop.toml", root).remote)


def test_cluster_has_what_its_table_says() -> None:
    machine = read(TABLES)["cluster"]
    assert machine.slurm == SlurmSetting(
        "apptainer", "gpu,gpu-long", memory="32G", time=129_600, requeue=False,
        setup=("module load cuda/12.4",), sbatch=("--exclusive", "--mail-type=END"),
    )  # fmt: skip
    assert str(machine.where("slurm.partition")) == "innerloop.toml:4"
    own = read(TABLES, '[remote.cluster.slurm]\npartition = "debug"\n')["cluster"]
    assert own.slurm == replace(machine.slurm, partition="debug")


def test_this_machine_has_the_only_cluster_or_the_one_named_slurm() -> None:
    def here(text: str) -> remotes.RemoteSetting:
        root = settings.of_root_file(text, "a.toml", settings.of_workspace("", "p.toml"))
        return remotes.named(root.remote, "")

    assert here(TABLES).slurm is not None and here(TABLES).host == ""
    second = '[remote.other]\nfolder = "~/o"\n[remote.other.slurm]\n'
    assert here(TABLES + second) == remotes.RemoteSetting("localhost", "")
    third = '[remote.slurm]\nhost = "login"\n[remote.slurm.slurm]\nqos = "low"\n'
    found = here(TABLES + second + third).slurm
    assert found is not None and found.qos == "low"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('environment = "docker"', "setting-invalid"),
        ('partition = "a b"', "setting-invalid"),
        ('partition = "-o"', "setting-invalid"),
        ('account = "x\\n#SBATCH --uid=0"', "setting-invalid"),
        ('memory = "much"', "setting-invalid"),
        ("cpus_per_task = true", "setting-invalid"),
        ("gpus_per_node = 0", "setting-invalid"),
        ('time = "soon"', "setting-invalid"),
        ('requeue = "yes"', "setting-invalid"),
        ('setup = "module load x"', "setting-invalid"),
        ('setup = ["a\\nb"]', "setting-invalid"),
        ('sbatch = ["--output=/x"]', "setting-invalid"),
        ('sbatch = ["exclusive"]', "setting-invalid"),
        ('srun = ["--mpi=pmix\\n"]', "setting-invalid"),
        ('partitoin = "gpu"', "setting-unknown"),
    ],
)
def test_mistake_is_one_error_at_its_line(line: str, code: str) -> None:
    with pytest.raises(UserError) as caught:
        read(f"[remote.cluster.slurm]\n\n{line}\n")
    assert caught.value.code == code and str(caught.value.where) == "innerloop.toml:3"


def test_table_that_is_none_is_an_error() -> None:
    with pytest.raises(UserError, match="not a table"):
        read("[remote.cluster]\nslurm = 3\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 1800), ("1:30", 90), ("1:30:00", 5400), ("2-12", 216_000), ("2-12:30", 217_800),
     ("1-00:00:01", 86_401), ("infinite", None), ("", None), ("1:2:3:4", None), ("\u0661", None)],
)  # fmt: skip
def test_times_are_those_of_sbatch(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "0:01:00"), (60, "0:01:00"), (61, "0:02:00"), (90_000, "1-1:00:00"), (7200, "2:00:00")],
)
def test_time_is_rounded_up_to_minutes(seconds: int, text: str) -> None:
    assert time_text(seconds) == text
    assert (seconds_of(text) or 0) >= seconds


def test_job_that_asks_for_more_is_a_finding_at_its_line(workspace: Workspace) -> None:
    workspace.add(
        "line",
        "",
        job="limits: {timeout: 7200}\ndistribution: {type: tensorflow}\n",
        toml='gpu = 4\n[remote.cluster.slurm]\nmax_time = "1:00:00"\ngpus_per_node = 2\n',
    )
    opened = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(opened, "line")
    job = loader.open_job(opened, experiment)
    found = {one.code: one for one in remote_rules.of_experiment(experiment, job)}
    assert set(found) == {"slurm-time", "slurm-gpus", "slurm-distribution"}
    assert found["slurm-distribution"].position.line == 7
    assert found["slurm-time"].position.file.endswith("azure-ml-job.yaml")
    assert found["slurm-time"].position.line == 6
    assert found["slurm-gpus"].position.line == 1
    # A limit of the settings counts where the job has none.
    without = replace(job, timeout=None, distribution=None)
    assert [one.code for one in remote_rules.of_experiment(experiment, without)] == ["slurm-gpus"]
