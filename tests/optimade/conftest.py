"""Three hundred structures on both databases, which no test changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from optimade_population import fill
from servers import PostgresServer

from service.store import Store


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def filled_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[str]:
    """URL of the filled database."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('optimade') / 'rmatch.sqlite3'}"
        else:
            url = stack.enter_context(postgres_server.new_database())
        with closing(Store(url)) as store:
            store.migrate()
            fill(store)
        yield url


@pytest.fixture(scope="session")
def filled(filled_url: str) -> Iterator[Store]:
    """The filled database."""
    with closing(Store(filled_url)) as store:
        yield store


@pytest.fixture(scope="session")
def filters_of_all_kinds() -> list[str]:
    """A filter for each form that a comparison has, and some that join them."""
    single = [
        "nelements=2", "2<=nsites", '"Li"!=chemical_formula_reduced', 'id CONTAINS "a"', 'id STARTS WITH "a"',
        'id STARTS "a"', 'id ENDS WITH "a\\"b\\\\"', 'id ENDS "é %"', "_exmpl_x.y_z IS KNOWN", "x IS UNKNOWN",
        'elements HAS "Li"', 'elements HAS < "Li"', 'elements HAS ALL "Li" , "S"', 'elements HAS ANY "Li" , != "S"',
        'elements HAS ONLY "Li"', "elements LENGTH 2", "elements LENGTH >= 2", "x=-.5e+3", "x!=1.", "x = y",
        'a:b HAS "x":2', 'a:b HAS ALL "x":2 , "y":>3',
    ]  # fmt: skip
    joined = [f"{single[k]} {how} {single[-k]}" for k in range(len(single)) for how in ("AND", "OR NOT")]
    return [*single, *joined, *(f"NOT ( {text} ) AND ( {text} OR nelements=2 )" for text in joined)]
