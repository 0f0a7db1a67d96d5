import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simpersona.config import LabConfig
from simpersona.lab.world import generate_world


@dataclass(frozen=True)
class World:
    folder: Path
    config: LabConfig

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def events(self) -> dict[str, list[dict]]:
        """The lines of each shop, in the order of its file."""
        files = sorted((self.folder / "events").glob("*.jsonl"))
        return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in files}


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    config = LabConfig(buyers=3000)
    folder = tmp_path_factory.mktemp("lab") / "world"
    generate_world(folder, config, lambda *_: None)
    return World(folder, config)


@pytest.fixture(scope="session")
def events(world) -> dict[str, list[dict]]:
    return world.events()


@pytest.fixture(scope="session")
def visits(events) -> list[list[dict]]:
    """The events of each visit; a visit begins with number 0."""
    by_buyer: dict[tuple[str, str], list[dict]] = {}
    for shop, lines in events.items():
        for line in lines:
            by_buyer.setdefault((shop, line["clientId"]), []).append(line)
    visits = []
    for lines in by_buyer.values():
        starts = [i for i, line in enumerate(lines) if line["seq"] == 0] + [len(lines)]
        visits += [lines[i:j] for i, j in pairwise(starts)]
    return visits
