"""Figure 2: generated molecules and the checks that they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmatch.benchmark.qm7b import collect_rows, describe_rows, make_tables, plan
from rmatch.figure.request import Drawing, Request

if TYPE_CHECKING:
    from rm_engine.evaluation.molecules import MoleculeCampaign, MoleculeGroup, MoleculeRecord

_N_SAMPLES: Final = 20
_N_KNOWN: Final = 200


def draw(request: Request) -> Drawing:
    """Molecules of compositions of QM7b and of larger ones, beside molecules of the training set."""
    from rm_engine.evaluation.campaign import run_campaign
    from rm_engine.evaluation.molecules import MoleculeGroup, score_groups
    from rm_engine.figures import plot_molecules

    n = request.n or _N_SAMPLES
    campaign: MoleculeCampaign = plan(
        data=request.data,
        model=request.model_name,
        compositions=None,
        protocols=("search",),
        samples=n,
        known=min(_N_KNOWN, 4 * n),
        seeds=(request.seed,),
    )
    n_tasks = len(campaign.tasks)
    results = run_campaign(campaign, on_result=lambda done, _: request.report(done, n_tasks))
    groups = [MoleculeGroup.from_json(result) for result in results]
    rows = collect_rows(groups)
    shares = {
        label: {column: share.value for column, share in score_groups(row).items()} for label, row in rows.items()
    }
    pictured = choose_pictured(groups)
    numbers = {
        "n_samples": n,
        "rows": describe_rows(rows),
        "pictured": [{"composition": label, "smiles": record.report.smiles} for label, record in pictured],
    }
    labels = [(f"{label}\n{record.report.smiles}", record) for label, record in pictured]
    return Drawing(plot_molecules(shares, labels, request.model.card.name), numbers, make_tables(rows))


def choose_pictured(groups: list[MoleculeGroup]) -> list[tuple[str, MoleculeRecord]]:
    """The first molecule of each composition that passes every check."""
    chosen = []
    for group in groups:
        proper = [record for record in group.records if group.composition and record.is_proper]
        chosen += [(group.composition, record) for record in proper[:1]]
    return chosen
