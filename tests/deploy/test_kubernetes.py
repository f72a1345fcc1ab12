"""The manifests in `deploy/kubernetes`: the references between them, and the settings and probes of the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runs_mcp.config.load import load
from runs_mcp.http.layers.health import LIVE, READY
from tests import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
SETTINGS = (FOLDER / "settings.env").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the resources by kind and name."""
    documents = [
        document
        for file in KUSTOMIZATION["resources"]
        for document in yaml.safe_load_all((FOLDER / file).read_text(encoding="utf-8"))
    ]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


RESOURCES = manifests()
POD = RESOURCES["Deployment", "runs-mcp"]["spec"]["template"]
[CONTAINER] = POD["spec"]["containers"]


def settings() -> dict[str, str]:
    """Return the variables of the config map."""
    return dict(line.split("=", 1) for line in SETTINGS.splitlines())


def selectors() -> Iterator[Any]:
    """Yield each resource that selects pods, with its labels."""
    for (kind, name), resource in RESOURCES.items():
        spec = resource.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector:
            yield pytest.param(selector.get("matchLabels", selector), id=f"{kind} {name}")


def test_the_kustomization_lists_every_manifest() -> None:
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


@pytest.mark.parametrize("labels", list(selectors()))
def test_every_selector_selects_the_pods_of_a_deployment(labels: dict[str, str]) -> None:
    pods = [resource["spec"]["template"] for (kind, _), resource in RESOURCES.items() if kind == "Deployment"]
    assert [pod for pod in pods if labels.items() <= pod["metadata"]["labels"].items()]


def test_the_service_accepts_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in settings().items():
        monkeypatch.setenv(name, value)
    config = load(None)
    assert config.server.http.auth.kind == "bearer"
    assert config.server.redis_url is not None


def test_pods_get_no_variables_of_services_that_look_like_settings() -> None:
    services = [name for kind, name in RESOURCES if kind == "Service"]
    assert "runs-mcp" in services  # Kubernetes would set RUNS_MCP_PORT and other variables for a service of this name
    assert POD["spec"]["enableServiceLinks"] is False


def test_the_files_that_settings_name_are_mounted_from_secrets() -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    secrets = {volume["name"] for volume in POD["spec"]["volumes"] if "secret" in volume}
    paths = [Path(value) for value in settings().values() if value.startswith("/")]
    assert paths
    assert all(mounts[str(path.parent)] in secrets for path in paths)


def test_settings_contain_no_secret() -> None:
    assert not [name for name in settings() if name.endswith(("__VALUE", "TOKEN", "API_KEY"))]


def test_probes_ask_the_paths_that_the_service_answers() -> None:
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == LIVE
    assert CONTAINER["startupProbe"]["httpGet"]["path"] == LIVE
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == READY


def test_the_autoscaler_alone_sets_the_number_of_replicas() -> None:
    scaled = RESOURCES["HorizontalPodAutoscaler", "runs-mcp"]["spec"]["scaleTargetRef"]
    deployment = RESOURCES[scaled["kind"], scaled["name"]]
    assert "replicas" not in deployment["spec"]
    assert "cpu" in CONTAINER["resources"]["requests"]


@pytest.mark.parametrize("pod", [resource for (kind, _), resource in RESOURCES.items() if kind == "Deployment"])
def test_pods_satisfy_the_restricted_standard(pod: dict[str, Any]) -> None:
    spec = pod["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_redis_runs_as_in_compose() -> None:
    [redis] = RESOURCES["Deployment", "redis"]["spec"]["template"]["spec"]["containers"]
    assert (redis["image"], redis["args"]) == (
        COMPOSE["services"]["redis"]["image"],
        COMPOSE["services"]["redis"]["command"],
    )


def test_a_pod_has_time_to_drain() -> None:
    [_, wait] = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    # A stopping service ends its calls within 5 s.
    assert POD["spec"]["terminationGracePeriodSeconds"] >= int(wait) + 5
