"""What lies in ``deploy/``: manifests by Kubernetes' own schema, and queries of nothing that is not measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from rmatch.main import app as command_line
from service.domain.workers import WorkerReport
from service.jobs import record_worker
from service.main import create_app
from service.settings import Settings
from worker.tally import Tally

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
NEWEST = "1.37"
SETTINGS = Settings()

_METRIC = re.compile(r"\b(?:rmatch|process)_[a-z_]+\b")
_MATCHER = re.compile(r"(\b(?:rmatch|process)_[a-z_]+)\{([^}]*)\}")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


MANIFESTS: list[dict[str, Any]] = [
    document
    for path in (*sorted(BASE.glob("*.yaml")), DEPLOY / "kubernetes" / "secrets.template.yaml")
    for document in documents(path)
    if document["kind"] != "Kustomization"
]
PODS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]
    for manifest in MANIFESTS
    if manifest["kind"] in {"Deployment", "Job"}
}
RULES: list[dict[str, Any]] = documents(DEPLOY / "prometheus" / "rmatch.rules.yml")[0]["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "rmatch.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ADAPTED = documents(DEPLOY / "prometheus" / "adapter.yml")[0]["rules"]["external"][0]


def find(kind: str, name: str) -> dict[str, Any]:
    (found,) = [item for item in MANIFESTS if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def queries() -> Iterator[str]:
    """Every expression that Prometheus is asked."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield ADAPTED["metricsQuery"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Mapping[str, str]]]:
    """Labels of the samples by name, as an API with one worker, on a GPU, exports them."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("exported"))
    application = create_app(settings)
    with TestClient(application, "http://localhost", raise_server_exceptions=False) as client:
        now = datetime.now(UTC)
        counters = Tally().snapshot() | {"gpu_memory_bytes": 0}
        report = WorkerReport(name="node:1", started_at=now, seen_at=now, chunk_id=None, details={}, counters=counters)
        record_worker(application.state.services.store, report)
        application.add_api_route("/fail", lambda: 1 / 0)
        client.get("/fail")
        client.get("/jobs")
        text = client.get("/metrics").text
    labels: dict[str, list[Mapping[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, []).append(sample.labels)
    return labels


def test_every_query_is_of_what_is_exported(exported: Mapping[str, list[Mapping[str, str]]]) -> None:
    asked = {name for query in queries() for name in _METRIC.findall(query)}
    assert len(asked) >= 20
    assert asked <= exported.keys()


def test_every_label_in_a_query_has_that_value_somewhere(exported: Mapping[str, list[Mapping[str, str]]]) -> None:
    added_by_prometheus = {"job", "instance"}
    for query in queries():
        for name, matchers in _MATCHER.findall(query):
            for label, value in re.findall(r'(\w+)="([^"]*)"', matchers):
                assert label in added_by_prometheus or value in {labels.get(label) for labels in exported[name]}, query
        kept = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
        known = {label for name in _METRIC.findall(query) for labels in exported[name] for label in labels}
        assert kept <= known | added_by_prometheus, query


def test_queries_are_balanced_and_add_up_no_copies() -> None:
    """Every API process exports what is in the database: such a metric is never summed over processes."""
    for query in queries():
        for opening, closing in ("()", "{}", "[]"):
            assert query.count(opening) == query.count(closing), query
        assert not re.search(r"sum(?: by \([^)]*\))? \(?(?:rate\(|increase\()?rmatch_(?:queue|worker)", query), query


def test_every_alert_says_what_to_do() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)", runbook, re.M)
    }
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    for rule in RULES:
        assert rule["annotations"]["summary"].endswith((".", "}}."))
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / page).is_file()
        assert anchor in anchors, rule["alert"]


def test_prometheus_loads_the_rules_and_scrapes_what_there_is() -> None:
    (config,) = documents(DEPLOY / "prometheus" / "prometheus.yml")
    assert all((DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"])
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == "rmatch"
    assert scrape.get("metrics_path", "/metrics") == "/metrics"
    assert "credentials_file" in scrape["authorization"]


def test_panels_have_units_and_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_manifests_are_valid_to_the_letter(manifest: dict[str, Any]) -> None:
    assert kubernetes_validate.validate(manifest, NEWEST, strict=True)


def test_a_manifest_with_an_unknown_field_is_refused() -> None:
    broken = {**find("Deployment", "api"), "spec": {**find("Deployment", "api")["spec"], "replicsa": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    (kustomization,) = documents(BASE / "kustomization.yaml")
    assert {*kustomization["resources"], "kustomization.yaml"} == {path.name for path in BASE.iterdir()}
    images = {container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]}
    assert images == {image["name"] for image in kustomization["images"]}
    (gpu,) = documents(DEPLOY / "kubernetes" / "gpu" / "kustomization.yaml")
    (patch,) = gpu["patches"]
    assert find(patch["target"]["kind"], patch["target"]["name"])


@pytest.mark.parametrize("name", PODS)
def test_pods_are_as_confined_as_a_restricted_namespace_asks(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert str(spec["securityContext"]["runAsUser"]) in (ROOT / "Dockerfile").read_text()
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", PODS)
def test_pods_run_commands_that_exist_with_settings_that_are_given(name: str) -> None:
    (container,) = PODS[name]["spec"]["containers"]
    program, command, *_ = container["command"]
    assert program == "rmatch"
    assert command in {entry.name or entry.callback.__name__ for entry in command_line.registered_commands}
    given: set[str] = set()
    for source in container["envFrom"]:
        for kind, reference in source.items():
            manifest = find({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"])
            given |= {*manifest.get("data", {}), *manifest.get("stringData", {})}
    assert {"RMATCH_DATABASE_URL", "RMATCH_BROKER_URL"} <= given
    assert ("RMATCH_KEY_SECRET" in given) == (name in {"api", "migrations", "sweeper"})


def test_there_is_time_to_stop_in_order() -> None:
    api, worker = PODS["api"]["spec"], PODS["worker"]["spec"]
    assert api["terminationGracePeriodSeconds"] >= SETTINGS.drain_seconds + 10 + 5
    assert worker["terminationGracePeriodSeconds"] >= SETTINGS.soft_shutdown_seconds + SETTINGS.chunk_kill_seconds + 5
    assert api["containers"][0]["readinessProbe"]["periodSeconds"] < SETTINGS.drain_seconds


def test_probes_and_services_reach_the_port_and_the_paths_there_are() -> None:
    (container,) = PODS["api"]["spec"]["containers"]
    paths = create_app(Settings(data_dir=Path("/nonexistent"), keys="off")).openapi()["paths"]
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
        assert path in paths
    (port,) = container["ports"]
    assert str(port["containerPort"]) in container["command"]
    assert find("Service", "api")["spec"]["ports"][0]["targetPort"] == port["name"]


def test_selectors_select_the_pods_that_are_meant() -> None:
    for manifest in MANIFESTS:
        selector = manifest["spec"].get("selector") if manifest["kind"] in {"Service", "Deployment"} else None
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert PODS[manifest["metadata"]["name"]]["metadata"]["labels"].items() >= wanted.items()
    (reached,) = find("NetworkPolicy", "to-database-and-broker")["spec"]["podSelector"]["matchExpressions"]
    assert set(reached["values"]) == PODS.keys()


def test_what_scales_exists_and_what_it_scales_by_is_measured(exported: Mapping[str, list[Mapping[str, str]]]) -> None:
    for name in ("api", "worker"):
        target = find("HorizontalPodAutoscaler", name)["spec"]["scaleTargetRef"]
        assert find(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    (metric,) = find("HorizontalPodAutoscaler", "worker")["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == ADAPTED["name"]["as"] == ADAPTED["seriesQuery"]
    assert ADAPTED["seriesQuery"] in exported


def test_every_setting_that_is_named_exists() -> None:
    known = {f"RMATCH_{name.upper()}" for name in Settings.model_fields}
    files = [ROOT / "Dockerfile", *ROOT.glob("docker-compose*.yml"), *DEPLOY.rglob("*.*")]
    for path in files:
        assert set(re.findall(r"\bRMATCH_[A-Z_]+\b", path.read_text())) <= known, path
