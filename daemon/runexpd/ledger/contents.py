"""Texts by their hash, each kept once: recipes, and the scripts and configs that they name.

Raises LedgerUnwritable and LedgerDamaged, as the ledger does.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import msgspec
import zstandard

from runexp.wire.recipes import Recipe
from runexpd.ledger.store import Ledger

_MOST_BYTES = 4 * 1024 * 1024
#: Names in one query.
_TOGETHER = 500


def name(body: bytes) -> str:
    return sha256(body).hexdigest()


def encoded(recipe: Recipe) -> bytes:
    """The same recipe, the same bytes."""
    return msgspec.json.encode(recipe, order="deterministic")


def keep(ledger: Ledger, bodies: Mapping[str, bytes]) -> None:
    """By name; those that are there already, and whole, are left as they are."""
    known = read(ledger, bodies)
    pack = zstandard.ZstdCompressor()
    ledger.change_all(
        "INSERT OR REPLACE INTO contents VALUES (?, ?)",
        [(name, pack.compress(body)) for name, body in bodies.items() if name not in known],
    )


def read(ledger: Ledger, names: Iterable[str]) -> dict[str, bytes]:
    """Those that there are. One that is damaged is none: its name tells."""
    wanted, found = list(dict.fromkeys(names)), {}
    for start in range(0, len(wanted), _TOGETHER):
        some = wanted[start : start + _TOGETHER]
        sql = f"SELECT name, body FROM contents WHERE name IN ({', '.join('?' * len(some))})"
        for called, packed in ledger.rows(sql, *some):
            if (body := _unpacked(packed)) is not None and name(body) == called:
                found[called] = body
    return found


def _unpacked(packed: bytes) -> bytes | None:
    try:
        if zstandard.frame_content_size(packed) > _MOST_BYTES:
            return None
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_BYTES)
    except zstandard.ZstdError:
        return None


def recipes(ledger: Ledger, names: Iterable[str]) -> dict[str, Recipe]:
    """Those that there are, and that this version can read."""
    found = {}
    for name, body in read(ledger, names).items():
        try:
            found[name] = msgspec.json.decode(body, type=Recipe)
        except msgspec.MsgspecError:
            continue
    return found


def texts(ledger: Ledger, recipes: Iterable[Recipe]) -> dict[str, str]:
    """The texts that these recipes name, by name."""
    names = (text.content for recipe in recipes for text in recipe.texts)
    return {name: body.decode("utf-8", "replace") for name, body in read(ledger, names).items()}
