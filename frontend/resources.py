"""What all pages of one process share: the room, the client and the watch, made from the settings."""

from dataclasses import dataclass

from frontend.client import Client
from frontend.delivery import Delivery
from frontend.room import Room
from frontend.settings import Settings
from frontend.watch import Watch


@dataclass(frozen=True)
class Resources:
    """One of each, safe to use from every page's thread."""

    settings: Settings
    room: Room
    client: Client
    delivery: Delivery
    watch: Watch

    def close(self) -> None:
        """Let go of the database and of the service."""
        self.client.close()
        self.room.close()


def open_resources(settings: Settings) -> Resources:
    """Open the room and get ready to talk to the service, which need not be there yet.

    Raises:
        RoomUnavailableError: the room's database cannot be used.

    """
    room = Room.open(settings.room_url, settings.room_name)
    client = Client(settings.api_url, settings.timeout_s, settings.api_key)
    delivery = Delivery(room, client, settings.on_unavailable, settings.max_message_chars)
    return Resources(settings, room, client, delivery, Watch(client, delivery, settings.refresh_s))
