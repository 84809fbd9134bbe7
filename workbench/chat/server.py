"""The server of the chat: on this machine alone, one desk for all pages, and a documented endpoint.

    with served(lab) as server: server.address, server.desk
    serve("micro", port=7860)                         # until Ctrl-C

    from gradio_client import Client                  # the same from a program
    for piece in Client("http://127.0.0.1:7860").submit(text="Hi", api_name="/answer"):
        piece["text"], piece["pcm"]    # what is new: words, or 16-bit mono PCM at 24 kHz, base64

Everything that a page needs is served from here, under a policy that forbids all other requests.
Left out: users with names; a page that is left open in the network.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr

from workbench.chat.ear import Ears
from workbench.chat.page import page
from workbench.desk import Desk
from workbench.lab import Lab, load
from workbench.uploads import LARGEST

ADDRESS = "127.0.0.1"
HERE = Path(__file__).parent
SANS = ("system-ui", "-apple-system", "Segoe UI", "Helvetica Neue", "DejaVu Sans", "sans-serif")
FIXED = ("ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


class Served(NamedTuple):
    address: str
    desk: Desk


@contextmanager
def served(
    lab: Lab, port: int | None = 0, browser: bool = False, mcp: bool = False
) -> Iterator[Served]:
    """A server that is ready. Port 0 takes any that is free."""
    desk, ears = Desk(lab), Ears(lab.omni)
    blocks = page(desk, ears)
    blocks.queue(max_size=100, default_concurrency_limit=None)
    try:
        _app, address, _ = blocks.launch(
            server_name=ADDRESS, server_port=port or _free(), inbrowser=browser, quiet=True,
            share=False, ssr_mode=False, mcp_server=mcp, prevent_thread_lock=True,
            max_file_size=f"{LARGEST}mb", footer_links=["api"], show_error=False,
            css_paths=[HERE / "talk.css"],
            theme=_theme(),
        )  # fmt: skip
        yield Served(address.rstrip("/"), desk)
    finally:
        blocks.close(verbose=False)
        ears.close()
        desk.close()


def serve(
    model: str = "micro", port: int = 7860, browser: bool = True, seed: int = 0, mcp: bool = False
) -> None:
    """Serve the chat until Ctrl-C."""
    with served(load(model, seed), port, browser, mcp) as server:
        sys.stderr.write(f"the chat is at {server.address} (Ctrl-C ends it)\n")
        sys.stderr.flush()
        while True:
            time.sleep(3600)


def _theme() -> gr.themes.Base:
    """Gradio's plainest, in the colours of the views."""
    soft, dark_soft = "#59616c", "#a2aab5"
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="zinc", font=SANS, font_mono=FIXED
    ).set(
        body_text_color="#1c2127", body_text_color_dark="#e7e9ec",
        body_text_color_subdued=soft, body_text_color_subdued_dark=dark_soft,
        block_info_text_color=soft, block_info_text_color_dark=dark_soft,
        block_label_text_color=soft, block_label_text_color_dark=dark_soft,
        block_title_text_color=soft, block_title_text_color_dark=dark_soft,
        body_background_fill="#ffffff", body_background_fill_dark="#15171b",
        block_background_fill="#ffffff", block_background_fill_dark="#1c1f24",
        block_border_color="#e4e5e7", block_border_color_dark="#2a2e35",
        border_color_primary="#e4e5e7", border_color_primary_dark="#343941",
        input_background_fill="#f6f6f4", input_background_fill_dark="#15171b",
        button_secondary_background_fill="#f0f0ee", button_secondary_background_fill_dark="#2a2e35",
        button_secondary_text_color="#1c2127", button_secondary_text_color_dark="#e7e9ec",
        input_placeholder_color="#6b727c", input_placeholder_color_dark="#969ea9",
        block_radius="10px", input_radius="8px",
    )  # fmt: skip


def _free() -> int:
    from socket import socket

    with socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]
