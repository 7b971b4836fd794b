"""Padded periodic neighbour lists, for a whole batch of small structures at once.

Cells here hold up to a few hundred atoms and may be smaller than the cutoff, so that an atom sees many images of its
neighbours and of itself. All pairs and images that can lie within the cutoff are enumerated as one flat array over the
whole batch; no loop runs over structures or atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.errors import RMEngineError
from rm_engine.kernels import find_neighbors
from rm_engine.structure.batch import StructureBatch
from rm_engine.structure.cells import cell_heights

CANDIDATES_AT_ONCE = 4_000_000
"""A batch with more (pair, image) candidates is done in parts; about 0.4 GB."""

MAX_CANDIDATES = 20_000_000
"""Most candidates of a single structure; about 2 GB."""

_FLATTEST = 1e-8
"""Å; the images that a flatter cell would need are more than MAX_CANDIDATES as it is."""

_SELF = 1e-8
"""Squared distance (Å²) below which a candidate is the atom itself."""


class TooManyNeighborsError(RMEngineError):
    """A cell is so flat or so dense that its neighbour list would not fit."""


@dataclass(frozen=True)
class NeighborList:
    """Neighbours of every atom, padded to the most that any has.

    Attributes:
        index: (n_atoms, n_neighbors) the neighbour's row in the batch; where padded, any row.
        image: (n_atoms, n_neighbors, 3) cell offsets of the neighbour's image, in the positions' dtype.
        present: (n_atoms, n_neighbors) bool, false where padded.
    """

    index: Tensor
    image: Tensor
    present: Tensor

    def displacements(self, batch: StructureBatch, far: float) -> Tensor:
        """(n_atoms, 3, n_neighbors) vectors from each atom to its neighbours, Å; padding is a vector of length
        ``far``.
        """
        shift = self.image @ batch.cells[batch.structure_of]
        neighbors = batch.positions.index_select(0, self.index.flatten()).view_as(self.image)
        vectors = neighbors - batch.positions[:, None, :] + shift
        padding = vectors.new_tensor([far, 0.0, 0.0])
        return torch.where(self.present[..., None], vectors, padding).transpose(1, 2).contiguous()

    def select(self, atoms: Tensor) -> NeighborList:
        """The rows where ``atoms`` (n_atoms,) bool is true; whole structures only, so that no neighbour is left out."""
        present = self.present[atoms]
        width = _width(present)
        renumbered = (torch.cumsum(atoms, 0) - 1).clamp(min=0)[self.index[atoms, :width]]
        return NeighborList(renumbered, self.image[atoms, :width], present[:, :width])

    def replaced(self, rows: Tensor, renewed: NeighborList) -> NeighborList:
        """The list with ``rows`` (n_rows,) taken from a list of just these atoms, in the same order."""
        width = max(_width(self.present), renewed.index.shape[1])
        index, image, present = (_widened(table, width) for table in (self.index, self.image, self.present))
        used = renewed.index.shape[1]
        for table, new in ((index, rows[renewed.index]), (image, renewed.image), (present, renewed.present)):
            table[rows, used:] = 0  # padding: the neighbour's row does not matter where none is present
            table[rows, :used] = new
        return NeighborList(index, image, present)


def _width(present: Tensor) -> int:
    """Most neighbours of any atom, at least 1."""
    return max(1, int(present.sum(dim=1).max())) if present.numel() else 1


def _widened(table: Tensor, width: int) -> Tensor:
    """A copy with exactly ``width`` columns."""
    wide = table.new_zeros((table.shape[0], width, *table.shape[2:]))
    used = min(width, table.shape[1])
    wide[:, :used] = table[:, :used]
    return wide


def count_images(batch: StructureBatch, cutoff: float) -> Tensor:
    """(n_structures, 3) images needed on each side along each vector, for atoms wrapped into the cell; 0 where not
    periodic.
    """
    reach = torch.ceil(cutoff / cell_heights(batch.cells).clamp(min=_FLATTEST))
    return torch.where(batch.periodic, reach.to(torch.int64), 0)


def build_neighbor_list(batch: StructureBatch, cutoff: float) -> NeighborList:
    """All neighbours within ``cutoff`` (Å), every periodic image counted, an atom's own images too.

    Raises:
        TooManyNeighborsError: a cell so flat or small that more than 20 million candidates would have to be looked at.
    """
    return _compiled_list(batch, cutoff) or build_plain_list(batch, cutoff)


def _compiled_list(batch: StructureBatch, cutoff: float) -> NeighborList | None:
    """The list by the compiled kernel; None where there is none."""
    if batch.positions.device.type != "cpu":
        return None
    positions, cells = batch.positions.double().numpy(), batch.cells.double().numpy()
    try:
        found = find_neighbors(batch.sizes.numpy(), positions, cells, batch.periodic.numpy(), cutoff)
    except OverflowError as error:
        raise TooManyNeighborsError(f"{error} Use a larger or less dense cell.") from error
    if found is None:
        return None
    index, image, counts = (torch.from_numpy(array) for array in found)
    present = torch.arange(index.shape[1]) < counts[:, None]
    return NeighborList(index, image.to(batch.positions), present)


def build_plain_list(batch: StructureBatch, cutoff: float) -> NeighborList:
    """:func:`build_neighbor_list` in torch alone, on any device."""
    offset, offset_structure, first_offset, n_offsets = _offsets(batch, count_images(batch, cutoff))
    wrap = _wrapping(batch)
    # Positions inside the cell, so that count_images suffices; the offsets are put back into the list below.
    inside = batch.positions + (wrap[:, None, :] @ batch.cells[batch.structure_of])[:, 0]
    center, neighbor = _pairs(batch)
    n_candidates = n_offsets[batch.structure_of[center]]
    total = int(n_candidates.sum())
    if total > CANDIDATES_AT_ONCE and batch.n_structures > 1:
        return _build_in_halves(batch, cutoff)
    if total > MAX_CANDIDATES:
        raise TooManyNeighborsError(
            f"{total:,} neighbour candidates, at most {MAX_CANDIDATES:,}: use a larger or less dense cell."
        )
    # Candidate = (pair, offset). Everything per candidate is two gathers and a sum, in their fastest forms; the rest is
    # done per pair or offset.
    pair = _repeat(n_candidates)
    start = first_offset[batch.structure_of[center]] - (torch.cumsum(n_candidates, 0) - n_candidates)
    image = torch.arange(total, device=pair.device) + start.index_select(0, pair)
    shift = (offset[:, None, :] @ batch.cells[offset_structure])[:, 0]
    between = inside[neighbor] - inside[center]
    x, y, z = (between.index_select(0, pair) + shift.index_select(0, image)).unbind(dim=1)
    distance2 = x * x + y * y + z * z
    # An atom is no neighbour of itself; its images are at least a cell vector away.
    found = torch.nonzero((distance2 < cutoff * cutoff) & (distance2 > _SELF))[:, 0]
    pair, image = pair[found], image[found]
    center, neighbor = center[pair], neighbor[pair]
    return _pad(center, neighbor, offset[image] + wrap[neighbor] - wrap[center], batch.n_atoms)


def _build_in_halves(batch: StructureBatch, cutoff: float) -> NeighborList:
    """:func:`build_plain_list` for one half of the structures after the other, to bound the memory."""
    n_atoms, device = batch.n_atoms, batch.cells.device
    found = NeighborList(
        index=torch.zeros((n_atoms, 0), dtype=torch.int64, device=device),
        image=batch.positions.new_zeros((n_atoms, 0, 3)),
        present=torch.zeros((n_atoms, 0), dtype=torch.bool, device=device),
    )
    is_first = torch.arange(batch.n_structures, device=device) < batch.n_structures // 2
    for half in (is_first, ~is_first):
        rows = torch.nonzero(half[batch.structure_of])[:, 0]
        found = found.replaced(rows, build_plain_list(batch.select(half), cutoff))
    return found


def _wrapping(batch: StructureBatch) -> Tensor:
    """(n_atoms, 3) whole cell vectors to add so that an atom lies inside its cell; zero along vectors not periodic."""
    fractional = torch.einsum("ni,nij->nj", batch.positions, torch.linalg.inv(batch.cells)[batch.structure_of])
    return torch.where(batch.periodic[batch.structure_of], -torch.floor(fractional), torch.zeros_like(fractional))


def _repeat(counts: Tensor) -> Tensor:
    """Each index i repeated counts[i] times."""
    return torch.repeat_interleave(torch.arange(counts.shape[0], device=counts.device), counts)


def _pairs(batch: StructureBatch) -> tuple[Tensor, Tensor]:
    """Every ordered pair of atoms of one structure, an atom with itself too, sorted by the first: two (n_pairs,)."""
    sizes = batch.sizes
    per_atom = sizes[batch.structure_of]
    center = _repeat(per_atom)
    first_atom = (torch.cumsum(sizes, 0) - sizes)[batch.structure_of]
    start = first_atom - (torch.cumsum(per_atom, 0) - per_atom)
    return center, torch.arange(center.shape[0], device=center.device) + start[center]


def _offsets(batch: StructureBatch, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cell offsets of every structure: (n_offsets, 3), their structure (n_offsets,), and per structure the first and
    the number.
    """
    span = 2 * images + 1
    if float(span.double().prod(dim=1).sum()) > MAX_CANDIDATES:  # in floating point: integers would overflow
        raise TooManyNeighborsError("A cell is too flat for a neighbour list.")
    counts = span.prod(dim=1)
    first = torch.cumsum(counts, 0) - counts
    structure = _repeat(counts)
    rest = torch.arange(structure.shape[0], device=structure.device) - first[structure]
    columns = []
    for axis in range(3):
        columns.append(rest % span[structure, axis] - images[structure, axis])
        rest = torch.div(rest, span[structure, axis], rounding_mode="floor")
    return torch.stack(columns, dim=1).to(batch.positions.dtype), structure, first, counts


def _pad(center: Tensor, neighbor: Tensor, image: Tensor, n_atoms: int) -> NeighborList:
    """Lay out flat pairs, sorted by centre, as a padded table."""
    counts = torch.bincount(center, minlength=n_atoms)
    width = max(1, int(counts.max())) if n_atoms else 1
    column = torch.arange(center.shape[0], device=center.device) - (torch.cumsum(counts, 0) - counts)[center]
    index = torch.arange(n_atoms, device=center.device)[:, None].repeat(1, width)
    images = image.new_zeros((n_atoms, width, 3))
    index[center, column] = neighbor
    images[center, column] = image
    return NeighborList(index, images, torch.arange(width, device=center.device) < counts[:, None])
