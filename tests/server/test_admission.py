import asyncio

import pytest

from guard.config import LimitSettings
from guard.errors import Overloaded
from guard.server.admission import Admission


async def test_permit_is_given_back_when_the_block_fails() -> None:
    admission = Admission(LimitSettings(max_inflight=1, admission_timeout_s=0.05))

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with admission.permit():
                _ = 1 / 0

    async with admission.permit():
        pass


async def test_no_free_permit_before_the_deadline_is_overload() -> None:
    admission = Admission(LimitSettings(max_inflight=1, admission_timeout_s=0.02))

    async with admission.permit():
        with pytest.raises(Overloaded):
            async with admission.permit():
                pytest.fail("a second permit was given")


async def test_a_permit_that_gets_free_in_time_is_given_to_who_waits() -> None:
    admission = Admission(LimitSettings(max_inflight=1, admission_timeout_s=2.0))
    order: list[int] = []

    async def work(number: int) -> None:
        async with admission.permit():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(5)))

    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(LimitSettings(max_inflight=1, admission_timeout_s=2.0))

    async def work() -> None:
        async with admission.permit():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(work()) for _ in range(9)]  # one holds the permit, eight wait
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        admission.check()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    admission.check()


def test_bodies_of_all_requests_together_are_bounded() -> None:
    admission = Admission(LimitSettings(max_body_bytes=10, max_buffered_bytes=15))

    with admission.account() as hold:
        hold(10)
        with admission.account() as hold_more, pytest.raises(Overloaded):
            hold_more(6)
    with admission.account() as hold:
        hold(15)
