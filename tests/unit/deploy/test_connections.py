"""What does not reach what it should, or reaches what it should not, is found."""

import pytest

from cli.deployment.pods import Object
from tests.unit.deploy.breaking import (
    Break,
    assert_found,
    container,
    pod,
    rules,
    the,
    told,
    without,
)


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        # network
        (
            lambda o: without(o, "NetworkPolicy", "to-the-bus"),
            "network: Deployment wallet does not reach the bus",
        ),
        (
            lambda o: rules(o, "the-bus", "ingress").pop(0),
            "network: Deployment wallet does not reach the bus",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "to-the-models"),
            "network: Deployment cardreader does not reach the models",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "to-the-internet"),
            "network: Deployment webhooks does not reach the internet",
        ),
        (
            lambda o: rules(o, "to-the-internet")[0]["to"][0]["ipBlock"]["except"].remove(
                "169.254.0.0/16"
            ),
            "network: Deployment webhooks reaches the private address 169.254.169.254",
        ),
        (
            lambda o: rules(o, "to-the-internet")[0]["to"][1]["ipBlock"].update(cidr="::/0"),
            "network: Deployment facecrop reaches the private address fd00::1",
        ),
        (
            lambda o: rules(o, "to-object-storage")[0].pop("ports"),
            "network: Deployment qr reaches the internet, and has no business there",
        ),
        (
            lambda o: the(o, "Deployment", "facecrop")["spec"]["template"]["metadata"][
                "labels"
            ].update({"reaches/database": "true"}),
            "network: Deployment facecrop reaches the database, and has no business there",
        ),
        (
            lambda o: rules(o, "the-gateway", "ingress")[0].pop("from"),
            "network: Deployment gateway lets in the namespace somebody-else at port 8080",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "the-gateway"),
            "network: Deployment gateway does not let in the namespace ingress at port 8080",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "metrics"),
            "network: Deployment wallet does not let in the namespace monitoring at port 9000",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "to-the-collector"),
            "network: Deployment gateway does not reach the collector of spans",
        ),
        # wholeness
        (
            lambda o: without(o, "PodDisruptionBudget", "wallet"),
            "wholeness: Deployment wallet has no PodDisruptionBudget",
        ),
        (
            lambda o: pod(o, "wallet").pop("topologySpreadConstraints"),
            "wholeness: Deployment wallet may have all its pods on one node",
        ),
        (
            lambda o: the(o, "ExternalSecret", "gateway-secrets")["spec"]["data"].clear(),
            "wholeness: Deployment gateway needs FILES_SECRETS of the secret gateway-secrets",
        ),
        (
            lambda o: without(o, "Certificate", "nats"),
            "wholeness: Deployment wallet needs the secret nats-tls: there is none",
        ),
        (
            lambda o: without(o, "ServiceAccount", "wallet"),
            "wholeness: Deployment wallet: there is no ServiceAccount wallet",
        ),
        (lambda o: without(o, "Job", "migrate-qr"), "wholeness: no Job migrates qr"),
        (
            lambda o: container(o, "triton")["command"].remove("--load-model=upscaler"),
            "wholeness: Triton does not load upscaler",
        ),
        (
            lambda o: container(o, "nats", "StatefulSet").update(
                env=[
                    each
                    for each in container(o, "nats", "StatefulSet")["env"]
                    if each["name"] != "NATS_PASSWORD_QR"
                ]
            ),
            "wholeness: the bus is not told the password of qr",
        ),
        (
            lambda o: the(o, "StatefulSet", "nats")["spec"].update(replicas=1),
            "wholeness: Job streams wants 3 copies on 1 servers",
        ),
        (
            lambda o: the(o, "Ingress", "gateway")["spec"].pop("tls"),
            "wholeness: Ingress gateway has no TLS",
        ),
        (
            lambda o: the(o, "Service", "gateway")["spec"]["ports"].pop(0),
            "wholeness: Ingress gateway leads to gateway, which has no such port",
        ),
        (
            lambda o: the(o, "Service", "wallet")["spec"]["ports"][0].update(targetPort="http"),
            "wholeness: Service wallet leads to http, which is no port",
        ),
        (
            lambda o: the(o, "ServiceMonitor", "triton")["spec"]["endpoints"][0].update(port="m"),
            "wholeness: ServiceMonitor triton finds no port m",
        ),
        # growing
        (
            lambda o: the(o, "ScaledObject", "facecrop")["spec"]["triggers"][0]["metadata"].update(
                consumer="card_read"
            ),
            "growing: ScaledObject facecrop: does not go by the queues that facecrop works",
        ),
        (
            lambda o: the(o, "ScaledObject", "facecrop")["spec"]["triggers"][0]["metadata"].update(
                natsServerMonitoringEndpoint="nats-headless:8222"
            ),
            "growing: ScaledObject facecrop: asks nats-headless:8222, which is no headless",
        ),
        (
            lambda o: the(o, "Certificate", "nats")["spec"]["dnsNames"].remove("nats"),
            "wholeness: Certificate nats is not for nats, by which the bus is called",
        ),
        (
            lambda o: the(o, "ScaledObject", "facecrop")["spec"]["triggers"][0]["metadata"].update(
                account="$G"
            ),
            "growing: ScaledObject facecrop: looks for its queue in $G, WORK",
        ),
        (
            lambda o: the(o, "Deployment", "facecrop")["spec"].update(replicas=2),
            "growing: facecrop has a number of replicas, and ScaledObject facecrop another",
        ),
        (
            lambda o: without(o, "ScaledObject", "qr"),
            "growing: nothing scales qr, which works through a queue",
        ),
        (
            lambda o: the(o, "ScaledObject", "qr")["spec"].update(minReplicaCount=0),
            "growing: ScaledObject qr: may leave nobody who answers",
        ),
        (
            lambda o: the(o, "HorizontalPodAutoscaler", "gateway")["spec"]["scaleTargetRef"].update(
                name="qr"
            ),
            "growing: ScaledObject qr and HorizontalPodAutoscaler gateway both scale qr",
        ),
        # arriving
        (
            lambda o: the(o, "Ingress", "gateway")["metadata"]["annotations"].pop(
                "nginx.org/client-max-body-size"
            ),
            "arriving: Ingress gateway: nginx.org lets 1m through",
        ),
        (
            lambda o: told(o, "gateway-settings").update(MAX_UPLOAD_BYTES="50000000000"),
            "arriving: Ingress gateway: nginx.org lets 25g through",
        ),
        (
            lambda o: the(o, "Ingress", "gateway")["metadata"]["annotations"].update(
                {"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}
            ),
            "arriving: Ingress gateway: nginx.ingress.kubernetes.io ends what is quiet for 60 s",
        ),
        (
            lambda o: the(o, "Ingress", "gateway")["metadata"]["annotations"].pop(
                "nginx.org/proxy-buffering"
            ),
            "arriving: Ingress gateway: nginx.org holds back events until there are many",
        ),
        (
            lambda o: told(o, "gateway-settings").update(PUBLIC_URL="http://127.0.0.1:8080"),
            "arriving: Ingress gateway: PUBLIC_URL is http://127.0.0.1:8080, which it does not",
        ),
        (
            lambda o: told(o, "gateway-settings").update(PROXIES="0"),
            "arriving: the gateway takes the controller's address for its clients'",
        ),
    ],
)
def test_what_is_broken_is_found(prod: list[Object], break_it: Break, finding: str) -> None:
    break_it(prod)
    assert_found(prod, finding)


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        (
            lambda o: pod(o, "facecrop")["containers"][0]["volumeMounts"].pop(0),
            "configuration: facecrop: there is no volume at file:///data/storage",
        ),
        (
            lambda o: without(o, "PersistentVolumeClaim", "pictures"),
            "wholeness: Deployment facecrop: there is no PersistentVolumeClaim pictures",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "nothing-by-default"),
            "network: Deployment wallet lets in the namespace somebody-else at port 9000",
        ),
        (
            lambda o: without(o, "NetworkPolicy", "the-database"),
            "network: Deployment wallet does not reach the database",
        ),
        (
            lambda o: rules(o, "the-database", "ingress")[0].pop("from"),
            "network: StatefulSet postgresql lets in the namespace somebody-else at port 5432",
        ),
    ],
)
def test_what_is_broken_for_trying_out_is_found(
    dev: list[Object], break_it: Break, finding: str
) -> None:
    break_it(dev)
    assert_found(dev, finding)
