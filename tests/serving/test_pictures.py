"""Images are decoded last, a few at a time, and within the question's time."""

import asyncio
import threading

import pytest

from serving import pictures
from serving.pictures import Pictures
from serving.service import Asked
from zoo.asking import question
from zoo.errors import Busy, DeadlinePassed, UnknownName
from zoo.images import Limits

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def held(monkeypatch):
    """Decoding that waits for `gate` and notes what it began with."""
    gate, begun, decode = threading.Event(), [], pictures.decode

    def waiting(data, *, limits):
        begun.append(data)
        gate.wait(120)
        return decode(data, limits=limits)

    monkeypatch.setattr(pictures, "decode", waiting)
    yield gate, begun
    gate.set()


async def until(true):
    while not true():
        await asyncio.sleep(0.01)


async def test_no_more_are_decoded_at_once_than_allowed_and_one_too_many_is_told(held, png):
    gate, begun = held
    opener = Pictures(Limits(), at_once=2, most=3)
    opening = [asyncio.create_task(opener.open(png)) for _ in range(3)]
    await until(lambda: len(begun) == 2)
    with pytest.raises(Busy, match="3 images wait to be read"):
        await opener.open(png)
    gate.set()
    assert {one.size for one in await asyncio.gather(*opening)} == {(64, 48)}
    assert (await opener.open(png)).size == (64, 48)


async def test_one_that_nobody_waits_for_any_more_is_never_begun(held, png):
    gate, begun = held
    opener = Pictures(Limits(), at_once=1, most=2)
    first, second = (asyncio.create_task(opener.open(png)) for _ in range(2))
    await until(lambda: begun)
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert (await first).size == (64, 48)
    assert len(begun) == 1
    assert opener.scan_now(png).width == 64


async def test_an_image_is_not_opened_for_a_question_that_is_refused_anyway(rig):
    async def opening():
        raise AssertionError("opened")

    with pytest.raises(UnknownName):
        await rig.service.begin(Asked(turns=question("Q"), adapters=("nobody",)), opening=opening)
    rig.engine.check_room = lambda **_: (_ for _ in ()).throw(Busy("full"))
    with pytest.raises(Busy, match="full"):
        await rig.service.begin(Asked(turns=question("Q"), adapters=("base",)), opening=opening)


async def test_an_image_that_takes_longer_to_open_than_there_is_time_is_given_up(rig, held, png):
    rig.service._timeout_s = 0.1
    opener = Pictures(Limits())

    async def opening():
        return (await opener.open(png),)

    with pytest.raises(DeadlinePassed, match="no answer within"):
        await rig.service.begin(Asked(turns=question("Q"), adapters=("base",)), opening=opening)
