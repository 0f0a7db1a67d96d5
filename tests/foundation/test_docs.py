"""Documents name modules, settings, functions and headings that exist."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from simpersona.cli.main import app
from simpersona.config import Config
from simpersona.config.file import parse_config
from simpersona.config.section import known_names

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/simpersona"
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
ARCHITECTURE = ROOT / "docs/architecture.md"

CODE = re.compile(r"`([^`\n]+)`")
MODULE = re.compile(r"(?:[a-z_0-9]+/)*[a-z_0-9]+\.py")
ROOM = re.compile(r"(?:[a-z_0-9]+/)+")
SETTING = re.compile(r"[a-z_0-9]+(?:\.[a-z_0-9]+)+")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:\.venv/bin/|-m )?\bsimpersona ([a-z][^#`\n]*)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FILE_TYPES = (".csv", ".json", ".jsonl", ".parquet", ".npy", ".md", ".toml", ".py", ".html", ".safetensors")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@each_document
def test_every_module_that_a_document_names_exists(document):
    named = [text for text in CODE.findall(prose(document)) if MODULE.fullmatch(text)]
    assert [text for text in named if not (PACKAGE / text).is_file() and not (ROOT / text).is_file()] == []


@each_document
def test_every_setting_that_a_document_names_exists(document):
    named = [text.split(" ")[0] for text in CODE.findall(prose(document))]
    settings = [text for text in named if SETTING.fullmatch(text) and not text.endswith(FILE_TYPES)]
    settings = [text for text in settings if text.split(".")[0] in Config.model_fields and not is_in_a_module(text)]
    assert [text for text in settings if not is_setting(text)] == []


@each_document
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(document):
    broken = []
    for target in LINK.findall(prose(document)):
        page, _, anchor = target.partition("#")
        path = document.parent / page if page else document
        if not target.startswith("https://") and not (path.exists() and (not anchor or anchor in anchors(path))):
            broken.append(target)
    assert broken == []


def test_every_room_that_the_architecture_names_exists():
    rooms = [text for text in CODE.findall(prose(ARCHITECTURE)) if ROOM.fullmatch(text)]
    assert len(rooms) > 5
    assert [name for name in rooms if not (PACKAGE / name).is_dir() and not (ROOT / name).is_dir()] == []


def test_every_name_in_the_walk_of_the_architecture_is_defined_in_its_module():
    walk = prose(ARCHITECTURE).split("## A walk")[1].split("\n## ")[0]
    rows = [row.split("|") for row in walk.splitlines() if ".py`" in row]
    assert len(rows) > 5
    missing = []
    for _, _, modules, names, *_ in rows:
        source = "".join((PACKAGE / module).read_text(encoding="utf-8") for module in CODE.findall(modules))
        definition = r"^(?:async )?(?:def|class) {}\b"
        missing += [
            name for name in CODE.findall(names) if not re.search(definition.format(name), source, re.MULTILINE)
        ]
    assert missing == []


@each_document
def test_every_command_and_option_that_a_document_names_exists(document):
    text = document.read_text(encoding="utf-8")
    code = [*re.findall(r"```\n(.*?)```", text, flags=re.DOTALL), *CODE.findall(prose(document))]
    given = [line for block in code for line in COMMAND.findall(block)]
    assert [line for line in given if not is_accepted(line.split())] == []


@each_document
def test_every_config_that_a_document_shows_is_valid(document):
    for block in re.findall(r"```toml\n(.*?)```", document.read_text(encoding="utf-8"), flags=re.DOTALL):
        parse_config(tomllib.loads(block), document.name)


def is_accepted(words: list[str]) -> bool:
    """The words after `simpersona` name a command, or a group and its command, and options that it has."""
    command = get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        command, words = command.commands.get(words[0]), words[1:]
    if command is None:
        return False
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {word.strip("[]") for word in words if word.lstrip("[").startswith("--")} <= {*known, "--help"}


def prose(document: Path) -> str:
    """The document without its blocks of code."""
    return re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)


def is_in_a_module(text: str) -> bool:
    """`text` is an import path below the package, such as `simulation.population.draw_population`."""
    return (PACKAGE / "/".join(text.split(".")[:2])).with_suffix(".py").is_file()


def is_setting(name: str) -> bool:
    return name in set(known_names(Config))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    plain = [re.sub(r"\]\([^)]*\)|[`*\[]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}
