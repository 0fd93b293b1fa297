"""Make a tiny Llama-3.2-shaped model on the spot, with no download.

    python make_tiny_model.py OUT_DIR [--steps 600] [--seed 0]

OUT_DIR gets what a Hugging Face checkout of a Llama-3.2 model has:
config.json, generation_config.json, model.safetensors, tokenizer.json,
tokenizer_config.json, chat_template.jinja, and original/tokenizer.model
(tiktoken ranks, what torchtune's llama3_tokenizer reads).

The base model is pretrained for some seconds to *repeat* the word it is asked to
capitalize. So it is a model that works, and that fails the task: fine-tuning
has something to teach.
"""

import argparse
import base64
import json
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)  # so small a model is slower with more, most of all on a busy machine

# Words that are one token each (none of one byte). Everything else is one token a byte.
WORDS = ["user", "assistant", "system", "\n\n", "Capitalize"]
SPECIAL = [  # the names torchtune's Llama3Tokenizer looks up
    "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|step_id|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>",
    "<|python_tag|>", "<|image|>",
]  # fmt: skip
# Llama 3's own split pattern (torchtune: models/llama3/_tokenizer.py, CL100K_PATTERN).
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# What torchtune.models.llama3_2 computes: Llama3ScaledRoPE with factor 32.
ROPE_THETA = 500000.0
ROPE = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192}  # fmt: skip
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def byte_symbols() -> dict[int, str]:
    """The printable character that byte-level BPE writes for each byte (GPT-2's table)."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in keep}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(keep))
    return table


def write_tokenizer(out: Path) -> dict[str, int]:
    """Write the one vocabulary twice: for tiktoken (torchtune) and for tokenizers (transformers)."""
    tokens = [bytes([b]) for b in range(256)] + [w.encode() for w in WORDS]
    (out / "original").mkdir(parents=True, exist_ok=True)
    (out / "original" / "tokenizer.model").write_text(
        "".join(f"{base64.b64encode(t).decode()} {rank}\n" for rank, t in enumerate(tokens))
    )
    symbol = byte_symbols()
    vocab = {"".join(symbol[b] for b in t): i for i, t in enumerate(tokens)}
    special = {name: len(tokens) + i for i, name in enumerate(SPECIAL)}
    added = [
        {"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for name, i in special.items()
    ]  # fmt: skip
    (out / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        # ignore_merges, as in Llama 3: a piece that is in the vocabulary is one token.
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "ignore_merges": True, "vocab": vocab, "merges": []},
    }, ensure_ascii=False))  # fmt: skip
    (out / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>",
        "clean_up_tokenization_spaces": False, "model_max_length": 256,
        "chat_template": CHAT_TEMPLATE,
    }, indent=2))  # fmt: skip
    return special


def pretrain(model: LlamaForCausalLM, special: dict[str, int], steps: int, batch: int) -> float:
    """Teach the model to answer `Capitalize: abcde` with `abcde`. Returns the last loss."""
    one = {w: 256 + i for i, w in enumerate(WORDS)}
    head, end, eot = special["<|start_header_id|>"], special["<|end_header_id|>"], special["<|eot_id|>"]
    prefix = [
        special["<|begin_of_text|>"],
        head,
        one["user"],
        end,
        one["\n\n"],
        one["Capitalize"],
        ord(":"),
        ord(" "),
    ]
    middle = [eot, head, one["assistant"], end, one["\n\n"]]
    rate, warm_up = 5e-3, 50
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    prompt, answer = torch.tensor(prefix), torch.tensor(middle)
    begun = time.perf_counter()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / warm_up, 4 * (1 - (step - 1) / steps))
        word = torch.randint(97, 123, (batch, 5))
        # One in five in capitals: it must know the letters A-Z, too.
        word -= 32 * (torch.rand(batch, 1) < 0.2)
        ids = torch.cat(
            [prompt.expand(batch, -1), word, answer.expand(batch, -1), word, torch.full((batch, 1), eot)],
            dim=1,
        )
        labels = ids.clone()
        labels[:, : len(prefix) + 5 + 1] = -100  # the loss is on what the assistant says, header included
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(
                f"step {step}/{steps} loss {loss.item():.4f} {time.perf_counter() - begun:.1f} s", flush=True
            )
    return float(loss.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    special = write_tokenizer(args.out)
    config = LlamaConfig(
        vocab_size=256 + len(WORDS) + len(SPECIAL), hidden_size=args.hidden, intermediate_size=args.hidden * 2,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=131072,
        rms_norm_eps=1e-5, tie_word_embeddings=True,
        initializer_range=0.1,  # with the usual 0.02 it takes five times as many steps to learn to copy
        # For transformers 4 and for 5: neither reads the other's names, nor says so; the scores come out wrong.
        rope_theta=ROPE_THETA, rope_scaling=ROPE, rope_parameters={**ROPE, "rope_theta": ROPE_THETA},
        bos_token_id=special["<|begin_of_text|>"], eos_token_id=[special["<|eot_id|>"], special["<|end_of_text|>"]],
        pad_token_id=special["<|finetune_right_pad_id|>"],
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, vocabulary {config.vocab_size}")
    pretrain(model, special, args.steps, args.batch)
    model.save_pretrained(args.out)


if __name__ == "__main__":
    main()
