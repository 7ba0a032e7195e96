"""The lines of `loop menu`: a command with its usual arguments, and what it needs to work."""

from __future__ import annotations

from dataclasses import replace

from ..util.quick_dataclasses import dataclass

EXPERIMENT = "EXP"
# In an entry that there is for each machine of the settings.
MACHINE = "MACHINE"
# A word of an entry that stands for an answer: the question, and the default answer.
QUESTIONS = {
    "NAME": ("Name of the experiment (lower-case letters, digits, _; / for a domain)", ""),
    "FILE.ipynb": ("Which notebook: a path, or a name in notebooks/", ""),
    "FILE.py": ("Which file: a path from the experiment's folder", ""),
    "CODE": ("Which file or folder of src/common, such as digits.py", ""),
    "PACKAGE": ('Which packages, such as pandas or "pandas>=2.2" six', ""),
    "CMD": ("Which command", "python train.py"),
    "ASSET": ("Which data asset, such as azureml:mnist:1", ""),
    "data/NAME": ("Which folder or file of data/", "data/"),
    "PERCENT": ("How much of the traffic for the new deployment, in percent", "100"),
}


@dataclass(frozen=True, slots=True)
class MenuFacts:
    """What a workspace and this machine have.

    `experiments` are all of them; `with_job`, `deployed` and `clustered` are those with a job file,
    with a deploy folder, and with both a job file and a table [argo]. `engine`: containers can be
    started from here. `machines` are those that the settings name, as `--backend` has them.
    """

    experiments: tuple[str, ...] = ()
    with_job: tuple[str, ...] = ()
    deployed: tuple[str, ...] = ()
    clustered: tuple[str, ...] = ()
    engine: bool = True
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A line of the menu.

    `words` are those after `loop`; `text` replaces the command's summary. `needs` is the field of
    `MenuFacts` that has the experiments it is for.
    """

    words: tuple[str, ...]
    text: str = ""
    needs: str = "experiments"
    engine: bool = False

    @property
    def command(self) -> str:
        return self.words[0]

    def for_each_machine(self, facts: MenuFacts) -> list[MenuEntry]:
        if MACHINE not in self.words:
            return [self]
        return [
            replace(
                self,
                words=tuple(machine if word == MACHINE else word for word in self.words),
                text=self.text.replace(MACHINE, machine),
            )
            for machine in facts.machines
        ]

    def experiments(self, facts: MenuFacts) -> tuple[str, ...]:
        names: tuple[str, ...] = getattr(facts, self.needs)
        return names

    def works(self, facts: MenuFacts) -> bool:
        is_for_some = EXPERIMENT in self.words or self.needs != "experiments"
        has_some = bool(self.experiments(facts)) or not is_for_some
        return has_some and (facts.engine or not self.engine)


def _entry(
    line: str, text: str = "", needs: str = "experiments", *, engine: bool = False
) -> MenuEntry:
    return MenuEntry(tuple(line.split()), text, needs, engine)


JOB, DEPLOYED, ARGO = "with_job", "deployed", "clustered"

# Within a group, in the order of the commands in `loop help`.
ENTRIES = (
    _entry("run EXP"),
    _entry("run EXP --ask", "Show the job's inputs, change some, and run it."),
    _entry("run EXP --detach", "Run it when its GPU or a place is free, in a queue."),
    _entry("run EXP --script FILE.py", "Run one file in the experiment's environment."),
    _entry("run EXP --backend MACHINE", "Run the job on MACHINE.", JOB),
    _entry("test EXP"),
    _entry("notebook EXP FILE.ipynb --open", "Run a notebook to an HTML page, and open it."),
    _entry("runs"),
    _entry("runs --open", "Show the scores and curves of the runs on a page in the browser."),
    _entry("tensorboard --open", "Start TensorBoard over the outputs of runs, and open it."),
    _entry("mlflow --open", "Start MLflow's pages over all runs, and open them."),
    _entry("parity EXP"),
    _entry("build EXP", engine=True),
    _entry("terminal EXP"),
    _entry("jupyter EXP --open", "Start JupyterLab in the experiment's environment, and open it."),
    _entry("up EXP", engine=True),
    _entry(
        "up EXP --rebuild",
        "Make the dev container again from environment/ and devcontainer.json.",
        engine=True,
    ),
    _entry("exec EXP -- CMD", engine=True),
    _entry("open EXP", engine=True),
    _entry("open EXP --backend MACHINE", "Open VS Code with a copy of the code on MACHINE."),
    _entry("down EXP", engine=True),
    _entry("outdated", engine=True),
    _entry("list"),
    _entry("new NAME"),
    _entry("new NAME --from EXP", "Create an experiment as a copy of another."),
    _entry("rename EXP NAME"),
    _entry("add EXP PACKAGE"),
    _entry("lock EXP"),
    _entry("remove EXP"),
    _entry("share EXP CODE"),
    _entry("share EXP --list", "Show which shared code an experiment has, and its state."),
    _entry("image push EXP", needs=ARGO, engine=True),
    _entry("submit EXP", needs=JOB),
    _entry("submit EXP --stream", "Submit the job, and show its logs to its end.", JOB),
    _entry("submit EXP --backend MACHINE", "Submit the job to MACHINE.", JOB),
    _entry("submit EXP --dry-run", "Show what would be sent to Azure ML; send nothing.", JOB),
    _entry(
        "submit EXP --backend argo --stream",
        "Submit the job to the cluster, and show its logs to its end.",
        ARGO,
    ),
    _entry("status"),
    _entry("logs --follow", "Show the logs of the last submitted job, to its end.", JOB),
    _entry("cancel", needs=JOB),
    _entry("download", needs=JOB),
    _entry("data list", "List Azure ML's data assets, and which are on this machine.", JOB),
    _entry("data get ASSET", "Download an Azure ML data asset into data/.", JOB),
    _entry("data register data/NAME", "Register a folder of data/ as a data asset.", JOB),
    _entry("serve EXP", needs=DEPLOYED, engine=True),
    _entry("invoke EXP", "Send the sample request to the model served here.", DEPLOYED),
    _entry(
        "deploy EXP --traffic PERCENT",
        "Deploy the newest model to its endpoint, test it, and give it traffic.",
        DEPLOYED,
    ),
    _entry("deploy EXP --dry-run", "Show what a deployment would send; send nothing.", DEPLOYED),
    _entry(
        "deploy EXP --finish",
        "Give all traffic to the new deployment and delete the old one; asks first.",
        DEPLOYED,
    ),
    _entry("deploy EXP --rollback", "Give all traffic back to the old deployment.", DEPLOYED),
    _entry("endpoint status EXP", "Show an endpoint's deployments and traffic.", DEPLOYED),
    _entry("endpoint logs EXP --follow", "Show the newest deployment's log.", DEPLOYED),
    _entry("owners"),
    _entry("leave"),
    _entry("sync"),
    _entry("upgrade"),
    _entry("check"),
    _entry("format"),
    _entry("verify"),
    _entry("doctor"),
    _entry("clean"),
    _entry("vendor"),
    _entry("help"),
    _entry("help packages", "How an experiment's packages are kept, locked and installed."),
)
