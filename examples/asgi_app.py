"""Serve Guard's proxy from your own process: `uvicorn examples.asgi_app:app`, or mount `app` where you like."""

from pydantic import AnyHttpUrl

from guard import Settings, create_app
from guard.config import UpstreamSettings

app = create_app(Settings(upstream=UpstreamSettings(url=AnyHttpUrl("https://api.openai.com/v1"))))

if __name__ == "__main__":
    print("routes:", ", ".join(sorted(getattr(route, "path", "") for route in app.routes)))
