"""From an address to a store that is ready: connected, made or migrated where it has to be."""

from guard.store.box import Box
from guard.store.engine import Durability, open_link
from guard.store.migrate import migrate
from guard.store.store import Store


def open_store(
    address: str,
    *,
    durability: Durability = "normal",
    wait_s: float = 5.0,
    box: Box | None = None,
    is_served: bool = False,
) -> Store:
    """Return the store at an address; see `guard.store.engine.open_link` for the arguments.

    Args:
        box: seals and opens content; without one, none is kept and none can be read.

    Raises:
        StoreInvalid: the address says nothing usable, or what is there is no store of Guard's.
        StoreNewer: a newer Guard wrote it.
        StoreFailed: it cannot be reached, written or locked.
    """
    link = open_link(address, durability=durability, wait_s=wait_s, is_served=is_served)
    try:
        migrate(link)
    except BaseException:
        link.engine.dispose()
        raise
    return Store(link, box=box)
