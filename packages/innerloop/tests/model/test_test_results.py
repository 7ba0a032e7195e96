"""The results that an editor shows, from pytest's JUnit XML."""

from __future__ import annotations

import pytest

from innerloop.model import test_results

JUNIT = """<?xml version="1.0"?><testsuites><testsuite tests="6">
<testcase classname="tests.test_a" name="test_one" time="0.25" />
<testcase classname="tests.test_a" name="test_many[1-&lt;x>]" time="nan"/>
<testcase classname="tests.test_a.TestB" name="test_one" time="?"><failure message="no">def test():
&gt; assert &quot;a&quot; == 1
tests/test_a.py:7: AssertionError</failure></testcase>
<testcase classname="tests.test_b" name="test_skip"><skipped message="why &amp; how"/></testcase>
<testcase classname="tests.test_b" name="test_error"><system-out>x</system-out><error message="failed on setup">no fixture</error></testcase>
<testcase classname="...common.tests.test_c" name="test_shared" time="0"/>
</testsuite></testsuites>"""


def test_junit_has_names_states_and_messages() -> None:
    found = test_results.of_junit(JUNIT)
    assert [(result.name, result.state, result.seconds) for result in found] == [
        ("tests.test_a.test_one", "passed", 0.25),
        ("tests.test_a.test_many", "passed", 0.0),
        ("tests.test_a.TestB.test_one", "failed", 0.0),
        ("tests.test_b.test_skip", "skipped", 0.0),
        ("tests.test_b.test_error", "errored", 0.0),
        ("...common.tests.test_c.test_shared", "passed", 0.0),
    ]
    assert [result.message for result in found][2:5] == [
        'def test():\n> assert "a" == 1\ntests/test_a.py:7: AssertionError',
        "why & how",
        "no fixture",
    ]


@pytest.mark.parametrize("text", ["", "<", "<a>&b;</a>", "text"])
def test_junit_that_is_no_xml_has_no_results(text: str) -> None:
    assert test_results.of_junit(text) == ()
