"""What requests look like."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from rm_engine.files import Format
from rm_engine.spec import (
    GenerationSpec,
    OptimizerName,
    PropertyName,
    PropertyRanges,
    SeedStructure,
    StartMix,
    default_n,
)
from rm_engine.spec.generation import CRYSTAL, DEFAULT_N, DEFAULT_SYSTEM_N, MOLECULE
from rm_engine.spec.limits import (
    MAX_ATOMS,
    MAX_FORMULA_LENGTH,
    MAX_GENERATIONS,
    MAX_HOPS,
    MAX_PRESSURE,
    MAX_SAMPLES,
    MAX_SEED,
    MAX_STEPS,
    MAX_SWAPS,
)
from rm_engine.spec.space_groups import N_SPACE_GROUPS

PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""Text without control characters."""

FORMULA_SCHEMA: Final[dict[str, Any]] = {"format": "formula", "maxLength": MAX_FORMULA_LENGTH}
"""What a schema can say of a formula; the rest is for :func:`rm_engine.spec.parse_composition`."""

JobId = Annotated[str, Path(description="Id of the job.", examples=["01m82bdrpfe9r60xv08f1264tt"])]
StructureId = Annotated[str, Path(description="Id of the structure.", examples=["01m82bdrpfe9r60xv08f1264tt-00003"])]
ModelName = Annotated[str, Path(description="Name of the model.", examples=["mp20-plus"])]


def _take_whole(value: Any) -> Any:  # noqa: ANN401  whatever the client sent
    """JSON has one kind of number: 30.0 is an integer as well."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_take_whole)
Integer = Annotated[StrictInt, WHOLE]
Seed = Annotated[StrictInt, Field(ge=0, le=MAX_SEED), WHOLE]
Number = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[tuple[Number, ...], Field(min_length=3, max_length=3)]
Range = Annotated[tuple[Number, ...], Field(min_length=2, max_length=2)]
Share = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Units = Annotated[StrictInt, Field(ge=1, le=MAX_ATOMS), WHOLE]
# The bounds stand in the schema only: the engine says in one error what pydantic says in one for each of a union.
SpaceGroup = (
    Annotated[StrictInt, Field(json_schema_extra={"minimum": 1, "maximum": N_SPACE_GROUPS}), WHOLE]
    | Annotated[StrictStr, Field(json_schema_extra={"format": "space-group", "minLength": 1, "maxLength": 20})]
)
SpaceGroups = Annotated[list[SpaceGroup], Field(json_schema_extra={"minItems": 1, "maxItems": N_SPACE_GROUPS})]
UnitsRange = Annotated[tuple[Units, ...], Field(min_length=2, max_length=2)]


class PartlyPeriodic(BaseModel):
    """Which cell vectors are periodic; needs a cell."""

    model_config = ConfigDict(extra="forbid")
    periodic: tuple[StrictBool, ...] = Field(
        min_length=3, max_length=3, description="Whether the structure repeats along each of the cell vectors."
    )


class StartShares(BaseModel):
    """Shares of the kinds of start; only their ratios count."""

    model_config = ConfigDict(extra="forbid")

    references: Share = Field(
        0, description="Share of elements put into known crystals of the same stoichiometry pattern."
    )
    wyckoff: Share = Field(0, description="Share of atoms on the Wyckoff positions that crystals of the pattern use.")
    random: Share = Field(0, description="Share of atoms anywhere in a random cell.")


class TargetRanges(BaseModel):
    """Properties that structures are pulled to, each as [lowest, highest]."""

    model_config = ConfigDict(extra="forbid")

    band_gap: Range | None = Field(None, description="Estimated band gap, eV, from 0 to 20.")
    formation_energy: Range | None = Field(
        None, description="Estimated formation energy, eV/atom, from -10 to 10; for models that estimate it."
    )

    def to_target(self) -> PropertyRanges | None:
        """The target; None where it names nothing."""
        ranges: dict[PropertyName, tuple[float, ...] | None] = {
            "band_gap": self.band_gap,
            "formation_energy": self.formation_energy,
        }
        return {name: (wanted[0], wanted[1]) for name, wanted in ranges.items() if wanted is not None} or None


class SeedAtoms(BaseModel):
    """A structure to which atoms are added, in the form in which `GET /structures/{id}` has `atoms`."""

    model_config = ConfigDict(extra="forbid")

    numbers: list[Annotated[StrictInt, Field(ge=1, le=118), WHOLE]] = Field(
        min_length=1, max_length=MAX_ATOMS - 1, description="Atomic number of each atom."
    )
    positions: list[Vector] = Field(
        min_length=1, max_length=MAX_ATOMS - 1, description="Cartesian coordinates of each atom, Å."
    )
    cell: tuple[Vector, ...] = Field(
        min_length=3, max_length=3, description="The cell, a vector per row, Å; the box where nothing repeats."
    )
    periodic: tuple[StrictBool, ...] = Field(
        min_length=3, max_length=3, description="Whether the structure repeats along each of the cell vectors."
    )


class GenerateRequest(BaseModel):
    """What to generate. Only ``composition`` is required."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"composition": "LiS2", "n": 30},
                {"composition": "Li-P-S", "n": 200},
                {"composition": "Li2S", "n": 20, "formula_units": [1, 4], "seed": 1},
                {"composition": "C2H6O", "n": 50, "boundary": "molecule"},
                {"composition": "CoSb", "n": 30, "starts": {"wyckoff": 1, "random": 1}},
                {"composition": "KZnF3", "n": 30, "space_groups": ["cubic", 62, "P6_3/mmc"]},
                {"composition": "C", "n": 30, "pressure": 0.03},
                {"composition": "Ga2O3", "n": 30, "target": {"band_gap": [2.0, 3.0]}},
                {
                    "composition": "Li",
                    "n": 10,
                    "seed_structure": {
                        "numbers": [6, 6],
                        "positions": [[0, 0, 7.5], [0, 1.42, 7.5]],
                        "cell": [[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 15]],
                        "periodic": [True, True, False],
                    },
                },
            ]
        },
    )

    composition: StrictStr = Field(
        description="Formula, reduced or not; or a chemical system, that is two to four element symbols joined by "
        "hyphens, whose structures are shared among its likely formulas, or each with a range of counts, as in "
        "`Li{1-4}S{1-4}`, which share them evenly. The job lists the formulas, of which the hull is made; for crystals "
        "only, and without `cell` and `formula_units`.",
        examples=["LiS2", "Li-S", "Li{1-4}S{1-4}"],
        json_schema_extra=FORMULA_SCHEMA,
    )
    n: Annotated[StrictInt, Field(ge=1, le=MAX_SAMPLES), WHOLE] | None = Field(
        None, description=f"Number of structures; by default {DEFAULT_N}, of a chemical system {DEFAULT_SYSTEM_N}."
    )
    formula_units: Units | UnitsRange | None = Field(
        None,
        description="How many times the formula as written goes into a cell: a number, or [lowest, highest], which the "
        "structures take in turn. By default several that keep the cell at or below 20 atoms.",
    )
    boundary: Literal["crystal", "molecule"] | PartlyPeriodic = Field("crystal", description="Boundary conditions.")
    volume_per_atom: Range | None = Field(
        None, description="[lowest, highest] volume per atom of the starts, Å³; the model's own by default."
    )
    cell: Annotated[tuple[Vector, ...], Field(min_length=3, max_length=3)] | None = Field(
        None, description="Starting cell, a vector per row, Å."
    )
    fixed_cell: StrictBool = Field(False, description="Keep the cell as it is.")
    fixed_volume: StrictBool = Field(
        False, description="Keep the volume that a crystal starts with; the shape of its cell relaxes."
    )
    pressure: Number = Field(
        0.0,
        ge=0,
        le=MAX_PRESSURE,
        description="Hydrostatic pressure on crystals of free cell, pseudo units per Å³, which no factor turns into "
        "GPa. The enthalpy E + pV is minimised; energies that are given and rank are E.",
        examples=[0.03],
    )
    density: Number | None = Field(
        None, description="Density of the starts, g/cm³; in place of a volume, for crystals whose cell is not given."
    )
    min_distance: Number | None = Field(None, description="Least distance between two atoms of a start, Å.")
    separations: dict[StrictStr, Number] | None = Field(
        None,
        description="Least distances between atoms of two elements of a start, Å; other pairs keep `min_distance`, or "
        "the usual ones by covalent radii.",
        examples=[{"Li-S": 2.0, "S-S": 3.0}],
    )
    layer: Range | None = Field(
        None,
        description="[lowest, highest] height over the base of the cell, Å, between which atoms of a start are placed, "
        "along each vector that does not repeat. For what is partly periodic: sheets, wires, one side of a substrate.",
        examples=[[6, 9]],
    )
    seed_structure: SeedAtoms | None = Field(
        None,
        description="Atoms that are there already, such as a substrate; those of the composition are added to them at "
        "random, within reach of an atom that is there. They come first in the structures found, keep their cell, and "
        "stay where they are.",
    )
    relax_seed: StrictBool = Field(False, description="Let the atoms of the seed structure relax as well.")
    starts: StartShares | None = Field(
        None,
        description="What the structures are relaxed from, in which shares; the usual mix if left out. Known crystals "
        "are those added before the job. Without `references` the search is blind.",
        examples=[{"references": 2, "wyckoff": 1, "random": 1}],
    )
    space_groups: SpaceGroup | SpaceGroups | None = Field(
        None,
        description="Space groups that the structures start in, one or a list: numbers, symbols (`Fm-3m`), crystal "
        "systems (`cubic`) or `auto`, which stands for all, each as often as crystals have it. The relaxation keeps "
        "the symmetry, or finds a higher one. For crystals whose cell is not given; by default none is kept.",
        examples=[["cubic", 62], "auto"],
    )
    swaps: Annotated[StrictInt, Field(ge=0, le=MAX_SWAPS), WHOLE] = Field(
        0,
        description="How many times two atoms of different elements change places in each relaxed structure, which "
        "then relaxes again and is kept by Metropolis' rule. Finds which element is where; each costs another "
        "relaxation. Not for molecules, nor with `space_groups`.",
        examples=[20],
    )
    hops: Annotated[StrictInt, Field(ge=0, le=MAX_HOPS), WHOLE] = Field(
        0,
        description="How many times each relaxed structure is shaken, atoms and cell, after which the same happens "
        "(basin hopping). Finds the lowest minima; each costs another relaxation. Not with `space_groups`.",
        examples=[10],
    )
    generations: Annotated[StrictInt, Field(ge=0, le=MAX_GENERATIONS), WHOLE] = Field(
        0,
        description="How many children each relaxed structure has, of parts of itself and of another of the same "
        "atoms, or by mutation; after each the same happens (evolution). Finds the lowest minima; each costs another "
        "relaxation. Structures that are computed together are one population. Not for molecules, nor with "
        "`space_groups`.",
        examples=[10],
    )
    annealing: Annotated[StrictInt, Field(ge=0, le=MAX_STEPS), WHOLE] = Field(
        0,
        description="Steps of Langevin dynamics before the relaxation, in which the start cools down from a "
        "temperature of 0.05 to 0. Each costs as much as a relaxation step. Not with `space_groups`.",
        examples=[500],
    )
    optimizer: OptimizerName | None = Field(
        None,
        description="What relaxes: `fire`, the default, or `lbfgs`, which comes to the same minima in fewer steps.",
        examples=["lbfgs"],
    )
    target: TargetRanges | None = Field(
        None,
        description="Properties that crystals are pulled to as they relax, by a penalty on what lies outside the range "
        "beside the pseudo energy. Energies that are given stay those of the model.",
        examples=[{"band_gap": [1.0, 2.0]}],
    )
    model: StrictStr | None = Field(
        None, description="Name of the model, see GET /models. By default one for crystals or one for molecules."
    )
    seed: Seed | None = Field(None, description="Same seed, same structures; random if left out.")
    fmax: Number = Field(0.01, description="Converged when no force is larger, pseudo units.")
    max_steps: Integer = Field(
        2000, ge=1, le=MAX_STEPS, description="Most relaxation steps, after up to 100 at fixed volume."
    )
    match: StrictBool = Field(True, description="Compare the results with the known structures.")

    def to_spec(self) -> GenerationSpec:
        """The run asked for, with a seed drawn where none was given.

        Raises:
            InputError: a value is out of its bounds.
        """
        given = self.model_dump(
            exclude={"n", "boundary", "formula_units", "seed", "seed_structure", "starts", "space_groups", "target"},
            exclude_none=True,
        )
        there = self.seed_structure
        return GenerationSpec(
            **given,
            n=default_n(self.composition) if self.n is None else self.n,
            formula_units=self._formula_units(),
            periodic=self._periodic(),
            seed_structure=None if there is None else SeedStructure.from_json(there.model_dump()),
            starts=None if self.starts is None else StartMix(**self.starts.model_dump()),
            space_groups=self._space_groups(),
            target=None if self.target is None else self.target.to_target(),
            seed=secrets.randbelow(MAX_SEED) if self.seed is None else self.seed,
        )

    def _formula_units(self) -> tuple[int, ...] | None:
        if self.formula_units is None:
            return None
        if isinstance(self.formula_units, int):
            return (self.formula_units,)
        low, high = self.formula_units
        return tuple(range(low, high + 1))

    def _space_groups(self) -> tuple[int | str, ...] | None:
        given = self.space_groups
        return tuple(given) if isinstance(given, list) else None if given is None else (given,)

    def _periodic(self) -> tuple[bool, bool, bool]:
        if isinstance(self.boundary, PartlyPeriodic):
            first, second, third = self.boundary.periodic
            return first, second, third
        return CRYSTAL if self.boundary == "crystal" else MOLECULE


class ReferenceUpload(BaseModel):
    """Known structures in the text of a file."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "lithium sulphide",
                    "source": "Wyckoff, Crystal Structures, 2nd ed., vol. 1 (1963)",
                    "format": "poscar",
                    "content": "Li2S\n1\n0 2.854 2.854\n2.854 0 2.854\n2.854 2.854 0\nLi S\n2 1\ndirect\n"
                    "0.25 0.25 0.25\n0.75 0.75 0.75\n0 0 0\n",
                }
            ]
        },
    )

    name: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="What people call it; a number is added where the file holds several.",
        examples=["antifluorite"],
    )
    source: str = Field("", max_length=1000, pattern=PRINTABLE, description="Where they come from, e.g. a citation.")
    format: Format = Field(description="What the content is.")
    content: StrictStr = Field(min_length=1, description="Text of the file; of a database (`ase-db`), Base64 of it.")
