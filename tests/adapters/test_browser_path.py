"""Where the browser is found."""

import os
from pathlib import Path

import pytest

from simpersona.adapters.storefronts.browser_path import ON_PATH, find_browser
from simpersona.config import StoreConfig
from simpersona.errors import ConfigError


def program(folder, name):
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_config_s_browser_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "chromium")
    mine = program(tmp_path, "mine")
    assert find_browser(StoreConfig(browser_path=mine)) == mine


def test_then_the_path_the_headless_shell_before_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    chrome = program(tmp_path, "google-chrome")
    assert find_browser(StoreConfig()) == chrome
    shell = program(tmp_path, ON_PATH[0])
    assert find_browser(StoreConfig()) == shell


def test_a_named_browser_that_is_none_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="browser_path"):
        find_browser(StoreConfig(browser_path=tmp_path / "none"))


@pytest.mark.slow
def test_no_browser_at_all_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path)]))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="playwright install chromium"):
        find_browser(StoreConfig())
    assert not list(Path(tmp_path).iterdir())
