"""`Run`: one recorded turn as a value.

    run = lab.run(audio="question.wav", record=["routing", "latency"])
    run.text, run.audio, run.tokens                # what was said, what it went through
    run.save("question.omnirun"); again = wb.open("question.omnirun")

A Run knows no model and no view: NumPy arrays, plain values, nothing that runs. Everything that
was not recorded is empty or None, and asking for it says how to record it.

Letters: T tokens of a stage, L layers, K chosen experts, E experts, W words of the answer, F frames
of speech, B codebooks, U units in order of emission, S samples, Q queries, H heads, V vocabulary.
Left out: the file, `.omnirun`, which is omnirun.py's; several turns in one run.
"""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int16, Int32, Int64, UInt8

from model.aria import Aria, Audit, Pace
from model.senses.message import Message
from workbench.checked import Checked

STAGES = ("thinker", "talker")
MODALITIES = ("text", "audio", "image", "video", "timestamp", "control", "speech")
PHASES = ("prompt", "answer")
UNITS = ("text", "speech", "control")
SPEECH = MODALITIES.index("speech")


@dataclass(frozen=True, eq=False)
class Inputs(Checked):
    """All that a turn depends on besides the model: the same inputs give the same turn."""

    messages: tuple[Message, ...] = ()
    aloud: str = ""  # a text to read aloud, in place of messages to answer
    speak: bool = True
    voice: str = "heart"
    voice_codes: Int16[np.ndarray, "F B"] | None = None  # speech of the voice to imitate
    voice_colour: Float32[np.ndarray, " T"] | None = None  # and the filter of its sound, in taps
    pace: Pace = Aria()
    interval: float | None = None  # seconds between timestamps inside audio
    compact: bool = False  # places of a video without gaps
    temperature: float = 0.0  # of the words; 0 = the likeliest
    speech_temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    most: int = 256  # text tokens of the answer
    words: tuple[int, ...] = ()  # tokens that the answer begins with, not chosen
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.messages) == bool(self.aloud.strip()):
            raise ValueError("expected either messages to answer or a text to read aloud")
        if self.aloud and not self.speak:
            raise ValueError("a text that is read aloud needs speak=True")
        if self.most < 1:
            raise ValueError(f"most must be at least 1 text token, not {self.most}")


@dataclass(frozen=True, eq=False)
class Tokens(Checked):
    """What one stage read and wrote, position by position; `sentence` counts spoken sentences."""

    id: Int32[np.ndarray, " T"]  # -1 where a frame or a Thinker state stands
    modality: UInt8[np.ndarray, " T"]  # index into MODALITIES
    phase: UInt8[np.ndarray, " T"]  # index into PHASES
    time: Float32[np.ndarray, "T 2"]  # seconds of what was heard, seen or spoken; NaN = none
    part: Int16[np.ndarray, " T"]  # of the messages' parts in order, -1 = none
    sentence: Int16[np.ndarray, " T"]  # -1 in the Thinker
    place: Int32[np.ndarray, "T 3"]  # time, row, column; the Talker has running numbers

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Units(Checked):
    """The interleaved stream in order of emission: words taken, frames spoken, ends of text."""

    kind: UInt8[np.ndarray, " U"]  # index into UNITS
    token: Int32[np.ndarray, " U"]  # as the Talker took it, if it did; -1 for frames
    text: Int32[np.ndarray, " U"]  # which word of the answer, -1 = none
    frame: Int32[np.ndarray, " U"]  # which frame, -1 = none
    sentence: Int16[np.ndarray, " U"]
    emitted: Float64[np.ndarray, " U"]  # seconds after the turn began
    time: Float32[np.ndarray, "U 2"]  # seconds of the sound that it takes; words: `Run.spans`

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, eq=False)
class Routing(Checked):
    """Which experts every token went to, in one stage (vLLM's shape)."""

    experts: Int16[np.ndarray, "T L K"]  # best first; -1 where an edit lets a layer choose fewer
    weights: Float16[np.ndarray, "T L K"]  # sum to one
    shared: Float16[np.ndarray, "T L"] | None  # gate of the shared expert
    logits: Float16[np.ndarray, "T L E"] | None
    layers: tuple[int, ...]  # which blocks of the stage
    count: int  # E

    def load(self, where: np.ndarray | None = None) -> Float32[np.ndarray, "L E"]:
        """Share of the routed weight over the fair share, 1/E: one is fair, zero is idle."""
        here = slice(None) if where is None else where
        experts, weights = self.experts[here], self.weights[here].astype(np.float32)
        sums = np.zeros((len(self.layers), self.count), np.float32)
        for layer in range(len(self.layers)):
            np.add.at(sums[layer], experts[:, layer].astype(np.int64), weights[:, layer])
        return sums * self.count / max(1, len(experts))

    def margin(self) -> Float32[np.ndarray, "T L"]:
        """How far the last chosen expert's logit lies above the best one left out."""
        if self.logits is None:
            raise ValueError("margins need logits: record 'router-logits'")
        ranked = -np.sort(-self.logits.astype(np.float32), axis=-1)
        k = (self.experts >= 0).sum(-1, keepdims=True)
        if k.max(initial=0) == self.count:
            raise ValueError("every expert is chosen, there is no margin")
        last, next_best = (np.take_along_axis(ranked, at, -1)[..., 0] for at in (k - 1, k))
        return last - next_best


@dataclass(frozen=True)
class Routings:
    """Routing of a run, by stage."""

    run: "Run" = field(repr=False)

    @property
    def thinker(self) -> Routing:
        return self.of("thinker")

    @property
    def talker(self) -> Routing:
        return self.of("talker")

    def of(self, stage: str) -> Routing:
        if stage not in self.run.routed:
            raise ValueError(missing(f"routing of the {stage}", "routing"))
        return self.run.routed[stage]

    def load(self, stage: str = "thinker", by: str = ""):
        """Load of every layer and expert; `by` is "", "modality", "phase" or "sentence". A
        DataFrame: rows (group, layer), a column an expert; 1 = the fair share."""
        pd, routing, tokens = tables(), self.of(stage), self.run.stage(stage)
        names = {"modality": MODALITIES, "phase": PHASES}.get(by)
        if by not in ("", "modality", "phase", "sentence"):
            raise ValueError(f"by must be modality, phase or sentence, not {by!r}")
        groups = getattr(tokens, by) if by else np.zeros(len(tokens), np.int64)
        loads = {}
        for group in np.unique(groups):
            name = (names[group] if names else int(group)) if by else "all"
            load = routing.load(groups == group)
            loads[name] = pd.DataFrame(load, index=pd.Index(routing.layers, name="layer"))
        return pd.concat(loads, names=[by or "tokens"])


@dataclass(frozen=True, eq=False)
class Attention(Checked):
    """Maps of some layers, heads and queries; row q sees the keys `start[q] .. query[q]`."""

    stage: str
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    maps: Float16[np.ndarray, "L H Q N"]  # shares; a row sums to one, zeros after its own place
    query: Int32[np.ndarray, " Q"]  # position in the stage's tokens
    start: Int32[np.ndarray, " Q"]  # position of key 0: where the stream of this query begins


@dataclass(frozen=True, eq=False)
class Delta(Checked):
    """What Gated DeltaNet layers forget and write at every token."""

    decay: Float16[np.ndarray, "T L H"]  # log of the factor on the memory, <= 0
    write: Float16[np.ndarray, "T L H"]  # 0..1
    layers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Odds(Checked):
    """How sure the speech heads were, frame by frame and codebook by codebook; temperature 1."""

    entropy: Float16[np.ndarray, "F B"]  # nats
    chosen: Float16[np.ndarray, "F B"]  # probability of the code that was spoken
    end: Float16[np.ndarray, " F"]  # probability that speech would end here


@dataclass(frozen=True, eq=False)
class Latency(Checked):
    """When each part ran, in nanoseconds after the turn began; spans may overlap or nest."""

    names: tuple[str, ...]
    name: UInt8[np.ndarray, " N"]  # index into `names`
    start: Int64[np.ndarray, " N"]
    end: Int64[np.ndarray, " N"]
    chunk: Int32[np.ndarray, " N"]  # the frame being made
    n_in: Int32[np.ndarray, " N"]  # positions that went in
    parent: Int32[np.ndarray, " N"]  # the span around it, -1 = none
    played: Float64[np.ndarray, " F"] | None = None  # when the player let each frame be heard


@dataclass(frozen=True)
class Meta(Checked):
    """Where a run comes from."""

    model: str
    fingerprint: str  # of config and weights, sha256
    parameters: int
    made: str  # UTC
    rate: int  # samples a second
    frame_s: float  # seconds of a frame of speech
    layers: dict[str, str]  # of each stage, a letter a layer: "a" attention, "d" DeltaNet
    threads: int
    dtype: str
    device: str
    versions: dict[str, str]


@dataclass(frozen=True, eq=False)
class Run(Checked):
    """One turn: what went in, what came out, and what was recorded on the way."""

    inputs: Inputs
    edits: tuple[Any, ...]  # what was changed in the model or the inputs
    text: str
    audio: Float32[np.ndarray, " S"]
    codes: Int16[np.ndarray, "F B"]
    words: Int32[np.ndarray, " W"]  # tokens of the answer
    spans: Float32[np.ndarray, "W 2"]  # seconds of the sound that each word takes; NaN = unspoken
    spanned: str  # how `spans` were found: "attention", "rate" or ""
    thinker: Tokens
    talker: Tokens
    units: Units
    audits: tuple[Audit, ...]  # one per spoken sentence
    pieces: dict[str, str]  # text of every token id that occurs
    recorded: tuple[str, ...]
    marks: dict[str, int]  # nanoseconds after the turn began
    meta: Meta
    routed: dict[str, Routing] = field(default_factory=dict)  # by stage
    attention: tuple[Attention, ...] = ()
    align: Float16[np.ndarray, "W F"] | None = None  # the Talker's attention from frame to word
    delta: dict[str, Delta] = field(default_factory=dict)  # by stage
    odds: Odds | None = None
    logits: Float32[np.ndarray, "W V"] | None = None  # from which each word was chosen
    states: dict[str, Float32[np.ndarray, "..."]] = field(default_factory=dict)  # by part, [T, ...]
    latency: Latency | None = None

    @property
    def routing(self) -> Routings:
        return Routings(self)

    @property
    def seconds(self) -> float:
        """Of speech."""
        return len(self.audio) / self.meta.rate

    def stage(self, name: str) -> Tokens:
        if name not in STAGES:
            raise ValueError(f"no stage {name!r}, expected {' or '.join(STAGES)}")
        return getattr(self, name)

    @property
    def tokens(self):
        """Every position of both stages as a DataFrame."""
        pd = tables()
        rows = []
        for stage in STAGES:
            t = self.stage(stage)
            texts = [self.pieces.get(str(i), "") for i in t.id.tolist()]
            table = {
                "stage": stage,
                "phase": [PHASES[i] for i in t.phase],
                "modality": [MODALITIES[i] for i in t.modality],
                "sentence": t.sentence,
                "id": t.id,
                "text": texts,
                "t0": t.time[:, 0],
                "t1": t.time[:, 1],
                "part": t.part,
            }
            rows.append(pd.DataFrame(table).rename_axis("position").reset_index())
        return pd.concat(rows, ignore_index=True)

    @property
    def emission(self):
        """The stream in order of emission as a DataFrame; codes of frames as tuples."""
        pd, u = tables(), self.units
        spoken = [tuple(self.codes[i].tolist()) if i >= 0 else () for i in u.frame]
        table = {
            "kind": [UNITS[i] for i in u.kind],
            "text": [self.pieces.get(str(i), "") for i in u.token.tolist()],
            "word": u.text,
            "frame": u.frame,
            "sentence": u.sentence,
            "emitted": u.emitted,
            "t0": u.time[:, 0],
            "t1": u.time[:, 1],
            "codes": spoken,
        }
        return pd.DataFrame(table).rename_axis("step")

    def save(self, path: str | Path) -> Path:
        """Write the `.omnirun`, all of it or nothing."""
        from workbench.omnirun import save

        return save(self, path)

    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write all views of what was recorded as one page that needs no kernel and no network."""
        from workbench.views import export

        return export(self, path, force)

    def attribute(self, target: Any = None, over: str = "audio", method: str = "ablation", **how):
        """What the answer rests on: an `Attribution`, see attribution/. A run from a file needs
        `lab=`."""
        from workbench.attribution import attribute

        return attribute(self, target, over, method, **how)

    @property
    def view(self):
        """The views: `run.view.align()`, `.routing()`, `.attention()`, `.latency()`."""
        from workbench.views import Views

        return Views(self)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._summary().items())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        from workbench.views import thumbnails

        return f"<table>{rows}</table>{thumbnails(self)}"

    def _summary(self) -> dict[str, str]:
        said = self.text if len(self.text) <= 200 else self.text[:199] + "…"
        summary = {"text": repr(said)}
        summary["tokens"] = f"{len(self.thinker)} in the Thinker, {len(self.talker)} in the Talker"
        if len(self.codes):
            frames = f"{len(self.codes)} frames, {len(self.audits)} sentences"
            summary["speech"] = f"{self.seconds:.2f} s, {frames}, pace {self.inputs.pace}"
        if "first audio" in self.marks:
            summary["first audio"] = f"after {self.marks['first audio'] / 1e6:.0f} ms"
        summary["recorded"] = ", ".join(self.recorded) or "nothing besides"
        summary["edits"] = ", ".join(map(repr, self.edits)) or "none"
        summary["model"] = f"{self.meta.model} {self.meta.fingerprint[:8]}, seed {self.inputs.seed}"
        return summary


def missing(what: str, kind: str) -> str:
    return f"this run has no {what}: record it, lab.run(..., record=[{kind!r}])"


def tables():
    """The package pandas, which only tables need."""
    try:
        import pandas
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "tables need pandas, which `pip install -e '.[lab]'` installs", name="pandas"
        ) from None
    return pandas
