"""The table engines, a server that answers as a language model's does, and the check of shapes in annotations.

Tests that ask for `engine` run on DuckDB; with `--engine spark`, on Spark.

Spark takes seconds where DuckDB takes milliseconds; tests/engines compares the two in every run.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from threading import Lock, Thread
from types import CodeType, ModuleType

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype
from ibis.backends.sql import SQLBackend


class ShapeMarks(ast.NodeTransformer):
    """Puts the decorator `check_shapes` on each function and class that has a shape in its annotations."""

    mark = ast.Name("check_shapes", ast.Load())

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        if self.has_shape(
            node.returns, *(part.annotation for part in ast.walk(node.args) if isinstance(part, ast.arg))
        ):
            node.decorator_list.append(self.mark)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id == "Self":
                part.id = node.name  # beartype knows `Self` only where it decorates the class
        if self.has_shape(*(line.annotation for line in node.body if isinstance(line, ast.AnnAssign))):
            node.decorator_list.insert(0, self.mark)
        return node

    def has_shape(self, *annotations: ast.expr | None) -> bool:
        parts = (part for annotation in annotations if annotation for part in ast.walk(annotation))
        return any(isinstance(part, ast.Name) and hasattr(jaxtyping, part.id) for part in parts)


class ShapeLoader(SourceFileLoader):
    """Loads a module with the marks. Bytecode on disk is neither read nor written: it has no marks."""

    def get_code(self, fullname: str) -> CodeType | None:
        source = self.get_source(fullname)
        if source is None or "from jaxtyping import" not in source:
            return super().get_code(fullname)
        tree = ast.fix_missing_locations(ShapeMarks().visit(ast.parse(source)))
        return compile(tree, self.get_filename(fullname), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for pyright
        module.check_shapes = partial(jaxtyping.jaxtyped, typechecker=typechecker)
        super().exec_module(module)


class ShapeFinder(MetaPathFinder):
    """Finds the modules of the package for `ShapeLoader`.

    jaxtyping's own import hook decorates every function, those compiled by numba too, which numba refuses. While it
    loads a module it also hides the bytecode of all libraries that the module imports, so that each test process
    compiles torch again.
    """

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname.startswith("simpersona.") else None
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = ShapeLoader(spec.loader.name, spec.loader.path)
        return spec


sys.meta_path.insert(0, ShapeFinder())  # before the package is imported: the fixtures below import it themselves

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # of Java: most of a short life is compiling
FOR_SMALL_TABLES = {  # compiling a query takes far longer than running it on a few rows
    "spark.driver.extraJavaOptions": QUICK_START,
    "spark.executor.extraJavaOptions": QUICK_START,
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs and clusters first: those that take minutes should not be what is waited for in the end."""
    items.sort(key=lambda item: item.path.parent.name not in ("whole", "engines"))


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> SQLBackend:
    from simpersona.adapters.engines.duckdb import connect

    return connect(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for SPARK_CONF_DIR; skips where Spark cannot run."""
    from simpersona.adapters.engines.java_path import find_java
    from simpersona.errors import ConfigError

    pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    try:
        find_java()
    except ConfigError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("spark_settings")
    lines = [f"{name} {value}\n" for name, value in FOR_SMALL_TABLES.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory, spark_settings: Path) -> Iterator[SQLBackend]:
    """The one Spark of this test process: starting it takes longer than most tests."""
    from simpersona.adapters.engines import spark as engine_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(spark_settings))
        engine = engine_spark.connect("local[2]", tmp_path_factory.mktemp("spark"))
    yield engine
    engine.disconnect()


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> SQLBackend:
    return request.getfixturevalue(f"{request.config.getoption('engine')}_engine")


class ChatServer:
    """An OpenAI-compatible server on this machine: gives `answers` in turn, the last one for ever.

    An answer is (status, body) or (status, body, headers), a text to be spoken by the model, or a function of the
    question that gives one of these. `asked` keeps (path, headers, question) of every request.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        self.answers: list = []
        self.asked: list[tuple[str, dict[str, str], dict]] = []
        self.lock = Lock()

    def answer(self, path: str, headers: dict[str, str], question: dict) -> tuple[int, str, dict[str, str]]:
        with self.lock:
            self.asked.append((path, headers, question))
            answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        answer = answer(question) if callable(answer) else answer
        if isinstance(answer, str):
            choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
            answer = 200, json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})
        return (*answer, {}) if len(answer) == 2 else answer


class _ChatHandler(BaseHTTPRequestHandler):
    chat: ChatServer

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body, headers = self.chat.answer(self.path, dict(self.headers), question)
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that waits no longer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    handler = type("Handler", (_ChatHandler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.chat = ChatServer(server)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield handler.chat
        server.shutdown()
        thread.join()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("duckdb", "spark"), default="duckdb", help="what tests of tables run on")
