"""The Cartesian atomic cluster expansion potential (CACE, DOI 10.1038/s41524-024-01332-4) without message passing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from rm_engine.potential.angular import MULTIPLICITY, N_MONOMIALS, triple_contractions
from rm_engine.potential.edges import EdgeBasis
from rm_engine.potential.radial import BesselBasis
from rm_engine.spec import PotentialConfig
from rm_engine.units import SYMBOLS


class Readout(nn.Module):
    """Atomic energy from invariants: a multilayer perceptron with SiLU plus a linear map."""

    def __init__(self, n_features: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        widths = (n_features, *hidden, 1)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.SiLU()]
        self.mlp = nn.Sequential(*layers[:-1])
        self.linear = nn.Linear(n_features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(n_atoms, n_features) to (n_atoms,)."""
        return (self.mlp(features) + self.linear(features))[:, 0]  # type: ignore[no-any-return]


class CACE(nn.Module):
    """Atomic energies from species and vectors to neighbours.

    The sum over neighbours is a product of two small matrices per atom, (radial x embedding, neighbours) times
    (neighbours, monomials), so that nothing of size edges x radial x angular x channels is ever stored. The receiver's
    embedding does not depend on the neighbour; it enters last, as a factor of the invariants.

    Attributes:
        config: its hyper-parameters.
        may_compile: whether a compiled kernel may stand in for this code where there is one.
    """

    def __init__(self, config: PotentialConfig) -> None:
        super().__init__()
        self.config = config
        self.may_compile = True
        self.radial = BesselBasis(config.n_radial_functions, config.cutoff)
        n_species, n = len(config.elements), config.n_embedding
        # Small at first: the invariants are products of embeddings, and large ones cost the first epoch.
        self.sender = nn.Parameter(torch.randn(n_species, n) / 4)
        self.receiver = (
            nn.Parameter(torch.randn(n_species, n) / 4) if config.separate_receiver_embedding else self.sender
        )
        shape = (config.n_radial_functions, config.n_radial_channels, n * n)
        scale = config.n_radial_functions**-0.5
        self.radial_mixing = nn.ParameterList([torch.randn(shape) * scale for _ in range(config.l_max + 1)])
        n_invariants = (1 + config.l_max) + (4 if config.nu_max == 3 else 0)
        self.readout = Readout(config.n_radial_channels * n_invariants * n * n, config.readout_hidden)
        species_of = torch.full((len(SYMBOLS),), -1, dtype=torch.int64)
        species_of[torch.tensor(config.elements)] = torch.arange(n_species)
        self.register_buffer("species_of", species_of, persistent=False)

    def forward(self, numbers: Tensor, neighbor_numbers: Tensor, displacements: Tensor) -> Tensor:
        """Atomic energies.

        Args:
            numbers: (n_atoms,) atomic numbers, all among the configured elements.
            neighbor_numbers: (n_atoms, n_neighbors) theirs; padding may hold any known element.
            displacements: (n_atoms, 3, n_neighbors) vectors to the neighbours, Å; what lies beyond the cutoff does
                not count.

        Returns:
            (n_atoms,) pseudo energies.
        """
        return self.atomic_energies(numbers, self.edge_basis(neighbor_numbers, displacements).sum_over_neighbors())

    def edge_basis(self, neighbor_numbers: Tensor, displacements: Tensor) -> EdgeBasis:
        """The basis of all edges; arguments as in :meth:`forward`."""
        species = self.get_buffer("species_of").index_select(0, neighbor_numbers.flatten())
        # (n_atoms, a, n_neighbors), neighbours side by side in memory
        sender = (
            self.sender.t()
            .index_select(1, species)
            .reshape(self.config.n_embedding, *neighbor_numbers.shape)
            .transpose(0, 1)
        )
        return EdgeBasis.of(displacements, sender, self.radial, self.config.l_max)

    def atomic_energies(self, numbers: Tensor, atomic_basis: Tensor) -> Tensor:
        """(n_atoms,) energies of atomic numbers (n_atoms,) with this sum over the edge basis of their neighbours."""
        config = self.config
        receiver = self.receiver[self.get_buffer("species_of")[numbers]]  # (n_atoms, b)
        n_atoms, n = numbers.shape[0], config.n_embedding
        basis = atomic_basis.reshape(n_atoms, n, config.n_radial_functions, atomic_basis.shape[2])
        blocks = torch.split(basis, list(N_MONOMIALS[: config.l_max + 1]), dim=3)
        columns = []
        for factors, invariant in self._invariants(blocks):
            # (a, n_atoms, k * b) -> (n_atoms, k, a, b)
            by_channel = invariant.reshape(n, n_atoms, config.n_radial_channels, n).permute(1, 2, 0, 3)
            columns.append(by_channel * (receiver**factors)[:, None, None, :])
        # The B features: radial channel slowest, then invariant, then channel.
        return self.readout(torch.stack(columns, dim=2).flatten(1))  # type: ignore[no-any-return]

    def _invariants(self, blocks: Sequence[Tensor]) -> list[tuple[int, Tensor]]:
        """The invariants in the order of the published potential: 3 for l_max = nu_max = 2, 8 for l_max = nu_max = 3.

        Args:
            blocks: the sums over neighbours of each degree l, (n_atoms, a, n_radial, n_monomials of l).

        Returns:
            Number of factors and values (a, n_atoms, k * b) of each invariant, without the receiver's embedding.
        """
        found = [(1, self._mix(blocks[0], 0)[0])]
        found += [(2, self._mixed_square(block, degree)) for degree, block in enumerate(blocks) if degree]
        if self.config.nu_max >= 3:
            mixed = (self._mix(block, degree) for degree, block in enumerate(blocks) if degree)
            found += [(3, contraction) for contraction in triple_contractions(*mixed)]
        return found

    def _mix(self, block: Tensor, degree: int) -> Tensor:
        """Mix radial functions into channels: (n_atoms, a, n_radial, m) to (m, a, n_atoms, k * b)."""
        return block.permute(3, 1, 0, 2) @ self._weights_by_sender(self.radial_mixing[degree])

    def _mixed_square(self, block: Tensor, degree: int) -> Tensor:
        """The full contraction of the mixed tensor with itself, (a, n_atoms, k * b).

        Mixing is linear, so the multiplicities of the monomials go before it, where there is less to multiply.
        """
        scaled = block * block.new_tensor(MULTIPLICITY[degree]).sqrt()
        return self._mix(scaled, degree).square().sum(dim=0)

    def _weights_by_sender(self, weight: Tensor) -> Tensor:
        """Weights (n_radial, k, channels) as one matrix for each sender embedding, (a, n_radial, k * b)."""
        n = self.config.n_embedding
        return weight.reshape(*weight.shape[:2], n, n).permute(2, 0, 1, 3).flatten(2)
