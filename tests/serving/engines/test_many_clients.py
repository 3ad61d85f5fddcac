"""Everything at once on a fake model: each ends by name, nobody gets another's answer, nothing leaks."""

import random
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

from zoo.asking import Sampling
from zoo.errors import Busy, DeadlinePassed, EngineFailed, WrongBase

NAMES = ["sft", "mdpo", "text_hallu", "base"]
LIMIT_S = 300
"""How long the clients may take before a test that hangs ends."""


def test_clients_loads_unloads_faults_and_cancellations_all_at_once(make_rig, ask):
    rig = make_rig(slots=2, max_rows=6, max_waiting_rows=24, window_s=0.0005, host_bytes=2000)
    wanted = {name: ask.adapters(rig, name)[0] for name in [*NAMES, "other"]}
    ask.adapters = lambda rig, *names: tuple(wanted[name] for name in names)
    ended: list[str] = []
    wrong: list[str] = []

    def client(number: int) -> None:
        dice = random.Random(number)
        for turn in range(60):
            names = dice.sample(NAMES, dice.choice([1, 1, 2, 3]))
            while len(set(names) - {"base"}) > 2:
                names.pop()
            if dice.random() < 0.05:
                names = ["other", *names[:1]]
            words = [f"c{number}t{turn}", *["w"] * dice.randrange(4)]
            fault = dice.choices(["explode", "burst", ""], [0.04, 0.04, 0.92])[0]
            pieces: dict[int, str] = {}
            tickets: list[Any] = []
            leaves = dice.random() < 0.15

            def listen(piece, pieces=pieces, leaves=leaves, tickets=tickets):
                pieces[piece.row] = pieces.get(piece.row, "") + piece.text
                if leaves and piece.tokens == 2:
                    tickets[-1].cancel()

            question = " ".join([*words, fault]).strip()
            listens = listen if dice.random() < 0.6 else None
            late = rig.engine._clock() + (0.001 if dice.random() < 0.1 else 20.0)
            try:
                tickets.append(
                    ask(
                        rig,
                        *names,
                        question=question,
                        on_piece=listens,
                        client=f"c{number % 4}",
                        deadline=late,
                        sampling=Sampling(),
                    )
                )
                if dice.random() < 0.1:
                    tickets[-1].cancel()
                outputs = tickets[-1].done.result(60)
            except (Busy, CancelledError, DeadlinePassed, EngineFailed, WrongBase) as error:
                ended.append(type(error).__name__)
                time.sleep(0.002)
                continue
            ended.append("answered")
            said = [output.text for output in outputs]
            if said != [f"{name}: {question} 64x48" for name in names]:
                wrong.append(f"{names} {said}")
            if listens and said != [pieces[row] for row in range(len(names))]:
                wrong.append(f"{said} {pieces}")

    def operator() -> None:
        dice = random.Random(99)
        while not over.is_set():
            one = wanted[dice.choice(NAMES[:3])]
            rig.engine.unload(one.id)
            if dice.random() < 0.3:
                rig.engine.warm(one, pin=dice.random() < 0.5)
            time.sleep(0.004)

    over = threading.Event()
    clients = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    beside = threading.Thread(target=operator)
    for thread in (*clients, beside):
        thread.start()
    for thread in clients:
        thread.join(LIMIT_S)
    over.set()
    beside.join(LIMIT_S)
    assert not any(thread.is_alive() for thread in (*clients, beside))
    assert wrong == []
    assert len(ended) == 12 * 60
    assert ended.count("answered") > 200
    assert {"CancelledError", "DeadlinePassed", "EngineFailed", "WrongBase"} <= set(ended)
    assert rig.engine.drain(timeout_s=60)
    rig.engine.close()
    taken = rig.registry.occupied()
    assert all((one.phase, one.users) == ("ready", 0) for one in taken.values())
    assert {slot: rig.model.digests[slot] for slot in taken} == {
        slot: one.load.adapter.digest for slot, one in taken.items()
    }
    assert set(rig.model.slots) == {0, *taken}
    names = [wanted[name].id for name in ("sft", "mdpo")]
    assert rig.registry.acquire(names, now=0) is not None, "a slot leaked"
