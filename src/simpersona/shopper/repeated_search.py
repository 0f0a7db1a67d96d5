"""Whether a search would only repeat the last one: a store's search field may keep its text on every page."""

from __future__ import annotations

from urllib.parse import unquote_plus

from simpersona.pages import Method, Node
from simpersona.shopper.moves import move_of, past_move
from simpersona.visits import Observation


def repeats_search(observation: Observation, node: Node, method: Method) -> bool:
    """Whether the action types or sends a text that the field holds from a search made before, away from its results.

    A shopper that could do so would go back to the same results from every page. On the results themselves a search stays
    open, as in the lab's stores.
    """
    if not node.value or move_of(node, method) not in ("search", "submit"):
        return False
    typed = sent = None
    for step, action in observation.actions:
        match past_move(step):
            case "search" if action.arguments:
                typed = action.arguments[0]
            case "submit":
                sent, typed = typed or sent, None
    if sent is None or typed is not None or sent != node.value:
        return False  # typed since, or not by this shopper
    is_result = past_move(observation.actions[-1][0]) == "submit"
    return not is_result and sent.casefold() not in unquote_plus(observation.page.url).casefold()
