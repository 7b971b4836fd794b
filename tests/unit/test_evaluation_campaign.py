"""Campaigns: resumed, in several processes, and what is kept of them."""

from __future__ import annotations

import json
import os

import pytest
from campaigns import Squares, Unprepared

from rm_engine.errors import FileFormatError
from rm_engine.evaluation.campaign import run_campaign
from rm_engine.evaluation.journal import Journal


class KilledError(Exception):
    pass


def squares(results):
    return [result["square"] for result in results]


def test_results_come_in_the_order_of_the_tasks_from_any_number_of_processes():
    here, there = (run_campaign(Squares(5), n_workers=n) for n in (1, 2))
    assert squares(here) == squares(there) == [0, 1, 4, 9, 16]
    assert {result["process"] for result in here} == {os.getpid()}
    assert os.getpid() not in {result["process"] for result in there}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_errors_come_whole_from_any_process(n_workers):
    with pytest.raises(FileFormatError, match=r"line 3: no structure in it") as raised:
        run_campaign(Unprepared(3), n_workers=n_workers)
    assert raised.value.line == 3
    assert raised.value.field == "file"


def test_a_campaign_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "folder" / "records.jsonl"

    def stop(n_done, _result):
        if n_done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        run_campaign(Squares(5), journal=Journal(path), on_result=stop)
    with path.open("a") as stream:
        stream.write('{"identity": {"number": 3')  # the line that a kill cut off
    seen = []
    results = run_campaign(Squares(5), journal=Journal(path), on_result=lambda n, _: seen.append(n))
    assert squares(results) == [0, 1, 4, 9, 16]
    assert seen == [1, 2, 3, 4, 5]
    numbers = [json.loads(line)["identity"]["number"] for line in path.read_text().splitlines()]
    assert numbers == [0, 1, 2, 3, 4]


def test_results_of_other_settings_are_not_taken(tmp_path):
    path = tmp_path / "records.jsonl"
    run_campaign(Squares(3), journal=Journal(path))
    assert squares(run_campaign(Squares(3, power=3), journal=Journal(path))) == [0, 1, 8]
    assert len(path.read_text().splitlines()) == 6
