"""The reasoning of a replaying shopper: a sentence that fits the situation, varied by a seeded choice.

A sentence depends on what is looked for and what the page shows, never on the buyer's stratum or persona, so that only
the persona token distinguishes buyers.
"""

from __future__ import annotations

import random

from simpersona.shopper.prompt import MAX_REASONING_CHARS

SENTENCES: dict[str, tuple[str, ...]] = {
    "search": (
        "I want to see what the store has for {what}.",
        "I will search for {what}.",
        "Searching for {what} is the quickest way to find it.",
    ),
    "to search": ("I will search for {what}; the search is on a page of its own.",),
    "submit search": ("The words are in the search field, now I start the search.", "Now I submit the search."),
    "find": (
        "I do not see {what} here, so I will search for it.",
        "{what} is not on this page; I will look for it by its name.",
    ),
    "collection": (
        "I want to browse the {what} collection to see what is available.",
        "Let me look through {what}.",
        "I am curious what there is in {what}.",
    ),
    "menu": ("I open the menu to look for {what}.",),
    "overview": ("I do not see {what} in the menu, so I look at all collections.",),
    "return": ("I saw {what} in the list before, so I go back there.", "Back to the list where I saw {what}."),
    "product": (
        "{what} looks interesting, I want to see more of it.",
        "I would like to know more about {what}.",
        "Let me have a closer look at {what}.",
    ),
    "nearest": ("I cannot find {what}; this one is the closest to it.", "No {what} here; this one comes closest."),
    "sold out": ("{what} is sold out, so I look for something like it.", "{what} cannot be bought now; what is alike?"),
    "nearest in stock": ("{what} is sold out; this one is the closest to it.",),
    "act": ("I go on by {what}.", "Next comes {what}."),
    "more": ("I have not found it yet, there is more further down.", "Let me look further down the page."),
    "up": ("What I need is further up on the page.",),
    "next page": ("It is not on this page of the list, so I look at the next one.",),
    "choose": ("I need to choose an option first.", "Before I go on I pick an option."),
    "add": ("I like {what}, I will put it into the cart.", "{what} is what I was looking for.", "I will take {what}."),
    "remove": ("I do not want {what} after all.", "I changed my mind about {what}."),
    "cart": ("I want to check what is in my cart.", "Let me see my cart."),
    "checkout": ("I have what I need, so I go to the checkout.", "Time to check out."),
    "fill in": ("The form asks for {what}.", "I fill in {what}."),
    "onward": ("This step is filled in, on to the next one.", "I continue with the checkout."),
    "order": ("Everything is correct, I place the order.", "I am ready to order."),
    "home": ("I go back to the start page.", "Let me start again from the front page."),
    "again": ("That did not work, I try it once more.",),
    "ordered": ("My order is placed, I am done.", "The order went through, that is all for today."),
    "leave": ("I have seen enough for now.", "That is all I wanted to see.", "I will leave it at that for now."),
    "lost": ("I cannot find {what} in this store, so I stop here.",),
}


class Voice:
    """Says one of a situation's sentences; the same seed says the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing to keep secret

    def say(self, situation: str, what: str = "") -> str:
        """A sentence for the situation, no longer than the reply schema allows."""
        sentence = self._random.choice(SENTENCES[situation])
        room = MAX_REASONING_CHARS - len(sentence.format(what=""))
        return sentence.format(what=what if len(what) <= room else what[: room - 1].rstrip() + "…")
