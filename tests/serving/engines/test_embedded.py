import pytest
from PIL import Image

from serving.core.engine import Output
from zoo.asking import Piece, Sampling
from zoo.errors import BadInput, Busy


def test_a_comparison_is_one_batch_with_the_image_encoded_once(rig, ask):
    outputs = ask(rig, "mdpo", "base", "sft").done.result(60)
    assert [one.text for one in outputs] == ["mdpo: Q 64x48", "base: Q 64x48", "sft: Q 64x48"]
    assert [len(batch) for batch in rig.model.batches] == [3]
    assert rig.model.encoded == 1


def test_the_pieces_of_a_row_are_its_answer_and_come_before_the_end(rig, ask):
    pieces: list[Piece] = []
    ended: list[bool] = []
    ticket = ask(
        rig, "sft", "base", on_piece=lambda piece: (pieces.append(piece), ended.append(ticket.done.done()))
    )
    outputs = ticket.done.result(60)
    assert [one for one in pieces if one.row == 0] == [
        Piece(0, "sft:", 1),
        Piece(0, " Q", 2),
        Piece(0, " 64x48", 3, "stop"),
    ]
    assert [sum(p.row == row for p in pieces) for row in (0, 1)] == [3, 3]
    assert not any(ended)
    assert [one.text for one in outputs] == ["sft: Q 64x48", "base: Q 64x48"]


def test_an_answer_says_which_load_gave_it_how_long_it_is_and_how_long_it_took(make_rig, ask):
    seconds = iter(range(1000))
    rig = make_rig(clock=lambda: float(next(seconds)))
    base, sft = ask(rig, "base", "sft", question="one two", sampling=Sampling(max_tokens=3)).done.result(60)
    assert 0 < sft.first_token_ms < sft.milliseconds
    assert sft == Output(
        text="sft: one two",
        tokens=3,
        prompt_tokens=2,
        finish="length",
        first_token_ms=sft.first_token_ms,
        milliseconds=sft.milliseconds,
        load=1,
        digest=ask.adapters(rig, "sft")[0].id.digest,
    )
    assert (base.load, base.digest, base.text) == (0, "", "base: one two")


def test_an_answer_that_is_cut_ends_with_a_whole_sentence_though_its_pieces_went_on(rig, ask):
    pieces: list[Piece] = []
    ticket = ask(
        rig,
        "base",
        question="Clear lungs. The heart is",
        sampling=Sampling(max_tokens=5),
        on_piece=pieces.append,
    )
    (cut,) = ticket.done.result(60)
    assert "".join(piece.text for piece in pieces) == "base: Clear lungs. The heart"
    assert (cut.text, cut.finish, cut.left_off, cut.tokens) == ("base: Clear lungs.", "length", 10, 5)
    (whole,) = ask(rig, "base", question="Clear lungs. The heart is").done.result(60)
    assert (whole.text, whole.left_off) == ("base: Clear lungs. The heart is 64x48", 0)


def test_the_same_image_asked_again_is_not_encoded_again(rig, ask):
    ask(rig, "base").done.result(60)
    ask(rig, "sft", question="Other", image=ask.image.copy()).done.result(60)
    ask(rig, "base", image=ask.image.transpose(0)).done.result(60)
    assert rig.model.encoded == 2


def test_features_are_kept_within_their_bytes_and_their_time(make_rig, ask):
    now = [0.0]
    rig = make_rig(clock=lambda: now[0], window_s=0.0, feature_bytes=8, feature_ttl_s=60.0)
    for _ in range(2):
        ask(rig, "base").done.result(60)
    assert rig.model.encoded == 1
    now[0] = 60.0
    ask(rig, "base").done.result(60)
    assert rig.model.encoded == 2, "its time was over"
    ask(rig, "base", image=ask.image.transpose(0)).done.result(60)
    ask(rig, "base").done.result(60)
    assert rig.model.encoded == 4, "there is room for one"


def test_what_waits_together_runs_together_and_each_gets_its_own(rig, ask):
    rig.model.gate.clear()
    first = ask(rig, "base", question="first")
    assert rig.model.busy.wait(60)
    others = [ask(rig, name, question=name) for name in ("mdpo", "sft", "text_hallu")]
    for name in ("mdpo", "sft", "text_hallu"):
        rig.engine.warm(*ask.adapters(rig, name))
    rig.model.load_gate.wait()
    while not all(one.phase == "ready" for one in rig.registry.occupied().values()):
        pass
    rig.model.gate.set()
    assert [f.done.result(60)[0].text for f in (first, *others)] == [
        "base: first 64x48",
        "mdpo: mdpo 64x48",
        "sft: sft 64x48",
        "text_hallu: text_hallu 64x48",
    ]
    assert [len(batch) for batch in rig.model.batches] == [1, 3]


def test_batches_under_way_take_turns_and_a_new_one_begins_in_between(make_rig, ask):
    rig = make_rig(window_s=0.0)
    rig.engine.warm(*ask.adapters(rig, "sft")).result(60)
    rig.engine.warm(*ask.adapters(rig, "mdpo")).result(60)
    others = []

    def come_too(piece: Piece) -> None:
        if piece.tokens == 1:
            others.append(ask(rig, "sft", question="Q"))
            others.append(ask(rig, "mdpo", question="Q R"))

    first = ask(rig, "base", question="a b c d e f", on_piece=come_too)
    first.done.result(60)
    for one in others:
        one.done.result(60)
    assert rig.model.batches == [[0], [1, 2]]
    assert rig.model.steps == [(0,), (0,), (1, 2), (0,), (1, 2), (0,), (1, 2), (0,), (2,), (0,), (0,), (0,)]


def test_no_more_rows_run_at_once_than_the_limit(make_rig, ask):
    rig = make_rig(max_rows=3)
    tickets = [ask(rig, *["base"] * (1 + n % 3), question=f"q{n}") for n in range(20)]
    for ticket in tickets:
        ticket.done.result(60)
    assert max(len(step) for step in rig.model.steps) <= 3


def test_rows_whose_slots_follow_one_another_lie_side_by_side(rig, ask):
    names = ["mdpo", "sft", "base", "text_hallu"]
    for name in ("sft", "text_hallu", "mdpo"):
        rig.engine.warm(*ask.adapters(rig, name)).result(60)
    outputs = ask(rig, *names).done.result(60)
    assert [one.text.split(":")[0] for one in outputs] == names
    assert rig.model.batches == [[0, 1, 2, 3]]


def test_a_full_queue_says_so_at_once_and_when_to_come_back(make_rig, ask):
    rig = make_rig(max_waiting_rows=2)
    rig.model.gate.clear()
    running = ask(rig, "base")
    assert rig.model.busy.wait(60)
    waiting = ask(rig, "base", "sft")
    with pytest.raises(Busy, match="queue is full") as refused:
        ask(rig, "base")
    assert 1 <= refused.value.after_s <= 60
    rig.model.gate.set()
    assert len(running.done.result(60) + waiting.done.result(60)) == 3


def test_pictures_are_told_apart_by_what_is_encoded_and_by_nothing_else(rig, ask):
    red, blue = (Image.new("P", (4, 4), 1) for _ in range(2))
    red.putpalette([0, 0, 0, 255, 0, 0])
    blue.putpalette([0, 0, 0, 0, 0, 255])
    for picture, encoded in ((red, 1), (blue, 2), (red.convert("RGB"), 2), (blue, 2)):
        ask(rig, "base", image=picture).done.result(60)
        assert rig.model.encoded == encoded


def test_an_empty_queue_takes_a_comparison_larger_than_itself(make_rig, ask):
    rig = make_rig(max_waiting_rows=2)
    assert len(ask(rig, "base", "sft", "mdpo").done.result(60)) == 3


def test_a_comparison_that_could_never_run_is_refused(make_rig, ask):
    rig = make_rig(slots=1, max_rows=2)
    with pytest.raises(BadInput, match="2 adapters in one comparison, this engine runs at most 1"):
        ask(rig, "mdpo", "sft")
    with pytest.raises(BadInput, match="3 adapters"):
        ask(rig, "base", "base", "base")
    assert len(ask(rig, "base", "mdpo").done.result(60)) == 2
