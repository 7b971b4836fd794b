"""Imports from OPTIMADE providers: our own real server, and some that answer as none should."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from imports import Command, Stored, summary
from processes import run_rmatch
from providers import Answer, Provider, Question, optimade_entry, optimade_pages, run_provider
from servers import free_port, wait_until

from rmatch.errors import CommandError
from rmatch.importing.fetching import Fetcher, FetchLimits
from service.jobs import list_imports
from service.settings import Settings
from service.store import Store


def test_a_killed_import_goes_on_with_the_page_where_it_was(
    rmatch: Command, stored: Stored, store: Store, settings: Settings
) -> None:
    entries, is_stuck = [optimade_entry(k) for k in range(50)], True

    def answer(question: Question) -> Answer:
        if is_stuck and question.get("page_offset") == "30":
            return Answer(status=503, headers={"Retry-After": "200"})
        return optimade_pages(entries, question)

    with run_provider(answer) as provider:
        words = ("references", "import", provider.url, "--page-size", "10")
        with run_rmatch(*words, environment={"RMATCH_DATA_DIR": str(settings.data_dir)}) as running:
            wait_until(
                lambda: any(q.get("page_offset") == "30" for q in provider.questions), "the fourth page is asked"
            )
            running.kill()
        (record,) = list_imports(store)
        assert (record.n_new, record.is_finished) == (30, False)
        assert "broken off or running" in rmatch("list").stdout
        is_stuck = False
        n_before = len(provider.questions)
        result = rmatch(*words[1:])
    assert result.stdout == summary(50), "nothing came twice"
    assert [question["page_offset"] for question in provider.questions[n_before:]] == ["30", "40"]
    assert stored().keys() == {entry["id"] for entry in entries}


def test_a_provider_that_is_busy_is_asked_again(rmatch: Command) -> None:
    entries = [optimade_entry(k) for k in range(4)]
    troubles = [
        Answer(status=None),
        Answer(status=429, headers={"Retry-After": "0"}),
        Answer(status=503, headers={"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
    ]
    with run_provider(lambda question: troubles.pop(0) if troubles else optimade_pages(entries, question)) as provider:
        result = rmatch("import", provider.url, "--page-size", 2)
    assert result.stdout == summary(4)
    assert len(provider.questions) == 5
    assert provider.questions[0] == provider.questions[3]


def test_a_provider_that_is_busy_for_long_is_left_alone(rmatch: Command) -> None:
    with run_provider(lambda _: Answer(status=429, headers={"Retry-After": "4000"})) as provider:
        result = rmatch("import", provider.url)
    assert "wants to be left alone for 4,000 s. Run the same again later" in str(result.exception)
    assert len(provider.questions) == 1


@pytest.mark.parametrize("how", ["links.next", "links.next.href", "redirect"])
@pytest.mark.parametrize("where", ["another port", "another name", "file"])
def test_a_provider_cannot_send_us_elsewhere(rmatch: Command, how: str, where: str) -> None:
    with run_provider(lambda question: optimade_pages([optimade_entry(9)], question)) as inside:
        port = inside.url.rpartition(":")[2]
        target = {"another port": inside.url, "another name": f"http://localhost:{port}", "file": "file:///etc/passwd"}
        link = f"{target[where]}/v1/structures?page_limit=1"

        def answer(question: Question) -> Answer:
            if how == "redirect":
                return Answer(status=302, headers={"Location": link})
            page = {"data": ["text"], "meta": {}, "links": {"next": link if how == "links.next" else {"href": link}}}
            return Answer(page)

        with run_provider(answer) as provider:
            result = rmatch("import", provider.url)
    assert "which is elsewhere. It is not followed" in str(result.exception)
    assert inside.questions == []


def test_a_redirect_on_the_same_host_is_followed(rmatch: Command) -> None:
    def answer(question: Question) -> Answer:
        if question["path"] == "/v1/structures":
            return Answer(status=301, headers={"Location": f"/moved?page_limit={question['page_limit']}"})
        return optimade_pages([optimade_entry(0)], question)

    with run_provider(answer) as provider:
        assert rmatch("import", provider.url).stdout == summary(1)


SHARED = [{"name": "lithium", "chemical_symbols": ["Li", "Na"], "concentration": [0.5, 0.5]}]
ATTACHED = [{"name": "lithium", "chemical_symbols": ["Li"], "attached": ["H"], "nattached": [1]}]
SKIPPED = {
    "it says so": {"structure_features": ["disorder"]},
    "a molecule is attached": {"species": ATTACHED},
    "a site is shared": {"species": SHARED},
    "a vacancy": {"species": [{"name": "lithium", "chemical_symbols": ["vacancy"]}]},
    "a site of nothing": {"species_at_sites": ["beryllium"]},
}
BROKEN = {
    "no positions": {"cartesian_site_positions": None},
    "too few positions": {"cartesian_site_positions": []},
    "words for numbers": {"cartesian_site_positions": [["a", "b", "c"]]},
    "not finite": {"lattice_vectors": [[float("nan"), 0, 0], [0, 3, 0], [0, 0, 3]]},
    "two vectors": {"lattice_vectors": [[3, 0, 0], [0, 3, 0]]},
    "flat": {"lattice_vectors": [[3, 0, 0], [0, 3, 0], [3, 3, 0]]},
    "periodic without a cell": {"lattice_vectors": None},
    "no atoms": {"cartesian_site_positions": [], "species_at_sites": []},
}


def test_entries_that_are_no_use_are_named_and_stop_nothing(rmatch: Command, stored: Stored) -> None:
    odd = [optimade_entry(k, **changes) for k, changes in enumerate((*SKIPPED.values(), *BROKEN.values()), start=10)]
    nameless = {"type": "structures", "attributes": {}}
    last = optimade_entry(1, structure_features=None, dimension_types=None)  # which may be unknown
    entries = [optimade_entry(0), *odd, nameless, "text", last]
    with run_provider(lambda question: optimade_pages(entries, question)) as provider:
        result = rmatch("import", provider.url)
    assert result.stdout == summary(2, 0, len(SKIPPED), len(BROKEN) + 2)
    lines = [line for line in result.stderr.splitlines() if line.startswith(("skipped: ", "unreadable: "))]
    assert len(lines) == len(odd) + 2
    for entry, line in zip(odd, lines, strict=False):
        assert f"{entry['id']}: " in line
    found = stored()
    assert found.keys() == {"x-0", "x-1"}
    assert found["x-1"].atoms["periodic"] == [True, True, True]


def test_a_name_cannot_write_to_the_terminal(rmatch: Command) -> None:
    entries = [optimade_entry(0, structure_features=["\x1b[31m[red]"]), optimade_entry(1) | {"id": "\x1b[31m"}]
    with run_provider(lambda question: optimade_pages(entries, question)) as provider:
        result = rmatch("import", provider.url)
    assert result.stdout == summary(0, 0, 1, 1)
    assert "x-0: \\x1b[31m[red]" in result.stderr
    assert "\x1b[31m" not in result.stderr


def endless(question: Question) -> Answer:
    number = int(question.get("page", 0))
    return Answer({"data": [optimade_entry(number)], "links": {"next": f"?page={number + 1}"}, "meta": {}})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (endless, "more than 3 structures"),
        (lambda _: Answer({"data": [{}], "meta": {}, "links": {"next": "?a"}}), "a page comes after itself"),
        (lambda _: Answer(b"no archive", headers={"Content-Encoding": "gzip"}), "does not answer (Error -3"),
        (lambda _: Answer({"data": [], "meta": {"more_data_available": True}}), "no link to them"),
        (lambda _: Answer({"detail": "no such filter"}, 400), "refuses with status 400: 'no such filter'"),
        (lambda _: Answer({"errors": [{"detail": "not here"}]}, 501), "refuses with status 501: 'not here'"),
        (lambda _: Answer(b"<html>"), "no JSON object"),
        (lambda _: Answer(b"[" * 100_000), "no JSON object"),
        (lambda _: Answer({"message": "hello"}), "does not answer as OPTIMADE has it"),
        (lambda _: Answer(status=302, headers={"Location": "/v1/structures"}), "redirects more than 5 times"),
        (lambda _: Answer({"data": [{}], "meta": {}, "links": {"next": "http://x:port"}}), "which is no URL"),
    ],
)
def test_a_provider_that_does_not_answer_well_is_refused(
    rmatch: Command, answer: Callable[[Question], Answer], expected: str
) -> None:
    with run_provider(answer) as provider:
        result = rmatch("import", provider.url, "--limit", 3)
    assert isinstance(result.exception, CommandError)
    assert expected in str(result.exception)
    assert len(provider.questions) < 10


def test_a_page_of_nothing_is_the_last(rmatch: Command) -> None:
    """Some providers link on for ever."""

    def answer(question: Question) -> Answer:
        number = int(question.get("page", 0))
        entries = [optimade_entry(number)] if number < 2 else []
        return Answer({"data": entries, "links": {"next": f"?page={number + 1}"}, "meta": {}})

    with run_provider(answer) as provider:
        assert rmatch("import", provider.url).stdout == summary(2)
    assert len(provider.questions) == 3


def ask(provider: Provider, **limits: float) -> object:
    with closing(Fetcher(provider.url, limits=FetchLimits(**{"attempts": 1, **limits}))) as fetcher:  # type: ignore[arg-type]
        return fetcher.get(fetcher.follow("/"))


def test_answers_are_limited() -> None:
    with run_provider(lambda _: Answer({"text": "x" * 10_000})) as provider:
        assert ask(provider)
        with pytest.raises(CommandError, match=r"larger than 5,000 bytes. Ask for less at a time: --page-size"):
            ask(provider, answer_bytes=5_000)
        with pytest.raises(CommandError, match="no whole answer within 0 s"):
            ask(provider, answer_seconds=0)


def test_nobody_who_listens_is_said_so(rmatch: Command) -> None:
    with pytest.raises(CommandError, match=r"127.0.0.1 does not answer .*Run the same again later"):
        ask(Provider(f"http://127.0.0.1:{free_port()}", lambda _: Answer()))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ftp://example.org"], "is no base URL"),
        (["http://"], "is no base URL"),
        (["https://example.org/v1?filter=x"], "is no base URL"),
        (["https://me:secret@example.org"], "must not hold a password"),
        (["https://example.org", "--elements", "Xx"], "'Xx' in 'Xx' is not an element"),
        (["https://example.org", "--elements", "Li", "--system", "Li"], "not both"),
        (["https://example.org", "--group", "a b"], "is no group"),
        (["http://example.org", "--api-key-file", __file__], "holds no key"),
        (["x.cif", "--filter", "nelements=2"], "are for databases, not for files"),
    ],
)
def test_what_cannot_be_meant_is_refused(rmatch: Command, arguments: list[str], expected: str) -> None:
    result = rmatch("import", *arguments)
    assert expected in str(result.exception)
    assert "secret" not in str(result.exception)


def test_a_key_is_never_sent_in_the_clear(rmatch: Command, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("very-secret")
    result = rmatch("import", "http://example.org", "--api-key-file", tmp_path / "key")
    assert "not sent to http://example.org in the clear" in str(result.exception)
    with closing(Fetcher("https://example.org/optimade")) as fetcher:
        assert (
            str(fetcher.follow("http://example.org/v1/structures?page=2")) == "https://example.org/v1/structures?page=2"
        )
        with pytest.raises(CommandError, match="elsewhere"):
            fetcher.follow("http://example.org:8080/")
