"""Three faults of each of nine kinds while clients work: nothing is lost, nothing comes twice or of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from storm.campaign import run_storm

N_FAULTS = 27


@pytest.mark.timeout(240)
def test_a_storm_loses_nothing(tmp_path: Path) -> None:
    report = run_storm(N_FAULTS, seed=1, folder=tmp_path)
    print(report.to_json())
    assert report.violations == []
    assert set(report.faults.values()) == {3}
    assert report.jobs["succeeded"] > 5, "there was work, on a machine that is busy otherwise too"
    assert report.retries, "clients felt it"
    assert report.lost_attempts, "workers were lost at work"
