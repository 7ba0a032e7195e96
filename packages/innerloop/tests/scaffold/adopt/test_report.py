"""What `init --here` prints of small and of large repositories."""

from __future__ import annotations

from innerloop.scaffold.adopt import findings, proposal, report
from innerloop.scaffold.adopt.adoption import AdoptionPlan
from innerloop.scaffold.adopt.repository_tree import tree_of

JOB = "command: python train.py\ncode: .\nenvironment: {image: 'a'}\n"


def printed(texts: dict[str, str]) -> list[str]:
    tree = tree_of(texts)
    found = findings.find(tree)
    proposed = proposal.propose(found, tree)
    writes = [f".devcontainer/{one.name}/devcontainer.json" for one in proposed.experiments]
    plan = AdoptionPlan(found, proposed, (*writes, "innerloop.toml"), {"x.json": "adds y"})
    return list(report.lines(plan))


def test_few_experiments_are_shown_each() -> None:
    lines = printed({f"jobs/job_{number}.yml": JOB for number in range(3)})
    assert sum(line.startswith("experiment job_") for line in lines) == 3
    assert sum(line.startswith("writes: .devcontainer/job_") for line in lines) == 3
    assert "changes: x.json: adds y" in lines


def test_hundreds_of_experiments_are_shown_by_folder() -> None:
    texts = {f"jobs/of_{number}/deep/job_{number}.yml": JOB for number in range(2)}
    texts |= {f"jobs/job_{number}.yml": JOB for number in range(10, 310)}
    lines = printed(texts)
    assert len(lines) < 20
    (group,) = (line for line in lines if line.startswith("300 experiments in jobs (command): "))
    assert group.endswith(" and 292 more")
    assert "writes: .devcontainer/ (302 files)" in lines and "writes: innerloop.toml" in lines
    assert any(line.endswith("(302 times)") for line in lines)
    assert any("--only" in line for line in lines)
