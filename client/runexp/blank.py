"""Secrets are blanked before anything is kept, or handed on. Pure, and quick on whatever a text holds."""

import re
from typing import Any

BLANK = "***"
#: Ends of names whose values are secrets. A tokenizer's special tokens are not: pad_token, eos_token.
_SECRET = (
    r"(?:secret|passw(?:or)?d|passphrase|pwd|credentials?"
    r"|(?<![A-Za-z0-9])(?:api[_-]?|access[_-]?|secret[_-]?|private[_-]?|account[_-]?|auth[_-]?)key"
    r"|(?<![A-Za-z0-9])(?:hf|hub|auth|access|api|wandb|bearer|github|gitlab|secret|session|private|huggingface"
    r"|refresh|id)[_-]?token)"
)
#: Of variables of the environment, any token but a tokenizer's.
_VARIABLE = r"(?-i:(?<![a-z])(?<!PAD)(?<!EOS)(?<!BOS)(?<!UNK)(?<!SEP)(?<!CLS)(?<!MASK)(?<!STOP)(?<!END)(?<!IMAGE)_TOKEN(?==))"
#: In quotes, or up to a blank; a quote in the middle of a word belongs to it.
_VALUE = r"""(?P<value>"(?:[^"\\\n]|\\.){0,9999}"|'[^'\n]*'|["']?(?:[^\s"']|(?<=\w)["'](?=\w))+)"""
_GAP = r"[ \t]{0,20}"
_ASSIGNED = re.compile(rf"""(?im)(?P<name>(?:{_SECRET}|{_VARIABLE})["']?{_GAP}[:=]{_GAP}){_VALUE}""")
#: YAML that goes on below its key: a block, or a plain value; not a mapping.
_BELOW = re.compile(
    rf"""(?im)(?P<name>^(?P<indent>[ \t]{{0,80}})(?:-[ ])?["']?[\w.-]{{0,80}}?{_SECRET}["']?{_GAP}:{_GAP}"""
    rf"""(?:[|>][-+\d]{{0,2}})?{_GAP}(?:\#.{{0,200}})?\n)"""
    r"""(?P<value>(?:(?P=indent)[ \t]++(?!["']?[\w.-]+["']?:(?:\s|$)).*(?:\n|\Z))+)"""
)
_OPTION = re.compile(
    rf"""(?im)(?P<name>(?<![\w.-])--(?:[\w.-]{{0,80}}?{_SECRET}|token)[ \t=]{{1,20}})(?!-){_VALUE}"""
)
#: What programs and libraries are told without a name: wandb and Hugging Face, sshpass, curl, a .netrc, a header.
_CALLS = (
    r"\bwandb[ \t]+login\b(?:[ \t]+-\S{1,100}(?:[ \t]+https?://\S{1,100})?){0,5}[ \t]+(?!-)",
    r"""\blogin\((?:\w{1,20}[ ]?=[ ]?)?(?=["'])""",
    r"\bsshpass[ \t]+-p[ \t]{0,5}",
    r"""\bcurl\b[^\n]{0,300}?[ \t](?:-u|--user)[ \t=]{1,5}["']?[^\s:"']{1,80}:""",
    r"\blogin[ \t]+\S{1,80}[ \t]+password[ \t]+",
    r"""\bAuthorization["']?[ \t]{0,5}[:=][ \t]{0,5}["']?(?:Bearer|Basic|Token)[ \t]+""",
)
_TOLD = re.compile(rf"(?im)(?P<name>{'|'.join(_CALLS)}){_VALUE}")
_QUERY = re.compile(
    r"""(?i)(?P<name>[?&](?:(?:[\w-]{1,40}-)?(?:token|signature|credential)|sig|key)=)(?P<value>[^&\s"']+)"""
)
#: A user's password, or a token in place of the user.
_URL = re.compile(
    r"(?P<name>\b[a-z][a-z0-9+.-]{1,20}://(?:[^\s/:@]{0,200}:)?)"
    r"(?P<value>(?<=:)[^\s/@]{1,200}|[^\s/:@]{20,200})(?=@)"
)
#: Tokens that say themselves what they are.
_KNOWN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|pypi-[\w-]{40,}|npm_\w{30,}"
    r"|eyJ[\w-]{10,2000}\.[\w-]{10,2000}\.[\w-]{5,2000}|hooks\.slack\.com/services/[\w/]{10,})"
)
#: In small letters, what a line holds that may hold a secret: the patterns take their time, and few lines need them.
_HINTS = (
    "secret", "passw", "passphrase", "pwd", "credential", "key", "token", "login", "sshpass", "curl", "://",
    "authorization", "signature", "sig=", "hf_", "sk-", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-",
    "xox", "akia", "asia", "aiza", "pypi-", "npm_", "eyj", "hooks.slack",
)  # fmt: skip
_PRIVATE_KEY = re.compile(r"(?P<name>-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?P<value>[^-]{1,20000})")
_NAME = re.compile(rf"(?i)[\w.-]{{0,80}}{_SECRET}")
#: It names a variable, and says nothing in case there is none.
_REFERS = re.compile(r"""["']?\$(?!\{[^}]{1,200}?(?:,|:?[-=+]))""")


def text(raw: str) -> str:
    """Without its secrets. What only names a variable is left as it is."""
    small = raw.lower()
    hints = [hint for hint in _HINTS if hint in small]
    if not hints:
        return raw
    for pattern in (_PRIVATE_KEY, _BELOW):
        raw = pattern.sub(_blanked, raw)
    return "\n".join(_line(line, hints) for line in raw.split("\n"))


def _line(raw: str, hints: list[str]) -> str:
    small = raw.lower()
    if not any(hint in small for hint in hints):
        return raw
    for pattern in (_ASSIGNED, _OPTION, _TOLD, _QUERY, _URL):
        raw = pattern.sub(_blanked, raw)
    return _KNOWN.sub(BLANK, raw)


def value(key: str, said: str) -> str:
    """What a config's key says, blanked where the key's last part names a secret."""
    if _NAME.fullmatch(key.rpartition(".")[2]) and said not in ("null", "true", "false", ""):
        return BLANK
    return text(said)


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
    if _REFERS.match(found["value"]):
        return found[0]
    end = "\n" if found["value"].endswith("\n") else ""
    return f"{found['name']}{BLANK}{end}"
