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
    head_dim: Size | None = None

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


#: Llama 2's and Code Llama's.
_LLAMA_2_VOCABULARIES = {32000, 32016}
#: By model_type, where torchtune has one builder and transformers one word.
_ARCHITECTURES = {
    "qwen2": Architecture("torchtune.models.qwen2.lora_qwen2", "QWEN2"),
    "mistral": Architecture("torchtune.models.mistral.lora_mistral", "MISTRAL"),
    "gemma": Architecture("torchtune.models.gemma.lora_gemma", "GEMMA"),
}
_GEMMAS_TURN = {
    "system": ["", "\n"],
    "user": ["<start_of_turn>user\n", "<end_of_turn>\n"],
    "assistant": ["<start_of_turn>model\n", "<end_of_turn>\n"],
    "ipython": ["", ""],
}
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
    if config.model_type == "llama" and config.vocab_size in _LLAMA_2_VOCABULARIES:
        return Architecture("torchtune.models.llama2.lora_llama2", "LLAMA2")
    if config.model_type == "llama" and config.tie_word_embeddings:
        return Architecture("torchtune.models.llama3_2.lora_llama3_2", "LLAMA3_2")
    if config.model_type == "llama":
        return Architecture("torchtune.models.llama3_1.lora_llama3_1", "LLAMA3")
    if config.model_type in _ARCHITECTURES:
        return _ARCHITECTURES[config.model_type]
    known = ", ".join(["llama (2 and 3)", *_ARCHITECTURES])
    what = f"{model} is a {config.model_type or 'model of no kind'}: known here are {known}"
    hint = "begin with --example, and put torchtune's config for your model into its finetune.yaml"
    raise CannotBe(what, hint)


def component(model: Path, config: Config, rank: int) -> dict[str, Any]:
    """The `model` of a torchtune config. Raises CannotBe."""
    made = architecture(model, config)
    _check_heads(model, config)
    sizes = {**_sizes(config), **_family(made, config)}
    known = {name: value for name, value in sizes.items() if value is not None}
    lora = {"apply_lora_to_mlp": True, "lora_rank": rank, "lora_alpha": 2 * rank}
    return {"_component_": made.component, "lora_attn_modules": _adapted(made), **lora, **known}


def _adapted(made: Architecture) -> list[str]:
    """Not the queries of a Qwen2: torchtune 0.6.1 saves their adapter as if Llama had made it, and transformers loads nonsense."""
    queries = [] if made.model_type == "QWEN2" else ["q_proj"]
    return [*queries, "v_proj", "output_proj"]


def _check_heads(model: Path, config: Config) -> None:
    """Only Gemma's builder takes heads that aren't as wide as their number says. Raises CannotBe."""
    width, heads = config.hidden_size, config.num_attention_heads
    odd = width and heads and config.head_dim not in (None, width // heads)
    if odd and config.model_type != "gemma":
        what = f"{model} has heads of {config.head_dim}: torchtune's builder for {config.model_type} can't have that"
        raise CannotBe(what, "begin with another model, or with --example")


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


def _family(made: Architecture, config: Config) -> dict[str, Any]:
    base = None if config.base is None else int(config.base)
    match made.model_type:
        case "QWEN2":
            return {"tie_word_embeddings": config.tie_word_embeddings}
        case "LLAMA2":  # its builder has no base
            return {"rope_base": None}
        case "MISTRAL":
            return {"rope_base": base}
        case "GEMMA":
            return {"rope_base": base, "head_dim": config.head_dim}
        case _:
            factor = config.scale_factor
            return {"rope_base": base, "scale_factor": None if factor is None else int(factor)}


def tokenizer(model: Path, config: Config) -> dict[str, Any]:
    """The `tokenizer` of a torchtune config. Raises CannotBe."""
    place = model.absolute()
    longest = {"max_seq_len": min(_LONGEST, config.max_position_embeddings or _LONGEST)}
    special = _special_tokens(place, config)
    match architecture(model, config).model_type:
        case "QWEN2":
            family = "qwen2_5" if _calls_tools(place) else "qwen2"
            files = {"path": f"{place}/vocab.json", "merges_file": f"{place}/merges.txt"}
            component = f"torchtune.models.{family}.{family}_tokenizer"
            return {"_component_": component, **files, **special, **longest}
        case "LLAMA2" | "MISTRAL" as family:
            path = _ranks(model, ["tokenizer.model"])
            component = f"torchtune.models.{family.lower()}.{family.lower()}_tokenizer"
            return {"_component_": component, "path": path, **longest}
        case "GEMMA":
            path = _ranks(model, ["tokenizer.model"])
            turns = {"prompt_template": _GEMMAS_TURN}
            return {"_component_": "torchtune.models.gemma.gemma_tokenizer", "path": path, **longest, **turns}
        case _:
            path = _ranks(model, ["original/tokenizer.model", "tokenizer.model"])
            return {
                "_component_": "torchtune.models.llama3.llama3_tokenizer",
                "path": path,
                **special,
                **longest,
            }


def _ranks(model: Path, names: list[str]) -> str:
    """The first that is there. Raises CannotBe."""
    for name in names:
        if (path := model.absolute() / name).exists():
            return str(path)
    raise CannotBe(
        f"{model} has no {names[0]}, which torchtune's tokenizer reads", "download it with the model"
    )


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
