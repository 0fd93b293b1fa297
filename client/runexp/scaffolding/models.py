"""What torchtune has for a model as Hugging Face lays it out: its component and its tokenizer. See torchtune.models."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from runexp.scaffolding import reading
from runexp.scaffolding.problems import CannotBe

_HINT = "name the directory of a model as Hugging Face has it"
#: Of a config, and of a tokenizer, which holds a vocabulary.
_CONFIG_BYTES, _TOKENIZER_BYTES = 16 << 20, 256 << 20
#: More is no model's.
Size = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Factor = Annotated[float, msgspec.Meta(gt=0, le=1e12)]


class Rope(msgspec.Struct, frozen=True):
    """transformers 5 keeps both in `rope_parameters`; before it was `rope_theta` and `rope_scaling`."""

    rope_theta: Factor | None = None
    factor: Factor | None = None


class Config(msgspec.Struct, frozen=True):
    """A model's config.json, as far as a torchtune config needs it."""

    model_type: str = ""
    tie_word_embeddings: bool = False
    vocab_size: Size | None = None
    num_hidden_layers: Size | None = None
    num_attention_heads: Size | None = None
    num_key_value_heads: Size | None = None
    hidden_size: Size | None = None
    intermediate_size: Size | None = None
    max_position_embeddings: Size | None = None
    rms_norm_eps: Factor | None = None
    rope_theta: Factor | None = None
    rope_scaling: Rope | None = None
    rope_parameters: Rope | None = None

    @property
    def base(self) -> float | None:
        return self.rope_theta or (self.rope_parameters.rope_theta if self.rope_parameters else None)

    @property
    def scale_factor(self) -> float | None:
        scaling = self.rope_scaling or self.rope_parameters
        return scaling.factor if scaling else None


class Architecture(msgspec.Struct, frozen=True):
    component: str
    #: torchtune's name for its checkpoints.
    model_type: str


#: Llama 3's and Qwen 2's own, whose special tokens torchtune knows.
_USUAL_VOCABULARIES = {128256, 151643, 151646, 151936, 152064}
_LONGEST = 2048


def read(model: Path) -> Config:
    """Raises CannotBe."""
    try:
        return msgspec.json.decode(reading.whole(model / "config.json", _CONFIG_BYTES, _HINT), type=Config)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotBe(f"{model}/config.json can't be read: {error}", _HINT) from None


def architecture(model: Path, config: Config) -> Architecture:
    """Raises CannotBe for those that aren't known here."""
    match config.model_type:
        case "llama" if config.tie_word_embeddings:
            return Architecture("torchtune.models.llama3_2.lora_llama3_2", "LLAMA3_2")
        case "llama":
            return Architecture("torchtune.models.llama3_1.lora_llama3_1", "LLAMA3")
        case "qwen2":
            return Architecture("torchtune.models.qwen2.lora_qwen2", "QWEN2")
        case other:
            what = f"{model} is a {other or 'model of no kind'}: only llama (3) and qwen2 are known here"
            hint = "begin with --example, and put torchtune's config for your model into its finetune.yaml"
            raise CannotBe(what, hint)


def component(model: Path, config: Config, rank: int) -> dict[str, Any]:
    """The `model` of a torchtune config. Raises CannotBe."""
    lora = {
        "lora_attn_modules": ["q_proj", "v_proj", "output_proj"],
        "apply_lora_to_mlp": True,
        "lora_rank": rank,
        "lora_alpha": 2 * rank,
    }
    sizes = {**_sizes(config), **_family(config)}
    known = {name: value for name, value in sizes.items() if value is not None}
    return {"_component_": architecture(model, config).component, **lora, **known}


def _sizes(config: Config) -> dict[str, Any]:
    return {
        "vocab_size": config.vocab_size,
        "num_layers": config.num_hidden_layers,
        "num_heads": config.num_attention_heads,
        "num_kv_heads": config.num_key_value_heads,
        "embed_dim": config.hidden_size,
        "intermediate_dim": config.intermediate_size,
        "max_seq_len": config.max_position_embeddings,
        "norm_eps": config.rms_norm_eps,
        "rope_base": config.base,
    }


def _family(config: Config) -> dict[str, Any]:
    if config.model_type == "qwen2":
        return {"tie_word_embeddings": config.tie_word_embeddings}
    base, factor = config.base, config.scale_factor
    return {
        "rope_base": None if base is None else int(base),
        "scale_factor": None if factor is None else int(factor),
    }


def tokenizer(model: Path, config: Config) -> dict[str, Any]:
    """The `tokenizer` of a torchtune config. Raises CannotBe."""
    place = model.absolute()
    common: dict[str, Any] = {
        **_special_tokens(place, config),
        "max_seq_len": min(_LONGEST, config.max_position_embeddings or _LONGEST),
    }
    if config.model_type == "qwen2":
        family = "qwen2_5" if _calls_tools(place) else "qwen2"
        files = {"path": f"{place}/vocab.json", "merges_file": f"{place}/merges.txt"}
        return {"_component_": f"torchtune.models.{family}.{family}_tokenizer", **files, **common}
    for ranks in (place / "original" / "tokenizer.model", place / "tokenizer.model"):
        if ranks.exists():
            return {"_component_": "torchtune.models.llama3.llama3_tokenizer", "path": str(ranks), **common}
    what = f"{model} has no original/tokenizer.model, which torchtune's llama3_tokenizer reads"
    raise CannotBe(what, "download it with the model")


def _calls_tools(place: Path) -> bool:
    """As Qwen 2.5 does, and Qwen 2 doesn't: they share a model_type, not the special tokens."""
    try:
        return b"<tool_call>" in reading.whole(place / "tokenizer.json", _TOKENIZER_BYTES, _HINT)
    except OSError:
        return True


def _special_tokens(place: Path, config: Config) -> dict[str, str]:
    """Where a model has its own."""
    is_usual = config.vocab_size in _USUAL_VOCABULARIES
    is_there = (place / "tokenizer.json").exists()
    return {"special_tokens_path": f"{place}/tokenizer.json"} if is_there and not is_usual else {}
