"""Settings for pictures: what one may cost, how those behind URLs are fetched, when the writing in them is read."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from guard.policy_settings import Probability, Section
from guard.upstream_settings import Seconds


def _is_network(written: str) -> str:
    ip_network(written)
    return written


Port = Annotated[int, Field(ge=1, le=65_535)]
Network = Annotated[str, AfterValidator(_is_network)]


class ImageSettings(Section):
    """Limits on one picture, checked before it is decoded, and how it is sent on."""

    max_bytes: PositiveInt = 20_000_000
    """of the file"""
    max_pixels: PositiveInt = 25_000_000
    """width times height, over all frames together"""
    max_frames: PositiveInt = 8
    """of an animated picture; one with more is not judged at all"""
    max_per_request: PositiveInt = 32
    """pictures; a request with more is refused"""
    send: Literal["original", "normalised"] = "original"
    """original: files are sent on as they came, and judged in every way a model may see them; normalised: written anew
    before they are judged, upright, on white, without metadata, an animation as its first frame"""


class FetchSettings(Section):
    """How pictures behind URLs are fetched. Addresses that are not public are refused, at every redirect."""

    enabled: bool = True
    """false: a picture behind a URL is never fetched, and so never judged"""
    timeout_s: Seconds = 5.0
    """from the first look-up to the last byte, redirects included"""
    max_redirects: Annotated[int, Field(ge=0, le=10)] = 3
    """each is checked like the first address"""
    max_bytes_per_request: PositiveInt = 50_000_000
    """of all pictures behind URLs in one request; what comes later is not judged"""
    ports: tuple[Port, ...] = (80, 443)
    """that may be connected to"""
    allow_networks: tuple[Network, ...] = ()
    """networks in CIDR form that may be fetched from although they are not public"""


class OcrSettings(Section):
    """When writing in pictures is read."""

    mode: Literal["auto", "always", "off"] = "auto"
    """auto: only where the vision tower sees writing; off: never, and nothing is said"""
    gate: Probability | None = None
    """likelihood of writing from which OCR runs in mode auto; none takes the bundle's"""
    max_chars: PositiveInt = 4000
    """read in one frame; a picture with more is judged in part, and counts as not judged"""
