"""Secrets of a deployment: every one that is needed, fresh each time, and none in a manifest."""

import json
import re
from pathlib import Path

import pytest
from cryptography import x509

from cli import certificates, secrets, services
from cli.deployment import check, generated
from cli.deployment.checking import rendering
from cli.deployment.pods import Object
from cli.home import PROJECT


def test_secrets_are_told_from_other_settings() -> None:
    assert secrets.is_secret("DATABASE_URL")
    assert secrets.is_secret("SECRET_KEY")
    assert secrets.is_secret("STRIPE_WEBHOOK_SECRETS")
    assert secrets.is_secret("OTEL_EXPORTER_OTLP_HEADERS")
    assert not secrets.is_secret("REQUIRE_API_KEY")
    assert not secrets.is_secret("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert not secrets.is_secret("STORAGE_URL")


def test_every_user_of_the_bus_has_a_password() -> None:
    made = {each["metadata"]["name"]: each for each in _made()}
    assert made[secrets.NATS_USERS]["stringData"].keys() == {"operator", *services.NAMES}


def test_every_service_gets_secrets_that_it_takes() -> None:
    made = {each["metadata"]["name"]: each["stringData"] for each in _made()}
    for service in services.NAMES:
        needed = {name for name, optional in secrets.read_by(service).items() if not optional}
        assert needed == made.get(secrets.of_service(service), {}).keys()
    assert all(len(key) >= 32 for key in made["qr-secrets"].values())


def test_no_secret_is_the_same_twice() -> None:
    assert secrets.as_environment() != secrets.as_environment()
    values = [line.partition("=")[2] for line in secrets.as_environment().splitlines()]
    assert len(set(values)) == len(values)


def test_passwords_are_safe_in_urls_and_no_numbers_to_the_bus() -> None:
    for line in secrets.as_environment().splitlines():
        assert re.fullmatch(r"[A-Z_]+=s[A-Za-z0-9_-]{43}", line)


def test_no_manifest_has_a_secret_in_it() -> None:
    for path in (PROJECT / "deploy").rglob("*.yaml"):
        assert "kind: Secret\n" not in path.read_text(), path
        assert "BEGIN" not in path.read_text(), path


def test_certificates_are_for_what_the_bus_is_called(tmp_path: Path) -> None:
    (made,) = (each for each in _made() if each["metadata"]["name"] == secrets.NATS_TLS)
    assert made["type"] == "kubernetes.io/tls"
    certificate = x509.load_pem_x509_certificate(made["stringData"]["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = names.get_values_for_type(x509.DNSName)
    assert {"nats", "*.nats-headless", "nats.darkroom.svc"} <= set(found)


def test_a_certificate_is_signed_by_its_authority() -> None:
    made = certificates.made_for(["here", "127.0.0.1"])
    authority = x509.load_pem_x509_certificate(made.authority.encode())
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    certificate.verify_directly_issued_by(authority)


@pytest.mark.parametrize("service", services.NAMES)
def test_what_is_optional_may_be_left_out(service: str) -> None:
    required = {
        setting.name for setting in services.settings_of(service) if setting.default is None
    }
    optional = {name for name, may_miss in secrets.read_by(service).items() if may_miss}
    assert not required & optional


def test_what_is_optional_is_listed_once_with_the_secret_that_holds_it() -> None:
    assert secrets.optional() == {
        secrets.TELEMETRY: ["OTEL_EXPORTER_OTLP_HEADERS"],
        "matching-secrets": ["FACEREADER_KEY"],
        "gateway-secrets": ["STRIPE_WEBHOOK_SECRETS"],
    }


def test_what_is_optional_arrives_from_a_store_that_has_it(prod: list[Object]) -> None:
    folders = [path.parent for path in generated.OPTIONAL.glob("*/kustomization.yaml")]
    complete = rendering.rendered_with("prod", folders)
    assert check.findings(complete) == []
    before, after = _from_store(prod), _from_store(complete)
    assert after - before == {
        (name, key) for name, keys in secrets.optional().items() for key in keys
    }
    assert before <= after


def _from_store(objects: list[Object]) -> set[tuple[str, str]]:
    return {
        (each["spec"]["target"]["name"], entry["secretKey"])
        for each in objects
        if each["kind"] == "ExternalSecret"
        for entry in each["spec"]["data"]
    }


def test_every_component_of_secrets_is_offered_for_production() -> None:
    overlay = (rendering.OVERLAYS / "prod" / "kustomization.yaml").read_text()
    for path in generated.OPTIONAL.glob("*/kustomization.yaml"):
        assert f"# - ../../components/optional-secrets/{path.parent.name}\n" in overlay


def _made() -> list[dict[str, dict[str, str]]]:
    made: list[dict[str, dict[str, str]]] = json.loads(secrets.as_manifests("darkroom", "db"))[
        "items"
    ]
    return made
