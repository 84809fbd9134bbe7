"""What an ear makes of the frames that MTP chooses: a loss whose gradient reaches the choices.

    true words and frames --Talker--> states --MTP--> its own choices --renderer--> sound --ear-->
        as close as possible to what the ear makes of the true frames

`speak` asks MTP for the entries that come nearest to the true frame. Many of those it misses are
wrong in ways nobody hears, and some in ways that make another word of it. Here an ear (listener.py)
judges the sound of what MTP chose, and the gradient goes through the renderer, which stays, to the
choices: forward the chosen entries, backward the mean of all entries, each as likely as MTP has it
("straight through", Bengio et al., 2013).

Letters: B rows, L length of a stream, R crops, S frames of a crop, K codebooks, D Talker width.
Left out: codebook 0, which is no choice of MTP's.
"""

import torch
from torch import Tensor

from model.speech.code2wav import Code2Wav
from model.train.batch import SpeakBatch
from model.train.listener import Listener
from model.train.stages import Speak

CROPS = 24  # at most, of a batch
CROP = 24  # frames of each: 1.9 s


class Hearing:
    def __init__(self, renderer: Code2Wav, listener: Listener):
        self.renderer = renderer.requires_grad_(False)
        self.listener = listener

    def __call__(self, speak: Speak, batch: SpeakBatch, hidden: Tensor) -> Tensor:
        """How differently the ear hears true frames and those MTP chooses from the Talker's states
        f[B, L, D]; in half of these codebook 0 is the Talker's choice too."""
        row, at = crops(speak.says(batch))
        if not len(row):
            return hidden.new_zeros(())
        true, state = batch.codes[row, at + 1], hidden[row, at]  # [R, S, K], [R, S, D]
        shape, true, state = true.shape, true.flatten(0, 1), state.flatten(0, 1)
        led, talker = len(true) // 2, speak.talker
        taken = speak.chosen(state, torch.cat((speak.first(state[:led]), true[led:, 0])))
        logits = talker.mtp(state, talker.codes(taken[:, 0]), taken)
        books = speak.books.to(state.device)
        soft = torch.einsum("nkc,kcd->nd", logits.float().softmax(-1), books[1:])
        with torch.autocast(state.device.type, enabled=False):
            chosen = self.renderer.quantizer.embed(taken.view(shape).mT)
            straight = (soft - soft.detach()).unflatten(0, shape[:2])
            made, _ = self.renderer.render(chosen + straight)
            with torch.no_grad():
                wanted, _ = self.renderer(true.view(shape).mT)
            return self.listener(made, wanted)


def crops(says: Tensor) -> tuple[Tensor, Tensor]:
    """Random crops of the rows whose positions bool[B, L] are to predict frames: rows i64[R, 1] and
    positions i64[R, S]. Rows with fewer frames are left out."""
    rows, places = [], []
    for row in torch.randperm(len(says)).tolist():
        at = says[row].nonzero()[:, 0]
        if len(at) >= CROP and len(rows) < CROPS:
            start = int(torch.randint(len(at) - CROP + 1, ()))
            rows.append(row)
            places.append(at[start : start + CROP])
    every = torch.stack(places) if places else says.new_zeros((0, CROP), dtype=torch.long)
    return torch.tensor(rows, device=says.device, dtype=torch.long)[:, None], every
