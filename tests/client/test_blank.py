"""No secret is kept, and what is none stays readable."""

import pytest

from runexp import blank

SECRETS = [
    'export HF_TOKEN="hf_abcdefghijklmnopqrstuvwx"',
    "export WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567",
    "api_key: sk-proj-abcdefghijklmnopqrstuv",
    "password: hunter2hunter2",
    "curl -H x --auth-token s3cr3ts3cr3t https://x",
    "git clone https://me:s3cr3ts3cr3t@github.com/x/y",
    "OPENAI_API_KEY='s3cr3ts3cr3t' inspect eval x.py",
    '"hf_token": "s3cr3ts3cr3t",',
    "AWS_SECRET_ACCESS_KEY=s3cr3ts3cr3t",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_blanked(line: str) -> None:
    shown = blank.text(f"before\n{line}\nafter")
    for secret in ("hf_abcd", "0123456789abcdef", "sk-proj-", "hunter2", "s3cr3t"):
        assert secret not in shown
    assert blank.BLANK in shown
    assert shown.startswith("before\n")
    assert shown.endswith("\nafter")


@pytest.mark.parametrize(
    "line",
    [
        "tokenizer: /models/tokenizer.model",
        "max_new_tokens: 100",
        "pad_token: '<pad>'",
        "eos_token = '</s>'",
        "export HF_TOKEN=$SECRET_OF_MINE",
        "num_output_chunks: 1",
        "https://example.org/a:b",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert blank.text(line) == line


def test_a_value_is_blanked_by_its_key() -> None:
    assert blank.value("hub.hf_token", "abc") == blank.BLANK
    assert blank.value("hub.hf_token", "null") == "null"
    assert blank.value("tokenizer.path", "abc") == "abc"
    assert blank.value("note", "hf_abcdefghijklmnopqrstuvwx") == blank.BLANK


def test_a_document_is_blanked_part_by_part_and_stays_one() -> None:
    raw = {
        "parameters": {"lora_rank": 8, "hf_token": "s3cr3t", "password": 4711, "use_auth_token": True},
        "said": ["export HF_TOKEN=s3cr3t && train", None, 0.5],
        "token": "a1b2",
    }
    assert blank.document(raw) == {
        "parameters": {"lora_rank": 8, "hf_token": "***", "password": "***", "use_auth_token": True},
        "said": ["export HF_TOKEN=*** && train", None, 0.5],
        "token": "a1b2",
    }


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["api_key", "a_", "=", "'", "://x:", "_token ", "-"])
def test_it_is_quick_on_whatever_a_text_holds(piece: str) -> None:
    blank.text(piece * (200_000 // len(piece)))
