"""`credits service-key`: what it prints is a setting that the service takes."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from app.keys_cli import cli
from tests.support.service import settings_for


def test_a_new_service_key_is_an_entry_of_the_settings(tmp_path: Path) -> None:
    printed = [CliRunner().invoke(cli, ["new", "staging"]).stdout for _ in range(2)]

    entries = [next(line.strip() for line in text.splitlines() if "staging:svc_" in line) for text in printed]
    settings = settings_for(8000, data_dir=tmp_path, service_keys=tuple(map(SecretStr, entries)))
    assert len(settings.service_keys) == len({*entries}) == 2
    assert all(text.count(entry.partition(":")[2]) == 2 for text, entry in zip(printed, entries, strict=True))
    assert all("SERVICE_KEYS" in text for text in printed)


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "Staging", "n" * 33, "a b"])
def test_a_name_that_could_not_be_told_from_the_secret_is_refused(name: str) -> None:
    ended = CliRunner().invoke(cli, ["new", name])

    assert ended.exit_code == 2
    assert "svc_" not in ended.stdout
