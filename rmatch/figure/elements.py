"""Figure 3: the elements as a model sees them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rm_engine.spec import default_model as find_default
from rm_engine.spec.generation import CRYSTAL
from rmatch.benchmark.report import Table
from rmatch.figure.request import Drawing, Request

if TYPE_CHECKING:
    from rm_engine.evaluation.embedding import ElementMap, Kinship

_COLUMNS = ("", "elements", "nearest of own group %", "by chance %", "p", "among 3 nearest %", "by chance %")


def default_model() -> str:
    """The model for crystals: it knows the most elements."""
    return find_default(CRYSTAL)


def draw(request: Request) -> Drawing:
    """First two principal components of the embedding, and how well neighbours in it are of one group."""
    from rm_engine.evaluation.embedding import map_elements
    from rm_engine.figures import plot_elements

    elements = map_elements(request.model)
    kinships = _measure(elements, request)
    rows = [[name, *_row(kinship)] for name, kinship in kinships.items()]
    numbers: dict[str, Any] = {
        "embedding": "sender and receiver" if elements.has_receiver else "sender",
        "scaling": "every component to zero mean and unit variance over the elements that the model has learned",
        "explained_variance": elements.explained,
        "elements": [
            {"symbol": symbol, "group": group, "plane": point.round(4).tolist(), "vector": vector.round(4).tolist()}
            for symbol, group, point, vector in zip(
                elements.symbols, elements.groups, elements.plane, elements.vectors, strict=True
            )
        ],
        "kinship": {name: asdict(kinship) for name, kinship in kinships.items()},
    }
    title = f"Is the nearest element of the same group? The embedding of {request.model.card.name}"
    return Drawing(
        plot_elements(elements, request.model.card.name),
        numbers,
        [Table(title, _COLUMNS, rows)],
        [f"p: {_permutations()} permutations of the groups. Lanthanides and actinides count as a group each."],
    )


def _permutations() -> str:
    from rm_engine.evaluation.embedding import N_PERMUTATIONS

    return f"{N_PERMUTATIONS:,}"


def _measure(elements: ElementMap, request: Request) -> dict[str, Kinship]:
    from rm_engine.evaluation.embedding import is_in_f_block, measure_kinship

    outside = [row for row, group in enumerate(elements.groups) if not is_in_f_block(group)]
    everywhere = list(range(len(elements.groups)))
    measured = {}
    for which, rows in (("all elements", everywhere), ("without the f block", outside)):
        groups = [elements.groups[row] for row in rows]
        for space, points in (("all components", elements.vectors), ("the plane", elements.plane)):
            measured[f"{which}, {space}"] = measure_kinship(points[rows], groups, seed=request.seed)
            request.report(len(measured), 4)
    return measured


def _row(kinship: Kinship) -> list[str]:
    shares = (kinship.nearest, kinship.nearest_by_chance, kinship.among_three, kinship.among_three_by_chance)
    nearest, by_chance, among, among_by_chance = (f"{100 * share:.1f}" for share in shares)
    return [str(kinship.n_elements), nearest, by_chance, f"{kinship.p_value:.4f}", among, among_by_chance]
