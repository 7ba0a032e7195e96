"""Pages of `loop help` that are about no single command."""

from __future__ import annotations

JOB = """The job file says what to run: src/<experiment>/azure-ml-job.yaml. The shortest one:

    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: python train.py --epochs ${{inputs.epochs}}
    inputs:
      epochs: 8
    code: .
    environment:
      build:
        path: ./environment
    compute: azureml:cpu-cluster

`loop run` replaces ${{inputs.epochs}} by 8 and runs the text in the code's folder. Data inputs
(path: azureml:mnist:1) are data/mnist here. What the program writes to ./outputs is kept in
outputs/<experiment>/<run>/.

    loop check EXP                          all that is wrong with it, here or on Azure ML
    loop run EXP --set inputs.epochs=2      one value changed, the file untouched
    loop run EXP --dry-run                  the command after substitution, and where it would run
    loop run jobs/somebodys.yml             a job file anywhere in the workspace, as it is

How the file's words are understood here:

  command      filled in as text, then run by bash: ${{inputs.N}}, ${{outputs.N}}; $[[ ... ]] stays
               only if the inputs in it have a value. The working directory is the folder that
               code: names (or an empty one), ./outputs is kept
  inputs       plain values as Azure ML hands them over (True, 1e-05). Data as paths: a local path,
               data/NAME for azureml:NAME:VERSION, data/DATASTORE/PATH for a datastore. https,
               wasbs and abfss addresses are downloaded once, where that needs no sign-in;
               otherwise the sentence names the command that fetches them. mode: direct hands
               the address over
  outputs      a folder that is there (or, type: uri_file, the path of a file to write) below
               outputs/<experiment>/<run>/
  environment  build: its Dockerfile. image: that image. image and conda_file: built here on top of
               the image, by its conda, else with pip. A registered or curated one: what
               [environment] says stands for it (`loop help settings`)
  distribution pytorch, mpi, tensorflow: that many processes on this machine, their lines marked by
               rank; when one fails the others end, with its exit code. ray: a cluster of one
  resources    shm_size, docker_args; instance_count is 1 here
  limits       timeout ends the run, exit code 124
  services     the port is published on 127.0.0.1

What cannot be had (data, an image, a GPU) ends a run with one sentence for each, before anything is
built. With --dry-run the command, working directory and variables are shown all the same, and what
a real run would need stands in the notes.
"""

SETTINGS = """Settings of the workspace stand in pyproject.toml under [tool.innerloop]; those of one
experiment in its innerloop.toml. The nearer one wins.

    gpu = "auto"              "auto": a GPU where there is one; "all": insist; "none": CPU
    ports = [6006]            more ports that the dev container forwards
    dev_stage = "dev"         the Dockerfile's stage that people work in
    ca = "certs/company.pem"  workspace only: a company's certificate authority (`loop help network`)
    registry = "ghcr.io/o/n"  workspace only: where prebuilt images are pushed and pulled
    debug_port = 24500        where `loop run --debug` listens (default: a port for each experiment)

    [data.data_path]          for the job's input data_path
    path = "data/mnist"       where its data are (default: data/<name of the asset>)
    create = true             the program fills the folder itself: make it when it is missing

    [environment]             what stands here for environments that only Azure ML knows by name
    image = "ubuntu:24.04"    an image, for any of them
    build = "docker/train"    or a folder with a Dockerfile, relative to the workspace

    [environment.images]      or an image for each, also for an image that cannot be had here
    "sklearn-1.5" = "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest"

    [azure]
    endpoint = "digits-lab"   the online endpoint, where not the name in deploy/endpoint.yaml counts:
                              names are unique in an Azure region

    [schedule]                who starts it beside a person, and when (docs/orchestrators.md)
    cron = "0 3 * * 1"        minute, hour, day of the month, month, day of the week; UTC
    branch = "main"           the release branch
    orchestrators = [...]     github, azure-devops, argo (default: those of the workspace)

    [schedule.set]            what differs from the job file, as for --set
    "inputs.epochs" = 16

    [schedule.allowed]        what may be chosen for an input at a manual start
    epochs = [8, 16, 32]

Workspace only, in pyproject.toml:

    [tool.innerloop]
    orchestrators = ["github"]      named here, they get files that check every push as well
    [tool.innerloop.github]         environment = "", runner = "ubuntu-24.04"
    [tool.innerloop.azure-devops]   service_connection, variable_group = "azure-ml", vm_image, pool

An innerloop.toml beside a job file that belongs to no experiment counts for that folder.

Variables: INNERLOOP_PATIENCE is how many seconds a submission may be silent before it is ended (180),
and a server may take to its first prediction (what its readiness probe allows);
INNERLOOP_CACHE is where environments are kept (default: the user's cache folder);
INNERLOOP_NO_GPU=1 takes this machine for one without a GPU.
"""

BACKENDS = """Where something runs, --backend P. One command, the same result; a place only decides what is
around it.

    docker    a container of the experiment's image. For `run`: only this experiment's code, the
              common code it links to, and its data, as Azure ML would see them. For `test`: the
              Dockerfile's stage `dev`. For `terminal`, `jupyter` and `notebook`: the stage `dev`
              and the whole workspace, as in its dev container
    inside    right here: this is the experiment's dev container already
    venv      a cached environment from environment/requirements.txt (and requirements-dev.txt),
              the default on a machine without a Docker engine
    auto      inside, docker, venv: the first that can be had; one line says which, and why

What a program writes to ./outputs is in outputs/<experiment>/<run>/ in every place.
"""

NETWORK = """Behind a company's network. What is set here reaches builds, the place venv and the tool's own
installs, and stays in no image, no history and no devcontainer.json:

    HTTPS_PROXY, HTTP_PROXY, NO_PROXY     also reach runs; one on 127.0.0.1 works too (on Linux)
    [tool.innerloop] ca = "company.pem"   a certificate authority, PEM or DER; also reaches runs
    SSL_CERT_FILE, REQUESTS_CA_BUNDLE,    the same, for builds and installs
    PIP_CERT, cert in pip.conf
    PIP_INDEX_URL, PIP_EXTRA_INDEX_URL,   a package index; its password may stand in .netrc
    pip.conf, .netrc

They are handed to BuildKit as secrets. The older builder (Docker without its buildx plugin) can be
handed the proxies alone, and says so.

    loop doctor      whether the proxy answers, which authority and which index are used
    loop up EXP      builds a dev container's image with all of it; VS Code by itself builds the
                     plain file
"""

PIPELINES = """Sweep and pipeline jobs run here from the files that Azure ML takes, as they are.

A sweep job (trial, search_space, sampling_algorithm, objective, limits):

    loop run EXP                              one trial: the first value of each choice, the
                                              middle of each range (on log scales of the log)
    loop run EXP --set search_space.lr=0.01   one trial with this value
    loop run EXP --trials 8 --seed 1          eight by the job's rule, one after another

  random draws with the seed, grid takes the combinations in their order; bayesian and the rule
  sobol are drawn at random, and a note says so. limits.max_total_trials, trial_timeout and timeout count.
  The objective's metric is read from what a trial wrote: ./outputs/metrics.json (or .jsonl, or
  another JSON file there), or what it logged with MLflow. A trial sees its values in the command,
  as AZUREML_SWEEP_<name> and as AZUREML_PARAMETER_<name>. Exit code 1 when one trial failed.

A pipeline job (jobs, inputs, outputs; component files, inline steps, pipeline components):

    loop run EXP --file pipeline.yml                  every step, in its order
    loop run EXP --file pipeline.yml --dry-run --json one request for each step
    loop run EXP --file pipeline.yml --step train     one, on the outputs of the last run
    loop run EXP --file pipeline.yml --from-run RUN   keeps what was done in RUN, runs the rest
    loop run EXP --file pipeline.yml --trials 4       of steps that are sweeps four trials each;
                                                      the best one's outputs are handed on
    --set inputs.x=v          an input of the pipeline
    --set jobs.STEP.inputs.x=v    an input of one step, also one its component has a default for

  What a step writes is in outputs/EXP/RUN/STEP/, the pipeline's own outputs beside that under
  their names; pipeline.json says what is done, and where. Steps that need a failed one are
  skipped; the others go on unless settings.continue_on_step_failure is false. The exit code is
  that of the first step that failed. automl, spark, parallel and registered components have no
  local form: --set jobs.STEP.component=./FILE.yml lets a component's file stand in.
"""

DEBUG = """F5 stops in the job as it runs, wherever that is. `loop sync` renders these configurations:

    EXP: train.py               a job that is one plain `python train.py ...`: in the window's own
                                interpreter, with nothing but the Python debugger extension
    EXP: job in its container   any job: what `loop run EXP` starts, and every Python process of it
    EXP: trial in its container, EXP: step NAME in its container     of a sweep, of a pipeline
    EXP: a request to its server    where there is a deploy folder: what `loop serve EXP` starts

All but the first start this in the background, and attach when it says that it is ready:

    loop run EXP --debug                    at EXP's own port, or another one where that is taken
    loop run EXP --debug --port 24500       at this port, or not at all
    loop run EXP --step train --debug       one step of a pipeline
    loop serve EXP --debug                  the server of its model

  It listens at 127.0.0.1 alone and waits. Once the debugger has connected, the command runs as it
  is, with a hook on PYTHONPATH that connects each Python process (3.8 or newer) as it starts, also
  those that it forks. debugpy comes from the tool's cache where the environment has not the same
  version. Left alone: pip and other tools, programs that are no Python, and a Python that was
  told to ignore its environment (`python -I`, `-S`) or was given one without PYTHONPATH.

  The exit code is the command's. Ctrl-C, or disconnecting, ends the run; F5 begins the next one
  when its terminal says that it has ended (VS Code's Restart only ends it). limits.timeout does not
  count. Two clones of a workspace have the same ports: to debug one experiment in both at once,
  write debug_port = N into its innerloop.toml in one of them, then `loop sync`.
"""

ARGO = """`loop submit EXP --backend argo` makes a Workflow of the job in a Kubernetes cluster with Argo
Workflows. The cluster is that of your kubeconfig (KUBECONFIG, ~/.kube/config), or the one that
the command itself runs in. --dry-run prints the manifest, and needs neither.

What a cluster has to be told stands under [argo] in the experiment's innerloop.toml, or for all
under [tool.innerloop.argo] in pyproject.toml:

    namespace = "ml"                    default: that of the kubeconfig's context
    context = "staging"                 default: the current one
    gpus = 1                            of each pod; with gpu = "all" one for each process
    gpu_resource = "nvidia.com/gpu"     what the cluster calls one
    cpu = "4"   memory = "16Gi"         requested and allowed
    node_selector = { pool = "gpu" }    where pods may run, and what they put up with
    tolerations = [{ key = "nvidia.com/gpu", operator = "Exists", effect = "NoSchedule" }]
    service_account = "runner"          image_pull_secrets = ["registry"]
    retry = 2                           how often a pod is started again (retry_policy = "OnError")
    keep = 86400                        seconds that an ended workflow stays; default: for ever
    priority_class = "batch"            labels = { team = "vision" }

    [argo.data.images]                  where the data of the input "images" are:
    claim = "datasets"                  a PersistentVolumeClaim; path = "images" is a folder in it
                                        or nfs = "server:/export", host_path = "/data/images",
                                        or in Argo's words s3 = { bucket = "b", key = "images" },
                                        gcs, azure, oss, http, git
    [argo.outputs]                      where ./outputs are kept: a claim, nfs or host_path. Without
    claim = "results"                   it they go to Argo's artifact repository

A sweep fans out (limits.max_concurrent_trials at once), a pipeline is a DAG, a distributed job one
pod for each instance: they find each other by name, for which the service account may make a
Service. limits.timeout ends a pod, resources.shm_size is a volume in memory at /dev/shm. gpu =
"auto" asks for no GPU: a pod that asks for one where there is none waits for ever.

`loop status`, `logs`, `cancel` know these jobs by their names, as they know those on Azure ML.
"""

PAGES = {
    "argo": ARGO,
    "debug": DEBUG,
    "job": JOB,
    "network": NETWORK,
    "pipelines": PIPELINES,
    "settings": SETTINGS,
    "backends": BACKENDS,
}
TITLES = {
    "argo": "Kubernetes: what [argo] tells a cluster",
    "debug": "F5, and what loop run --debug does",
    "job": "the job file, which says what to run",
    "network": "proxies, a certificate authority, a private package index",
    "pipelines": "sweep and pipeline jobs: trials, steps, one step again",
    "settings": "[tool.innerloop] and innerloop.toml",
    "backends": "docker, inside, venv: where things run",
}
