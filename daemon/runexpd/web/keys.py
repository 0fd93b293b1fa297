"""Who may look: a token that is good for one login, and the browsers that have logged in. Only hashes of either are kept.

Loopback belongs to every user of a machine, so the token is the only wall. It is handed out over the private socket.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

TOKEN_SECONDS = 60.0
SESSION_SECONDS = 30 * 86400.0
#: The oldest go.
MOST_TOKENS, MOST_SESSIONS = 16, 64


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


class Keys:
    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        #: Until when, by hash.
        self._tokens: dict[str, float] = {}
        self._sessions: dict[str, float] = {}

    def load(self) -> None:
        """Who was logged in before a restart. A file that can't be read is none: they log in again."""
        try:
            self._sessions = msgspec.json.decode(self._path.read_bytes(), type=dict[str, float])
        except (OSError, ValueError):
            self._sessions = {}

    def save(self) -> None:
        """Blocks. Raises OSError."""
        beside = self._path.with_suffix(".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self._sessions))
        beside.replace(self._path)

    def mint(self) -> str:
        """A token that logs one browser in, within a minute."""
        token = secrets.token_urlsafe(32)
        self._tokens[hashed(token)] = self._now() + TOKEN_SECONDS
        _keep_newest(self._tokens, MOST_TOKENS)
        return token

    def redeem(self, token: str) -> str | None:
        """The session of a browser that came with a token, which is used up; None for one that isn't good."""
        found = self._found(self._tokens, token)
        if found is None:
            return None
        del self._tokens[found]
        session = secrets.token_urlsafe(32)
        self._sessions[hashed(session)] = self._now() + SESSION_SECONDS
        _keep_newest(self._sessions, MOST_SESSIONS)
        return session

    def knows(self, session: str) -> bool:
        return self._found(self._sessions, session) is not None

    def forget(self, session: str) -> None:
        """Log a browser out."""
        if found := self._found(self._sessions, session):
            del self._sessions[found]

    def _found(self, among: Mapping[str, float], secret: str) -> str | None:
        """Each is compared, in constant time, so that how long it takes tells nothing."""
        wanted, found, now = hashed(secret), None, self._now()
        for known, until in among.items():
            if hmac.compare_digest(known, wanted) and now < until:
                found = known
        return found


def _keep_newest(among: dict[str, float], most: int) -> None:
    for old in sorted(among, key=lambda each: among[each])[:-most]:
        del among[old]
