"""A turn spoken by the dual-track Talker (model/dualtrack.py), and how it is watched.

    with lab.edit(wb.dual_track("dualtrack.safetensors")):
        alt = lab.rerun(run)

The same turn as ever up to the words; then every step of the Talker is the sum of a word (or, once
there are no more, a pad) and the frame just spoken. So a position of its stream is both: in
`run.talker` it is a frame of speech with the id of its word. The pace of the inputs has no say.

Left out: batches.
"""

from collections.abc import Iterator

from model.aria import Audit
from model.dualtrack import DualTrack
from model.omni import Omni
from model.senses.prompt import Modality
from model.turn import Frame, Word, opening, sentences
from workbench.probe import unchanged
from workbench.run import SPEECH
from workbench.watch import ANSWER, NONE, SECONDS, Position, Unit, Watch

LONGEST = 400  # frames of one sentence


def watching(omni: Omni) -> Watch:
    """What follows a turn of this model."""
    return Tracks(omni) if isinstance(unchanged(omni.talker), DualTrack) else Watch(omni)


def speak(omni, words, state, voice, _pace, how, generator) -> Iterator[Word | Frame]:
    """As `model.turn.speak`, with words that are taken one a frame."""
    for sentence in sentences(words):
        yield from _utter(omni, sentence, state, voice, how, generator)


def _utter(omni, words, state, voice, how, generator) -> Iterator[Word | Frame]:
    first = next(words, None)
    if first is None:
        return  # nothing to say
    expected, spoken, finished = 0.0, 0, False
    path: list[bool] = []
    passing: list[Word] = []

    def taken() -> Iterator[int]:
        nonlocal expected
        word: Word | None = first
        while word is not None:
            passing.append(word)
            path.append(True)
            expected += omni.frames_of(word.token)
            yield word.token
            word = next(words, None)
        path.append(True)  # the end of the text

    try:
        start = opening(omni, state, voice)[:, :-1]  # the mark of the text's begin is a step
        for codes in omni.talker.say(start, taken(), omni.tokenizer, how, generator, LONGEST):
            while passing:
                yield passing.pop(0)
            path.append(False)
            spoken += 1
            yield Frame(codes, sum(path))
        finished = spoken < LONGEST
        yield from passing
    finally:
        state.audits.append(Audit(tuple(path), expected, finished))


class Tracks(Watch):
    """Follows a Talker that hears a word and a frame at once."""

    speak = staticmethod(speak)
    token = -1  # the word of the step to come

    def _talker_hears(self, name, part, inputs) -> None:
        if inputs[0].dim() == 0:
            self.token = int(inputs[0])
        else:
            super()._talker_hears(name, part, inputs)

    def _talker_goes_on(self, name, part, inputs) -> None:
        x, _places, past = (*inputs, None, None)[:3]
        if past is None:
            self._entering.pop()  # the begin of the text, which is added to the first word
            super()._talker_goes_on(name, part, (x, None, None))
            return
        spoke, self._entering = bool(self._entering), []
        marks, sentence = self.omni.tokenizer, len(self.state.audits)
        if self.token == marks.tts_text_eod:
            self.units.append(Unit("control", self.token, -1, -1, sentence, self.now()))
        elif self.token != marks.tts_pad:
            self.heard.append((len(self.stream) - self.base, self._said))
            self._said += 1
        start = (len(self.frames) - 1) * SECONDS
        kind, time = (SPEECH, (start, start + SECONDS)) if spoke else (int(Modality.TEXT), NONE)
        self.stream.append(Position(self.token, kind, ANSWER, time, sentence=sentence))
