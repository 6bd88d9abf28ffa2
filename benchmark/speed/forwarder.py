"""The least that a Python proxy can do: aiohttp in, aiohttp out, nothing parsed. The floor under Guard's cost.

Run as `python -m benchmark.speed.forwarder PORT UPSTREAM_URL`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

_MOST_BYTES = 50_000_000


def make_app(upstream: str) -> web.Application:
    """Return an application that forwards every request to `upstream` (scheme and authority)."""

    async def forward(request: web.Request) -> web.StreamResponse:
        async with request.app[session].request(
            request.method,
            upstream + request.path_qs,
            data=await request.read(),
            headers={"content-type": "application/json"},
        ) as answer:
            if answer.content_type == "text/event-stream":
                return await _stream(request, answer)
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    async def keep_session(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as client:
            app[session] = client
            yield

    session = web.AppKey("session", aiohttp.ClientSession)
    app = web.Application(client_max_size=_MOST_BYTES)
    app.cleanup_ctx.append(keep_session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


if __name__ == "__main__":
    asyncio.set_event_loop(uvloop.new_event_loop())
    web.run_app(
        make_app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=asyncio.get_event_loop(),
    )
