from __future__ import annotations

from pathlib import Path

import pytest

from agent_framework_hosting.config import load_config
from agent_framework_hosting.errors import HostConfigurationError


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"target = \n", "line 1, column 10: not valid TOML: Invalid value."),
        (
            b"[channels.bot]\nbot_token = 123:abc\n",
            "line 2, column 16: not valid TOML: Expected newline or end of document after a statement.",
        ),
        (b"x = [1\n", "line 2, column 1: not valid TOML: Unclosed array."),
        (b"x = " + b"[" * 5000, "not usable TOML: it is nested too deeply."),
        (b"x = " + b"1" * 5000, "not usable TOML: a number is too long."),
        (b"x = '\xff'", "is not UTF-8 text. Save it as UTF-8."),
    ],
)
def test_a_file_that_is_not_toml_names_the_place(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "host.toml"
    file.write_bytes(content)
    with pytest.raises(HostConfigurationError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}: {complaint}"


def test_a_file_that_is_not_there_and_one_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(HostConfigurationError, match=r"missing\.toml: there is no such file"):
        load_config(str(tmp_path / "missing.toml"))
    with pytest.raises(HostConfigurationError, match=r"cannot be read \(IsADirectoryError\)"):
        load_config(tmp_path)
