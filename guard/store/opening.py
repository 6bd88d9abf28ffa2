"""From an address to a store that is ready: connected, made or migrated where it has to be."""

import logging
from collections.abc import Mapping

from guard.errors import StoreUnavailable
from guard.secrets import read_secret
from guard.state_folder import state_folder
from guard.store.box import Box
from guard.store.engine import Durability, Link, open_link
from guard.store.migrate import migrate, revision_of
from guard.store.store import Store
from guard.store.subjects import Subjects
from guard.store_settings import StoreSettings

# Addresses by name: of a store that keeps nothing, and of the one that is taken where nobody says another.
NOTHING, DEFAULT = "none", "default"

_log = logging.getLogger("guard.store")


def open_store(
    address: str,
    *,
    durability: Durability = "normal",
    wait_s: float = 5.0,
    box: Box | None = None,
    is_served: bool = False,
    must_exist: bool = False,
) -> Store:
    """Return the store at an address; see `guard.store.engine.open_link` for the arguments.

    Args:
        box: seals and opens content; without one, none is kept and none can be read.
        must_exist: nothing is made where there is no store, nor in a database that somebody else uses.

    Raises:
        StoreInvalid: the address says nothing usable, or what is there is no store of Guard's.
        StoreNewer: a newer Guard wrote it.
        StoreFailed: it cannot be reached, written or locked.
    """
    link = open_link(address, durability=durability, wait_s=wait_s, is_served=is_served, must_exist=must_exist)
    try:
        if must_exist:
            _require_tables(link)
        migrate(link)
    except BaseException:
        link.engine.dispose()
        raise
    return Store(link, box=box)


def _require_tables(link: Link) -> None:
    with link.reading() as connection:
        if revision_of(connection) is None:
            raise StoreUnavailable(f"store {link.place}: there is none, only a database without tables of Guard's")


def address_of(written: str, environment: Mapping[str, str]) -> str:
    """Return the address that a configuration or a command line means.

    Raises:
        ConfigInvalid: it names no secret.
        StoreUnavailable: nobody said where, and this user has no home folder.
    """
    if written.startswith(("env:", "file:")):
        return read_secret(written, environment, place="store.url")
    if written != DEFAULT:
        return written
    try:
        return f"sqlite:///{state_folder(environment) / 'guard.db'}"
    except RuntimeError as error:
        raise StoreUnavailable("there is no home folder to keep them in (XDG_STATE_HOME)") from error


def open_kept(settings: StoreSettings, environment: Mapping[str, str], *, is_served: bool = False) -> Store | None:
    """Return the store of the settings, with the keys that they name; None where they keep nothing.

    Where nobody asked for a store, a state folder that cannot be written is no reason not to serve.

    Raises:
        ConfigInvalid: a secret that they name is not there, or too short.
        StoreFailed: as `open_store`.
    """
    if settings.url is None or settings.url == NOTHING or settings.audit == "off":
        return None
    box = _box(settings, environment)
    try:
        address = address_of(settings.url, environment)
        return open_store(address, durability=settings.durability, wait_s=settings.wait_s, box=box, is_served=is_served)
    except StoreUnavailable as error:
        if settings.url != DEFAULT or settings.audit == "required":
            raise
        _log.warning("decisions are not kept, since nobody said where (store.url, --store): %s", error)
        return None


def open_existing(settings: StoreSettings, environment: Mapping[str, str]) -> Store:
    """Return the store of the settings for somebody who wants to look into it; nothing is made where there is none.

    Raises:
        StoreUnavailable: there is none.
        ConfigInvalid, StoreFailed: as `open_kept`.
    """
    written = settings.url or DEFAULT
    if written == NOTHING:
        raise StoreUnavailable("store none keeps nothing")
    address = address_of(written, environment)
    return open_store(address, durability=settings.durability, box=_box(settings, environment), must_exist=True)


def open_subjects(settings: StoreSettings, environment: Mapping[str, str]) -> Subjects | None:
    """Return what makes hashes of end users, None where no key is configured. Raises ConfigInvalid."""
    if settings.subject_key is None:
        return None
    return Subjects(read_secret(settings.subject_key, environment, place="store.subject_key").encode())


def _box(settings: StoreSettings, environment: Mapping[str, str]) -> Box | None:
    content = settings.content
    if content.key is None:
        return None
    secret = read_secret(content.key, environment, place="store.content.key").encode()
    place = "store.content.earlier_keys"
    return Box(secret, [read_secret(one, environment, place=place).encode() for one in content.earlier_keys])
