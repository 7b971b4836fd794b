"""Many clients send two requests under one key to two APIs that are killed all the time: one request has one job."""

from __future__ import annotations

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pytest
from storm.checker import Evidence, Rule, check
from storm.clients import Client, new_body
from storm.history import History, read_history
from storm.snapshot import read_snapshot
from storm.supervisor import Supervisor, run_service

N_CLIENTS = 8
N_KILLS = 6
KILL_SECONDS = 1.5


def kill_in_turn(service: Supervisor, over: threading.Event) -> None:
    """Kill one API, then the other, and so on; the supervisor starts them again."""
    for api, _ in zip(cycle(service.apis), range(N_KILLS), strict=False):
        time.sleep(KILL_SECONDS)
        api.send_all(signal.SIGKILL)
    over.set()


@pytest.mark.timeout(180)
def test_a_key_stands_for_one_request_whatever_dies(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    killed, never = threading.Event(), threading.Event()
    with run_service(tmp_path, n_workers=0) as service, closing(History(path)) as history:
        clients = [Client(service, history, seed, never, never) for seed in range(N_CLIENTS)]
        threading.Thread(target=kill_in_turn, args=(service, killed)).start()
        n_keys = 0
        with ThreadPoolExecutor(N_CLIENTS) as pool:
            while n_keys <= N_KILLS or not killed.is_set():
                n_keys += 1
                bodies = [new_body(random.Random(n_keys)) for _ in range(2)]
                answers = [
                    pool.submit(client.submit, f"key-{n_keys}", bodies[turn % 2]) for turn, client in enumerate(clients)
                ]
                jobs = [answer.result() for answer in answers]
                assert len(set(jobs) - {""}) == 1, "one job, or a refusal"
                assert jobs.count("") == N_CLIENTS // 2, "everybody knows in the end"
        for client in clients:
            client.close()
        snapshot = read_snapshot(service.database_url)
    assert len(snapshot.jobs) == n_keys
    found = check(Evidence(read_history(path), snapshot, deadline=time.time()))
    assert {violation.rule for violation in found} == {Rule.UNFINISHED}, "nobody works here"
