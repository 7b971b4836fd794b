"""The compiled kernel against the plain path: the same numbers, and no kernel where there can be none."""

from __future__ import annotations

import copy
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from potentials import needs_compiler, random_structure

from rm_engine import load_model
from rm_engine.checkpoint import Model
from rm_engine.kernels import Kernel, compiler
from rm_engine.neighbors import build_neighbor_list, build_plain_list
from rm_engine.potential import CACE, Response, compile_potential, estimate_energies, evaluate
from rm_engine.potential.compiled import shape_of
from rm_engine.relax import CellFreedom, GuardConfig, RelaxationConfig, RelaxationResult, relax
from rm_engine.spec import PotentialConfig
from rm_engine.structure import StructureBatch, cell_heights

pytestmark = needs_compiler

SHAPES = {
    "mp20": PotentialConfig(
        elements=(3, 8, 16), n_embedding=4, cutoff=4.0, l_max=2, nu_max=2, readout_hidden=(32, 16),
        separate_receiver_embedding=True, core_contact=0.6,
    ),
    "qm7b": PotentialConfig(
        elements=(3, 8, 16), n_embedding=3, cutoff=4.5, l_max=3, nu_max=3, readout_hidden=(24, 12),
        separate_receiver_embedding=False,
    ),
    "diamond": PotentialConfig(
        elements=(3, 8, 16), n_embedding=1, cutoff=4.5, l_max=3, nu_max=3, readout_hidden=(24, 12),
        separate_receiver_embedding=False,
    ),
    "wide": PotentialConfig(
        elements=(3, 8, 16), n_embedding=6, cutoff=5.0, l_max=3, nu_max=2, readout_hidden=(64,),
        separate_receiver_embedding=True, n_radial_functions=5, n_radial_channels=3,
    ),
    "linear": PotentialConfig(
        elements=(3, 8, 16), n_embedding=2, cutoff=3.5, l_max=2, nu_max=2, readout_hidden=(),
        separate_receiver_embedding=True,
    ),
}  # fmt: skip
TOLERANCE = 2e-5
"""Largest error of the kernel against double precision, as a fraction of the largest value; that of the plain path in
single precision is as large."""


def batch_of(*structures: Atoms) -> StructureBatch:
    return StructureBatch.from_atoms(structures)


@pytest.fixture(params=SHAPES, scope="module")
def potential(request: pytest.FixtureRequest) -> CACE:
    torch.manual_seed(7)
    return CACE(SHAPES[request.param])


@pytest.fixture(scope="module")
def structures() -> list[Atoms]:
    """Sizes that do and do not fill the kernel's blocks, in cells larger and smaller than the cutoff."""
    sizes = [1, 2, 3, 4, 5, 8, 13]
    periodic = [True, True, True, True, False, (True, True, False), True]
    return [
        random_structure([3, 8, 16], n, 5 + n, length=2.4 * n ** (1 / 3), skew=0.5, pbc=pbc)
        for n, pbc in zip(sizes, periodic, strict=True)
    ]


def exactly(potential: CACE, structures: list[Atoms], *, bare: bool = False) -> Response:
    """The plain path in double precision."""
    batch = StructureBatch.from_atoms(structures, dtype=torch.float64)
    neighbors = build_plain_list(batch, potential.config.cutoff)
    return evaluate(copy.deepcopy(potential).double(), batch, neighbors, bare=bare)


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max())


class TestEvaluation:
    @pytest.mark.parametrize("skin", [0.0, 0.8])
    @pytest.mark.parametrize("bare", [True, False])
    def test_equals_the_plain_path(self, potential: CACE, structures: list[Atoms], bare: bool, skin: float) -> None:
        assert compile_potential(potential) is not None
        batch = batch_of(*structures)
        neighbors = build_neighbor_list(batch, potential.config.cutoff + skin)
        response, expected = evaluate(potential, batch, neighbors, bare=bare), exactly(potential, structures, bare=bare)
        for found, value in zip(vars(response).values(), vars(expected).values(), strict=True):
            assert found.dtype == torch.float32
            assert distance(found, value) < TOLERANCE

    def test_energies_alone(self, potential: CACE, structures: list[Atoms]) -> None:
        batch = batch_of(*structures)
        with torch.no_grad():
            energies = estimate_energies(potential, batch, build_neighbor_list(batch, potential.config.cutoff))
        assert distance(energies, exactly(potential, structures, bare=True).energies) < TOLERANCE

    def test_knows_when_weights_have_changed(self, potential: CACE, structures: list[Atoms]) -> None:
        potential, batch = copy.deepcopy(potential), batch_of(*structures)
        neighbors = build_neighbor_list(batch, potential.config.cutoff)
        before = evaluate(potential, batch, neighbors).energies
        for weight in potential.parameters():
            with torch.no_grad():
                weight.mul_(1.01)
            after = evaluate(potential, batch, neighbors).energies
            assert not torch.equal(before, after)
            before = after
        assert distance(before, exactly(potential, structures).energies) < TOLERANCE

    def test_no_neighbors_and_no_structures(self, potential: CACE) -> None:
        alone, nobody = batch_of(Atoms("O")), batch_of()
        assert not evaluate(potential, alone, build_neighbor_list(alone, 4.0)).forces.any()
        assert evaluate(potential, nobody, build_neighbor_list(nobody, 4.0)).energies.shape == (0,)

    def test_what_is_not_a_number_shows(self, potential: CACE) -> None:
        atoms = random_structure([3], 4, 1, length=4.0)
        batch = batch_of(atoms)
        neighbors = build_neighbor_list(batch, potential.config.cutoff)
        batch.positions[1, 2] = torch.nan
        assert torch.isnan(evaluate(potential, batch, neighbors).energies).all()

    def test_an_element_it_does_not_have(self, potential: CACE) -> None:
        batch = batch_of(Atoms("Fe"))
        with pytest.raises(IndexError, match="no element of number 26"):
            evaluate(potential, batch, build_neighbor_list(batch, 4.0))

    @pytest.mark.parametrize("change", ["double", "forbidden", "wide"])
    def test_is_not_asked_for_what_it_cannot(self, change: str) -> None:
        potential = CACE(SHAPES["mp20"])
        if change == "double":
            potential = potential.double()
        elif change == "forbidden":
            potential.may_compile = False
        else:
            config = {**vars(SHAPES["mp20"]), "readout_hidden": (300,)}
            potential = CACE(PotentialConfig(**config))
        assert compile_potential(potential) is None


def gradients_of(potential: CACE, structures: list[Atoms], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Of a loss that depends on everything, each structure and component in its own way."""
    batch = StructureBatch.from_atoms(structures, dtype=dtype)
    neighbors = build_neighbor_list(batch, potential.config.cutoff)
    response = evaluate(potential, batch, neighbors, bare=True, differentiable=True)
    generator = torch.Generator().manual_seed(1)
    energies, forces, stresses = (
        torch.randn(part.shape, generator=generator).to(part)
        for part in (response.energies, response.forces, response.stresses)
    )
    scale = float(response.forces.detach().abs().max())
    loss = (energies * response.energies).sum() / 100 + (stresses * response.stresses).sum() * 10
    loss = loss + (torch.tanh(3 * response.forces / scale) * forces).sum()
    loss.backward()
    return {name: weight.grad.double() for name, weight in potential.named_parameters() if weight.grad is not None}


class TestGradients:
    """By the weights: what training descends along."""

    def test_equal_automatic_differentiation(self, potential: CACE, structures: list[Atoms]) -> None:
        found = gradients_of(copy.deepcopy(potential), structures, torch.float32)
        expected = gradients_of(copy.deepcopy(potential).double(), structures, torch.float64)
        assert found.keys() == expected.keys() == dict(potential.named_parameters()).keys()
        for name, value in expected.items():
            assert distance(found[name], value) < 1e-4, name

    def test_of_energies_alone(self, potential: CACE, structures: list[Atoms]) -> None:
        found = []
        for dtype in (torch.float32, torch.float64):
            one = copy.deepcopy(potential).to(dtype)
            batch = StructureBatch.from_atoms(structures, dtype=dtype)
            energies = estimate_energies(one, batch, build_neighbor_list(batch, one.config.cutoff))
            energies.square().mean().sqrt().backward()
            found.append([weight.grad for weight in one.parameters()])
        for single, double in zip(*found, strict=True):
            assert distance(single, double) < 1e-4

    def test_twice_is_refused(self, structures: list[Atoms]) -> None:
        potential, batch = CACE(SHAPES["mp20"]), batch_of(*structures)
        energies = estimate_energies(potential, batch, build_neighbor_list(batch, 4.0))
        (gradient,) = torch.autograd.grad(energies.sum(), potential.sender, create_graph=True)
        with pytest.raises(RuntimeError, match="grad"):
            gradient.sum().backward()


class TestNeighbors:
    @pytest.mark.parametrize("cutoff", [1.0, 4.5, 9.0])
    def test_equals_the_plain_list(self, structures: list[Atoms], cutoff: float) -> None:
        batch = StructureBatch.from_atoms(structures, dtype=torch.float64)
        lists = [build(batch, cutoff) for build in (build_neighbor_list, build_plain_list)]
        found, expected = (
            {(i, int(one.index[i, k]), *one.image[i, k].int().tolist()) for i, k in torch.nonzero(one.present).tolist()}
            for one in lists
        )
        assert found == expected


FREEDOMS: list[CellFreedom] = ["free", "fixed_volume", "fixed"]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("diamond", device="cpu")


@pytest.fixture(scope="module")
def starts() -> list[Atoms]:
    """Shaken and strained diamond of 2 to 12 atoms."""
    found = []
    for seed, repeats in enumerate([(1, 1, 1), (1, 1, 1), (2, 1, 1), (2, 1, 1), (1, 3, 1), (2, 2, 1), (3, 2, 1)]):
        atoms = bulk("C", "diamond", a=3.57) * repeats
        strain = np.random.default_rng(seed).normal(scale=0.06, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.rattle(0.15, seed=seed)
        found.append(atoms)
    return found


class TestRelaxation:
    """Step by step the kernel does what the plain path does; where two valleys part, rounding may choose."""

    def relax_both_ways(
        self, model: Model, starts: list[Atoms], **options: object
    ) -> tuple[RelaxationResult, RelaxationResult]:
        config, plain = RelaxationConfig(**options), copy.deepcopy(model.potential)
        plain.may_compile = False
        batch = batch_of(*starts)
        return relax(model.potential, batch, config), relax(plain, batch, config)

    @pytest.mark.parametrize("cell", FREEDOMS)
    def test_takes_the_same_steps(self, model: Model, starts: list[Atoms], cell: CellFreedom) -> None:
        compiled, plain = self.relax_both_ways(model, starts, cell=cell, max_steps=25)
        assert compiled.n_steps.tolist() == plain.n_steps.tolist()
        assert torch.equal(compiled.converged, plain.converged)
        assert (compiled.structures.positions - plain.structures.positions).abs().max() < 2e-3
        assert (compiled.structures.cells - plain.structures.cells).abs().max() < 2e-3
        assert (compiled.energies - plain.energies).abs().max() < 2e-3

    @pytest.mark.parametrize("cell", FREEDOMS)
    def test_ends_in_the_same_minima(self, model: Model, starts: list[Atoms], cell: CellFreedom) -> None:
        compiled, plain = self.relax_both_ways(model, starts, cell=cell)
        assert compiled.converged.all()
        same = (compiled.energies - plain.energies).abs() < 1e-3 * compiled.structures.sizes
        assert same.sum() >= len(starts) - 1
        if cell == "fixed_volume":
            assert torch.allclose(compiled.structures.volumes, batch_of(*starts).volumes, rtol=1e-4)

    def test_forces_vanish_where_it_ends(self, model: Model, starts: list[Atoms]) -> None:
        result = relax(model.potential, batch_of(*starts), RelaxationConfig(fmax=0.01))
        response = exactly(model.potential, result.structures.to_atoms())
        volumes = result.structures.volumes[:, None, None]
        assert response.forces.norm(dim=1).max() < 0.011
        assert ((response.stresses * volumes).norm(dim=2).amax(dim=1) / result.structures.sizes).max() < 0.011
        assert torch.allclose(result.energies.double(), response.energies, atol=1e-3)

    def test_sets_aside_for_the_same_reasons(self, model: Model) -> None:
        dense = bulk("C", "diamond", a=3.57)
        dense.set_cell(dense.cell * 0.45, scale_atoms=True)
        fused = bulk("C", "diamond", a=3.57)
        fused.positions[1] = [0.02, 0, 0]
        broken = bulk("C", "diamond", a=3.57)
        broken.positions[1] = np.nan
        fine = bulk("C", "diamond", a=3.6)
        flat = Atoms("C", cell=[4.0, 4.0, 0.5], pbc=True)
        compiled, plain = self.relax_both_ways(model, [dense, fused, broken, fine, flat], max_steps=300)
        assert compiled.reasons == plain.reasons
        assert len(set(compiled.reasons)) >= 3
        assert torch.equal(torch.isnan(compiled.energies), torch.isnan(plain.energies))

    def test_a_skewed_cell_is_chosen_anew(self, model: Model) -> None:
        atoms = bulk("C", "diamond", a=3.5)
        skewed = atoms.copy()
        skewed.set_cell([[1, 0, 0], [4, 1, 0], [-3, 5, 1]] @ atoms.cell.array)
        result = relax(model.potential, batch_of(atoms, skewed), RelaxationConfig())
        assert result.converged.all()
        assert torch.allclose(result.energies[:1], result.energies[1:], atol=1e-4)
        assert cell_heights(result.structures.cells).min() > 1.5

    def test_no_neighbor_is_missed(self, model: Model, starts: list[Atoms]) -> None:
        """With next to no skin the list is built at every step."""
        wide, thin = (
            relax(model.potential, batch_of(*starts), RelaxationConfig(skin=skin, max_steps=30)) for skin in (0.5, 1e-6)
        )
        assert torch.allclose(wide.structures.positions, thin.structures.positions, atol=1e-3)
        assert torch.allclose(wide.energies, thin.energies, atol=1e-3)

    def test_the_number_of_threads_changes_nothing(self, model: Model, starts: list[Atoms]) -> None:
        one, three = (
            relax(model.potential, batch_of(*starts), RelaxationConfig(n_threads=n_threads)) for n_threads in (1, 3)
        )
        assert torch.equal(one.structures.positions, three.structures.positions)
        assert torch.equal(one.energies, three.energies)

    def test_tells_of_each_as_it_is_done(self, model: Model, starts: list[Atoms]) -> None:
        told: dict[int, tuple[Atoms, float, bool, int, str | None]] = {}
        counts = []
        result = relax(
            model.potential,
            batch_of(*starts),
            RelaxationConfig(),
            lambda n_done, _: counts.append(n_done),
            lambda row, *rest: told.update({row: rest}),
        )
        assert sorted(counts) == counts
        assert counts[-1] == len(starts)
        assert sorted(told) == list(range(len(starts)))
        for row, atoms in enumerate(result.structures.to_atoms()):
            assert np.array_equal(told[row][0].positions, atoms.positions)
            assert told[row][1:] == (
                float(result.energies[row]), bool(result.converged[row]), int(result.n_steps[row]), None,
            )  # fmt: skip

    def test_what_a_callback_raises_ends_the_run(self, model: Model, starts: list[Atoms]) -> None:
        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        for callback in ({"on_progress": stop}, {"on_done": stop}):
            with pytest.raises(KeyboardInterrupt):
                relax(model.potential, batch_of(*starts), RelaxationConfig(), **callback)

    def test_what_a_thread_raises_ends_the_run(
        self, model: Model, starts: list[Atoms], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise IndexError("no such thing")

        monkeypatch.setattr(Kernel, "relax", fail)
        with pytest.raises(IndexError, match="no such thing"):
            relax(model.potential, batch_of(*starts), RelaxationConfig(n_threads=2))

    def test_too_many_neighbors(self, model: Model) -> None:
        atoms = Atoms("C", cell=[0.001, 0.001, 5000.0], pbc=True)
        config = RelaxationConfig(guard=GuardConfig(smallest_height=0))
        assert relax(model.potential, batch_of(atoms), config).reasons == ["it does not fit into the memory"]


@pytest.mark.parametrize("source", ["neighbors", "crystals", "potential", "gradients"])
def test_the_sources_raise_no_warning(source: str) -> None:
    constants = [f"-D{name}={value}" for name, value in shape_of(SHAPES["qm7b"]).constants()]
    path = Path(compiler.__file__).parent / "source" / f"{source}.c"
    command = ["cc", "-fsyntax-only", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *constants, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestCompiler:
    @pytest.fixture(autouse=True)
    def _forgetful(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A home of its own, and nothing remembered from before or kept for later."""
        monkeypatch.setenv("HOME", str(tmp_path))
        for cached in (compiler.compile_kernel, compiler._cache, compiler._find_compiler):
            cached.cache_clear()
        yield
        for cached in (compiler.compile_kernel, compiler._cache, compiler._find_compiler):
            cached.cache_clear()

    def test_compiles_once(self, tmp_path: Path) -> None:
        assert compiler.compile_kernel("neighbors") is not None
        (built,) = (tmp_path / ".cache/rm_engine").iterdir()
        stamp = built.stat().st_mtime_ns
        compiler.compile_kernel.cache_clear()
        assert compiler.compile_kernel("neighbors") is not None
        assert [path.stat().st_mtime_ns for path in built.parent.iterdir()] == [stamp]

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of the x86-64 family")
    @pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3"])
    def test_narrower_processors(
        self, processor: str, structures: list[Atoms], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Four and eight lanes: sums over lanes and the layout of what is padded are others."""
        if processor == "x86-64-v3" and "avx2" not in compiler._processor():
            pytest.skip("this processor has no eight lanes")
        options = [*(one for one in compiler._OPTIONS if "march" not in one), f"-march={processor}"]
        monkeypatch.setattr(compiler, "_OPTIONS", options)
        potential = CACE(SHAPES["wide"])
        response = evaluate(potential, batch_of(*structures), build_neighbor_list(batch_of(*structures), 5.0))
        for found, value in zip(vars(response).values(), vars(exactly(potential, structures)).values(), strict=True):
            assert distance(found, value) < TOLERANCE
        found = gradients_of(copy.deepcopy(potential), structures, torch.float32)
        expected = gradients_of(copy.deepcopy(potential).double(), structures, torch.float64)
        assert all(distance(found[name], value) < 1e-4 for name, value in expected.items())

    def test_without_a_compiler_the_plain_path_works(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("PATH", "")
        potential = CACE(SHAPES["mp20"])
        batch = batch_of(random_structure([3, 8], 4, 1, length=4.0))
        with caplog.at_level(logging.WARNING):
            energies = evaluate(potential, batch, build_neighbor_list(batch, 4.0)).energies
        assert torch.isfinite(energies).all()
        assert "no C compiler" in caplog.text
        assert compile_potential(potential) is None

    def test_a_failing_compiler_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake = tmp_path / "bin/cc"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\necho 'cannot do that' >&2; exit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        assert compiler.compile_kernel("neighbors") is None
        assert "cannot do that" in caplog.text

    def test_a_broken_file_in_the_cache_is_made_again(self, tmp_path: Path) -> None:
        code = "from rm_engine.kernels.compiler import compile_kernel; assert compile_kernel('neighbors')"
        subprocess.run([sys.executable, "-c", code], check=True)
        (built,) = (tmp_path / ".cache/rm_engine").iterdir()
        size = built.stat().st_size
        built.write_bytes(b"no library")
        subprocess.run([sys.executable, "-c", code], check=True)
        assert built.stat().st_size == size

    def test_loads_nothing_from_where_others_can_write(self, tmp_path: Path) -> None:
        (tmp_path / ".cache/rm_engine").mkdir(parents=True)
        (tmp_path / ".cache/rm_engine").chmod(0o777)
        assert compiler.compile_kernel("neighbors") is not None
        assert not list((tmp_path / ".cache/rm_engine").iterdir())

    def test_without_a_home_it_leaves_nothing_behind(self, tmp_path: Path) -> None:
        code = "from rm_engine.kernels import compiler as c; assert c.compile_kernel('neighbors'); print(c._cache())"
        (tmp_path / "file").touch()
        environment = {**os.environ, "HOME": str(tmp_path / "file")}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
        assert not Path(done.stdout.strip()).exists()

    def test_processes_at_the_same_time(self, tmp_path: Path) -> None:
        code = "from rm_engine.kernels.compiler import compile_kernel; assert compile_kernel('neighbors')"
        running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
        assert [process.wait() for process in running] == [0, 0, 0]
        assert len(list((tmp_path / ".cache/rm_engine").iterdir())) == 1


def test_the_shipped_models_are_compiled() -> None:
    for name in ("diamond", "mp20", "qm7b", "mp20-plus"):
        model = load_model(name, device="cpu")
        assert compile_potential(model.potential) is not None
        assert model.formation is None or compile_potential(model.formation) is not None


def test_vectors_of_one_direction_only() -> None:
    """Neighbours along an axis: directions with zeros in them."""
    potential = CACE(SHAPES["qm7b"])
    line = [Atoms("OSLi", positions=np.eye(3)[axis] * np.array([[0.0], [1.5], [3.1]])) for axis in range(3)]
    batch = batch_of(*line)
    response = evaluate(potential, batch, build_neighbor_list(batch, potential.config.cutoff))
    for found, value in zip(vars(response).values(), vars(exactly(potential, line)).values(), strict=True):
        assert value.abs().max() == 0 or distance(found, value) < TOLERANCE
