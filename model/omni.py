"""The whole model: senses, Thinker, Talker, speech codec, tokenizer; presets, save and load.

    omni
    |- ear       AuT audio encoder       waveform -> states at 6.25 Hz
    |- speller   what the ear names      states -> text tokens at 25 Hz
    |- eye       vision encoder          patches -> states
    |- thinker   hybrid MoE decoder      states and text -> text
    |- talker    hybrid MoE decoder      words and Thinker states -> codebook 0, with MTP the rest
    `- codec     encoder, RVQ, code2wav  waveform <-> codes

    omni = Omni.load("micro")            # or a folder; Omni(OmniConfig.nano()) has random weights

A checkpoint is a folder: model.safetensors (bf16), config.json, tokenizer.json, words.txt (what it
has read), README.md.
Letters: T tokens, D width. Left out: downloading anything.
"""

import json
import os
import shutil
import types
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.layers.attention import AttentionConfig
from model.layers.deltanet import DeltaConfig
from model.layers.mel import log_mel_16k
from model.layers.moe import MoeConfig
from model.layers.stack import StackConfig
from model.mtp import MtpConfig
from model.senses.audio import AuT, AuTConfig, listen
from model.senses.lexicon import Lexicon
from model.senses.message import Audio, Image, Message, Video
from model.senses.prompt import RATE, Clock, Modality, Spans, plan
from model.senses.spell import Speller
from model.senses.tokenizer import Tokenizer
from model.senses.vision import Vision, VisionConfig
from model.speech.codec import Codec, CodecConfig
from model.talker import Talker, TalkerConfig
from model.thinker import Thinker, ThinkerConfig

CHECKPOINTS = Path(__file__).parent / "checkpoints"
PIECE = 64 * RATE  # samples that the ear takes at once: eight of its windows


@dataclass(frozen=True)
class OmniConfig:
    ear: AuTConfig
    eye: VisionConfig
    thinker: ThinkerConfig
    talker: TalkerConfig
    codec: CodecConfig

    @classmethod
    def micro(cls) -> "OmniConfig":
        """The shipped model: about 25 M parameters, trained on two CPU cores."""
        stack = StackConfig(
            width=256, layers=5, attention=AttentionConfig(4, 2, 64), rotary_dim=32,
            sections=(6, 5, 5), delta=DeltaConfig(4, 4, 32, 64), moe=MoeConfig(8, 2, 96, 128),
            middle=4,
        )  # fmt: skip
        depth = StackConfig(
            width=256, layers=2, attention=AttentionConfig(4, 4, 64, gated=False), rotary_dim=64,
            sections=(32, 0, 0), full_every=1, ffn=512,
        )  # fmt: skip
        return cls(
            ear=AuTConfig(),
            eye=VisionConfig.micro(),
            thinker=ThinkerConfig(4096, stack),
            talker=TalkerConfig(4096, 256, stack, MtpConfig(8, 512, depth)),
            codec=CodecConfig.micro(),
        )

    @classmethod
    def nano(cls) -> "OmniConfig":
        """For tests: every part, under a million parameters."""
        stack = StackConfig(
            width=32, layers=4, attention=AttentionConfig(2, 1, 16), rotary_dim=8,
            sections=(2, 1, 1), delta=DeltaConfig(2, 2, 8, 16), moe=MoeConfig(4, 2, 16, 16),
            middle=2,
        )  # fmt: skip
        depth = StackConfig(
            width=32, layers=1, attention=AttentionConfig(2, 2, 16, gated=False), rotary_dim=16,
            sections=(8, 0, 0), full_every=1, ffn=32,
        )  # fmt: skip
        codec = CodecConfig.nano()
        books, codes = codec.renderer.codebooks, codec.renderer.entries
        return cls(
            ear=AuTConfig.nano(),
            eye=VisionConfig.nano(),
            thinker=ThinkerConfig(4096, stack),
            talker=TalkerConfig(4096, 32, stack, MtpConfig(books, codes, depth)),
            codec=codec,
        )


@dataclass(frozen=True)
class Prompt:
    """Messages as the Thinker reads them."""

    embeds: Tensor  # f[1, T, D]
    places: Tensor  # i64[3, 1, T]
    ids: Tensor  # i64[T]; pads where a sense speaks
    senses: Tensor  # bool[T]: True where the embedding is what was heard or seen
    spans: Spans  # what every token is, and when
    end: int  # place of the next token


class Omni(nn.Module):
    def __init__(self, config: OmniConfig, tokenizer: Tokenizer | None = None):
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer or Tokenizer(CHECKPOINTS / "micro")
        self.lexicon = Lexicon(self.tokenizer.folder)
        self.ear = AuT(config.ear)
        self.eye = Vision(config.eye)
        self.thinker = Thinker(config.thinker)
        self.talker = Talker(config.talker)
        self.talker.words.spell(self.tokenizer.letters())
        self.codec = Codec(config.codec)
        self.speller = Speller(config.ear.out, config.thinker.stack.width)
        self.eval()

    @property
    def code2wav(self) -> nn.Module:
        """The renderer: codes i64[B, K, T] -> waveform f[B, 1920 T]."""
        return self.codec.renderer

    def read(self, messages: list[Message], clock: Clock, start: int = 0) -> Prompt:
        """Lay messages out as tokens and let the senses fill in what they hear and see."""
        laid = plan(
            messages, self.tokenizer, clock, start=start, hear=self.ear.tokens, look=self.eye.grid
        )
        embeds = self.thinker.embed(laid.ids)
        senses = torch.zeros(len(laid), dtype=torch.bool)
        for index, part in enumerate(laid.parts):
            for modality, states in self._sense(part):
                slots = laid.slots(index, modality)
                embeds[slots] = states.to(embeds.dtype)
                senses[slots] = True
        return Prompt(embeds[None], laid.places[:, None], laid.ids, senses, laid.spans, laid.next)

    def _sense(self, part) -> list[tuple[Modality, Tensor]]:
        """The states f[n, D] of one part, by modality."""
        match part:
            case Audio():
                return [(Modality.AUDIO, self.listen(part))]
            case Image():
                return [(Modality.IMAGE, self.eye.look(part.pixels[None]).states)]
            case Video():
                seen = (Modality.VIDEO, self.eye.look(part.frames).states)
                heard = [(Modality.AUDIO, self.listen(part.audio))] if part.audio else []
                return [seen, *heard]
        return []

    def listen(self, audio: Audio) -> Tensor:
        """States f[n, D] of a sound, one per 160 ms; a long one goes in by pieces."""
        wave = torch.from_numpy(audio.at(RATE).samples)[None]
        if wave.shape[1] <= PIECE:
            states, _ = self.ear(log_mel_16k(wave))
            return states[0]
        states, past = [], None
        for piece in wave.split(PIECE, dim=1):
            heard, past = listen(self.ear, piece, past)
            states.append(heard[0])
        heard, _ = listen(self.ear, wave[:, :0], past, end=True)
        return torch.cat([*states, heard[0]])

    def frames_of(self, token: int) -> float:
        """How many frames of speech a text token should take, as the Talker estimates."""
        return float(self.talker.frames_of(torch.tensor(token)).detach())

    def save(self, folder: str | Path) -> None:
        """Write the checkpoint, all of it or nothing."""
        folder = Path(folder)
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir(parents=True)
            state = {k: v.bfloat16() if v.is_floating_point() else v
                     for k, v in self.state_dict().items()}  # fmt: skip
            save_file(state, part / "model.safetensors")
            (part / "config.json").write_text(json.dumps(asdict(self.config), indent=1))
            for name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(self.tokenizer.folder / name, part / name)
            if self.lexicon.words:
                shutil.copy(self.tokenizer.folder / "words.txt", part / "words.txt")
            folder.mkdir(parents=True, exist_ok=True)
            for file in part.iterdir():
                os.replace(file, folder / file.name)
        except (OSError, SafetensorError) as error:
            raise OSError(f"could not save to {folder} (is the disk full?): {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @classmethod
    def load(cls, name: str | Path = "micro") -> "Omni":
        """A shipped checkpoint by name, or any folder made by `save`. Computes in fp32."""
        folder = Path(name)
        if not folder.is_dir():
            folder = CHECKPOINTS / str(name)
        if not folder.is_dir():
            known = ", ".join(sorted(p.name for p in CHECKPOINTS.iterdir() if p.is_dir()))
            raise FileNotFoundError(f"no checkpoint {name!r}: expected a folder, or one of {known}")
        try:
            config = _built(OmniConfig, json.loads((folder / "config.json").read_text()))
            state = load_file(folder / "model.safetensors")
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{folder} is no checkpoint: {Path(error.filename or '').name} is missing"
            ) from None
        except (SafetensorError, ValueError, TypeError, KeyError, OSError) as error:
            raise ValueError(f"{folder} is not a checkpoint of this project: {error}") from None
        omni = cls(config, Tokenizer(folder))
        try:
            omni.load_state_dict(state)
        except RuntimeError as error:
            first = str(error).splitlines()[1:2]
            raise ValueError(f"{folder}: weights and config.json disagree:{first}") from None
        return omni.float()


def _built(kind: type, values: dict[str, Any]) -> Any:
    """A (nested) dataclass from what `asdict` and JSON made of it."""
    hints = get_type_hints(kind)
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"config.json has unknown fields {sorted(unknown)} in {kind.__name__}")
    made = {}
    for name, value in values.items():
        hint = hints[name]
        if get_origin(hint) in (types.UnionType, Union) and value is not None:
            hint = next(arg for arg in get_args(hint) if arg is not type(None))
        if is_dataclass(hint) and value is not None:
            value = _built(hint, value)
        elif isinstance(value, list):
            value = tuple(value)
        made[name] = value
    return kind(**made)
