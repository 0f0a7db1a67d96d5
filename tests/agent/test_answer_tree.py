"""The tree of a page's answers: the way to each of them, and the ways that a policy can go."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simpersona.adapters.storefronts.scripted import scripted_page
from simpersona.agent.answer_tree import AnswerTree
from simpersona.agent.invocation import invocation_ids, split
from simpersona.agent.masks import prompt_ids
from simpersona.errors import ModelError
from simpersona.pages import Node, Page
from simpersona.shopper.asides import MODEL_WEIGHT
from simpersona.shopper.short_prompt import ShortAnswer, short_answers, short_messages, short_parse
from simpersona.visits import Goal, Observation

from .conftest import make_tokenizer

TOKENIZER = make_tokenizer()
PAGE = scripted_page(
    "http://shop.example/",
    """[0-1] RootWebArea: Shop
    [0-2] searchbox: Search
    [0-3] link: Skirts
    [0-4] link: Skirts new
    [0-5] combobox: Size = S (S | M)
    [0-6] link: <|im_end|>""",
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PAGES = st.lists(st.tuples(st.sampled_from(["link", "searchbox", "combobox"]), NAMES, st.lists(NAMES, max_size=3)))


def tree_of(page):
    return AnswerTree(short_answers(page), TOKENIZER)


def every_text(tree, typed="r"):
    """All answers that a writer can write, found by taking every choice; in typed text only the letters of `typed`, then the end."""
    typed = TOKENIZER.encode(typed)
    ways, texts = [[]], []
    while ways:
        way = ways.pop()
        writer = tree.writer()
        written = writer.forced()
        for token in way:
            writer.add(token)
            written += [token, *writer.forced()]
        if writer.done:
            texts.append((writer.text, written))
            continue
        allowed = writer.allowed()
        assert len(set(allowed.tolist())) == len(allowed) > 1
        if writer.in_typed_text:
            (following,) = typed[len(writer.typed_ids) :][:1] or tree.typed_ids("")[:1]
            assert following in allowed
            ways.append([*way, following])
        else:
            ways += [[*way, token] for token in allowed.tolist()]
    return texts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PAGES)
def test_a_writer_reaches_every_answer_and_nothing_else(nodes):
    page = Page("", "", tuple(Node(f"0-{n}", *node[:2], "", tuple(node[2])) for n, node in enumerate(nodes)))
    tree = tree_of(page)
    expected = {answer.text + ('r"}' if answer.typed else "") for answer in tree.answers}
    found = every_text(tree)
    assert {text for text, _ in found} == expected
    assert len(found) == len(expected)
    for text, written in found:
        assert TOKENIZER.decode(written[:-1]) == text
        assert written[-1] == TOKENIZER.eos_token_id


def test_the_choices_on_the_way_are_those_of_a_writer_and_split_the_answers():
    tree = tree_of(PAGE)
    for index, ids in enumerate(tree.ids):
        writer, members = tree.writer(), set(range(len(tree.answers)))
        written = writer.forced()
        for branch in tree.path(index):
            assert len(written) == branch.position
            assert writer.allowed().tolist() == branch.tokens.tolist()
            assert set(np.concatenate(branch.below).tolist()) == members
            chosen = branch.tokens.tolist().index(ids[branch.position])
            members = set(branch.below[chosen].tolist())
            writer.add(ids[branch.position])
            written += [ids[branch.position], *writer.forced()]
        assert members == {index}
        assert written == ids
        assert writer.answer is tree.answers[index]
        assert writer.done is not tree.answers[index].typed


def test_the_first_choice_by_hand():
    answers = [ShortAnswer(text, None, None) for text in ("QX", "QY", "Z")]
    tree = AnswerTree(answers, TOKENIZER)
    q, x, y, z = (TOKENIZER.convert_tokens_to_ids(letter) for letter in "QXYZ")
    first, second = tree.path(0)
    found = [(one.position, one.tokens.tolist(), [below.tolist() for below in one.below]) for one in (first, second)]
    assert found == [(0, [q, z], [[0, 1], [2]]), (1, [x, y], [[0], [1]])]
    assert [branch.position for branch in tree.path(2)] == [0]


def test_an_answer_that_weighs_less_does_so_once_at_the_token_that_sets_it_apart():
    weights = {"QX": 1.0, "QYX": 0.01, "QYZ": 0.01, "Z": 1.0}
    tree = AnswerTree([ShortAnswer(text, None, None, weight=weight) for text, weight in weights.items()], TOKENIZER)
    q, x, y, z = (TOKENIZER.convert_tokens_to_ids(letter) for letter in "QXYZ")
    writer = tree.writer()
    assert dict(zip(writer.allowed().tolist(), writer.weights(), strict=True)) == {q: 1.0, z: 1.0}
    writer.add(q)
    assert dict(zip(writer.allowed().tolist(), writer.weights(), strict=True)) == {x: 1.0, y: 0.01}
    writer.add(y)
    assert dict(zip(writer.allowed().tolist(), writer.weights(), strict=True)) == {x: 1.0, z: 1.0}


def test_a_newsletter_s_field_weighs_little_and_the_search_does_not():
    nodes = (
        Node("0-1", "searchbox", "Search"),
        Node("0-2", "textbox", "Newsletter"),
        Node("0-3", "button", "Accept all cookies"),
    )
    answers = tree_of(Page("", "", nodes)).answers
    assert [answer.weight for answer in answers] == [1.0, 1.0, MODEL_WEIGHT, 1.0]  # the first is to leave


def test_a_typed_text_is_its_tokens_alone_then_the_end():
    tree = tree_of(PAGE)
    ids = tree.typed_ids('red "skirts"')
    assert ids == [*TOKENIZER.encode("red skirts"), *TOKENIZER.encode('"}'), TOKENIZER.eos_token_id]


@pytest.mark.parametrize("seed", range(5))
def test_a_typed_text_is_short_has_no_quotes_and_is_never_empty(seed):
    rng = np.random.default_rng(seed)
    tree = tree_of(PAGE)
    writer = tree.writer()
    writer.forced()
    while not writer.done:
        allowed = writer.allowed()
        if not writer.in_typed_text:
            token = next(token for token in allowed if token == tree.ids[1][tree.path(1)[0].position])
        else:
            token = rng.choice(allowed)
        writer.add(int(token))
        writer.forced()
    action = short_parse(writer.text, PAGE).action
    assert action is not None
    assert action.arguments == (writer.typed,)
    assert 1 <= len(writer.typed) <= 40
    assert not set(writer.typed) & set('"\\\n')


@pytest.mark.parametrize("code", [None, 3])
def test_a_prompt_is_split_at_its_last_buyer(code):
    page = scripted_page("http://shop.example/", "[0-1] link: Buyer: guide\n[0-2] StaticText: Buyer:")
    goal = Goal("Buy.", "shop", "buyer", "visit", code)
    prompt = prompt_ids(short_messages(Observation(page, goal)), TOKENIZER)
    before, after = split(prompt, TOKENIZER)
    assert before + after == prompt
    assert TOKENIZER.decode(before).endswith("Done:\n")
    token = "" if code is None else " <|persona_3|>"
    assert TOKENIZER.decode(after) == f"Buyer:{token}<|im_end|>\n<|im_start|>assistant\n"
    assert after[: len(invocation_ids(TOKENIZER))] == invocation_ids(TOKENIZER)
    with pytest.raises(ModelError, match="no line 'Buyer:'"):
        split(TOKENIZER.encode("Goal: none"), TOKENIZER)
