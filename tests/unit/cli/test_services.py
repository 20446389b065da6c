from pathlib import Path

import pytest

from cli import services
from cli.home import Home
from cli.services import Surroundings

FIXED = {"DATABASE_URL": "postgresql://private", "PORT": "8080", "TRITON_URL": "127.0.0.1:1"}
DEFAULT = {"STORAGE_URL": "file:///private", "PUBLIC_URL": "http://127.0.0.1:8080"}


def around(**caller: str) -> Surroundings:
    return Surroundings(fixed=FIXED, default=DEFAULT, caller=caller)


@pytest.mark.parametrize(
    ("service", "told", "not_told"),
    [
        ("accounts", {"DATABASE_URL"}, {"STORAGE_URL", "PORT", "TRITON_URL"}),
        ("wallet", {"DATABASE_URL"}, {"STORAGE_URL", "PORT", "TRITON_URL"}),
        ("facecrop", {"STORAGE_URL", "TRITON_URL"}, {"DATABASE_URL", "PORT"}),
        ("gateway", {"STORAGE_URL", "PORT", "PUBLIC_URL"}, {"DATABASE_URL", "TRITON_URL"}),
    ],
)
def test_a_service_is_told_only_what_it_reads(
    service: str, told: set[str], not_told: set[str]
) -> None:
    environment = services.environment(service, around())
    assert told <= environment.keys()
    assert not not_told & environment.keys()


def test_the_callers_settings_reach_the_services_that_read_them() -> None:
    caller = around(ACCESS_TOKEN_SECONDS="120", LOG_LEVEL="DEBUG", PUBLIC_URL="https://photos.test")
    assert services.environment("accounts", caller)["ACCESS_TOKEN_SECONDS"] == "120"
    assert services.environment("wallet", caller)["LOG_LEVEL"] == "DEBUG"
    assert services.environment("gateway", caller)["PUBLIC_URL"] == "https://photos.test"
    assert "ACCESS_TOKEN_SECONDS" not in services.environment("wallet", caller)


def test_the_caller_cannot_point_a_service_at_another_stack() -> None:
    caller = around(DATABASE_URL="postgresql://somebody.elses", PORT="1")
    assert services.environment("accounts", caller)["DATABASE_URL"] == FIXED["DATABASE_URL"]
    assert services.environment("gateway", caller)["PORT"] == "8080"


def test_nothing_else_of_the_callers_environment_is_passed_on() -> None:
    caller = around(PATH="/bin", HOME="/home/x", TZ="UTC", GITHUB_TOKEN="secret", AWS_SECRET="x")
    environment = services.environment("gateway", caller)
    assert {"PATH", "HOME", "TZ"} <= environment.keys()
    assert not {"GITHUB_TOKEN", "AWS_SECRET"} & environment.keys()


def test_credentials_of_a_cloud_reach_only_those_who_store_there() -> None:
    caller = around(STORAGE_URL="s3://pictures", AWS_SECRET_ACCESS_KEY="secret")
    assert "AWS_SECRET_ACCESS_KEY" in services.environment("gateway", caller)
    assert "AWS_SECRET_ACCESS_KEY" not in services.environment("wallet", caller)


def test_a_service_knows_its_own_way_into_the_bus(tmp_path: Path) -> None:
    program = services.program("wallet", Home(tmp_path), "nats://wallet:pw@x:1", 99, around())
    assert program.environment["NATS_URL"] == "nats://wallet:pw@x:1"
    assert program.environment["OPERATOR_PORT"] == "99"


@pytest.mark.parametrize("service", services.NAMES)
def test_every_setting_says_what_it_means(service: str) -> None:
    silent = [setting.name for setting in services.settings_of(service) if not setting.meaning]
    assert silent == []
