"""From the ledger to whoever is to know: once, after a restart too, whatever the receiver does, and never a secret of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from aiosmtpd.smtp import SMTP
from loguru import logger

from fakes.builders import BAD, World, scaffold
from notices.conftest import Mails, Receiver
from runexp.wire.events import Recorded
from runexp.wire.metrics import Concern, Health
from runexpd.core.state import Experiment
from runexpd.hosts.link import Connected, LoginNeeded
from runexpd.ledger import codec
from runexpd.ledger.store import Ledger, Row
from runexpd.notices import conditions, delivery, follower, rules
from runexpd.notices.address import Sender, Source, Undelivered, Unusable
from runexpd.notices.delivery import Delivery, Manner
from runexpd.notices.follower import Notifier
from runexpd.notices.outbox import Outbox
from runexpd.notices.rules import Rule
from runexpd.runtime.bell import Bell

LIMIT_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(follower, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.05)


class House:
    """A ledger with one experiment, and who is told."""

    def __init__(self, dir: Path, **addresses: Source) -> None:
        self.dir = dir
        self.addresses = addresses
        self.ledger = Ledger(dir / "ledger.sqlite")
        self.bell = Bell()
        self.world = World()
        self.now = 2000.0
        self.looked = 0

    async def at_hand(self, id: str) -> Experiment:
        return self.world.state.experiments[id]

    def typed(self, experiment: Experiment) -> str:
        return experiment.name

    async def look(self) -> None:
        self.looked += 1

    def happen(self) -> None:
        """All that the world has seen, into the ledger."""
        new: list[Recorded] = self.world.ledger[self.ledger.last_seq :]
        self.ledger.append(
            [Row(r.seq, 2000.0, r.experiment, type(r.event).__name__, codec.encode(r.event)) for r in new]
        )
        self.bell.ring()

    @asynccontextmanager
    async def telling(self, **manner: Any) -> AsyncIterator[Outbox]:
        """A daemon's life, which ends as by a kill."""
        outbox = Outbox(self.dir / "notices.sqlite")
        told = [
            (Delivery(name, Sender(source), Manner(**manner), outbox, lambda: self.now), frozenset(Rule))
            for name, source in self.addresses.items()
        ]
        notifier = Notifier(self.ledger, self.bell, outbox, told, self, lambda: self.now)
        async with anyio.create_task_group() as tasks:
            before = self.looked
            tasks.start_soon(notifier.run)
            await until(lambda: self.looked > before)
            yield outbox
            tasks.cancel_scope.cancel()
        outbox.close()


async def until(condition: Any) -> None:
    with anyio.fail_after(LIMIT_SECONDS):
        while not condition():
            await anyio.sleep(0.01)


@pytest.fixture
def house(tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    found = House(tmp_path, phone=Source(url=receiver.url))
    yield found
    found.ledger.close()


def fail_one(house: House) -> None:
    house.world.see(scaffold())
    house.world.finish("rank4", BAD)
    house.happen()


def titles(receiver: Receiver) -> list[str]:
    return [each["title"] for each in receiver.got]


async def all_told(house: House, outbox: Outbox, address: str = "phone") -> None:
    """All that has happened was looked at, and nothing is owed of it."""

    def is_owed() -> bool:
        return upto(outbox) < house.ledger.last_seq or outbox.count(address) > 0

    with anyio.fail_after(LIMIT_SECONDS):
        while await outbox.ask(is_owed):
            await anyio.sleep(0.01)


def upto(outbox: Outbox) -> int:
    (seq,) = outbox._db.execute("SELECT seq FROM cursor").fetchone()
    return int(seq)


async def test_news_arrives_once_and_not_again_after_a_restart(house: House, receiver: Receiver) -> None:
    async with house.telling() as outbox:
        fail_one(house)
        await until(lambda: receiver.got)
        await all_told(house, outbox)
    async with house.telling() as outbox:
        await all_told(house, outbox)
    assert titles(receiver) == ["words: rank4 failed"]


async def test_what_happened_while_nobody_followed_is_told_and_what_was_before_is_not(
    house: House, receiver: Receiver
) -> None:
    fail_one(house)
    async with house.telling():
        pass
    house.world.finish("rank8", BAD)
    house.world.drain()
    house.happen()
    async with house.telling(digest_seconds=0.0) as outbox:
        await until(lambda: receiver.got)
        await all_told(house, outbox)
    (got,) = receiver.got
    assert "#1-" in got["message"]
    assert "words failed" in got["message"]


async def test_a_receiver_that_is_down_or_refuses_gets_it_later_once(
    house: House, receiver: Receiver
) -> None:
    receiver.mood = "fails"
    async with house.telling() as outbox:
        fail_one(house)
        await until(receiver.asked.is_set)
        receiver.asked.clear()
        await until(receiver.asked.is_set)
        assert await outbox.ask(lambda: outbox.count("phone")) == 1
        receiver.mood = "ok"
        await all_told(house, outbox)
    (got,) = receiver.got
    assert "a second time" not in got["message"]


async def test_a_kill_between_send_and_mark_sends_it_again_and_says_so(
    house: House, receiver: Receiver
) -> None:
    receiver.mood = "hangs"
    async with house.telling():
        fail_one(house)
        await until(receiver.asked.is_set)
    receiver.mood = "ok"
    async with house.telling() as outbox:
        await all_told(house, outbox)
    first, second = receiver.got
    assert first["title"] == second["title"]
    assert "a second time" not in first["message"]
    assert second["message"].endswith("perhaps a second time")


async def test_one_that_hangs_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    other = Receiver()
    house = House(tmp_path, phone=Source(url=receiver.url), desk=Source(url=other.url))
    receiver.mood = "hangs"
    try:
        async with house.telling() as outbox:
            fail_one(house)
            await all_told(house, outbox, "desk")
            assert await outbox.ask(lambda: outbox.count("phone")) == 1
        assert titles(other) == ["words: rank4 failed"]
    finally:
        other.stop()
        house.ledger.close()


async def test_a_flood_is_one_message_and_quiet_hours_are_kept(house: House, receiver: Receiver) -> None:
    async with house.telling(digest_seconds=3600.0) as outbox:
        fail_one(house)
        await all_told(house, outbox)
        house.world.finish("rank8", BAD)
        house.world.drain()
        house.happen()
        await until(lambda: house.ledger.last_seq == len(house.world.ledger))
        with anyio.fail_after(LIMIT_SECONDS):
            while await outbox.ask(lambda: outbox.count("phone")) < 2:
                await anyio.sleep(0.01)
    assert len(receiver.got) == 1


async def test_what_is_told_is_a_mail_like_any_other(tmp_path: Path) -> None:
    mails = Mails()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mails), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"mailto://127.0.0.1:{port}?from=runexp@example.org&to=me@example.org&mode=insecure"
        sender = Sender(Source(url=url))
        assert await sender.kind() == "mailto"
        await sender.send("words: rank4 failed", "CUDA out of memory\nrunexp status words")
        await until(lambda: mails.got)
    (mail,) = mails.got
    assert mail["Subject"] == "words: rank4 failed"
    assert "me@example.org" in mail["To"]
    text = "".join(str(part.get_payload(decode=True)) for part in mail.walk() if not part.is_multipart())
    assert "CUDA out of memory" in text


async def test_no_secret_is_said_or_kept(house: House, receiver: Receiver, tmp_path: Path) -> None:
    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(str(message)), format="{message} {exception}")
    try:
        receiver.mood = "fails"
        async with house.telling():
            fail_one(house)
            await until(lambda: any("not delivered" in line for line in lines))
    finally:
        logger.remove(handler)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in ("tops3cretword", "hiddentoken", "someone"):
        assert not any(secret in line for line in lines)
        assert secret.encode() not in kept
    assert "tops3cretword" not in repr(Source(url=receiver.url))


async def test_an_address_in_a_file_that_others_can_read_is_not_used(
    tmp_path: Path, receiver: Receiver
) -> None:
    file = tmp_path / "phone"
    file.write_text(f"# my phone\n{receiver.url}\n")
    file.chmod(0o644)
    with pytest.raises(Unusable, match="chmod 600"):
        await Sender(Source(url_file=str(file))).send("a", "b")
    file.chmod(0o600)
    await Sender(Source(url_file=str(file))).send("a", "b")
    assert titles(receiver) == ["a"]


@pytest.mark.parametrize(
    "source",
    [
        Source(url="nonsense://tops3cretword"),
        Source(url="tops3cretword"),
        Source(url=""),
        Source(url_env="RUNEXP_NO_SUCH_VARIABLE"),
        Source(url_file="/nowhere/phone"),
        Source(url_file="~nobody-here/phone"),
        Source(url_file="/dev/null"),
    ],
)
async def test_an_address_that_is_none_is_said_without_a_word_of_it(source: Source) -> None:
    with pytest.raises(Unusable) as refused:
        await Sender(source).send("a", "b")
    assert "tops3cretword" not in str(refused.value)


async def test_a_service_that_is_not_there_is_undelivered(receiver: Receiver) -> None:
    with pytest.raises(Undelivered) as refused:
        await Sender(Source(url="json://someone:tops3cretword@127.0.0.1:9/hiddentoken")).send("a", "b")
    assert "tops3cretword" not in str(refused.value)


async def test_a_login_that_is_needed_is_told_once_and_silence_only_when_it_lasts(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "notices.sqlite")
    link, watcher = (
        SimpleNamespace(status=LoginNeeded(0.0, "Duo")),
        SimpleNamespace(trouble=None, answered_at=1.0),
    )

    async def look(at: float) -> list[str]:
        await conditions.look_at_cluster(
            outbox, lambda rule: ["phone"], "della", cast(Any, link), cast(Any, watcher), at
        )
        return [notice.title for notice in outbox.owed("phone", 9)]

    assert await look(1000.0) == await look(1010.0) == ["della needs you to log in"]
    link.status = Connected(0.0)
    watcher.trouble = (1000.0, "timed out")
    assert len(await look(1500.0)) == 1
    assert (await look(1700.0))[1:] == ["della has given no answer for 12 min"]
    assert len(await look(1800.0)) == 2
    watcher.trouble = None
    assert (await look(1900.0))[2:] == ["della answers again"]
    link.status = LoginNeeded(0.0, "Duo")
    assert (await look(2000.0))[3:] == ["della needs you to log in"]
    outbox.close()


async def test_what_is_wrong_with_a_job_is_told_until_it_is_over(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "notices.sqlite")
    health = Health(concern=Concern.STALLED, since_at=1.0, what="no new step for 6 min")
    job = SimpleNamespace(id="rank4", health=(health,))
    view = SimpleNamespace(id="e1", name="words", typed="words", jobs=[job])

    async def look(at: float) -> list[str]:
        await conditions.look_at_jobs(outbox, lambda rule: ["phone"], {"e1": cast(Any, view)}, at)
        return [notice.title for notice in outbox.owed("phone", 9)]

    assert await look(1.0) == await look(2.0) == ["words: rank4: no new step for 6 min"]
    job.health = ()
    await look(3.0)
    job.health = (health,)
    assert len(await look(4.0)) == 2
    outbox.close()


def test_an_address_that_is_gone_from_the_configuration_is_owed_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "notices.sqlite")
    assert outbox.begin(5, ["phone", "desk"], 1000.0) == 5
    notice = rules.login_needed("della", "Duo", 1000.0)
    outbox.put([notice, notice], lambda rule: ["phone", "desk"], 7)
    assert (outbox.count("phone"), outbox.count("desk")) == (1, 1)
    assert outbox.begin(9, ["desk"], 1000.0) == 7
    assert (outbox.count("phone"), outbox.count("desk")) == (0, 1)
    outbox.close()
