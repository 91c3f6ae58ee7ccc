"""Who sits at a browser: a secret token, an id made from it, and a pet's name. Knows no page."""

import hashlib
import re
import secrets
import unicodedata
from typing import Final
from urllib.parse import quote, unquote

MAX_NAME_CHARS: Final = 32
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{12,64}")

# fmt: off
ADJECTIVES: Final = (
    "Amber", "Bashful", "Bold", "Bouncy", "Brave", "Breezy", "Bright", "Brisk", "Bubbly", "Calm",
    "Candid", "Cheery", "Clever", "Cosmic", "Cosy", "Curious", "Dapper", "Daring", "Dreamy",
    "Eager", "Earnest", "Fearless", "Feathery", "Fluffy", "Fuzzy", "Gentle", "Giddy", "Glowing",
    "Golden", "Grateful", "Happy", "Hazel", "Honest", "Humble", "Jolly", "Jovial", "Keen", "Kind",
    "Lively", "Loyal", "Lucky", "Mellow", "Merry", "Mindful", "Misty", "Nimble", "Noble", "Patient",
    "Peppy", "Plucky", "Polite", "Proud", "Quick", "Quiet", "Rosy", "Rustic", "Shiny", "Silken",
    "Sleepy", "Snowy", "Spirited", "Starry", "Steady", "Sunny", "Swift", "Tidy", "Velvet", "Warm",
    "Witty", "Zesty",
)

ANIMALS: Final = (
    "Alpaca", "Axolotl", "Badger", "Beaver", "Bison", "Bumblebee", "Capybara", "Caribou",
    "Chinchilla", "Chipmunk", "Cicada", "Corgi", "Cricket", "Curlew", "Dolphin", "Dormouse",
    "Falcon", "Ferret", "Finch", "Firefly", "Gecko", "Gibbon", "Hamster", "Hare", "Hedgehog",
    "Heron", "Ibis", "Jackdaw", "Jerboa", "Kestrel", "Kingfisher", "Koala", "Lemur", "Llama",
    "Lynx", "Magpie", "Manatee", "Marmot", "Marten", "Meerkat", "Mongoose", "Narwhal", "Newt",
    "Ocelot", "Octopus", "Osprey", "Otter", "Owl", "Panda", "Pangolin", "Penguin", "Pika",
    "Platypus", "Puffin", "Quokka", "Rabbit", "Raccoon", "Robin", "Salamander", "Seahorse", "Seal",
    "Sparrow", "Squirrel", "Starling", "Stoat", "Tapir", "Tortoise", "Vole", "Wallaby", "Walrus",
    "Wombat", "Wren", "Yak",
)
# fmt: on


def new_token() -> str:
    """A secret that no two browsers share."""
    return secrets.token_urlsafe(12)


def to_cookie(token: str, name: str) -> str:
    """Token and name in the few characters that a cookie and a script may hold."""
    return f"{token}.{quote(name, safe='')}"


def from_cookie(text: str) -> tuple[str, str] | None:
    """What `to_cookie` wrote, or None: what a browser brings is not trusted."""
    token, _, quoted = text.partition(".")
    if not TOKEN.fullmatch(token):
        return None
    return token, tidy_name(unquote(quoted)) or pet_name(token)


def author_id(token: str) -> str:
    """The id that goes with a token; the token cannot be found from it."""
    return hashlib.sha256(b"author " + token.encode()).hexdigest()[:32]


def pet_name(token: str) -> str:
    """The name that goes with a token: the same token, the same name."""
    drawn = int.from_bytes(hashlib.sha256(b"name " + token.encode()).digest()[:8])
    rest, adjective = divmod(drawn, len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]} {ANIMALS[rest % len(ANIMALS)]}"


def tidy_name(text: str) -> str:
    """A name as it is shown: one line, nothing invisible, not too long; may come out empty."""
    seen = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)
    return " ".join(seen.split())[:MAX_NAME_CHARS].strip()
