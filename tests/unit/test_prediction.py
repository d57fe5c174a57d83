"""Header prediction of TCP changes what the whole judgement would have changed, or nothing."""

from __future__ import annotations

from tests.pure import run_pure_json


def test_predicted_and_judged_agree() -> None:
    module = "runpy.run_module('tests.unit.predictions', run_name='__main__')"
    found = run_pure_json(f"import sys, runpy; sys.path.insert(0, ROOT); {module}", "0", "60000")
    assert found["different"] == []
    # both ways were gone often
    assert found["predicted"] > 5000 and found["left"] > 5000
