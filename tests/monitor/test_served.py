"""Live figures of an application: measured where decisions are kept, in the first worker, for as long as it serves."""

import asyncio
from pathlib import Path

import pytest

from guard.config import Settings
from guard.server.live import Live
from guard.server.watched import watched
from guard.telemetry import Telemetry
from guard.wiring import open_memory
from tests.pipeline.guards import House, make_house


class _Generation:
    def __init__(self, house: House) -> None:
        self.guard, self.settings = house.guard, house.guard.settings
        self.model = type("Model", (), {"users": 0, "is_retired": False})()


def _settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {"store": {"url": f"sqlite:///{folder / 'guard.db'}"}, "monitor": {"canary_every_s": 0}}
    )


def _measured(telemetry: Telemetry) -> float:
    return telemetry.registry.get_sample_value("guard_live_timestamp_seconds") or 0.0


@pytest.mark.parametrize(("place", "is_measured"), [(0, True), (1, False)])
async def test_first_worker_measures_for_all(tmp_path: Path, place: int, is_measured: bool) -> None:
    settings = _settings(tmp_path)
    house = make_house(settings.model_dump(mode="json"))
    memory = open_memory(settings, house.guard.telemetry, {})
    assert memory is not None
    memory.start()

    async with watched(Live(_Generation(house)), memory, house.guard.telemetry, place=place):  # type: ignore[arg-type]
        for _ in range(3000 if is_measured else 20):
            if _measured(house.guard.telemetry):
                break
            await asyncio.sleep(0.02)
    await asyncio.to_thread(memory.stop)

    assert bool(_measured(house.guard.telemetry)) is is_measured


async def test_without_a_store_nothing_is_measured() -> None:
    house = make_house()

    async with watched(Live(_Generation(house)), None, house.guard.telemetry, place=0):  # type: ignore[arg-type]
        await asyncio.sleep(0.05)

    assert not _measured(house.guard.telemetry)
