"""The server of the dashboard: on this machine alone, one desk for all tabs.

    serve("micro", port=5006, browser=True)           # until Ctrl-C

Everything that a page needs is served from here. Left out: several users who must not see each
other's load; a page that is left open in the network.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import panel as pn

from workbench.dashboard.form import ranges
from workbench.dashboard.look import Calm
from workbench.dashboard.page import Page
from workbench.dashboard.tab import Tab
from workbench.desk import Desk
from workbench.lab import Lab, load

ADDRESS = "127.0.0.1"
MESSAGE = 40_000_000  # bytes that a page may send at once


@contextmanager
def served(lab: Lab, port: int = 0, browser: bool = False) -> Iterator:
    """A server that is ready; its port is `server.port`."""
    desk, known = Desk(lab), ranges(lab.omni)
    pn.extension("filedropper")
    pn.config.design = Calm

    def tab() -> pn.template.Template:
        own = Tab(desk)
        pn.state.on_session_destroyed(lambda _context: own.stop())
        return Page(own, known).template()

    server = pn.serve(
        {"/": tab}, port=port, address=ADDRESS, show=browser, start=False, verbose=False,
        title="Omni Workbench", websocket_max_message_size=MESSAGE,
    )  # fmt: skip
    server.start()  # also what ends the sessions of closed tabs
    try:
        yield server
    finally:
        desk.close()
        server.stop()


def serve(model: str = "micro", port: int = 5006, browser: bool = True, seed: int = 0) -> None:
    """Serve the dashboard until Ctrl-C."""
    _free(port)
    with served(load(model, seed), port, browser) as server:
        sys.stderr.write(f"the dashboard is at http://{ADDRESS}:{server.port} (Ctrl-C ends it)\n")
        server.io_loop.start()


def _free(port: int) -> None:
    """Say early, before the model is loaded, that nobody can be served here."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            told = getattr(error, "strerror", None) or "it is no port"
            raise ValueError(
                f"port {port} cannot be had ({told}): choose another with --port, or 0 for any"
            ) from None
