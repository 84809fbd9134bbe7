"""The chat under load: eight sessions, a client that is killed, two hundred turns."""

import gc
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.chat import settings
from workbench.desk import Ask

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[app]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of packages in the server
DATA = runpy.run_path(str(Path(__file__).with_name("desk_data.py")))
lab, over = DATA["lab"], DATA["over"]
SESSIONS, TURNS, WARM = 8, 200, 60
GROWTH = 12e6  # bytes of 140 turns
MANY = """
import os, sys
from pathlib import Path
import torch
import workbench as wb
from model.omni import Omni, OmniConfig
from workbench.chat import settings
from workbench.chat.settings import Settings
from workbench.chat.talk import Talk
from workbench.desk import Desk

def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

torch.manual_seed(0)
torch.set_num_threads(1)
settings.MOST = 2
desk = Desk(wb.load(Omni(OmniConfig.nano())))
talk = Talk(desk, "a")
for turn in range(int(sys.argv[1])):
    *_, shown = talk.ask(f"Hi {turn}", [], Settings(speak=turn % 4 == 0))
    assert shown["exchanges"][-1]["answers"][0]["state"] == "done"
    if turn == int(sys.argv[2]):
        before = memory()
print(memory() - before)
desk.close()
"""
CLIENT = """
import sys
from gradio_client import Client
job = Client(sys.argv[1], verbose=False).submit(text="Hi", api_name="/answer")
for piece in job:
    print(piece["state"], flush=True)
"""


@pytest.fixture
def server(lab):
    from workbench.chat.server import served

    with served(lab) as server:
        yield server
    gc.collect()  # event loops of Gradio, while their warnings are ignored


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_is_flat_over_many_turns():
    """In a process of its own, where nothing else grows and no shapes are checked."""
    args = [sys.executable, "-c", MANY, str(TURNS), str(WARM)]
    done = subprocess.run(args, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    grown = float(done.stdout)
    print(f"{grown / 1e6:.1f} MB more after {TURNS - WARM} turns")
    assert grown < GROWTH


def test_eight_sessions_take_turns_and_see_their_places(server, monkeypatch):
    from gradio_client import Client

    monkeypatch.setattr(settings, "MOST", 2)
    patient = {"timeout": 90}  # seconds: the machine may be busy
    clients = [Client(server.address, verbose=False, httpx_kwargs=patient) for _ in range(SESSIONS)]
    first = server.desk.put(Ask({"text": "Hi", "most": 4000}), "somebody")
    jobs = [client.submit(text="Hi", speak=False, api_name="/answer") for client in clients]
    wait(lambda: all(len(job.outputs()) > 1 for job in jobs))  # each was told its place
    greedy = server.desk.put(Ask({"text": "Hi", "most": 1}), server.desk.line()[0].owner)
    owners = [turn.owner for turn in server.desk.line()]
    assert len(set(owners[:-1])) == SESSIONS and server.desk.line()[-1] is greedy
    first.stop()
    places = []
    for job in jobs:
        assert job.result(timeout=120)["state"] == "done"
        places.append(max(piece["place"] for piece in job.outputs()))
    assert sorted(places) == list(range(1, SESSIONS + 1))
    over(greedy)


def test_a_client_that_is_killed_frees_its_turn(server, monkeypatch):
    monkeypatch.setattr(settings, "MOST", 400)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, server.address], stdout=subprocess.PIPE, text=True
    )
    while "running" not in client.stdout.readline():
        assert client.poll() is None
    turn = server.desk.running
    client.send_signal(signal.SIGKILL)
    began = time.monotonic()
    wait(lambda: not turn.live, 10)
    took = time.monotonic() - began
    print(f"free {took:.2f} s after the kill")
    assert took < 2 and turn.state == "stopped"
    client.wait()


def wait(told, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < end
        time.sleep(0.01)
