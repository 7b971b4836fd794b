"""A service worth fuzzing: with jobs, structures and references in it, and a key that may do everything."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from databases import lis2, run_job
from fuzz.mutations import SELECTIVE_POSCAR

from rm_engine.files import parse_structures, to_json
from rm_engine.spec import GenerationSpec
from service.domain import MoleculeRecord, Reference, Scope
from service.domain.access import PUBLIC_GROUP
from service.domain.keys import KeyRequest
from service.jobs import add_references, create_key
from service.security import load_secret
from service.settings import Settings
from service.store import Store

SECRET: Final = "a8f5f167f44f4964e6c998dee827110c1d2e3f"
_WATER: Final = "3\nwater\nO 0 0 0\nH 0 0 0.96\nH 0.92 0 -0.26\n"


def fill(settings: Settings) -> str:
    """Migrate and fill the database of these settings; returns an API key with all scopes."""
    with closing(Store(settings.resolved_database_url)) as store:
        store.migrate()
        run_job(store, lis2(), [-1.0, -2.0, -1.0, -0.5], duplicates={2: 0})
        (water,) = parse_structures(_WATER, "extxyz")
        molecule = MoleculeRecord(smiles="O", is_connected=True, checks={"sanitization": True}, passes_checks=True)
        spec = GenerationSpec(composition="H2O", n=2, periodic=(False, False, False))
        no_group = {"space_group_number": None, "space_group_symbol": None}
        run_job(store, spec, [-1.0, -1.1], molecule=molecule, atoms=to_json(water), **no_group)
        (crystal,) = parse_structures(SELECTIVE_POSCAR, "poscar")
        add_references(store, [Reference(name="lithium sulphide", atoms=to_json(crystal), group=PUBLIC_GROUP)])
        request = KeyRequest(name="fuzzer", group=PUBLIC_GROUP, scopes=frozenset(Scope))
        key, _ = create_key(store, load_secret(settings), request)
    return key.text
