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
    "AWS_ACCESS_KEY_ID=ASIAS3CR3TS3CR3TS3CR",
    "MY_CLEARML_TOKEN=s3cr3t python x.py",
    "PGPASSWORD=s3cr3t psql",
    "wandb login s3cr3t0123456789",
    "wandb login --relogin --host https://x s3cr3t",
    'wandb.login(key="s3cr3t")',
    'huggingface_hub.login("s3cr3t")',
    "huggingface-cli login --token s3cr3t --add-to-git-credential",
    "huggingface-cli login --token=s3cr3t",
    "git clone https://s3cr3ts3cr3ts3cr3ts3cr3t@github.com/x",
    "postgresql://me:s3cr3t@db/x",
    'curl -H "Authorization: Bearer s3cr3t" https://x',
    "curl -s -u me:s3cr3t https://x",
    "sshpass -p s3cr3t ssh x",
    "machine api.wandb.ai login user password s3cr3t",
    "tune run x --config y hf_token=s3cr3t",
    "#SBATCH --export=ALL,WANDB_API_KEY=s3cr3t",
    "inspect eval x.py -M api_key=s3cr3t --model y",
    """inspect eval x.py --model-args '{"api_key": "s3cr3t"}'""",
    "{hf_token: s3cr3t, lr: 1}",
    r'password: "a\"s3cr3t"',
    "password: ab#s3cr3t",
    "password: ab's3cr3t",
    'password: "s3cr3t',
    "clientSecret: s3cr3t",
    "hf_token: ${oc.env:HF_TOKEN,s3cr3t}",
    "export HF_TOKEN=${HF_TOKEN:-s3cr3t}",
    'wget "https://x/y?X-Amz-Signature=s3cr3t&x=1"',
    "https://hooks.slack.com/services/T0/B0/s3cr3ts3cr3t",
    "eyJhbGciOiJIUzI1.s3cr3ts3cr3t.abcdefg",
    "hf_token: >-\n  s3cr3t\nlr: 1",
    "hub:\n  password:  # mine\n    s3cr3t\n  lr: 2",
    "  - password: |\n      s3cr3t\n      s3cr3t\n    lr: 1",
    "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cr3t\n-----END OPENSSH PRIVATE KEY-----",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_blanked(line: str) -> None:
    shown = blank.text(f"before\n{line}\nafter")
    for secret in ("hf_abcd", "0123456789abcdef", "sk-proj-", "hunter2", "s3cr3t"):
        assert secret not in shown.lower()
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
        "git clone https://me@github.com/x git@github.com:x/y",
        "hf_token: ${oc.env:HF_TOKEN}",
        "export HF_TOKEN=$(cat ~/.hf)",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "credentials:\n  file: x\n  user: me",
        "secret:\nlr: 1",
        "EOS_TOKEN=x",
        "input_key: input",
        "sort --key=2",
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
@pytest.mark.parametrize(
    "piece",
    [
        "api_key",
        "a_",
        "=",
        "'",
        "://x:",
        "_token ",
        "-",
        'password: "\\',
        "login(",
        "curl -u ",
        "?a-",
        " pwd:\n ",
        " \t",
        "A_",
        "eyJaaaaaaaaaaa.",
    ],
)
def test_it_is_quick_on_whatever_a_text_holds(piece: str) -> None:
    blank.text(piece * (200_000 // len(piece)))
