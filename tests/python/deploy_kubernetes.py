"""The Helm chart and the plain manifests, held against Helm's own engine (as a
library), Kubernetes' schemas, and what the documentation promises.

    python tests/python/deploy_kubernetes.py
"""

import re
import sys
from pathlib import Path

import helm_python
import kubernetes_validate
import yaml

from reporting import run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/rolekeeper"
PLAIN = ROOT / "deploy/kubernetes"
KUBERNETES = "1.31"
# Kinds of the Prometheus operator, for which Kubernetes itself has no schema.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def render(values):
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="keeper", namespace="security")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def pods(documents):
    for document in documents:
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]
        elif document["kind"] == "CronJob":
            yield document["spec"]["jobTemplate"]["spec"]["template"]


def validate(documents):
    for document in documents:
        if document["kind"] not in FOREIGN:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def check_hardened(documents):
    for pod in pods(documents):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def check_selectors_meet_labels(documents):
    """A service or a budget that selects nothing is the usual mistake of a chart."""
    labels = [pod["metadata"]["labels"] for pod in pods(documents)]
    for document in documents:
        spec = document["spec"] if "spec" in document else {}
        selector = {
            "Service": lambda: spec["selector"],
            "Deployment": lambda: spec["selector"]["matchLabels"],
            "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
        }.get(document["kind"])
        if selector:
            assert any(selector().items() <= found.items() for found in labels), document["kind"]


def check_mounts_are_volumes(documents):
    for pod in pods(documents):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            assert mounts == volumes, (mounts, volumes)


def refused(values, because):
    try:
        render(values)
    except helm_python.HelmError as error:
        assert re.search(because, str(error)), f"refused for another reason: {error}"
        return
    raise AssertionError(f"{values} was not refused")


def helm_lints_every_set_of_values():
    for name, values in value_sets():
        report = helm_python.lint(str(CHART), values, strict=True)
        worse = [message for message in report["messages"] if message["severity"] >= 2]
        assert not worse and not report["errors"], (name, report)


def value_sets():
    yield "defaults", {}
    for path in sorted((CHART / "ci").glob("*.yaml")):
        yield path.name, yaml.safe_load(path.read_text())


def every_set_of_values_renders_to_valid_manifests():
    for _name, values in value_sets():
        documents = render(values)
        validate(documents)
        check_hardened(documents)
        check_selectors_meet_labels(documents)
        check_mounts_are_volumes(documents)


def one_replica_keeps_its_state_and_never_shares_it():
    documents = render({})
    (deployment,) = of_kind(documents, "Deployment")
    assert deployment["spec"]["strategy"]["type"] == "Recreate"
    (claim,) = of_kind(documents, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not of_kind(documents, "PodDisruptionBudget")


def replicas_need_postgres():
    refused({"replicas": 2}, "need PostgreSQL")
    documents = render({"replicas": 2, "store": {"urlSecret": "database"}})
    assert not of_kind(documents, "PersistentVolumeClaim")
    (deployment,) = of_kind(documents, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (url,) = [entry for entry in container["env"] if entry["name"] == "ROLEKEEPER__STORE__URL"]
    assert url["valueFrom"]["secretKeyRef"] == {"name": "database", "key": "url"}


def the_daemon_never_listens_without_a_token():
    (deployment,) = of_kind(render({}), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["ROLEKEEPER__HTTP__LISTEN"] == "0.0.0.0:9464"
    assert environment["ROLEKEEPER__HTTP__TOKEN_FILE"] == "/etc/rolekeeper/secrets/token"


def a_changed_configuration_is_a_changed_pod():
    def checksum(config):
        (deployment,) = of_kind(render({"config": config}), "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum("a = 1\n") != checksum("a = 2\n")


def a_cron_job_applies_and_listens_nowhere():
    documents = render({"mode": "cronjob"})
    assert not of_kind(documents, "Deployment") and not of_kind(documents, "Service")
    (job,) = of_kind(documents, "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["apply", "--yes"]
    assert "ports" not in container and "livenessProbe" not in container


def values_that_make_no_sense_are_refused_by_the_schema():
    refused({"mode": "both"}, "mode")
    refused({"replicas": 0}, "replicas")
    refused({"replica": 2}, "replica")
    refused({"image": {"digest": "latest"}}, "digest")
    refused({"config": ""}, "config")


def the_charts_version_is_the_programs():
    workspace = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == workspace, chart
    assert f"image: rolekeeper:{workspace}" in (PLAIN / "cronjob.yaml").read_text()


def a_network_policy_closes_only_what_it_is_told_to():
    (policy,) = of_kind(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"] and "egress" not in policy["spec"]
    egress = [{"ports": [{"port": 443, "protocol": "TCP"}]}]
    (policy,) = of_kind(render({"networkPolicy": {"enabled": True, "egress": egress}}), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"] and policy["spec"]["egress"] == egress


def a_cluster_that_gives_out_user_ids_can_do_so():
    own = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    (deployment,) = of_kind(render({"podSecurityContext": own}), "Deployment")
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert context["runAsNonRoot"] is True and "runAsUser" not in context, context


def the_prometheus_operator_finds_the_service_and_its_token():
    documents = render({"metrics": {"serviceMonitor": {"enabled": True}}})
    (monitor,) = of_kind(documents, "ServiceMonitor")
    (service,) = of_kind(documents, "Service")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["authorization"]["credentials"] == {"name": "rolekeeper", "key": "token"}


def the_alerts_are_those_of_deploy_prometheus():
    values = {"metrics": {"prometheusRule": {"enabled": True, "runbookBase": "https://git.example.com/"}}}
    (rule,) = of_kind(render(values), "PrometheusRule")
    ours = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    text = yaml.safe_dump(rule["spec"]).replace("https://git.example.com/docs/", "docs/")
    assert yaml.safe_load(text) == ours
    assert "https://git.example.com/docs/OPERATIONS.md#" in yaml.safe_dump(rule["spec"])


def plain_manifests_are_valid_and_hardened():
    found = sorted(PLAIN.glob("*.yaml"))
    assert found
    for path in found:
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
        validate(documents)
        check_hardened(documents)
        check_mounts_are_volumes(documents)


CHECKS = [
    helm_lints_every_set_of_values,
    every_set_of_values_renders_to_valid_manifests,
    one_replica_keeps_its_state_and_never_shares_it,
    replicas_need_postgres,
    the_daemon_never_listens_without_a_token,
    a_changed_configuration_is_a_changed_pod,
    a_cron_job_applies_and_listens_nowhere,
    values_that_make_no_sense_are_refused_by_the_schema,
    the_charts_version_is_the_programs,
    a_network_policy_closes_only_what_it_is_told_to,
    a_cluster_that_gives_out_user_ids_can_do_so,
    the_prometheus_operator_finds_the_service_and_its_token,
    the_alerts_are_those_of_deploy_prometheus,
    plain_manifests_are_valid_and_hardened,
]


if __name__ == "__main__":
    sys.exit(run(CHECKS))
