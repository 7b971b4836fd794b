"""The benchmark of the command line runs at a tiny size and computes what it says."""

from __future__ import annotations

from benchmarks import cold


def test_it_runs_and_replays_whole_searches() -> None:
    total, first, *overheads = cold.run(n=2, n_runs=1, n_searched=6)
    assert 0 < first.value < total.value
    assert "importing torch" in total.note
    assert [row.goal for row in overheads] == [3, 3]
    assert all(row.value > 0 for row in overheads)
