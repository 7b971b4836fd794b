"""CHGNet as a second opinion: what it makes of well-known crystals, and how it says that it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from rm_engine.adapters import chgnet
from rm_engine.adapters.chgnet import NoOpinionError, OpinionUnavailableError, ask_chgnet, read_element_energies
from rm_engine.evaluation.element_energies import fit_element_energies
from rm_engine.units import SYMBOLS


@pytest.fixture(autouse=True)
def without_what_was_loaded() -> None:
    chgnet._load_calculator.cache_clear()


def test_a_crystal_comes_to_rest_as_density_functional_theory_has_it() -> None:
    """PBE: NaCl has a = 5.69 Å and -2.11 eV/atom of formation; copper none."""
    start = bulk("NaCl", "rocksalt", a=5.3)
    start.rattle(0.05, seed=0)
    opinion = ask_chgnet(start)
    assert opinion.converged
    assert 0 < opinion.n_steps < 200
    assert opinion.atoms.get_volume() ** (1 / 3) * 4 ** (1 / 3) == pytest.approx(5.69, abs=0.08)
    assert opinion.formation_energy_per_atom == pytest.approx(-2.11, abs=0.12)
    assert start.get_volume() == pytest.approx(5.3**3 / 4), "what was given is left as it is"
    copper = ask_chgnet(bulk("Cu", a=3.6))
    assert copper.formation_energy_per_atom == pytest.approx(0, abs=0.12)


def test_it_tells_polymorphs_apart() -> None:
    rock_salt, zinc_blende = (ask_chgnet(bulk("MgO", lattice, a=edge)) for lattice, edge in (
        ("rocksalt", 4.25), ("zincblende", 4.6)
    ))  # fmt: skip
    assert rock_salt.energy_per_atom < zinc_blende.energy_per_atom - 0.05


def test_steps_are_told_and_can_be_stopped() -> None:
    class Stop(Exception):  # noqa: N818
        pass

    told: list[int] = []

    def tell(n_steps: int) -> None:
        told.append(n_steps)
        if n_steps == 3:
            raise Stop

    with pytest.raises(Stop):
        ask_chgnet(bulk("NaCl", "rocksalt", a=5.0), on_step=tell)
    assert told == [0, 1, 2, 3]
    assert ask_chgnet(bulk("NaCl", "rocksalt", a=5.0), max_steps=2).n_steps == 2
    hasty = ask_chgnet(bulk("NaCl", "rocksalt", a=5.0), max_seconds=0.0)
    assert (hasty.n_steps, hasty.converged) == (0, False)


def test_of_atoms_alone_it_has_none(capfd: pytest.CaptureFixture[str]) -> None:
    lonely = Atoms("Ne", cell=[20, 20, 20], pbc=True)
    with pytest.raises(NoOpinionError, match="nothing of Ne"):
        ask_chgnet(lonely)
    assert capfd.readouterr().out == ""


def test_without_the_package_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chgnet, "find_spec", lambda _name: None)
    with pytest.raises(OpinionUnavailableError, match=r"rmatch\[chgnet\]"):
        ask_chgnet(bulk("Cu"))


def test_elements_whose_energy_is_not_known_have_no_formation_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {symbol: energy for symbol, energy in read_element_energies().items() if symbol != "Cu"}
    monkeypatch.setattr(chgnet, "read_element_energies", lambda: known)
    opinion = ask_chgnet(bulk("Cu"), max_steps=1)
    assert opinion.formation_energy_per_atom is None
    assert opinion.energy_per_atom < -3


class TestElementEnergies:
    def test_what_was_mixed_in_is_found_again(self) -> None:
        rng = np.random.default_rng(0)
        energies = {symbol: float(rng.uniform(-9, -1)) for symbol in ("Li", "O", "S", "Ti")}
        structures: list[Any] = [
            Atoms(rng.choice(list(energies), size=rng.integers(2, 9)), cell=[9, 9, 9], pbc=True) for _ in range(60)
        ]
        structures.append(Atoms("LiXe", cell=[9, 9, 9], pbc=True))  # too few of xenon
        formation = rng.uniform(-3, 0, size=len(structures))
        mixed = [np.mean([energies.get(symbol, 0.0) for symbol in atoms.symbols]) for atoms in structures]
        own = np.array(mixed) + formation
        own[:5] += 4.0  # outliers
        found, residual = fit_element_energies(structures, own.tolist(), formation.tolist())
        assert found == pytest.approx(energies, abs=5e-3)
        assert residual == pytest.approx(4.0 * 5 / 60, abs=0.05)

    def test_those_that_come_with_the_package(self) -> None:
        """PBE with the corrections of the Materials Project: Li -1.9, Cu -4.1, Fe -8.4, W -12.9 eV."""
        energies = read_element_energies()
        assert len(energies) > 80
        assert set(energies) < set(SYMBOLS)
        for symbol, energy in {"Li": -1.9, "Cu": -4.1, "Fe": -8.4, "W": -12.9}.items():
            assert energies[symbol] == pytest.approx(energy, abs=0.25)
