"""The stores' server: gunicorn with one multi-threaded worker process on a socket that the launcher opened.

It runs as a program with the socket's file descriptor as argument. It ends when the launching process ends, for any
reason.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from importlib import import_module
from typing import Any

from gunicorn.app.base import BaseApplication

THREADS = 8
GRACE_SECONDS = 3


class Server(BaseApplication):
    """Gunicorn around the stores' WSGI application, listening on file descriptor `listener`."""

    def __init__(self, listener: int) -> None:
        self.listener = listener
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": f"fd://{self.listener}",
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": 30,
            "timeout": 300,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "control_socket_disable": True,
            "post_worker_init": lambda _worker: _end_with_launcher(),
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # gunicorn calls this in the worker, after the fork
        from django.conf import settings  # noqa: PLC0415 - heavy
        from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - heavy

        store = get_wsgi_application()
        from simpersona.lab.storefront.directory import Directory  # noqa: PLC0415 - needs Django set up

        import_module(settings.ROOT_URLCONF)  # imports the views now, so that the first request is not slow
        return Directory(settings.STORES, store)  # pyright: ignore[reportArgumentType] - Django is untyped


def _end_with_launcher() -> None:
    """Ends master and workers when the launcher ends.

    The launcher holds the other end of this process's standard input and never writes: the pipe closes when the launcher
    ends. Linux's PR_SET_PDEATHSIG is no alternative, because it also fires when only the launching thread ends.
    """

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()


if __name__ == "__main__":
    Server(int(sys.argv[1])).run()
