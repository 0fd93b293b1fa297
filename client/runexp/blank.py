"""Secrets are blanked before anything is kept, or handed on. Pure, and quick on whatever a text holds."""

import re
from typing import Any

BLANK = "***"
#: Ends of names whose values are secrets. A tokenizer's special tokens are not: pad_token, eos_token.
_SECRET_NAME = (
    r"(?:[\w.-]{0,80}[_.-])?"
    r"(?:api[_-]?key|secret|secret[_-]?key|access[_-]?key|password|passwd|credentials?"
    r"|(?:hf|hub|auth|access|api|wandb|bearer|github|gitlab|secret|session|private|use_auth|huggingface)[_-]?token)"
)
_ASSIGNED = re.compile(
    rf"""(?im)(?P<name>(?<![\w.-]){_SECRET_NAME}["']?[ \t]{{0,20}}[:=][ \t]{{0,20}})(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s"'#]+)"""
)
_OPTION = re.compile(rf"(?im)(?P<name>(?<![\w.-])--{_SECRET_NAME}[ \t]+)(?P<value>[^\s-][^\s]*)")
#: Tokens that say themselves what they are.
_KNOWN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{16}|AIza[\w-]{30,})"
)
_NAME = re.compile(rf"(?i){_SECRET_NAME}")
_URL = re.compile(r"(?P<name>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,200}:)(?P<value>[^\s/@]{1,200})(?=@)")
_REFERS = re.compile(r"""["']?\$""")


def text(raw: str) -> str:
    """Without its secrets. What only names a variable is left as it is."""
    for pattern in (_ASSIGNED, _OPTION, _URL):
        raw = pattern.sub(_blanked, raw)
    return _KNOWN.sub(BLANK, raw)


def value(key: str, said: str) -> str:
    """What a config's key says, blanked where the key's last part names a secret."""
    if _NAME.fullmatch(key.rpartition(".")[2]) and said not in ("null", "true", "false", ""):
        return BLANK
    return _KNOWN.sub(BLANK, _URL.sub(_blanked, said))


def document(part: Any) -> Any:
    """What JSON can hold, each text in it without its secrets, and what stands under a secret's name blanked."""
    match part:
        case str():
            return text(part)
        case dict():
            return {text(key): _entry(key, said) for key, said in part.items()}
        case list() | tuple():
            return [document(each) for each in part]
        case _:
            return part


def _entry(key: str, said: Any) -> Any:
    is_secret = isinstance(said, str | int | float) and not isinstance(said, bool)
    return BLANK if is_secret and value(key, str(said)) == BLANK else document(said)


def _blanked(found: re.Match[str]) -> str:
    return found[0] if _REFERS.match(found["value"]) else f"{found['name']}{BLANK}"
