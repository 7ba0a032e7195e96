"""A deployment on its way: model, environment, endpoint, deployment, test request, traffic.

What is there is asked of Azure before each move, so the same command again goes on from wherever an
earlier one was cut off, and makes nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Mistake
from ..places.azureml.states import FAILED, UNSETTLED
from . import deployment_steps as steps
from . import deployments, rollout
from .azure_talk import Talk
from .deployment import Plan
from .deployments import note
from .news import say
from .rollout import Move, Now


@dataclass(frozen=True, slots=True)
class Outcome:
    """`now` is the endpoint after the move."""

    move: Move
    now: Now


def look(talk: Talk, name: str) -> Now:
    """The endpoint as it stands, once Azure has ended what it still does with it."""
    while True:
        told = talk.ask("endpoint_look", f"asking for {name}", name=name)
        now = rollout.now_of(told, name)
        leaving = [one.name for one in now.deployments if one.state == "Deleting"]
        if now.state not in UNSETTLED and not leaving:
            return now
        if now.state in UNSETTLED:
            words = f"{name} is {now.state.lower()} still; waiting"
            talk.ask("endpoint_settle", words, name=name)
        for one in leaving:
            words = f"{one} is being deleted; waiting"
            talk.ask("deployment_settle", words, name=name, deployment=one)


def deploy(talk: Talk, plan: Plan, on_move: Callable[[Now, Move], None]) -> Outcome:
    """`on_move` hears what is about to happen, before anything is made."""
    how = plan.experiment.name
    wanted = _model(talk, plan)
    fingerprint = plan.fingerprint(wanted.identity)
    now = look(talk, plan.endpoint)
    _usable(now, plan)
    move = rollout.decide(now, fingerprint, plan.share, plan.name, how)
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
    note(talk.root, plan.endpoint, move.name, state=deployments.TESTED)
    if dict(move.after) != dict(move.before):
        tags = {**_roles(move), rollout.EXPERIMENT: how}
        steps.shift(talk, plan.endpoint, move.after, tags)
        state = deployments.SERVING
        note(talk.root, plan.endpoint, move.name, state=state, traffic=dict(move.after))
    return Outcome(move, look(talk, plan.endpoint))


def _roles(move: Move) -> dict[str, str]:
    if move.name in move.after:
        return {rollout.NEW: move.name, rollout.OLD: move.old}
    return {rollout.NEW: next(iter(move.after)), rollout.OLD: ""}


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
        raise Mistake(
            f"{job} is a {told['type']}, and its model is that of a step or a trial",
            mend="Name that one's job (`scripts/loop status` lists them), or what the pipeline has "
            "registered: --model azureml:NAME@latest",
        )
    if told["status"] != "Completed":
        raise Mistake(
            f"{job} is {told['status']}: only a job that has completed has a model to deploy",
            mend=f"`scripts/loop logs {job} --follow` shows it to its end",
        )


def _usable(now: Now, plan: Plan) -> None:
    how = plan.experiment.name
    if now.state in FAILED:
        raise Mistake(
            f"the endpoint {now.name} is in the state {now.state}",
            mend=f"Take it away with `scripts/loop endpoint delete {how}`, and deploy again",
        )
    if (other := now.tags.get(rollout.EXPERIMENT)) in plan.neighbours:
        raise Mistake(
            f"the endpoint {now.name} is that of {other}",
            where=plan.folder.endpoint.where("name") if plan.folder.endpoint else "",
            mend="Write another name there: an endpoint serves one experiment",
        )


def finish(talk: Talk, now: Now, traffic: rollout.Traffic, gone: tuple[str, ...]) -> Now:
    """All traffic to the new one, then the others go."""
    if dict(now.traffic) != dict(traffic):
        assert now.new is not None
        steps.shift(talk, now.name, traffic, {rollout.NEW: now.new.name})
        note(talk.root, now.name, now.new.name, traffic=dict(traffic))
    for one in gone:
        steps.remove(talk, now.name, one)
        note(talk.root, now.name, one, state=deployments.FINISHED, traffic={})
    return look(talk, now.name)


def roll_back(talk: Talk, now: Now, how: str) -> Now:
    traffic, loser = rollout.back(now, how)
    winner = next(iter(traffic))
    steps.shift(talk, now.name, traffic, {rollout.NEW: winner, rollout.OLD: ""})
    note(talk.root, now.name, loser, state=deployments.ROLLED_BACK, traffic={})
    note(talk.root, now.name, winner, state=deployments.SERVING, traffic=dict(traffic))
    return look(talk, now.name)
