"""The Cartesian atomic cluster expansion potential (CACE, DOI 10.1038/s41524-024-01332-4) without message passing."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from rm_engine.potential.angular import N_MONOMIALS, angular_monomials, invariants_of
from rm_engine.potential.radial import BesselBasis, norm
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
    """

    def __init__(self, config: PotentialConfig) -> None:
        super().__init__()
        self.config = config
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
        return self.readout(self.features(numbers, neighbor_numbers, displacements))  # type: ignore[no-any-return]

    def features(self, numbers: Tensor, neighbor_numbers: Tensor, displacements: Tensor) -> Tensor:
        """The invariant B features, (n_atoms, n_features): radial channel slowest, then invariant, then channel."""
        config = self.config
        species_of: Tensor = self.get_buffer("species_of")
        atomic_basis = self._sum_over_neighbors(species_of[neighbor_numbers], displacements)
        receiver = self.receiver[species_of[numbers]]  # (n_atoms, b)
        powers = (receiver, receiver**2, receiver**3)
        n_atoms, n = numbers.shape[0], config.n_embedding
        columns = []
        for factors, invariant in invariants_of(self._mix_radially(atomic_basis), config.nu_max):
            # invariant: (a, n_atoms, k, b) -> (n_atoms, k, a, b)
            by_channel = invariant.reshape(n, n_atoms, config.n_radial_channels, n).permute(1, 2, 0, 3)
            columns.append(by_channel * powers[factors - 1][:, None, None, :])
        return torch.stack(columns, dim=2).reshape(n_atoms, -1)

    def _sum_over_neighbors(self, neighbor_species: Tensor, displacements: Tensor) -> Tensor:
        """The edge basis summed over neighbours: (n_atoms, a * n_radial, n_monomials)."""
        distances = norm(displacements)
        radial = self.radial(distances)
        sender = self.sender[neighbor_species].transpose(1, 2)  # (n_atoms, a, n_neighbors)
        weighted = (sender[:, :, None] * radial[:, None]).flatten(1, 2)
        monomials = angular_monomials(displacements / distances[:, None], self.config.l_max)
        return torch.bmm(weighted, monomials.transpose(1, 2))

    def _mix_radially(self, atomic_basis: Tensor) -> list[Tensor]:
        """Mix radial functions with one weight per degree and channel: for each l a tensor (n_monomials of l, a *
        n_atoms * k * b).
        """
        config = self.config
        n, n_radial = config.n_embedding, config.n_radial_functions
        basis = atomic_basis.reshape(-1, n, n_radial, atomic_basis.shape[-1])
        ends = list(accumulate(N_MONOMIALS[: config.l_max + 1]))
        mixed = []
        for degree, weight in enumerate(self.radial_mixing):
            block = basis[..., ends[degree] - N_MONOMIALS[degree] : ends[degree]]
            block = block.permute(3, 1, 0, 2)  # (m, a, n_atoms, n_radial)
            by_sender = weight.reshape(n_radial, config.n_radial_channels, n, n).permute(2, 0, 1, 3).flatten(2)
            mixed.append((block @ by_sender).reshape(N_MONOMIALS[degree], -1))
        return mixed
