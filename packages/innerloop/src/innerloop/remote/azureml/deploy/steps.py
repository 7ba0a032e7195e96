"""The steps of a deployment, each one request to Azure with a line on stderr.

They register, create, test, move traffic and delete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....history import git_state
from ....util import clock
from ....util.errors import UserError
from ... import submission_store
from ...progress import say
from ..connection import ServiceError
from ..session import AzureSession, format_duration, last_lines, print_log
from ..submit.submission import workspace_fields
from ..worker.job_states import UNSETTLED
from . import blue_green, endpoint_settings, store
from .blue_green import EndpointState, RolloutPlan
from .endpoint_settings import SettingDifference
from .plan import DeploymentPlan
from .store import DeploymentRecord, update

TEST_ATTEMPTS = 5  # of the test request, while the server is not up yet
LOG_LINES = 30  # of a log in an error report


def create_deployment(
    session: AzureSession,
    plan: DeploymentPlan,
    now: EndpointState,
    move: RolloutPlan,
    model: str,
    fingerprint: str,
) -> None:
    """Creates the deployment and what it needs; `model` is registered (name:version)."""
    if not plan.image.reference:
        _register_environment(session, plan)
    if not now.state:
        _create_endpoint(session, plan)
    for name in move.gone:
        _delete_spare(session, plan, now, name)
    record = _record_before(session.root, plan, move, model, fingerprint)
    _start_deployment(session, plan, move, record)


def register_model(session: AzureSession, plan: DeploymentPlan, identity: str) -> str:
    """Registers the model and returns name:version; a version of the same `identity` is reused."""
    source = plan.model
    path = str(session.root / source.path) if source.kind == "folder" else source.azure_path
    tags = {blue_green.EXPERIMENT: plan.experiment.name, "innerloop.from": source.path[:256]}
    if source.kind == "folder":
        tags["innerloop.digest"] = source.digest
    else:
        tags["innerloop.source"] = identity
    answer = session.ask(
        "model_register",
        f"model {plan.model_name} from {source.words}",
        source.size,
        name=plan.model_name,
        path=path,
        type=plan.file.model.type,
        description=f"{plan.experiment.name}, from {source.words}",
        tags=tags,
    )
    model = f"{answer['name']}:{answer['version']}"
    where = "was registered already" if answer["existed"] else "is registered"
    say(f"innerloop: model {model} {where}")
    return model


def _register_environment(session: AzureSession, plan: DeploymentPlan) -> None:
    answer = session.ask(
        "environment_register",
        f"environment {plan.image.name}:{plan.image.version}",
        plan.image.size,
        name=plan.image.name,
        version=plan.image.version,
        file=str(session.root / plan.file.file),
        root=str(session.root),
        tags={blue_green.EXPERIMENT: plan.experiment.name},
    )
    where = "was registered already" if answer["existed"] else "is registered"
    say(f"innerloop: environment {plan.image.name}:{plan.image.version} {where}")


def _create_endpoint(session: AzureSession, plan: DeploymentPlan) -> None:
    named = plan.folder.endpoint
    assert named is not None
    session.ask(
        "endpoint_create",
        f"creating the endpoint {plan.endpoint}",
        name=plan.endpoint,
        file=str(session.root / named.text.name),
        tags={blue_green.EXPERIMENT: plan.experiment.name},
    )
    say(f"innerloop: endpoint {plan.endpoint} is created")


def apply_endpoint_file(session: AzureSession, plan: DeploymentPlan, now: EndpointState) -> None:
    """Applies endpoint.yaml to an existing endpoint: its description and tags.

    A difference that clients would notice, or that Azure cannot change, is only reported.
    """
    named = plan.folder.endpoint
    if named is None or not now.state:
        return
    differences = endpoint_settings.differences(named, now)
    for difference in differences:
        if not difference.is_free:
            how = how_to_apply(difference, plan.experiment.name)
            say(f"innerloop: {difference.where}: {difference.words}. {how}")
    if free := tuple(difference for difference in differences if difference.is_free):
        change_endpoint(session, now.name, named.text.name, free)


def how_to_apply(difference: SettingDifference, experiment: str) -> str:
    if difference.is_fixed:
        return (
            "Azure accepts it only when an endpoint is created: `scripts/loop endpoint delete "
            f"{experiment}`, then deploy again"
        )
    return (
        "Clients would notice the change: `scripts/loop endpoint update "
        f"{experiment}` applies it"
    )


def change_endpoint(
    session: AzureSession, endpoint: str, file: str, changes: tuple[SettingDifference, ...]
) -> None:
    keys = ", ".join(change.key for change in changes)
    session.ask(
        "endpoint_update",
        f"{endpoint}: {keys} as in {file}",
        name=endpoint,
        file=str(session.root / file),
        keys=[change.key for change in changes if not change.tag],
        tags=[change.tag for change in changes if change.tag],
    )
    say(f"innerloop: applied {file} to the endpoint {endpoint}: {keys}")


def _delete_spare(
    session: AzureSession, plan: DeploymentPlan, now: EndpointState, name: str
) -> None:
    """Deletes a spare, after Azure has ended its current operation on it."""
    try:
        _wait(session, plan, now, name)
    except ServiceError as error:
        if error.code != "deployment-failed":
            raise
    delete_deployment(session, plan.endpoint, name)


def _wait(session: AzureSession, plan: DeploymentPlan, now: EndpointState, name: str) -> None:
    """Waits until Azure has ended an operation that an earlier command began.

    Raises ServiceError if the deployment failed.
    """
    deployment = now.find(name)
    if deployment is not None and deployment.state in UNSETTLED:
        doing = f"{name} is {deployment.state.lower()} since an earlier attempt; waiting"
        session.ask("deployment_wait", doing, name=plan.endpoint, deployment=name)


def _record_before(
    root: Path, plan: DeploymentPlan, move: RolloutPlan, model: str, fingerprint: str
) -> DeploymentRecord:
    """The deployment's record, written before anything is created."""
    assert plan.target is not None
    git, patch = submission_store.git_fields(git_state.read(root))
    record = DeploymentRecord(
        endpoint=plan.endpoint,
        deployment=move.name,
        fingerprint=fingerprint,
        experiment=plan.experiment.name,
        workspace=workspace_fields(plan.target),
        state=store.MAKING,
        at=clock.now(),
        model=model,
        source=plan.model.words,
        digest=plan.model.digest,
        environment=plan.image.on_azure,
        git=git,
    )
    store.write(root, record, patch)
    return record


def _start_deployment(
    session: AzureSession, plan: DeploymentPlan, move: RolloutPlan, record: DeploymentRecord
) -> None:
    try:
        session.ask(
            "deployment_create",
            f"creating the deployment {move.name} (Azure builds its image and starts it: minutes)",
            name=plan.endpoint,
            deployment=move.name,
            file=str(session.root / plan.file.file),
            root=str(session.root),
            model=record.model,
            environment=record.environment,
            tags={
                blue_green.FINGERPRINT: record.fingerprint,
                blue_green.EXPERIMENT: plan.experiment.name,
                "innerloop.commit": str(record.git.get("commit", "")),
            },
        )
    except ServiceError as error:
        raise _explain_failure(session, plan, move, error) from error
    say(f"innerloop: deployment {move.name} is up")


def wait_for_deployment(
    session: AzureSession, plan: DeploymentPlan, now: EndpointState, move: RolloutPlan
) -> None:
    """Waits for a deployment that an earlier command began to create."""
    try:
        _wait(session, plan, now, move.name)
    except ServiceError as error:
        raise _explain_failure(session, plan, move, error) from error


def _explain_failure(
    session: AzureSession, plan: DeploymentPlan, move: RolloutPlan, error: ServiceError
) -> UserError:
    """The error for a deployment that failed; prints the end of its log."""
    update(session.root, plan.endpoint, move.name, state=store.FAILED)
    if error.code != "deployment-failed":
        return error
    build_log = session.logs
    if build_log:
        print_log("the end of the image's build log", last_lines(build_log, LOG_LINES))
    else:
        print_log(
            f"the end of {move.name}'s log", session.tail(plan.endpoint, move.name, LOG_LINES)
        )
    hint = f"{error.hint}. {_log_hint(plan, move)}" if error.hint else _log_hint(plan, move)
    next_time = f"the next `scripts/loop deploy {plan.experiment.name}` replaces it"
    return ServiceError(
        f"{error.what}; no traffic was moved", hint=f"{hint}; {next_time}", code=error.code
    )


def _log_hint(plan: DeploymentPlan, move: RolloutPlan) -> str:
    deployment = f"{plan.experiment.name} --deployment {move.name}"
    return (
        f"`scripts/loop endpoint logs {deployment}` shows more, "
        f"`scripts/loop endpoint delete {deployment}` deletes it"
    )


def send_test_request(session: AzureSession, plan: DeploymentPlan, move: RolloutPlan) -> None:
    """Sends the sample request to this deployment alone; raises UserError unless the answer is 200."""
    answer: dict[str, Any] = session.ask(
        "endpoint_probe",
        f"test request to {move.name}: {plan.sample}",
        name=plan.endpoint,
        deployment=move.name,
        file=str(session.root / plan.sample),
        type=plan.content,
        tries=TEST_ATTEMPTS,
    )
    if answer["status"] == 200:
        text = " ".join(answer["text"].split())
        seconds = _format_time(answer["seconds"])
        say(f"innerloop: test request answered in {seconds}: {text[:160]}")
        return
    update(session.root, plan.endpoint, move.name, state=store.FAILED)
    print_log(f"the end of {move.name}'s log", session.tail(plan.endpoint, move.name, LOG_LINES))
    text = " ".join(answer["text"].split())[:300].rstrip(".")
    status = f"was answered {answer['status']}" if answer["status"] else "was not answered"
    raise UserError(
        f"the test request to {move.name} {status}: {text}; no traffic was moved",
        code="test-request-failed",
        hint=f"{_log_hint(plan, move)}; the next `scripts/loop deploy {plan.experiment.name}` tests "
        "it again, or replaces it when something has changed",
    )


def _format_time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else format_duration(seconds)


def set_traffic(
    session: AzureSession, endpoint: str, traffic: blue_green.Traffic, tags: dict[str, str]
) -> None:
    session.ask(
        "endpoint_traffic",
        f"traffic of {endpoint}: {blue_green.format_traffic(traffic)}",
        name=endpoint,
        traffic=dict(traffic),
        tags=tags,
    )


def delete_deployment(session: AzureSession, endpoint: str, deployment: str) -> None:
    session.ask("deployment_delete", f"deleting {deployment}", name=endpoint, deployment=deployment)
    say(f"innerloop: deployment {deployment} is deleted")
