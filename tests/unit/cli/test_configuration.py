from cli import configuration, services


def test_every_setting_of_every_service_is_printed_with_meaning_and_default() -> None:
    text = configuration.text()
    for name in services.NAMES:
        page = text.partition(f"python -m services.{name})")[2]
        for setting in services.settings_of(name):
            assert f"  {setting.name}  (" in page
            assert setting.meaning.split()[0] in page


def test_a_setting_without_a_default_must_be_set() -> None:
    assert "  NATS_URL  (must be set)" in configuration.text()
    assert "  PORT  (default: 8080)" in configuration.text()
