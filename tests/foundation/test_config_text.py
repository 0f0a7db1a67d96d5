"""Settings as TOML text: what `simpersona init` writes can be read back, and each comment stands above its key."""

import tomllib

import pytest

from simpersona.config import Config, Section
from simpersona.config.file import config_toml, parse_config, starter_toml
from simpersona.config.source import FORMATS, SOURCES


def of_format(name: str) -> Config:
    return parse_config({"name": "mine", "source": {"format": name} | SOURCES[name].example})


def comments_above(text: str) -> dict[str, list[str]]:
    """By full name of a setting or a section, the comment lines directly above it."""
    comments: dict[str, list[str]] = {}
    section, above = "", []
    for line in text.splitlines():
        key, is_setting, value = line.removeprefix("# ").partition(" = ")
        if line.startswith("["):
            section = line.strip("[]")
            comments[section] = above
        elif is_setting and key.isidentifier() and (not line.startswith("#") or value == "(not set)"):
            comments[f"{section}.{key}".removeprefix(".")] = above
        above = [*above, line.removeprefix("# ")] if line.startswith("#") and value != "(not set)" else []
    return comments


def settings_of(section: Section, prefix: str = ""):
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        yield f"{prefix}{name}", value, field.description
        if isinstance(value, Section):
            yield from settings_of(value, f"{prefix}{name}.")


@pytest.mark.parametrize("name", FORMATS)
def test_the_starter_file_is_short_and_reads_back_as_the_same_config(name):
    text = starter_toml(of_format(name))
    assert parse_config(tomllib.loads(text)) == of_format(name)
    settings = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    assert 5 <= len(settings) <= 20
    assert len(text.splitlines()) <= 50
    assert f'format = "{name}"' in text


def test_the_starter_file_shows_an_example_of_what_is_not_set():
    text = starter_toml(of_format("rees46"))
    assert '# pack = "default"' in text
    assert '# store_url = "https://my-store.example"' in text
    assert "time_format" not in text  # a setting of another format


@pytest.mark.parametrize("name", FORMATS)
def test_each_comment_stands_above_the_key_that_it_explains(name):
    config = of_format(name)
    found = comments_above(config_toml(config, comments=True))
    for full_name, value, description in settings_of(config):
        if full_name not in found:
            assert full_name.startswith("source."), full_name  # a setting of another format
        elif isinstance(value, Section):
            assert found[full_name] == [(value.__doc__ or "").splitlines()[0]]
        else:
            assert found[full_name] == (description or "").splitlines(), full_name


def test_a_text_is_quoted_so_that_it_reads_back():
    source = {
        "format": "table",
        "path": 'a "log"\\x.csv',
        "columns": {"buyer_id": "=a b"},
        "events": {"a.b c": "ignored"},
    }
    config = parse_config({"source": source})
    for text in (config_toml(config), config_toml(config, comments=True), starter_toml(config)):
        assert parse_config(tomllib.loads(text)) == config
