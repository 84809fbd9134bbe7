"""The stage `mtp`: MTP alone, on the states of a Talker that stays as it is.

    after `talk`; every frame of a batch, and no gradient in the Talker: many more frames a minute

Most of what makes micro's speech less clear than the true codes are the codebooks that MTP chooses,
and `speak` and `talk` show it too few frames. If there is an ear, what it chooses is to sound right
as well (hearing.py). Its tables stay too: frames enter the Talker by them.
Left out: the Talker's own choice of codebook 0.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.data.store import Store
from model.omni import Omni
from model.train.batch import TalkBatch
from model.train.codes import Codes
from model.train.hearing import Hearing
from model.train.listener import Listener
from model.train.loop import Recipe, Result, Run, train, weights
from model.train.stages import Talk, talk_data

FRAMES = 1024  # at most, of a batch


class Depth(nn.Module):
    """MTP but for its tables; the Talker and all before it only read."""

    def __init__(self, omni: Omni, books: np.ndarray, hearing: Hearing | None = None):
        super().__init__()
        mtp = omni.talker.mtp
        self.mtp = nn.ModuleDict({"enter": mtp.enter, "stack": mtp.stack, "heads": mtp.heads})
        talk = Talk(omni, books, FRAMES, hearing).requires_grad_(False)
        self.talk = [talk]  # in a list: not of this module
        self.mtp.requires_grad_(True)

    def forward(self, batch: TalkBatch) -> tuple[Tensor, dict[str, Tensor]]:
        talk = self.talk[0]
        with torch.no_grad():
            hidden = talk.speak.read(batch.speak, talk.listen(batch))
            talk.speak.balance.take()  # what the routers did is of no use here
        return talk.speak.complete(batch.speak, hidden)


def mtp(
    omni: Omni, store: Store, cache: Path, codes: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None, listener: Listener | None = None,
) -> Result:  # fmt: skip
    """Train MTP for the Talker of `omni`; `start` is a checkpoint of `mtp`."""
    made = Codes(codes / "train.npz")
    hearing = Hearing(omni.codec.renderer, listener) if listener else None
    module = Depth(omni, made.books, hearing)
    if start:
        module.load_state_dict(weights(start))
    data, held_out = talk_data(omni, store, cache, made, run.seed)
    return train(module, module, data, run, recipe or Recipe(lr=1e-3), held_out)
