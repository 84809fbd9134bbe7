"""Speed beside transformers: same shapes, same threads, same run; what counts is the ratio.

    omni bench                    # every row; about five minutes on two quiet cores
    omni bench decode train       # some of them

`prefill`, `decode`, `train`: a hybrid decoder of 8 layers, width 256, 16 experts of which 2 work,
with the weights copied across, against `Qwen3_5MoeForCausalLM` (plain calls of its forward, no
`generate` around them). `frames`, `first-audio`, `turn`: a model of micro's shapes against
`Qwen3OmniMoeForConditionalGeneration.generate`; random weights, an answer of ten words, 40 frames.
Its code2wav differs from ours: it is taken out of `frames` and counted in `turn`. `curve` has
no rival: the time of a thousand tokens of prefill in DeltaNet layers, from 1k to 64k tokens. Nor
have `record`, `room` and `picture`, what recording costs: see bench_record.py; and `long`, hours of
input, which runs only by its name: see bench_long.py.

Ours and theirs take turns; a figure is the median of its repetitions. fp32. Left out: GPUs, batches
(but for `train`), torch.compile.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.aria import Aria
from model.layers.attention import AttentionConfig
from model.layers.deltanet import DeltaConfig
from model.layers.moe import MoeConfig
from model.layers.stack import Stack, StackConfig
from model.omni import Omni, OmniConfig
from model.sampling import Sampling
from model.senses.message import Message
from model.senses.prompt import Clock
from model.thinker import Thinker, ThinkerConfig
from model.turn import State, Voice, Word, render, speak, think
from workbench.hub import weights

REPEATS = 5
PROMPT, STEPS = 1024, 64  # tokens
BATCH, TIME = 8, 128  # of the training row
WORDS, FRAMES = 14, 40  # of the answer: about ten words
CURVE = (1, 2, 4, 8, 16, 32, 64)  # thousands of tokens

HYBRID = ThinkerConfig(
    4096,
    StackConfig(
        width=256, layers=8, attention=AttentionConfig(4, 2, 64), rotary_dim=16,
        sections=(4, 2, 2), theta=1e7, delta=DeltaConfig(4, 8, 32, 32),
        moe=MoeConfig(16, 2, 160, 160),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """One figure beside its rival's. `ratio` says how many times better ours is."""

    row: str
    what: str
    unit: str
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    bar: float | None = None

    def line(self) -> str:
        beside = ""
        if self.ratio is not None:
            rival = f"   transformers {self.theirs:>9,.4g}"
            beside = f"{rival}   ratio {self.ratio:.2f} (bar {self.bar:g})"
        return f"{self.what:<48} {self.ours:>9,.4g} {self.unit:<9}{beside}".rstrip()


def conditions(repeats: int = REPEATS) -> str:
    return (
        f"fp32, {torch.get_num_threads()} threads, transformers {version('transformers')};"
        f" ours and theirs in turns, medians of {repeats}"
    )


def run(rows: Sequence[str] = (), repeats: int = REPEATS) -> Iterator[Speed]:
    """The rows asked for (without names all but `long`), one after the other."""
    from workbench import bench_long, bench_record  # which need what is here

    known = {**ROWS, **bench_record.ROWS, **bench_long.ROWS}
    unknown = set(rows) - set(known)
    if unknown:
        raise ValueError(f"no row {sorted(unknown)}; there are {', '.join(known)}")
    for name, measure in known.items():
        if name in rows or (not rows and name not in bench_long.ROWS):
            yield from measure(name, repeats)


# --- the hybrid decoder ---------------------------------------------------------------------------


@cache
def hybrids() -> tuple[Thinker, nn.Module]:
    """Ours and theirs with the same weights."""
    from transformers import Qwen3_5MoeForCausalLM, Qwen3_5MoeTextConfig, logging

    logging.set_verbosity_error()

    c = HYBRID.stack
    rope = {
        "rope_type": "default",
        "rope_theta": c.theta,
        "partial_rotary_factor": c.rotary_dim / c.attention.head_dim,
        "mrope_section": list(c.sections),
        "mrope_interleaved": True,
    }
    torch.manual_seed(0)
    theirs = Qwen3_5MoeForCausalLM(
        Qwen3_5MoeTextConfig(
            vocab_size=HYBRID.vocab,
            hidden_size=c.width,
            num_hidden_layers=c.layers,
            num_attention_heads=c.attention.heads,
            num_key_value_heads=c.attention.kv_heads,
            head_dim=c.attention.head_dim,
            linear_num_key_heads=c.delta.key_heads,
            linear_num_value_heads=c.delta.value_heads,
            linear_key_head_dim=c.delta.key_dim,
            linear_value_head_dim=c.delta.value_dim,
            num_experts=c.moe.experts,
            num_experts_per_tok=c.moe.chosen,
            moe_intermediate_size=c.moe.inner,
            shared_expert_intermediate_size=c.moe.shared,
            rope_parameters=rope,
            tie_word_embeddings=True,
        )
    ).eval()
    ours = Thinker(HYBRID).eval()
    state = weights.below(theirs.state_dict(), "model.")
    ours.embed.weight.data.copy_(state.pop("embed_tokens.weight"))
    ours.stack.load_state_dict(weights.stack(state))
    return ours, theirs


def _prompt(time: int, batch: int = 1) -> Tensor:
    return torch.randint(0, HYBRID.vocab, (batch, time), generator=torch.Generator().manual_seed(0))


def prefill(row: str, repeats: int) -> Iterator[Speed]:
    ours, theirs = hybrids()
    ids = _prompt(PROMPT)
    own, other = _in_turns(lambda: _read(ours, ids), lambda: _read_theirs(theirs, ids), repeats)
    yield _faster(row, "hybrid decoder, prefill of 1,024", "tokens/s", PROMPT, own, other, 1.5)


def decode(row: str, repeats: int) -> Iterator[Speed]:
    ours, theirs = hybrids()
    ids = _prompt(128)

    def own() -> float:
        logits, past = _read(ours, ids)
        start = time.perf_counter()
        for _ in range(STEPS):
            thought, past = ours(ours.embed(logits.argmax().view(1, 1)), None, past)
            logits = ours.logits(thought.hidden[0, -1])
        return time.perf_counter() - start

    def other() -> float:
        out = _read_theirs(theirs, ids)
        start = time.perf_counter()
        for _ in range(STEPS):
            token = out.logits[0, -1].argmax().view(1, 1)
            out = theirs(token, past_key_values=out.past_key_values, use_cache=True)
        return time.perf_counter() - start

    yield _faster(row, "hybrid decoder, decode", "tokens/s", STEPS,
                  *_in_turns(own, other, repeats), 3.0)  # fmt: skip


def train(row: str, repeats: int) -> Iterator[Speed]:
    ours, theirs = hybrids()
    ids = _prompt(TIME, BATCH)

    def own() -> None:
        with torch.inference_mode(False), torch.enable_grad():
            thought, _ = ours(ours.embed(ids))
            logits = ours.logits(thought.hidden[:, :-1])
            F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
        ours.zero_grad()

    def other() -> None:
        with torch.inference_mode(False), torch.enable_grad():
            theirs(ids, labels=ids, use_cache=False).loss.backward()
        theirs.zero_grad()

    yield _faster(row, "hybrid decoder, forward and backward of 8 x 128", "tokens/s",
                  BATCH * TIME, *_in_turns(own, other, repeats), 1.5)  # fmt: skip


def _read(ours: Thinker, ids: Tensor):
    thought, past = ours(ours.embed(ids))
    return ours.logits(thought.hidden[0, -1]), past


def _read_theirs(theirs: nn.Module, ids: Tensor):
    return theirs(ids, use_cache=True, logits_to_keep=1)


# --- the speaking model ---------------------------------------------------------------------------


@cache
def speakers() -> tuple[Omni, nn.Module]:
    """A model of micro's shapes, ours and theirs."""
    from transformers import Qwen3OmniMoeConfig, Qwen3OmniMoeForConditionalGeneration, logging

    logging.set_verbosity_error()

    torch.manual_seed(0)
    ours = Omni(OmniConfig.micro())
    thinker, talker = ours.config.thinker.stack, ours.config.talker
    mtp, marks = talker.mtp, ours.tokenizer

    def decoder(c: StackConfig) -> dict:
        rope = {"rope_type": "default", "rope_theta": c.theta, "mrope_section": list(c.sections)}
        return {
            "hidden_size": c.width,
            "num_hidden_layers": c.layers,
            "num_attention_heads": c.attention.heads,
            "num_key_value_heads": c.attention.kv_heads,
            "head_dim": c.attention.head_dim,
            "rope_parameters": rope,
        }

    def experts(c: MoeConfig) -> dict:
        return {
            "num_experts": c.experts,
            "num_experts_per_tok": c.chosen,
            "moe_intermediate_size": c.inner,
        }

    codes = mtp.codes + 1024  # theirs keeps the last 1024 classes for marks
    config = Qwen3OmniMoeConfig(
        thinker_config={
            "vision_start_token_id": marks.vision_start,
            "text_config": decoder(thinker)
            | experts(thinker.moe)
            | {"vocab_size": ours.config.thinker.vocab, "intermediate_size": thinker.width},
            "audio_config": {"encoder_layers": 1, "d_model": 32, "encoder_attention_heads": 2,
                             "encoder_ffn_dim": 32, "downsample_hidden_size": 8,
                             "output_dim": thinker.width},
            "vision_config": {"depth": 1, "hidden_size": 32, "num_heads": 2,
                              "intermediate_size": 32, "out_hidden_size": thinker.width,
                              "deepstack_visual_indexes": [0]},
        },
        talker_config={
            "text_config": decoder(talker.stack)
            | experts(talker.stack.moe)
            | {"vocab_size": codes, "intermediate_size": talker.stack.width,
               "shared_expert_intermediate_size": talker.stack.moe.shared},
            "code_predictor_config": {
                "vocab_size": mtp.codes, "num_code_groups": mtp.books,
                "hidden_size": mtp.stack.width, "num_hidden_layers": mtp.stack.layers,
                "num_attention_heads": mtp.stack.attention.heads,
                "num_key_value_heads": mtp.stack.attention.kv_heads,
                "head_dim": mtp.stack.attention.head_dim, "intermediate_size": mtp.stack.ffn,
            },
            "vision_start_token_id": marks.vision_start,
            "num_code_groups": mtp.books, "thinker_hidden_size": thinker.width,
            "spatial_merge_size": 2, "accept_hidden_layer": thinker.middle,
            "speaker_id": {"heart": mtp.codes + 5},
            "codec_eos_token_id": mtp.codes + 6, "codec_nothink_id": mtp.codes,
            "codec_think_bos_id": mtp.codes + 1, "codec_think_eos_id": mtp.codes + 2,
            "codec_pad_id": mtp.codes + 3, "codec_bos_id": mtp.codes + 4,
        },
        code2wav_config={
            "codebook_size": mtp.codes, "num_quantizers": mtp.books, "hidden_size": 128,
            "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 256,
            "num_hidden_layers": 2, "decoder_dim": 192,
        },
        im_start_token_id=marks.im_start, im_end_token_id=marks.im_end,
        tts_pad_token_id=marks.audio_pad, tts_bos_token_id=marks.audio_start,
        tts_eos_token_id=marks.audio_end, system_token_id=marks.encode("system")[0],
        user_token_id=marks.encode("user")[0], assistant_token_id=marks.encode("assistant")[0],
    )  # fmt: skip
    torch.manual_seed(0)
    return ours, Qwen3OmniMoeForConditionalGeneration(config).eval()


ASK = [Message.of("user", "What is seven plus five?")]


def _generate(theirs: nn.Module, ids: Tensor, frames: int):
    return theirs.generate(
        ids, speaker="heart", thinker_eos_token_id=None, thinker_max_new_tokens=WORDS,
        thinker_do_sample=False, talker_max_new_tokens=frames + 1,
        talker_min_new_tokens=frames + 1, talker_do_sample=False, talker_repetition_penalty=1.0,
    )  # fmt: skip


def frames(row: str, repeats: int) -> Iterator[Speed]:
    """Talker and MTP alone: theirs is the time of 40 frames less that of 8."""
    ours, theirs = speakers()
    ids = ours.read(ASK, Clock()).ids[None]
    talker, more = ours.talker, FRAMES - 8

    def own() -> float:
        out, past = talker(talker.words(ids))
        start = time.perf_counter()
        for _ in range(more):
            codes = talker.frame(out[0, -1], Sampling(), False)
            out, past = talker(talker.embed_frames(codes)[None, None], None, past)
        return time.perf_counter() - start

    def other() -> float:
        times = [_seconds(lambda n=n: _generate(theirs, ids, n)) for n in (8, FRAMES)]
        codes = torch.zeros(1, ours.config.talker.mtp.books, FRAMES, dtype=torch.long)
        decode = [
            _seconds(lambda n=n: theirs.code2wav.chunked_decode(codes[..., :n], 300, 25))
            for n in (8, FRAMES)
        ]
        return times[1] - times[0] - (decode[1] - decode[0])

    yield _faster(row, "Talker and MTP", "frames/s", more, *_in_turns(own, other, repeats), 3.0)


def turn(row: str, repeats: int) -> Iterator[Speed]:
    """A whole turn from a written question; theirs hands over all sound at once, at its end."""
    ours, theirs = speakers()
    ids = ours.read(ASK, Clock()).ids[None]
    firsts, spoken = [], []

    def own() -> None:
        start, state, count = time.perf_counter(), State(), 0
        words = think(ours, ours.read(ASK, Clock()), state, most=WORDS)
        for chunk in render(ours, speak(ours, _worded(words), state, Voice(), Aria()), state):
            if len(chunk.audio):
                count += 1
                if count == 1:
                    firsts.append(time.perf_counter() - start)
                if count == FRAMES:
                    break
        spoken.append(count)

    own_time, other = _in_turns(own, lambda: _generate(theirs, ids, FRAMES), repeats)
    if row == "first-audio":
        first = statistics.median(firsts)
        yield Speed(row, "first audio of a ten-word answer", "ms", 1e3 * first, 1e3 * other,
                    other / first, 10.0)  # fmt: skip
    else:
        factor = own_time / (0.08 * statistics.median(spoken)), other / (0.08 * FRAMES)
        yield Speed(row, "whole turn, real-time factor", "", *factor, factor[1] / factor[0], 3.0)


def _worded(words: Iterator[Word]) -> Iterator[Word]:
    """One sentence, whatever the random weights write."""
    return (Word(word.token, "a", word.hidden) for word in words)


# --- a long prompt --------------------------------------------------------------------------------


def curve(row: str, repeats: int) -> Iterator[Speed]:
    """If the cost is linear, every thousand tokens cost the same."""
    c = HYBRID.stack
    torch.manual_seed(0)
    stack = Stack(StackConfig(c.width, 3, c.attention, c.rotary_dim, c.sections, c.theta,
                              delta=c.delta, ffn=512)).eval()  # fmt: skip
    for thousands in CURVE:
        x = torch.randn(1, 1024 * thousands, c.width)
        seconds = statistics.median(
            _seconds(lambda x=x: stack(x)) for _ in range(max(1, repeats // thousands))
        )
        what = f"three DeltaNet layers, prefill of {thousands}k"
        yield Speed(row, what, "ms per 1k", 1e3 * seconds / thousands)


# --- measuring ------------------------------------------------------------------------------------


def _seconds(call: Callable[[], float | None]) -> float:
    """How long it took, or what the call itself measured."""
    start = time.perf_counter()
    with torch.inference_mode():
        own = call()
    return own if isinstance(own, float) else time.perf_counter() - start


def _in_turns(ours: Callable, theirs: Callable, repeats: int) -> tuple[float, float]:
    """Median seconds of both, after one round to warm up."""
    rounds = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats + 1)][1:]
    return tuple(statistics.median(times) for times in zip(*rounds, strict=True))


def _faster(
    row: str, what: str, unit: str, count: int, ours: float, theirs: float, bar: float
) -> Speed:
    return Speed(row, what, unit, count / ours, count / theirs, theirs / ours, bar)


ROWS: dict[str, Callable[[str, int], Iterator[Speed]]] = {
    "prefill": prefill,
    "decode": decode,
    "train": train,
    "frames": frames,
    "first-audio": turn,
    "turn": turn,
    "curve": curve,
}
