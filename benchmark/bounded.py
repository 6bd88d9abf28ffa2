"""Reading an answer over HTTP as far as it can be one: whoever sends without end fills no memory."""

import aiohttp

MOST_BYTES = 4 << 20  # answers are some kilobytes


async def read_bounded(answer: aiohttp.ClientResponse, most: int = MOST_BYTES) -> bytes | None:
    """Return an answer's body; None where it is larger than `most` bytes."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > most:
            answer.close()
            return None
    return bytes(body)
