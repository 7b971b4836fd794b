"""Recipes of the shipped models: the architectures of the paper, with a training that fits a laptop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ase import Atoms
from ase.build import bulk

from rm_engine.errors import InputError
from rm_engine.files import FileLimits, read_structures
from rm_engine.spec import NoiseSpec, PotentialConfig, TrainingSpec
from rm_engine.spec.training import NOISE_LADDER


@dataclass(frozen=True)
class TrainingData:
    """Structures to learn from and, apart from them, to validate on; without the latter a fraction is kept out.

    ``source`` says what they are, where they are others than the recipe's.
    """

    training: Sequence[Atoms]
    validation: Sequence[Atoms] = ()
    source: str = ""


@dataclass(frozen=True)
class Recipe:
    """How a shipped model is made.

    Attributes:
        spec: the training run.
        load: reads its data from the folder or file that the user gives, None where it was not given.
        source: what the data are, for the model's card.
    """

    spec: TrainingSpec
    load: Callable[[Path | None], TrainingData]
    source: str


def load_files(path: Path) -> list[Atoms]:
    """All structures of a file or folder that :func:`rm_engine.files.read_structures` knows.

    Those that nothing can be learned from are among them: :func:`rm_engine.training.screening.screen_data` names them.
    """
    return [stored.atoms for stored in read_structures(path, _AS_THEY_STAND)]


def _load_mp20(path: Path | None) -> TrainingData:
    """MP-20, or the structures of any one file or folder of CIFs."""
    training = find_mp20(path)
    structures = load_files(training)
    if not structures:
        reason = "no mp20_train.*, no train.csv and no CIF in it"
        raise InputError("data_required", "data", path, reason, "Give --data FOLDER.")
    validation = find_part(path, "val") if path else None
    held_out = load_files(validation)[:_N_VALIDATION] if validation else ()
    return TrainingData(structures, held_out, _name_own(training, path))


def find_mp20(path: Path | None) -> Path:
    """The training structures: ``mp20_train`` as .extxyz.gz or .extxyz, or ``train.csv``, in a folder, or the path
    itself where it holds none of them.

    Raises:
        InputError: no path was given.
    """
    if path is None:
        raise InputError(
            "data_required", "data", "none", "this recipe needs data", "Give --data FOLDER with the MP-20 files."
        )
    return find_part(path, "train") or path


def _load_qm7b(path: Path | None) -> TrainingData:
    """QM7b from a folder with ``qm7b.extxyz.gz`` or ``qm7b.extxyz``; or the molecules of any one file."""
    if path is None:
        reason = "this recipe needs data"
        raise InputError("data_required", "data", "none", reason, "Give --data FOLDER with qm7b.extxyz.gz.")
    names = ("qm7b.extxyz.gz", "qm7b.extxyz")
    training = next((path / name for name in names if (path / name).is_file()), path)
    return TrainingData(load_files(training), source=_name_own(training, path))


def _name_own(training: Path, given: Path | None) -> str:
    """The name of data that are the user's own; empty for those of the recipe, found in the folder given."""
    return training.resolve().name if training == given else ""


def find_part(folder: Path, part: str) -> Path | None:
    """The file of a part of MP-20 (``train`` or ``val``) in a folder."""
    names = (f"mp20_{part}.extxyz.gz", f"mp20_{part}.extxyz", f"{part}.csv")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _make_diamond(_: Path | None) -> TrainingData:
    """Cubic diamond of 4.4 Å³ per atom, the paper's one training structure: 64 atoms, so that a shaken atom's images
    stay away.
    """
    crystal = bulk("C", "diamond", a=(8 * _DIAMOND_VOLUME) ** (1 / 3), cubic=True).repeat(2)
    return TrainingData([crystal] * _DIAMOND_VISITS, [crystal] * 8)


_AS_THEY_STAND: Final = FileLimits(max_atoms=10**6, only_physical=False)
_N_VALIDATION: Final = 1024
_DIAMOND_VOLUME: Final = 4.4
_DIAMOND_VISITS: Final = 64
"""One structure, visited this often in what counts as an epoch."""

MP20_SOURCE: Final = "train split of MP-20 (Materials Project, CC BY 4.0; selection and split from CDVAE)"

RECIPES: Final = {
    "diamond": Recipe(
        spec=TrainingSpec(
            name="diamond",
            potential=PotentialConfig(
                elements=(6,),
                n_embedding=1,
                cutoff=4.5,
                l_max=3,
                nu_max=3,
                readout_hidden=(24, 12),
                separate_receiver_embedding=False,
                core_contact=0.7,
            ),
            n_epochs=60,
            batch_size=4,
        ),
        load=_make_diamond,
        source="one structure: cubic diamond of 4.4 Å³ per atom",
    ),
    "mp20": Recipe(
        spec=TrainingSpec(
            name="mp20",
            potential=PotentialConfig(
                elements=tuple(range(1, 95)),
                n_embedding=4,
                cutoff=4.0,
                l_max=2,
                nu_max=2,
                readout_hidden=(32, 16),
                separate_receiver_embedding=True,
                core_contact=0.7,
            ),
            n_epochs=75,
        ),
        load=_load_mp20,
        source=MP20_SOURCE,
    ),
    "qm7b": Recipe(
        spec=TrainingSpec(
            name="qm7b",
            potential=PotentialConfig(
                elements=(1, 6, 7, 8, 16, 17),
                n_embedding=3,
                cutoff=4.5,
                l_max=3,
                nu_max=3,
                readout_hidden=(24, 12),
                separate_receiver_embedding=False,
                core_contact=0.7,
            ),
            noise=NoiseSpec(amplitudes=tuple(0.1 * step for step in NOISE_LADDER), repulsion_cutoff=0.7),
            n_epochs=48,
        ),
        load=_load_qm7b,
        source="QM7b: 7,211 molecules of up to 7 heavy atoms, relaxed with PBE (Blum & Reymond 2009, Montavon 2013)",
    ),
}

RANKING_POTENTIAL: Final = replace(
    RECIPES["mp20"].spec.potential, cutoff=5.0, n_embedding=6, readout_hidden=(64, 32), core_contact=0.0
)
"""Of what estimates the properties of relaxed structures: evaluated once each, it may be larger than the surface."""
