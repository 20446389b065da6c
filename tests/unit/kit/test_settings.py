from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from kit.settings import BadSetting, describe, load


class Example(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="Where it is")]
    port: Annotated[int, Meta(ge=0, le=65_535, description="Which door")] = 80
    allow: list[str] = []
    careful: bool = True


def test_every_field_is_read_from_the_variable_of_its_name() -> None:
    given = {"URL": "here", "PORT": "81", "ALLOW": "a:1, b:2,", "CAREFUL": "false", "OTHER": "x"}
    assert load(Example, given) == Example(url="here", port=81, allow=["a:1", "b:2"], careful=False)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(Example, {"URL": "here", "PORT": ""}).port == 80


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "URL is not set: Where it is"),
        ({"URL": "x", "PORT": "many"}, "port"),
        ({"URL": "x", "PORT": "65536"}, "port"),
        ({"URL": "x", "CAREFUL": "perhaps"}, "careful"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        load(Example, environment)


def test_settings_are_described_with_meaning_and_default() -> None:
    described = {setting.name: (setting.meaning, setting.default) for setting in describe(Example)}
    assert described["URL"] == ("Where it is", None)
    assert described["PORT"] == ("Which door", "80")
    assert described["ALLOW"] == ("", "")
