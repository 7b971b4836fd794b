"""``GET /metrics``."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from service.api.access import Admin
from service.api.services import Use

router = APIRouter(tags=["operation"])

_EXAMPLE: Final = '# TYPE rmatch_queue_jobs gauge\nrmatch_queue_jobs{state="running"} 2.0\n'


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}, "description": "Metrics."}
    },
)
def get_metrics(services: Use, _admin: Admin) -> Response:
    """Metrics for Prometheus: requests of this process; queue, workers and database, read with a few queries.

    Those of the workers come from the database too: to scrape the API is enough, and any one of its processes.
    """
    return Response(services.instruments.expose(), media_type=CONTENT_TYPE_LATEST)
