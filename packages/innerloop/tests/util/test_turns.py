"""The queue of this machine: turns, and who gets what in which order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from innerloop.model.gpu import AUTO
from innerloop.runner import device_claims
from innerloop.runner.device_claims import ClaimableGpu
from innerloop.util import device_locks, turns
from innerloop.util.turns import Turn
from tests.support import ROOT


def test_turn_is_read_back_from_the_name_of_its_lock() -> None:
    turn = turns.of("20260131-101500-3fa2", ["nvidia-0", "nvidia-1"])
    assert turns.parse(turn.name) == turn and len(turn.name) <= device_locks.LONGEST
    assert turns.parse("turn-1-2-3") is None and turns.parse("nvidia-0") is None
    strange = turns.of("a b/c" * 40, ["slot-0"])
    assert turns.parse(strange.name) == strange


def test_only_those_who_came_earlier_for_the_same_are_ahead() -> None:
    first, other, second = Turn(1, "a", 0b01), Turn(2, "b", 0b10), Turn(3, "c", 0b11)
    assert turns.ahead_of(second, [second, other, first]) == [other, first]
    assert turns.ahead_of(other, [first, other, second]) == []


@pytest.mark.skipif(sys.platform != "linux", reason="locks of several users are Linux's")
def test_turn_of_another_user_counts_and_none_can_take_it_away() -> None:
    mine = turns.of(f"test-{os.getpid()}", ["gpu-of-a-test"])
    leave = turns.enter(mine)
    held = device_locks.take(f"test-{os.getpid()}-gpu")
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from innerloop.util import device_locks, turns\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "print(sys.argv[2] in [turn.id for turn in turns.waiting()], device_locks.take(sys.argv[3]))"
    )
    source = str(ROOT / "packages" / "innerloop" / "src")
    words = [sys.executable, "-c", script, source, mine.id, f"test-{os.getpid()}-gpu"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd="/")
    assert done.stdout == "True None\n", done.stderr
    assert mine in turns.waiting() and held is not None
    leave()
    held()
    assert mine not in turns.waiting()


class Killed(BaseException):
    """The process that asks is gone."""


@dataclass
class Machine:
    """Locks in memory, as a machine has them: those of a process go with it."""

    locks: dict[str, int] = field(default_factory=dict)
    now: int = -1
    calls_left: int | None = None

    def take(self, name: str) -> device_locks.Release | None:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Killed()
        if name in self.locks:
            return None
        self.locks[name] = self.now
        return lambda: self.locks.pop(name, None)

    def taken(self, prefix: str) -> frozenset[str]:
        return frozenset(name for name in self.locks if name.startswith(prefix))

    def drop(self, owner: int) -> None:
        """All that a process had."""
        self.locks = {name: of for name, of in self.locks.items() if of != owner}


@dataclass
class Supervisor:
    turn: Turn
    wants: tuple[ClaimableGpu, ...]
    count: int
    has: tuple[str, ...] = ()


def schedule(machine: Machine, chance: random.Random, steps: int) -> int:
    """One random schedule; returns how many runs got what they waited for."""
    gpus = tuple(ClaimableGpu(str(n), f"nvidia-{n}") for n in range(chance.choice([1, 2, 4])))
    slots = device_claims.slots(chance.choice([1, 8, 16]))
    living: dict[int, Supervisor] = {}
    started = 0

    def end(owner: int) -> None:
        machine.drop(owner)
        del living[owner]

    def poll(owner: int) -> None:
        nonlocal started
        one = living[owner]
        machine.now = owner
        waiting = [other for other in living.values() if not other.has and other is not one]
        try:
            taken = device_claims._in_turn(one.turn, one.wants, one.count, True)
        except Killed:
            end(owner)
            return
        finally:
            machine.calls_left = None
        if taken is None:
            return
        machine.locks.pop(one.turn.name)
        one.has = tuple(candidate.lock for candidate in taken)
        assert len(one.has) == one.count and not turns.ahead_of(one.turn, [o.turn for o in waiting])
        held = [lock for other in living.values() for lock in other.has]
        assert len(held) == len(set(held)), held
        started += 1

    for number in range(steps):
        act = chance.random()
        idle = [owner for owner, one in living.items() if not one.has]
        busy = [owner for owner, one in living.items() if one.has]
        if act < 0.3 or not living:
            wants = slots if chance.random() < 0.3 else gpus
            if wants is gpus and chance.random() < 0.3:
                wants = (chance.choice(gpus),)
            count = 1 if wants is slots else chance.randint(1, len(wants))
            bits = turns.of("x", [one.lock for one in wants]).wants
            turn = Turn(number, f"run-{number}", bits)
            machine.now = number
            assert machine.take(turn.name) is not None
            living[number] = Supervisor(turn, wants, count)
        elif act < 0.75 and idle:
            poll(chance.choice(idle))
        elif act < 0.82 and idle:  # killed in the middle of taking
            machine.calls_left = chance.randrange(12)
            poll(chance.choice(idle))
        elif act < 0.87:  # cancelled, or killed while it runs
            end(chance.choice(list(living)))
        elif busy:
            end(chance.choice(busy))
    # What is left comes to its end, whoever is asked first.
    for _ in range(len(living) ** 2 + 1):
        for owner in sorted(living, key=lambda _: chance.random()):
            if not living[owner].has:
                poll(owner)
        for owner in [owner for owner, one in living.items() if one.has]:
            end(owner)
    assert not living and not machine.locks
    return started


@pytest.mark.parametrize(
    ("schedules", "steps"), [(500, 40), pytest.param(5000, 200, marks=pytest.mark.nightly)]
)
def test_random_schedules_give_a_gpu_once_in_order_and_leave_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, schedules: int, steps: int
) -> None:
    """Schedules of asking, taking, kills in the middle of it, cancels and ends."""
    started = 0
    for seed in range(schedules):
        machine = Machine()
        monkeypatch.setattr(device_locks, "take", machine.take)
        monkeypatch.setattr(device_locks, "taken", machine.taken)
        started += schedule(machine, random.Random(seed), steps)
    assert started > 5 * schedules


def test_waiting_run_gets_the_gpu_before_one_that_came_later(tmp_path: Path) -> None:
    found = (ClaimableGpu("0", f"test-{os.getpid()}-order"),)
    earlier = turns.of("earlier", [found[0].lock])
    leave = turns.enter(earlier)
    lines: list[str] = []

    def waiting(line: str) -> None:
        lines.append(line)
        leave()  # the earlier one is gone

    claim = device_claims.claim(AUTO, found, 1, waiting)
    assert claim.setting.devices == ("0",) and len(lines) == 1
    claim.release()
