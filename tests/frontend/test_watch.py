"""The watch asks seldom, on behalf of all pages, and never lets a slow service stop them."""

import threading
import time
from collections.abc import Callable

from frontend.client import Readiness
from frontend.delivery import Delivery
from frontend.exceptions import ServiceUnavailableError
from frontend.messages import Author
from frontend.room import Room
from frontend.watch import ServiceState, Watch
from tests.frontend.servers import READY, StandIn
from tests.frontend.test_delivery import Fake

READINESS = Readiness.model_validate(READY)


class Service:
    """Answers about itself with what `say` gives or raises, and counts."""

    def __init__(self, say: Callable[[], Readiness] = lambda: READINESS) -> None:
        self.say = say
        self.asked = 0

    def readiness(self) -> Readiness:
        self.asked += 1
        return self.say()


def away() -> Readiness:
    raise ServiceUnavailableError("gone")


def watch(
    service: Service, room: Room, every_s: float = 1.0, fake: Fake | None = None
) -> tuple[Watch, list[float]]:
    clock = [100.0]
    delivery = Delivery(room, fake or Fake(), "hold", 100)
    return Watch(service, delivery, every_s, clock=lambda: clock[0]), clock  # type: ignore[arg-type]


def test_many_looks_ask_once_until_the_time_is_up(sqlite_room: Room) -> None:
    service = Service()
    seen, clock = watch(service, sqlite_room)
    assert [ServiceState(READINESS)] * 3 == [seen.look() for _ in range(3)]
    assert service.asked == 1
    clock[0] += 1
    seen.look()
    assert service.asked == 2


def test_an_outage_is_told_beside_what_was_known_before(sqlite_room: Room) -> None:
    service = Service()
    seen, clock = watch(service, sqlite_room)
    seen.look()
    service.say = away
    clock[0] += 1
    assert ServiceState(READINESS, "gone") == seen.look()
    assert not seen.look().available


def test_whoever_sees_the_service_fail_has_it_asked_again(sqlite_room: Room) -> None:
    service = Service()
    seen, _ = watch(service, sqlite_room)
    seen.look()
    seen.expire()
    seen.look()
    assert service.asked == 2


def test_a_look_at_a_ready_service_releases_what_waits(sqlite_room: Room) -> None:
    sqlite_room.post(Author("a", "A"), "hello", None, status="held", reason="away")
    seen, _ = watch(Service(), sqlite_room)
    seen.look()
    assert (sqlite_room.counts().held, sqlite_room.counts().flagged) == (0, 1)


def test_a_ready_service_that_gives_no_decision_is_not_available(sqlite_room: Room) -> None:
    sqlite_room.post(Author("a", "A"), "hello", None, status="held", reason="away")
    seen, _ = watch(Service(), sqlite_room, fake=Fake(away=True))
    assert seen.look().trouble == "the service is away"
    assert sqlite_room.counts().held == 1


def test_while_one_page_waits_for_the_service_the_others_go_on(sqlite_room: Room) -> None:
    service = Service()
    seen, clock = watch(service, sqlite_room)
    seen.look()
    asking, answer = threading.Event(), threading.Event()

    def slow() -> Readiness:
        asking.set()
        assert answer.wait(10)
        return away()

    service.say = slow
    clock[0] += 1
    waiting = threading.Thread(target=seen.look)
    waiting.start()
    assert asking.wait(10)
    started = time.monotonic()
    assert ServiceState(READINESS) == seen.look()
    assert time.monotonic() - started < 1
    answer.set()
    waiting.join()
    assert seen.look().trouble == "gone"


def test_a_room_that_is_away_does_not_make_the_service_look_unavailable(
    api: StandIn, sqlite_room: Room
) -> None:
    with sqlite_room.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE message")
    seen, _ = watch(Service(), sqlite_room)
    assert seen.look().available
