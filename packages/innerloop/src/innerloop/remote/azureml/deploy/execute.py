"""A deployment on its way: model, environment, endpoint, deployment, test request, traffic.

What is there is asked of Azure before each move, so the same command again goes on from wherever an
earlier one was cut off, and makes nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....util.errors import UserError
from ...progress import say
from ..session import Talk
from ..worker.job_states import FAILED, UNSETTLED
from . import blue_green, steps, store
from .blue_green import EndpointState, RolloutPlan
from .plan import Plan
from .store import note


@dataclass(frozen=True, slots=True)
class Outcome:
    """`now` is the endpoint after the move."""

    move: RolloutPlan
    now: EndpointState


def look(talk: Talk, name: str) -> EndpointState:
    """The endpoint as it stands, once Azure has ended what it still does with it."""
    while True:
        told = talk.ask("endpoint_look", f"asking for {name}", name=name)
        now = blue_green.now_of(told, name)
        leaving = [one.name for one in now.deployments if one.state == "Deleting"]
        if now.state not in UNSETTLED and not leaving:
            return now
        if now.state in UNSETTLED:
            words = f"{name} is {now.state.lower()} still; waiting"
            talk.ask("endpoint_settle", words, name=name)
        for one in leaving:
            words = f"{one} is being deleted; waiting"
            talk.ask("deployment_settle", words, name=name, deployment=one)


def deploy(
    talk: Talk, plan: Plan, on_move: Callable[[EndpointState, RolloutPlan], None]
) -> Outcome:
    """`on_move` hears what is about to happen, before anything is made."""
    how = plan.experiment.name
    wanted = _model(talk, plan)
    fingerprint = plan.fingerprint(wanted.identity)
    now = look(talk, plan.endpoint)
    _usable(now, plan)
    move = blue_green.decide(now, fingerprint, plan.share, plan.name, how)
    on_move(now, move)
    steps.bring_in_line(talk, plan, now)
    if move.nothing:
        return Outcome(move, now)
    try:
        if move.reuse:
            steps.settle(talk, plan, now, move)
        else:
            model = wanted.version or steps.register(talk, plan, wanted.identity)
            steps.make(talk, plan, now, move, model, fingerprint)
        steps.test(talk, plan, move)
    except KeyboardInterrupt:
        say(
            f"innerloop: no traffic was moved. What Azure has begun goes on there; the same command "
            f"again goes on from it, and `scripts/loop endpoint status {how}` shows it"
        )
        raise
    note(talk.root, plan.endpoint, move.name, state=store.TESTED)
    if dict(move.after) != dict(move.before):
        tags = {**_roles(move), blue_green.EXPERIMENT: how}
        steps.shift(talk, plan.endpoint, move.after, tags)
        state = store.SERVING
        note(talk.root, plan.endpoint, move.name, state=state, traffic=dict(move.after))
    return Outcome(move, look(talk, plan.endpoint))


def _roles(move: RolloutPlan) -> dict[str, str]:
    if move.name in move.after:
        return {blue_green.NEW: move.name, blue_green.OLD: move.old}
    return {blue_green.NEW: next(iter(move.after)), blue_green.OLD: ""}


@dataclass(frozen=True, slots=True)
class _Model:
    """What tells a model from others before it is registered, and name:version where it is."""

    identity: str
    version: str = ""


def _model(talk: Talk, plan: Plan) -> _Model:
    source = plan.model
    if source.kind == "job":
        _require_completed(talk, source.path)
    if source.kind != "registered":
        return _Model(f"{source.kind}:{source.digest or source.path}")
    told = talk.ask(
        "model_find", f"asking for the model {source.path}",
        name=source.path, version=source.version,
    )  # fmt: skip
    version = f"{told['name']}:{told['version']}"
    return _Model(told["mark"] or version, version)


def _require_completed(talk: Talk, job: str) -> None:
    told = talk.ask("status", f"asking for the job {job}", name=job)
    if told["type"] != "command":
        raise UserError(
            f"{job} is a {told['type']}, and its model is that of a step or a trial",
            hint="Name that one's job (`scripts/loop status` lists them), or what the pipeline has "
            "registered: --model azureml:NAME@latest",
        )
    if told["status"] != "Completed":
        raise UserError(
            f"{job} is {told['status']}: only a job that has completed has a model to deploy",
            hint=f"`scripts/loop logs {job} --follow` shows it to its end",
        )


def _usable(now: EndpointState, plan: Plan) -> None:
    how = plan.experiment.name
    if now.state in FAILED:
        raise UserError(
            f"the endpoint {now.name} is in the state {now.state}",
            hint=f"Take it away with `scripts/loop endpoint delete {how}`, and deploy again",
        )
    if (other := now.tags.get(blue_green.EXPERIMENT)) in plan.neighbours:
        raise UserError(
            f"the endpoint {now.name} is that of {other}",
            where=plan.folder.endpoint.where("name") if plan.folder.endpoint else "",
            hint="Write another name there: an endpoint serves one experiment",
        )


def finish(
    talk: Talk, now: EndpointState, traffic: blue_green.Traffic, gone: tuple[str, ...]
) -> EndpointState:
    """All traffic to the new one, then the others go."""
    if dict(now.traffic) != dict(traffic):
        assert now.new is not None
        steps.shift(talk, now.name, traffic, {blue_green.NEW: now.new.name})
        note(talk.root, now.name, now.new.name, traffic=dict(traffic))
    for one in gone:
        steps.remove(talk, now.name, one)
        note(talk.root, now.name, one, state=store.FINISHED, traffic={})
    return look(talk, now.name)


def roll_back(talk: Talk, now: EndpointState, how: str) -> EndpointState:
    traffic, loser = blue_green.rollback_plan(now, how)
    winner = next(iter(traffic))
    steps.shift(talk, now.name, traffic, {blue_green.NEW: winner, blue_green.OLD: ""})
    note(talk.root, now.name, loser, state=store.ROLLED_BACK, traffic={})
    note(talk.root, now.name, winner, state=store.SERVING, traffic=dict(traffic))
    return look(talk, now.name)
