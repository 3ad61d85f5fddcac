from serving.defence.pace import LOOKS_AT_ONCE, Pace, Quota, Verdict


def test_a_burst_then_one_each_time_the_bucket_has_filled_by_one():
    pace = Pace(Quota(per_minute=60, burst=3, at_once=9))
    assert [pace.enter("a", now=10.0).remaining for _ in range(3)] == [2, 1, 0]
    assert pace.enter("a", now=10.25) == Verdict(allowed=False, remaining=0, after_s=0.75, full_s=2.75)
    assert pace.enter("a", now=11.0) == Verdict(allowed=True, remaining=0, after_s=1.0, full_s=3.0)
    assert not pace.enter("a", now=11.5).allowed
    assert pace.enter("a", now=99.0) == Verdict(allowed=True, remaining=2, after_s=0.0, full_s=1.0)


def test_one_client_takes_nothing_from_another():
    pace = Pace(Quota(per_minute=60, burst=1, at_once=9))
    assert [pace.enter(name, now=0.0).allowed for name in ("a", "a", "b")] == [True, False, True]


def test_what_is_under_way_is_counted_and_a_refusal_costs_nothing():
    pace = Pace(Quota(per_minute=60, burst=10, at_once=2))
    assert [pace.enter("a", now=0.0).allowed for _ in range(3)] == [True, True, False]
    refused = pace.enter("a", now=0.0)
    assert refused == Verdict(allowed=False, remaining=8, after_s=1.0, full_s=2.0)
    pace.leave("a")
    assert pace.enter("a", now=0.0).allowed


def test_whoever_never_stops_asking_gets_the_burst_and_the_rate_and_no_more():
    pace = Pace(Quota(per_minute=120, burst=5, at_once=1000))
    allowed = sum(pace.enter("a", now=tick / 128).allowed for tick in range(1281))  # 10 s
    assert allowed == 5 + 20


def test_looks_cost_nothing_and_have_a_bound_of_their_own():
    pace = Pace(Quota(per_minute=60, burst=1, at_once=1))
    assert all(pace.look("a", now=0.0).allowed for _ in range(LOOKS_AT_ONCE))
    assert pace.look("a", now=0.0) == Verdict(allowed=False, remaining=1, after_s=1.0, full_s=0.0)
    assert pace.enter("a", now=0.0).allowed
    pace.look_away("a")
    assert pace.look("a", now=0.0) == Verdict(allowed=True, remaining=0, after_s=0.0, full_s=1.0)
