"""The documents name modules, settings, functions and pages that exist."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from simpersona.config import Config

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/simpersona"
DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
ARCHITECTURE = ROOT / "docs/architecture.md"

CODE = re.compile(r"`([^`\n]+)`")
MODULE = re.compile(r"(?:[a-z_0-9]+/)*[a-z_0-9]+\.py")
ROOM = re.compile(r"(?:[a-z_0-9]+/)+")
SETTING = re.compile(r"[a-z_0-9]+(?:\.[a-z_0-9]+)+")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

OUTPUT_FILES = (".json", ".jsonl", ".parquet", ".npy", ".md", ".toml", ".py", ".html", ".safetensors")


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_module_that_a_document_names_exists(document):
    named = [text for text in CODE.findall(prose(document)) if MODULE.fullmatch(text)]
    assert [text for text in named if not is_there(text, document)] == []


def test_every_room_and_name_of_the_architecture_exists():
    text = prose(ARCHITECTURE)
    rooms = [name for name in CODE.findall(text) if ROOM.fullmatch(name) and name not in ("docs/", "src/simpersona/")]
    assert [name for name in rooms if not (PACKAGE / name).is_dir()] == []

    walk = [line.split("|") for line in text.splitlines() if line.startswith("| ") and "`adapters/sources/shopify" in line]
    assert walk, "the walk begins with the adapter of the log"
    for cells in (line.split("|") for line in text.split("## A walk")[1].split("##")[0].splitlines() if ".py`" in line):
        source = "".join((PACKAGE / module).read_text(encoding="utf-8") for module in CODE.findall(cells[2]))
        names = CODE.findall(cells[3])
        assert names
        assert [name for name in names if not re.search(rf"^(?:async )?(?:def|class) {name}\b", source, re.MULTILINE)] == []


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_setting_that_a_document_names_exists(document):
    named = [text.split(" ")[0] for text in CODE.findall(prose(document))]
    settings = [text for text in named if SETTING.fullmatch(text) and not text.endswith(OUTPUT_FILES)]
    of_sections = [text for text in settings if text.split(".")[0] in Config.model_fields and not is_import_path(text)]
    assert [text for text in of_sections if not is_setting(text)] == []


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_relative_link_of_a_document_leads_to_a_page_and_a_heading(document):
    broken = []
    for target in LINK.findall(prose(document)):
        if target.startswith(("http://", "https://")):
            continue
        page, _, anchor = target.partition("#")
        path = (document.parent / page).resolve() if page else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def prose(document: Path) -> str:
    """The document without its blocks of code."""
    return re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)


def is_there(module: str, document: Path) -> bool:
    """A module is named from the package, from the repository, or by its file name in the room that the page describes."""
    by_name = "/" not in module and any(PACKAGE.rglob(module))
    return (PACKAGE / module).is_file() or (ROOT / module).is_file() or by_name


def is_import_path(text: str) -> bool:
    return any((PACKAGE / "/".join(text.split(".")[:2])).with_suffix(suffix).exists() for suffix in (".py", ""))


def is_setting(text: str) -> bool:
    section: object = Config
    for name in text.split("."):
        fields = section.model_fields if isinstance(section, type) and issubclass(section, BaseModel) else {}
        if name not in fields:
            return False
        section = fields[name].annotation
    return True


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = [re.sub(r"[`*]|\[|\]\([^)]*\)", "", text).strip().lower() for text in HEADING.findall(page.read_text("utf-8"))]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in plain}
