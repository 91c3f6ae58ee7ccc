"""What all pages of one process share: the room, the clients and the watch, made from the settings."""

from dataclasses import dataclass

from frontend.client import Client
from frontend.delivery import Delivery
from frontend.registry import Registry
from frontend.room import Room
from frontend.settings import Settings
from frontend.watch import Watch


@dataclass(frozen=True)
class Resources:
    """One of each, safe to use from every page's thread; no ``registry`` where no MLflow is set."""

    settings: Settings
    room: Room
    client: Client
    delivery: Delivery
    watch: Watch
    registry: Registry | None = None

    def close(self) -> None:
        """Let go of the database, of the service and of MLflow."""
        self.client.close()
        if self.registry:
            self.registry.close()
        self.room.close()


def open_resources(settings: Settings) -> Resources:
    """Open the room and get ready to talk to the service, which need not be there yet.

    Raises:
        RoomUnavailableError: the room's database cannot be used.

    """
    room = Room.open(settings.room_url, settings.room_name)
    client = Client(settings.api_url, settings.timeout_s, settings.api_key)
    delivery = Delivery(room, client, settings.on_unavailable, settings.max_message_chars)
    registry = None
    if settings.mlflow_url:
        registry = Registry(settings.mlflow_url, settings.timeout_s, settings.mlflow_token)
    watch = Watch(client, delivery, settings.refresh_s)
    return Resources(settings, room, client, delivery, watch, registry)
