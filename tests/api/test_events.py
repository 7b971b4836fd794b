"""``GET /jobs/{id}/events``: everything once and in order, however often the connection is cut."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from databases import lis2, record, run_job
from fastapi.testclient import TestClient
from live import Server
from servers import HOST, wait_until
from sqlalchemy import event
from sse import Event, follow, parse_events

from service.domain import Principal, Scope
from service.domain.keys import KeyRequest
from service.jobs import (
    ChunkLimits,
    cancel_job,
    claim_chunk,
    create_key,
    list_due_chunks,
    load_job_structures,
    record_analysis,
    record_generated,
    submit_job,
)
from service.main import create_app
from service.security import load_secret
from service.settings import Settings
from service.store import Store, structures

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is no matter of the database."""

N = 8
LIMITS = ChunkLimits(max_samples=2)
GROUP = Principal(key_id="", group="theirs", scopes=frozenset(Scope))


def read_all(client: TestClient, job_id: str, last_event_id: int = 0) -> list[Event]:
    """The whole stream of a job that is over."""
    answer = client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(last_event_id)})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return list(parse_events(iter(answer.text.split("\n"))))


def run_chunk(store: Store, chunk_id: str) -> None:
    """Do what a worker would."""
    claim = claim_chunk(store, chunk_id, "worker", 60.0)
    assert claim is not None
    if claim.kind == "generate":
        assert record_generated(store, claim, [record(k, -1.0 - k) for k in range(claim.start, claim.stop)])
    else:
        ids = [structure.id for structure in load_job_structures(store, claim)]
        assert record_analysis(store, claim, dict.fromkeys(ids), {}, "0123456789ab")


@pytest.fixture
def finished(store: Store) -> str:
    return run_job(store, lis2(N), [-1.0 - k for k in range(N)], limits=LIMITS)


def test_a_finished_job_tells_its_structures_then_itself_then_the_end(client: TestClient, finished: str) -> None:
    events = read_all(client, finished)
    assert [entry.name for entry in events] == ["structure"] * N + ["job", "end"]
    assert [entry.id for entry in events] == [*(str(k + 1) for k in range(N)), str(N), str(N)]
    assert [entry.json()["sample"] for entry in events[:N]] == list(range(N))
    assert events[-1].data == "succeeded"
    assert events[-2].json() == client.get(f"/jobs/{finished}").json()
    structure = events[0].json()
    full = client.get(f"/structures/{structure['id']}").json()
    assert structure == {name: full[name] for name in structure}
    assert {"formula", "pseudo_energy_per_atom", "converged", "space_group", "matches"} <= structure.keys()
    assert not {"atoms", "energy_above_hull", "duplicate_of"} & structure.keys()  # large, or not known yet


def test_a_stream_is_taken_up_wherever_it_was_cut(client: TestClient, finished: str) -> None:
    whole = read_all(client, finished)
    for k in range(N + 1):
        assert read_all(client, finished, k) == whole[k:]


def test_chunks_are_told_in_the_order_in_which_they_were_recorded(client: TestClient, store: Store) -> None:
    job_id = submit_job(store, lis2(N), LIMITS)
    chunks = list_due_chunks(store, job_id=job_id)
    shuffled = [chunks[k] for k in (2, 0, 3, 1)]
    for chunk_id in shuffled:
        run_chunk(store, chunk_id)
    cancel_job(store, job_id, "public")
    events = read_all(client, job_id)
    assert [entry.json()["sample"] for entry in events[:N]] == [4, 5, 0, 1, 6, 7, 2, 3]
    assert events[-1].data == "cancelled"


def test_the_order_holds_when_the_clock_is_set_back(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit_job(store, lis2(N), LIMITS)
    chunks = list_due_chunks(store, job_id=job_id)
    start = datetime.now(UTC)
    for hours, chunk_id in enumerate(chunks):
        monkeypatch.setattr(structures, "read_clock", lambda _connection, n=hours: start - timedelta(hours=n))
        run_chunk(store, chunk_id)
    cancel_job(store, job_id, "public")
    assert [entry.json()["sample"] for entry in read_all(client, job_id)[:N]] == list(range(N))


def test_there_are_no_events_of_what_is_not_there(client: TestClient) -> None:
    for job_id in ("nothing", "01m82bdrpfe9r60xv08f1264tt", "%00"):
        answer = client.get(f"/jobs/{job_id}/events")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    assert client.app.state.services.feeds.n_streams == 0  # type: ignore[attr-defined]


@on_sqlite
def test_what_is_no_event_id_is_refused(client: TestClient, finished: str) -> None:
    for last in ("x", "-1", "1e3", "99999999999999"):
        answer = client.get(f"/jobs/{finished}/events", headers={"Last-Event-ID": last})
        assert answer.status_code == 422


def test_another_group_sees_no_events(settings: Settings, store: Store, finished: str) -> None:
    guarded = settings.model_copy(update={"keys": "on", "key_secret": "0123456789abcdef" * 4})
    theirs = submit_job(store, lis2(2), LIMITS, principal=GROUP)
    cancel_job(store, theirs, GROUP.group)
    key, _ = create_key(
        store, load_secret(guarded), KeyRequest(name="test", group=GROUP.group, scopes=frozenset({Scope.READ}))
    )
    with TestClient(create_app(guarded), "http://localhost") as client:
        assert client.get(f"/jobs/{theirs}/events").status_code == 401
        client.headers["Authorization"] = f"Bearer {key.text}"
        assert client.get(f"/jobs/{theirs}/events").status_code == 200
        assert client.get(f"/jobs/{finished}/events").status_code == 404


@pytest.fixture
def server(settings: Settings, store: Store) -> Server:
    return Server(settings.model_copy(update={"max_event_streams": 3}))


def test_nothing_is_lost_or_repeated_however_often_the_connection_is_cut(server: Server, store: Store) -> None:
    """While chunks are recorded the client hangs up after one to five events, and comes back with the last id."""
    chance = random.Random(0)
    job_id = submit_job(store, lis2(40), LIMITS)

    def work() -> None:
        while chunks := list_due_chunks(store, job_id=job_id):
            run_chunk(store, chance.choice(chunks))

    with server.running() as client:
        worker = threading.Thread(target=work)
        worker.start()
        seen: list[Event] = []
        last, n_cuts, is_over = "", 0, False
        while not is_over:
            left = random.Random(n_cuts).randint(1, 5)
            stream = follow(client, job_id, last)
            for entry in stream:
                last = entry.id
                if entry.name == "structure":
                    seen.append(entry)
                is_over = entry.name == "end"
                left -= 1
                if not left:
                    break
            stream.close()
            n_cuts += 1
        worker.join()
        wait_until(lambda: server.n_streams == 0, "left streams end")
    assert n_cuts > 8
    assert [entry.id for entry in seen] == [str(k + 1) for k in range(40)]
    assert sorted(entry.json()["sample"] for entry in seen) == list(range(40))


@on_sqlite
def test_changes_come_as_they_happen(server: Server, store: Store) -> None:
    job_id = submit_job(store, lis2(2), LIMITS)
    with server.running() as client:
        stream = follow(client, job_id)
        first = next(stream)
        assert (first.name, first.id, first.json()["state"]) == ("job", "0", "queued")
        for chunk_id in list_due_chunks(store, job_id=job_id):
            run_chunk(store, chunk_id)
        assert [next(stream).json()["sample"] for _ in range(2)] == [0, 1]
        changed = next(stream)
        assert (changed.name, changed.id, changed.json()["counts"]["generated"]) == ("job", "2", 2)
        for chunk_id in list_due_chunks(store, job_id=job_id):
            run_chunk(store, chunk_id)
        assert [(entry.name, entry.data[:9]) for entry in stream][-1] == ("end", "succeeded")


@on_sqlite
def test_streams_are_bounded_and_share_what_is_read(server: Server, store: Store) -> None:
    job_id = submit_job(store, lis2(2), LIMITS)
    n_read = 0

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal n_read
        n_read += "n_steps" in statement

    engine = server.app.state.services.store._engine
    with server.running() as client:
        streams = [follow(client, job_id) for _ in range(3)]
        for stream in streams:
            assert next(stream).name == "job"
        refused = client.get(f"/jobs/{job_id}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/metrics").text.count("rmatch_event_streams 3.0") == 1
        event.listen(engine, "before_cursor_execute", note)
        cancel_job(store, job_id, "public")
        for stream in streams:
            assert [entry.name for entry in stream] == ["job", "end"]
        event.remove(engine, "before_cursor_execute", note)
        wait_until(lambda: server.n_streams == 0, "the streams end")
        assert follow(client, job_id)
    assert 1 <= n_read < 2 * 3  # a look or two and one reading, for all of them


@on_sqlite
def test_a_process_that_is_about_to_end_sends_its_clients_away(server: Server, store: Store) -> None:
    job_id = submit_job(store, lis2(2), LIMITS)
    with server.running() as client:
        stream = follow(client, job_id)
        assert next(stream).name == "job"
        server.app.state.draining.set()
        assert list(stream) == []
        answer = client.get(f"/jobs/{job_id}/events")
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")


@on_sqlite
def test_a_quiet_stream_says_that_it_lives(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    job_id = submit_job(store, lis2(2), LIMITS)
    with server.running() as client, client.stream("GET", f"/jobs/{job_id}/events") as response:
        assert any(line.startswith(":") for line in response.iter_lines())


@on_sqlite
def test_a_stream_ends_after_a_while_so_that_the_key_is_looked_at_again(settings: Settings, store: Store) -> None:
    server = Server(settings.model_copy(update={"event_stream_seconds": 0.1}))
    job_id = submit_job(store, lis2(2), LIMITS)
    with server.running() as client:
        assert [entry.name for entry in follow(client, job_id)] == ["job"]


@on_sqlite
def test_who_does_not_read_costs_no_memory(server: Server, store: Store) -> None:
    """What is not taken off the wire is not read from the database either; it comes later, complete and in order."""
    n = 1500
    job_id = run_job(store, lis2(n), [-1.0] * n)
    n_pages = 0

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal n_pages
        n_pages += "OFFSET" in statement

    event.listen(server.app.state.services.store._engine, "before_cursor_execute", note)
    with server.running() as client, socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(server.address)
        lazy.sendall(f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        seen = -1
        while seen != n_pages or not n_pages:
            seen = n_pages
            assert client.get("/models").status_code == 200  # everybody else is served meanwhile
            time.sleep(0.5)
        assert n_pages < n / 64 / 2
        assert server.n_streams == 1
        text = b"".join(iter(lambda: lazy.recv(65536), b"")).decode()
        wait_until(lambda: server.n_streams == 0, "the stream ends")
    assert re.findall(r"event: structure\r?\n.*?\nid: (\d+)", text, re.S) == [str(k + 1) for k in range(n)]
