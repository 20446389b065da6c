"""The checks find nothing in what is deployed, and find pods that are broken on purpose."""

import pytest

from cli import services
from cli.deployment import check, generated
from cli.deployment.checking import rendering
from cli.deployment.pods import Object
from tests.unit.deploy.breaking import (
    Break,
    assert_found,
    container,
    pod,
    the,
    told,
    without,
)


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    assert generated.outdated() == []


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_nothing_is_wrong_with_what_is_deployed(overlay: str) -> None:
    assert check.findings(rendering.rendered(overlay)) == []


def test_every_service_runs_in_every_overlay(dev: list[Object], prod: list[Object]) -> None:
    for objects in (dev, prod):
        deployed = {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"}
        assert set(services.NAMES) <= deployed


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        # schemas
        (
            lambda o: container(o, "wallet").update(imagePullPolice="Always"),
            "schemas: Deployment wallet: spec.template.spec.containers.0",
        ),
        (
            lambda o: the(o, "ScaledObject", "facecrop")["spec"].update(maxReplicas=3),
            "schemas: ScaledObject facecrop: spec: Additional properties",
        ),
        (
            lambda o: the(o, "ServiceMonitor", "services")["spec"]["endpoints"][0].update(prt="x"),
            "schemas: ServiceMonitor services: spec.endpoints.0: Additional properties",
        ),
        (
            lambda o: the(o, "ExternalSecret", "storage")["spec"].update(refresh="1h"),
            "schemas: ExternalSecret storage: spec: Additional properties",
        ),
        (
            lambda o: the(o, "Certificate", "nats")["spec"].pop("secretName"),
            "schemas: Certificate nats: spec: 'secretName' is a required property",
        ),
        (
            lambda o: the(o, "Ingress", "gateway").update(apiVersion="extensions/v1beta1"),
            "schemas: Ingress gateway: Kubernetes 1.37 knows no extensions/v1beta1 Ingress",
        ),
        # confinement
        (
            lambda o: container(o, "jobs")["resources"]["limits"].pop("memory"),
            "confinement: Deployment jobs, service: has no limits of memory",
        ),
        (
            lambda o: container(o, "jobs").pop("readinessProbe"),
            "confinement: Deployment jobs, service: has no readinessProbe",
        ),
        (
            lambda o: pod(o, "facecrop")["securityContext"].update(runAsNonRoot=False),
            "confinement: Deployment facecrop: may run as root",
        ),
        (
            lambda o: pod(o, "facecrop")["securityContext"].pop("runAsUser"),
            "confinement: Deployment facecrop: may run as root",
        ),
        (
            lambda o: container(o, "facecrop")["securityContext"].update(runAsUser=0),
            "confinement: Deployment facecrop, service: may run as root",
        ),
        (
            lambda o: container(o, "qr")["securityContext"].pop("readOnlyRootFilesystem"),
            "confinement: Deployment qr, service: may change its own programs",
        ),
        (
            lambda o: container(o, "qr")["securityContext"]["capabilities"].update(add=["CHOWN"]),
            "confinement: Deployment qr, service: keeps capabilities",
        ),
        (
            lambda o: pod(o, "nats", "StatefulSet")["securityContext"].pop("seccompProfile"),
            "confinement: StatefulSet nats: may make any system call",
        ),
        (
            lambda o: pod(o, "triton").pop("automountServiceAccountToken"),
            "confinement: Deployment triton: gets a token of the cluster's API",
        ),
        (
            lambda o: container(o, "triton").update(image="nvcr.io/nvidia/tritonserver:latest"),
            "confinement: Deployment triton, triton: its image is not pinned",
        ),
        (
            lambda o: container(o, "wallet").update(image="registry:5000/darkroom"),
            "confinement: Deployment wallet, service: its image is not pinned",
        ),
        (
            lambda o: pod(o, "wallet")["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
            "confinement: Deployment wallet: has a volume of the kind hostPath",
        ),
        (
            lambda o: the(o, "Namespace", "darkroom")["metadata"]["labels"].pop(
                "pod-security.kubernetes.io/enforce"
            ),
            "confinement: Namespace darkroom does not enforce restricted pods",
        ),
        # configuration
        (
            lambda o: told(o, "facecrop-settings").update(ITEM_SECOND="60"),
            "configuration: facecrop: is told ITEM_SECOND, which it does not read",
        ),
        (
            lambda o: told(o, "all-services").update(STORAGE_URL="s3://bucket"),
            "configuration: wallet: is told STORAGE_URL, which it does not read",
        ),
        (
            lambda o: told(o, "storage-place").clear(),
            "configuration: jobs: STORAGE_URL is not set",
        ),
        (
            lambda o: told(o, "jobs-settings").update(QUEUE_DEPTH="many"),
            "configuration: jobs: a setting of services.jobs.settings is wrong",
        ),
        (
            lambda o: told(o, "jobs-settings").update(KEEP_DAYS="0.5"),
            "configuration: jobs: a setting of services.jobs.settings is wrong",
        ),
        (
            lambda o: container(o, "qr")["env"].pop(2),
            "configuration: qr: DATABASE_URL is not set",
        ),
        (
            lambda o: told(o, "facecrop-settings").update(ITEM_SECONDS="900"),
            "configuration: facecrop: is killed after 330 s, and may be at one thing for 900 s",
        ),
        (
            lambda o: pod(o, "gateway").update(terminationGracePeriodSeconds=30),
            "configuration: gateway: is killed after 30 s",
        ),
        (
            lambda o: container(o, "cardreader")["env"][0]["valueFrom"]["secretKeyRef"].update(
                key="wallet"
            ),
            "configuration: cardreader: does not come to the bus as itself",
        ),
        (
            lambda o: container(o, "cardreader")["env"][1].update(value="tls://wallet:x@nats"),
            "configuration: cardreader: NATS_URL names another user",
        ),
        (
            lambda o: container(o, "qr")["env"][2]["valueFrom"]["secretKeyRef"].update(
                name="wallet-secrets"
            ),
            "configuration: qr: DATABASE_URL comes from wallet-secrets",
        ),
        (
            lambda o: container(o, "wallet")["env"].reverse(),
            "configuration: wallet: NATS_URL uses NATS_PASSWORD, which is not set before it",
        ),
        (
            lambda o: told(o, "gateway-settings").update(PORT="80"),
            "configuration: gateway: its clients' side is not at port 8080",
        ),
        (
            lambda o: told(o, "all-services").update(OPERATOR_HOST="127.0.0.1"),
            "configuration: wallet: its operator's side is not at port 9000",
        ),
        (
            lambda o: told(o, "all-services").update(NATS_CA="/etc/ca.crt"),
            "configuration: wallet: the authority of the bus is not mounted",
        ),
        (
            lambda o: container(o, "wallet")["livenessProbe"]["httpGet"].update(path="/readyz"),
            "configuration: wallet: its livenessProbe does not ask /healthz",
        ),
        (lambda o: without(o, "Deployment", "presets"), "configuration: presets does not run"),
        (
            lambda o: container(o, "presets").update(command=["python", "-m", "services.press"]),
            "configuration: press is no service",
        ),
        (
            lambda o: without(o, "ConfigMap", "models-place"),
            "configuration: facecrop: there is no ConfigMap models-place",
        ),
    ],
)
def test_what_is_broken_is_found(prod: list[Object], break_it: Break, finding: str) -> None:
    break_it(prod)
    assert_found(prod, finding)
