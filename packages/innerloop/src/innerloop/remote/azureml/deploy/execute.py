"""Carry out a deployment: model, environment, endpoint, deployment, test request, traffic.

Azure is asked for its state before each step, so the same command again continues where an earlier
one was interrupted, and creates nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable

from ....util.errors import UserError
from ....util.quick_dataclasses import dataclass
from ...progress import say
from ..session import AzureSession
from ..worker.job_states import FAILED, UNSETTLED
from . import blue_green, steps, store
from .blue_green import EndpointState, RolloutPlan
from .plan import DeploymentPlan
from .store import update


@dataclass(frozen=True, slots=True)
class DeploymentOutcome:
    """`now` is the endpoint's state after the rollout."""

    move: RolloutPlan
    now: EndpointState


def settled_state(session: AzureSession, name: str) -> EndpointState:
    """The endpoint's state, once Azure has ended its current operation on it."""
    while True:
        answer = session.ask("endpoint_get", f"asking for {name}", name=name)
        now = blue_green.endpoint_state(answer, name)
        deleting = [
            deployment.name for deployment in now.deployments if deployment.state == "Deleting"
        ]
        if now.state not in UNSETTLED and not deleting:
            return now
        if now.state in UNSETTLED:
            doing = f"{name} is still {now.state.lower()}; waiting"
            session.ask("endpoint_wait", doing, name=name)
        for deployment in deleting:
            doing = f"{deployment} is being deleted; waiting"
            session.ask("deployment_wait", doing, name=name, deployment=deployment)


def deploy(
    session: AzureSession,
    plan: DeploymentPlan,
    on_move: Callable[[EndpointState, RolloutPlan], None],
) -> DeploymentOutcome:
    """`on_move` gets the rollout before anything is created."""
    experiment = plan.experiment.name
    resolved = _resolve_model(session, plan)
    fingerprint = plan.fingerprint(resolved.identity)
    now = settled_state(session, plan.endpoint)
    _require_usable(now, plan)
    move = blue_green.plan_rollout(now, fingerprint, plan.share, plan.name, experiment)
    on_move(now, move)
    steps.apply_endpoint_file(session, plan, now)
    if move.nothing:
        return DeploymentOutcome(move, now)
    try:
        if move.reuse:
            steps.wait_for_deployment(session, plan, now, move)
        else:
            model = resolved.version or steps.register_model(session, plan, resolved.identity)
            steps.create_deployment(session, plan, now, move, model, fingerprint)
        steps.send_test_request(session, plan, move)
    except KeyboardInterrupt:
        say(
            "innerloop: no traffic was moved. Azure continues the operation that it has begun; the "
            "same command again continues from there, and "
            f"`scripts/loop endpoint status {experiment}` shows it"
        )
        raise
    update(session.root, plan.endpoint, move.name, state=store.TESTED)
    if dict(move.after) != dict(move.before):
        tags = {**_role_tags(move), blue_green.EXPERIMENT: experiment}
        steps.set_traffic(session, plan.endpoint, move.after, tags)
        state = store.SERVING
        update(session.root, plan.endpoint, move.name, state=state, traffic=dict(move.after))
    return DeploymentOutcome(move, settled_state(session, plan.endpoint))


def _role_tags(move: RolloutPlan) -> dict[str, str]:
    if move.name in move.after:
        return {blue_green.NEW: move.name, blue_green.OLD: move.old}
    return {blue_green.NEW: next(iter(move.after)), blue_green.OLD: ""}


@dataclass(frozen=True, slots=True)
class _ModelVersion:
    """`identity` is known before the model is registered; `version` is name:version, "" until then."""

    identity: str
    version: str = ""


def _resolve_model(session: AzureSession, plan: DeploymentPlan) -> _ModelVersion:
    source = plan.model
    if source.kind == "job":
        _require_completed(session, source.path)
    if source.kind != "registered":
        return _ModelVersion(f"{source.kind}:{source.digest or source.path}")
    answer = session.ask(
        "model_find", f"asking for the model {source.path}",
        name=source.path, version=source.version,
    )  # fmt: skip
    version = f"{answer['name']}:{answer['version']}"
    return _ModelVersion(answer["mark"] or version, version)


def _require_completed(session: AzureSession, job: str) -> None:
    status = session.ask("status", f"asking for the job {job}", name=job)
    if status["type"] != "command":
        raise UserError(
            f"{job} is a {status['type']} job, whose models belong to its steps or trials",
            code="job-without-model",
            hint="Name the step's job (`scripts/loop status` lists them), or the model that the "
            "pipeline registered: --model azureml:NAME@latest",
        )
    if status["status"] != "Completed":
        raise UserError(
            f"{job} is {status['status']}: only a completed job has a model to deploy",
            code="job-not-completed",
            hint=f"`scripts/loop logs {job} --follow` shows it to its end",
        )


def _require_usable(now: EndpointState, plan: DeploymentPlan) -> None:
    if now.state in FAILED:
        raise UserError(
            f"the endpoint {now.name} is in the state {now.state}",
            code="endpoint-failed",
            hint=f"Delete it with `scripts/loop endpoint delete {plan.experiment.name}`, and deploy "
            "again",
        )
    if (other := now.tags.get(blue_green.EXPERIMENT)) in plan.neighbours:
        raise UserError(
            f"the endpoint {now.name} belongs to {other}",
            code="endpoint-of-another-experiment",
            where=plan.folder.endpoint.where("name") if plan.folder.endpoint else "",
            hint="Write another name there: an endpoint serves one experiment",
        )


def finish(
    session: AzureSession, now: EndpointState, traffic: blue_green.Traffic, gone: tuple[str, ...]
) -> EndpointState:
    """Moves all traffic to the new deployment, then deletes the others."""
    if dict(now.traffic) != dict(traffic):
        assert now.new is not None
        steps.set_traffic(session, now.name, traffic, {blue_green.NEW: now.new.name})
        update(session.root, now.name, now.new.name, traffic=dict(traffic))
    for name in gone:
        steps.delete_deployment(session, now.name, name)
        update(session.root, now.name, name, state=store.FINISHED, traffic={})
    return settled_state(session, now.name)


def rollback(session: AzureSession, now: EndpointState, experiment: str) -> EndpointState:
    traffic, loser = blue_green.rollback_plan(now, experiment)
    winner = next(iter(traffic))
    steps.set_traffic(session, now.name, traffic, {blue_green.NEW: winner, blue_green.OLD: ""})
    update(session.root, now.name, loser, state=store.ROLLED_BACK, traffic={})
    update(session.root, now.name, winner, state=store.SERVING, traffic=dict(traffic))
    return settled_state(session, now.name)
