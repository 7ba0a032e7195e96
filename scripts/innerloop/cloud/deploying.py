"""A deployment on its way: model, environment, endpoint, deployment, test request, traffic.

What is there is asked of Azure before each move, so the same command again goes on from wherever an
earlier one was cut off, and makes nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Mistake
from ..places.azureml.line import Fault
from ..records import git_state
from . import deployments, ledger, rollout
from .azure_talk import Talk, last, minutes, show_log
from .deployment import Plan
from .deployments import Entry, note
from .news import say
from .rollout import Move, Now
from .submission import workspace_of

UNSETTLED = ("Creating", "Updating", "Scaling", "Deleting", "Provisioning")
TRIES = 5
LINES = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """`now` is the endpoint after the move; `seconds` is how long the test request took."""

    move: Move
    now: Now
    model: str = ""
    seconds: float = 0.0


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
    if move.nothing:
        return Outcome(move, now)
    try:
        model = "" if move.reuse else _make(talk, plan, now, move, wanted, fingerprint)
        if move.reuse:
            _settle(talk, plan, now, move)
        seconds = _test(talk, plan, move)
    except KeyboardInterrupt:
        say(
            f"innerloop: no traffic was moved. What Azure has begun goes on there; the same command "
            f"again goes on from it, and `scripts/loop endpoint status {how}` shows it"
        )
        raise
    note(talk.root, plan.endpoint, move.name, state=deployments.TESTED)
    if dict(move.after) != dict(move.before):
        tags = {**_roles(move), rollout.EXPERIMENT: how}
        shift(talk, plan.endpoint, move.after, tags)
        state = deployments.SERVING
        note(talk.root, plan.endpoint, move.name, state=state, traffic=dict(move.after))
    return Outcome(move, look(talk, plan.endpoint), model, seconds)


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
    if source.kind != "registered":
        return _Model(f"{source.kind}:{source.digest or source.path}")
    told = talk.ask(
        "model_find", f"asking for the model {source.path}",
        name=source.path, version=source.version,
    )  # fmt: skip
    version = f"{told['name']}:{told['version']}"
    return _Model(told["mark"] or version, version)


def _usable(now: Now, plan: Plan) -> None:
    how = plan.experiment.name
    if now.state in rollout.FAILED:
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


def _make(talk: Talk, plan: Plan, now: Now, move: Move, wanted: _Model, fingerprint: str) -> str:
    """Everything up to a deployment that runs; the model as name:version."""
    model = wanted.version or _register(talk, plan, wanted.identity)
    if not plan.image.reference:
        told = talk.ask(
            "environment_register",
            f"environment {plan.image.name}:{plan.image.version}",
            plan.image.size,
            name=plan.image.name,
            version=plan.image.version,
            file=str(talk.root / plan.file.file),
            root=str(talk.root),
            tags={rollout.EXPERIMENT: plan.experiment.name},
        )
        where = "was there already" if told["existed"] else "is registered"
        say(f"innerloop: environment {plan.image.name}:{plan.image.version} {where}")
    if not now.state:
        _make_endpoint(talk, plan)
    for one in move.gone:
        remove(talk, plan.endpoint, one)
    entry = _before(talk.root, plan, move, model, fingerprint)
    _make_deployment(talk, plan, move, entry)
    return model


def _register(talk: Talk, plan: Plan, identity: str) -> str:
    source = plan.model
    path = str(talk.root / source.path) if source.kind == "folder" else source.azure_path
    tags = {rollout.EXPERIMENT: plan.experiment.name, "innerloop.from": source.path[:256]}
    if source.kind == "folder":
        tags["innerloop.digest"] = source.digest
    else:
        tags["innerloop.source"] = identity
    told = talk.ask(
        "model_register",
        f"model {plan.model_name} from {source.words}",
        source.size,
        name=plan.model_name,
        path=path,
        type=plan.file.model.type,
        description=f"{plan.experiment.name}, from {source.words}",
        tags=tags,
    )
    model = f"{told['name']}:{told['version']}"
    where = "was there already: it is the same" if told["existed"] else "is registered"
    say(f"innerloop: model {model} {where}")
    return model


def _make_endpoint(talk: Talk, plan: Plan) -> None:
    named = plan.folder.endpoint
    assert named is not None
    talk.ask(
        "endpoint_make",
        f"making the endpoint {plan.endpoint}",
        name=plan.endpoint,
        file=str(talk.root / named.text.name),
        tags={rollout.EXPERIMENT: plan.experiment.name},
    )
    say(f"innerloop: endpoint {plan.endpoint} is there")


def _make_deployment(talk: Talk, plan: Plan, move: Move, entry: Entry) -> None:
    try:
        talk.ask(
            "deployment_make",
            f"making the deployment {move.name} (Azure builds its image and starts it: minutes)",
            name=plan.endpoint,
            deployment=move.name,
            file=str(talk.root / plan.file.file),
            root=str(talk.root),
            model=entry.model,
            environment=entry.environment,
            tags={
                rollout.FINGERPRINT: entry.fingerprint,
                rollout.EXPERIMENT: plan.experiment.name,
                "innerloop.commit": str(entry.git.get("commit", "")),
            },
        )
    except Fault as fault:
        raise _failed(talk, plan, move, fault) from fault
    say(f"innerloop: deployment {move.name} is up")


def _settle(talk: Talk, plan: Plan, now: Now, move: Move) -> None:
    """Waits for a deployment that an earlier command began."""
    found = now.find(move.name)
    if found is None or found.state not in UNSETTLED:
        return
    try:
        words = f"{move.name} is {found.state.lower()} since an earlier try; waiting"
        talk.ask("deployment_settle", words, name=plan.endpoint, deployment=move.name)
    except Fault as fault:
        raise _failed(talk, plan, move, fault) from fault


def _failed(talk: Talk, plan: Plan, move: Move, fault: Fault) -> Mistake:
    """A deployment that did not come up: its log is shown, and how to go on is said."""
    note(talk.root, plan.endpoint, move.name, state=deployments.FAILED)
    if fault.code != "deployment-failed":
        return fault
    build = talk.logs
    if build:
        show_log("the end of the image's build log", last(build, LINES))
    else:
        show_log(f"the end of {move.name}'s log", talk.tail(plan.endpoint, move.name, LINES))
    how = plan.experiment.name
    return Fault(
        f"{fault.what}; no traffic was moved",
        mend=f"{fault.mend}. `scripts/loop endpoint logs {how} --deployment {move.name}` shows more; "
        f"the next `scripts/loop deploy {how}` takes its place, "
        f"`scripts/loop endpoint delete {how} --deployment {move.name}` takes it away".lstrip(". "),
        code=fault.code,
    )


def _test(talk: Talk, plan: Plan, move: Move) -> float:
    """The sample request, to this deployment alone; a `Mistake` for every answer but 200."""
    told: dict[str, Any] = talk.ask(
        "endpoint_probe",
        f"test request to {move.name}: {plan.sample}",
        name=plan.endpoint,
        deployment=move.name,
        file=str(talk.root / plan.sample),
        type=plan.content,
        tries=TRIES,
    )
    if told["status"] == 200:
        text = " ".join(told["text"].split())
        say(f"innerloop: test request answered in {minutes_of(told['seconds'])}: {text[:160]}")
        return float(told["seconds"])
    note(talk.root, plan.endpoint, move.name, state=deployments.FAILED)
    show_log(f"the end of {move.name}'s log", talk.tail(plan.endpoint, move.name, LINES))
    how = plan.experiment.name
    said = " ".join(told["text"].split())[:300].rstrip(".")
    status = f"was answered {told['status']}" if told["status"] else "was not answered"
    raise Mistake(
        f"the test request to {move.name} {status}: {said}; no traffic was moved",
        mend=f"`scripts/loop endpoint logs {how} --deployment {move.name}` shows its log; the next "
        f"`scripts/loop deploy {how}` takes its place, `scripts/loop endpoint delete {how} "
        f"--deployment {move.name}` takes it away",
    )


def minutes_of(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else minutes(seconds)


def shift(talk: Talk, endpoint: str, traffic: rollout.Traffic, tags: dict[str, str]) -> None:
    talk.ask(
        "endpoint_traffic",
        f"traffic of {endpoint}: {rollout.words(traffic)}",
        name=endpoint,
        traffic=dict(traffic),
        tags=tags,
    )


def remove(talk: Talk, endpoint: str, deployment: str) -> None:
    words = f"taking {deployment} away"
    talk.ask("deployment_remove", words, name=endpoint, deployment=deployment)
    say(f"innerloop: deployment {deployment} is gone")


def finish(talk: Talk, now: Now, traffic: rollout.Traffic, gone: tuple[str, ...]) -> Now:
    """All traffic to the new one, then the others go."""
    if dict(now.traffic) != dict(traffic):
        assert now.new is not None
        shift(talk, now.name, traffic, {rollout.NEW: now.new.name})
        note(talk.root, now.name, now.new.name, traffic=dict(traffic))
    for one in gone:
        remove(talk, now.name, one)
        note(talk.root, now.name, one, state=deployments.FINISHED, traffic={})
    return look(talk, now.name)


def roll_back(talk: Talk, now: Now, how: str) -> Now:
    traffic, loser = rollout.back(now, how)
    winner = next(iter(traffic))
    shift(talk, now.name, traffic, {rollout.NEW: winner, rollout.OLD: ""})
    note(talk.root, now.name, loser, state=deployments.ROLLED_BACK, traffic={})
    note(talk.root, now.name, winner, state=deployments.SERVING, traffic=dict(traffic))
    return look(talk, now.name)


def _before(root: Path, plan: Plan, move: Move, model: str, fingerprint: str) -> Entry:
    """The ledger's entry, written before anything is made."""
    assert plan.target is not None
    git, patch = ledger.code_of(git_state.read(root))
    entry = Entry(
        endpoint=plan.endpoint,
        deployment=move.name,
        fingerprint=fingerprint,
        experiment=plan.experiment.name,
        workspace=workspace_of(plan.target),
        state=deployments.MAKING,
        at=ledger.now(),
        model=model,
        source=plan.model.words,
        digest=plan.model.digest,
        environment=plan.image.on_azure,
        git=git,
    )
    deployments.write(root, entry, patch)
    return entry
