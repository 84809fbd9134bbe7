import pytest
import torch

from model.dualtrack import DualTrack, tracks
from model.omni import Omni, OmniConfig

EOD, PAD = 8, 9


@pytest.fixture(scope="module")
def omni():
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


@pytest.mark.parametrize("frames, wanted", [
    (5, [1, 2, 3, EOD, PAD, PAD]), (3, [1, 2, 3, EOD]), (1, [1, 2]), (0, [1]),
])  # fmt: skip
def test_tracks(frames, wanted):
    words = torch.tensor([[1, 2, 3]])
    assert tracks(words, frames, EOD, PAD).tolist() == [wanted]


def test_speaking_is_the_training_stream(omni):
    """Frames that were spoken, fed back teacher forced, predict themselves."""
    talker = DualTrack(omni.config.talker).eval()
    marks = omni.tokenizer
    ids = torch.tensor([marks.encode("Good morning to all of you.")])
    opening = talker.words(torch.tensor([[marks.im_start, marks.im_end]]))
    frames = list(talker.say(opening, iter(ids[0].tolist()), marks, most=20))
    assert frames
    codes = torch.stack(frames)[None]
    track = tracks(ids, len(frames), marks.tts_text_eod, marks.tts_pad)
    with torch.inference_mode():
        x = torch.cat((opening, talker.embed(track, codes, marks.tts_text_bos)), dim=1)
        hidden, _ = talker(x)
        logits = talker.head(hidden[0, opening.shape[1] :])[:, : talker.config.end]
    assert logits[:-1].argmax(-1).tolist() == codes[0, :, 0].tolist()


class WantsToEnd(torch.nn.Module):
    """A head that would rather end than speak, always."""

    def __init__(self, end: int):
        super().__init__()
        self.end = end

    def forward(self, state):
        return torch.eye(self.end + 2)[self.end].expand(*state.shape[:-1], -1)


def test_no_end_while_words_are_pending(omni):
    talker = DualTrack(omni.config.talker).eval()
    talker.head = WantsToEnd(omni.config.talker.end)
    words = iter([5, 6, 7, 8])
    opening = talker.words(torch.tensor([[omni.tokenizer.im_start]]))
    heard = list(talker.say(opening, words, omni.tokenizer, most=30))
    assert len(heard) == 4 and next(words, None) is None
