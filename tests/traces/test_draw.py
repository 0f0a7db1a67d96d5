"""Which sessions are replayed."""

from hypothesis import given
from hypothesis import strategies as st

from simpersona.config import TracesConfig
from simpersona.contracts import Moment, RecordedSession
from simpersona.traces.draw import candidates_per_cell, draw_sessions, estimated_actions

VIEW = Moment("product_viewed", product_id="a", title="A")


def one(number, code, *timeline, stratum="D", shop="shop"):
    return RecordedSession(shop, f"buyer-{number}", f"s-{number}", stratum, code, timeline or (VIEW,))


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 30), st.integers(0, 5))
def test_as_many_codes_as_can_be_and_never_more_than_one_session_apart(codes, wanted, seed):
    sessions = [one(i, code) for i, code in enumerate(codes)]
    drawn = draw_sessions(sessions, TracesConfig(sessions=wanted), seed).train
    assert len(drawn) == min(wanted, len(sessions))
    assert len({session.session_id for session in drawn}) == len(drawn)
    assert len({session.code for session in drawn}) == min(wanted, len(set(codes)))
    counts = {code: sum(session.code == code for session in drawn) for code in set(codes)}
    short = [code for code in counts if counts[code] < max(counts.values(), default=0) - 1]
    assert all(counts[code] == codes.count(code) for code in short)  # only a code that has no more
    assert draw_sessions(sessions, TracesConfig(sessions=wanted), seed).train == drawn


def test_left_out_are_bouncers_long_idle_and_unrepeatable_sessions():
    long = tuple(Moment("product_viewed", product_id=str(i), title=str(i)) for i in range(12))
    sessions = [
        one(0, 0),
        one(1, 1, stratum="E"),
        one(2, 2, Moment("page_viewed")),
        one(3, 3, Moment("cart_viewed")),
        one(4, 4, *long),
        one(5, 5, VIEW, Moment("product_removed_from_cart", product_id="a", title="A")),
    ]
    assert estimated_actions(sessions[4]) == 36
    assert [session.session_id for session in draw_sessions(sessions, TracesConfig(), 0).train] == ["s-0"]


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 9)), max_size=60),
    st.integers(1, 80),
    st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    st.integers(0, 5),
)
def test_the_splits_share_no_shop_and_training_loses_no_code(places, wanted, share, seed):
    sessions = [one(i, code, shop=f"shop-{shop}") for i, (shop, code) in enumerate(places)]
    drawn = draw_sessions(sessions, TracesConfig(sessions=wanted, validation_share=share), seed)
    train, validation = ({session.shop_id for session in part} for part in (drawn.train, drawn.validation))
    assert not train & validation
    assert len(validation) <= round(share * len({shop for shop, _ in places}))
    assert len({session.session_id for session in [*drawn.train, *drawn.validation]}) <= wanted
    codes = {code for _, code in places}
    assert len({session.code for session in drawn.train}) == min(len(codes), wanted - len(drawn.validation))


def test_of_ten_shops_one_has_a_tenth_of_the_sessions():
    sessions = [one(i, i % 4, shop=f"shop-{i % 10}") for i in range(400)]
    drawn = draw_sessions(sessions, TracesConfig(sessions=50), 0)
    assert (len(drawn.train), len(drawn.validation)) == (45, 5)
    assert len({session.shop_id for session in drawn.validation}) == 1


def test_there_are_enough_sessions_to_draw_from_and_no_more_than_memory_holds():
    assert candidates_per_cell(900, codes=7, cells=7) * 7 >= 900  # one shop
    assert candidates_per_cell(3600, codes=256, cells=39 * 256) == 2 * 15  # the paper's: 300,000 at most
    assert candidates_per_cell(24, codes=0, cells=0) > 24
