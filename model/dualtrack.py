"""The dual-track Talker of Qwen3-Omni, the baseline that ARIA replaced (report section 2.5).

Text and speech run side by side: at every step the next word's embedding is *added* to the frame
just spoken, one word a frame, until the words are used up; from then on a pad stands in their
place. Same stack, tables, head and MTP as `Talker`; only the stream differs, so that the two can be
compared at equal size.

    step     0     1     2     3     4
    text     w0    w1    w2    eod   pad
    speech   bos   F0    F1    F2    F3

Letters: B batch, S frames, K codebooks, D width.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from model.sampling import Sampling
from model.talker import Talker


def tracks(
    words: Int[Tensor, "batch heard"], frames: int, eod: int, pad: int
) -> Int[Tensor, "batch steps"]:
    """The text track for `frames` + 1 steps: the words, the end mark, then pads.

    Where words outnumber frames the last ones are cut off: the track is as long as the speech.
    """
    batch, heard = words.shape
    track = words.new_full((batch, max(frames + 1, heard + 1)), pad)
    track[:, :heard] = words
    track[:, heard] = eod
    return track[:, : frames + 1]


class DualTrack(Talker):
    """A Talker whose two tracks are summed."""

    def embed(
        self, track: Int[Tensor, "batch steps"], codes: Int[Tensor, "batch frames books"], bos: int
    ) -> Float[Tensor, "batch steps width"]:
        """Inputs of S + 1 steps: word s plus frame s - 1 (a start mark before the first)."""
        start = self.words(track.new_tensor(bos)).expand(track.shape[0], 1, -1)
        return self.words(track) + torch.cat((start, self.embed_frames(codes)), dim=1)

    @torch.inference_mode()
    def say(
        self, opening: Float[Tensor, "1 time width"], words: Iterator[int], marks,
        how: Sampling | None = None, generator: torch.Generator | None = None, most: int = 400,
    ) -> Iterator[Int[Tensor, "books"]]:  # fmt: skip
        """Speak words as they come, one word a frame; it can't end while words are pending."""
        how = how or Sampling()
        _, past = self(opening)
        before, pending = self.words(torch.tensor(marks.tts_text_bos)), True
        token = None
        for _ in range(most):
            if pending:
                token = next(words, None)
                pending = token is not None
                token = marks.tts_text_eod if token is None else token
            x = self.words(torch.tensor(token)) + before
            hidden, past = self(x[None, None], None, past)
            codes = self.frame(hidden[0, -1], how, not pending, generator)
            if codes is None:
                return
            yield codes
            before = self.embed_frames(codes)
            token = marks.tts_pad
