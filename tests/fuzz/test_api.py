"""The API keeps to its own document, whatever is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from fuzz.campaign import run_campaign
from fuzz.subject import SECRET, fill

from service.main import create_app
from service.settings import Settings

N_REQUESTS = 5000


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")  # those of the fuzzer, and of its test client, are not ours
def test_5000_requests_find_nothing_undocumented(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, keys="on", key_secret=SECRET, event_stream_seconds=0.01)
    key = fill(settings)
    app = create_app(settings)
    campaign = run_campaign(
        lambda config: schemathesis.openapi.from_asgi("/openapi.json", app, config=config), N_REQUESTS, 1, key
    )
    assert campaign.errors == []
    assert dict(campaign.failures) == {}
    assert campaign.n_requests >= N_REQUESTS
    documented = {f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item}
    assert campaign.operations >= documented
    assert not [label for label in campaign.statuses if label.endswith((" 500", " none"))]
