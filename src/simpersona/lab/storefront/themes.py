"""The themes of a store: labels and texts as data, layouts in templates/<name>/.

All themes show the same content: titles, prices and links. A page without a template in the theme's folder uses the
common template in templates/store/.

Trained packs have learnt these texts from recorded visits: do not change them. They have not seen what two of the themes show
beside the purchase (`Asides`).
"""

from __future__ import annotations

from dataclasses import dataclass

SORTS = ("featured", "price-up", "price-down", "title")
"""The sort orders of a list, as named in addresses."""


@dataclass(frozen=True)
class Asides:
    """The texts of what a theme shows beside the purchase, as most real stores do. The cart is then an icon with an accessible
    name: `has_badge` puts the number of things beside the icon, else the name says it.
    """

    has_badge: bool
    items: str
    """What the number in the cart's name counts, in the singular."""
    newsletter: str
    subscribe: str
    subscribed: str
    coupon: str
    apply_coupon: str
    no_coupon: str
    note: str
    save_note: str
    saved_note: str
    login: str
    login_email: str
    login_code: str
    no_login: str
    cookies: str
    accept_cookies: str
    reject_cookies: str
    saved_cookies: str


@dataclass(frozen=True)
class Theme:
    """One theme: its texts, and the settings that affect more than templates."""

    name: str
    page_size: int
    """Number of products on a page of a list."""
    has_drawer: bool
    """The cart opens beside every page, and adding a product returns to the product page."""
    has_search_page: bool
    """Search is a separate page instead of a box on every page."""

    cart: str
    your_cart: str
    empty_cart: str
    see_cart: str
    back_to_cart: str
    add: str
    added: str
    option: str
    quantity: str
    update: str
    updated: str
    remove: str
    removed: str
    total: str

    search: str
    search_box: str
    results: str
    nothing_found: str
    collections: str
    all_collections: str
    featured: str
    related: str
    sort: str
    sorts: tuple[str, ...]
    """In the order of SORTS."""
    previous_page: str
    next_page: str

    checkout: str
    email_step: str
    address_step: str
    review_step: str
    whole_checkout: str
    email: str
    full_name: str
    address: str
    go_on: str
    place_order: str
    thanks: str
    go_home: str
    free_shipping: str
    asides: Asides | None = None
    """None: the theme shows nothing beside the purchase."""

    def templates(self, page: str) -> list[str]:
        """The candidate templates of a page; the first that exists is used."""
        return [f"{self.name}/{page}", f"store/{page}"]


_CLASSIC = Theme(
    name="classic",
    page_size=10,
    has_drawer=False,
    has_search_page=False,
    cart="Cart",
    your_cart="Your cart",
    empty_cart="Your cart is empty.",
    see_cart="View cart",
    back_to_cart="Back to cart",
    add="Add to cart",
    added="Added to cart",
    option="Option",
    quantity="Quantity",
    update="Update",
    updated="Quantity changed",
    remove="Remove",
    removed="Removed",
    total="Total",
    search="Search",
    search_box="Search products",
    results="Search results for",
    nothing_found="No products found.",
    collections="Collections",
    all_collections="All collections",
    featured="Featured products",
    related="Related products",
    sort="Sort",
    sorts=("Featured", "Price: low to high", "Price: high to low", "Title"),
    previous_page="Previous page",
    next_page="Next page",
    checkout="Proceed to checkout",
    email_step="Checkout: your email",
    address_step="Checkout: shipping address",
    review_step="Review your order",
    whole_checkout="Checkout",
    email="Email",
    full_name="Full name",
    address="Address",
    go_on="Continue",
    place_order="Place order",
    thanks="Thank you for your order",
    go_home="Continue shopping",
    free_shipping="Free shipping on every order",
)
_SIDEBAR = Theme(
    name="sidebar",
    page_size=9,
    has_drawer=False,
    has_search_page=False,
    cart="Basket",
    your_cart="Shopping basket",
    empty_cart="There is nothing in your basket yet.",
    see_cart="See basket",
    back_to_cart="Return to basket",
    add="Put in basket",
    added="Now in your basket",
    option="Variant",
    quantity="Qty",
    update="Refresh",
    updated="Basket refreshed",
    remove="Delete",
    removed="Deleted",
    total="Sum",
    search="Find",
    search_box="Find a product",
    results="Found for",
    nothing_found="Nothing matches.",
    collections="Categories",
    all_collections="All categories",
    featured="Picked for you",
    related="From the same shelf",
    sort="Order by",
    sorts=("Our order", "Cheapest first", "Dearest first", "A to Z"),
    previous_page="Previous",
    next_page="Next",
    checkout="Go to checkout",
    email_step="Step 1 of 3: contact",
    address_step="Step 2 of 3: delivery",
    review_step="Step 3 of 3: check your order",
    whole_checkout="Contact, delivery and order",
    email="E-mail address",
    full_name="Your name",
    address="Delivery address",
    go_on="Next step",
    place_order="Confirm order",
    thanks="Thank you, order received",
    go_home="Back to the shop",
    free_shipping="Delivery is free on all orders",
    asides=Asides(
        has_badge=False,
        items="item",
        newsletter="Newsletter: your e-mail",
        subscribe="Subscribe",
        subscribed="You are on the list",
        coupon="Voucher code",
        apply_coupon="Apply",
        no_coupon="This voucher code is not valid",
        note="A note for us",
        save_note="Save note",
        saved_note="Note saved",
        login="Log in",
        login_email="Your account's e-mail",
        login_code="Password",
        no_login="There is no account with this e-mail and password",
        cookies="We use cookies to remember your basket.",
        accept_cookies="Accept all",
        reject_cookies="Only necessary",
        saved_cookies="Your choice is saved",
    ),
)
_BOUTIQUE = Theme(
    name="boutique",
    page_size=9,
    has_drawer=True,
    has_search_page=True,
    cart="Bag",
    your_cart="Your bag",
    empty_cart="Your bag is waiting to be filled.",
    see_cart="View bag",
    back_to_cart="Back to bag",
    add="Add to bag",
    added="In your bag",
    option="Choose yours",
    quantity="Pieces",
    update="Save",
    updated="Saved",
    remove="Take out",
    removed="Taken out",
    total="Subtotal",
    search="Search",
    search_box="What are you looking for?",
    results="Pieces for",
    nothing_found="We could not find a piece like that.",
    collections="Shop",
    all_collections="Shop all collections",
    featured="The edit",
    related="You may also like",
    sort="Sort",
    sorts=("Our selection", "Price ascending", "Price descending", "By name"),
    previous_page="Previous page",
    next_page="More",
    checkout="Check out",
    email_step="How can we reach you?",
    address_step="Where should it go?",
    review_step="One last look",
    whole_checkout="Your order",
    email="Your email",
    full_name="Name",
    address="Street address",
    go_on="Continue",
    place_order="Complete purchase",
    thanks="Thank you, your order is placed",
    go_home="Return to the boutique",
    free_shipping="Complimentary shipping on every order",
)
_OUTLET = Theme(
    name="outlet",
    page_size=10,
    has_drawer=False,
    has_search_page=False,
    cart="My cart",
    your_cart="My cart",
    empty_cart="Nothing in here. Grab a deal!",
    see_cart="Open my cart",
    back_to_cart="Back to my cart",
    add="Buy now",
    added="In my cart",
    option="Pick one",
    quantity="How many",
    update="Change",
    updated="Changed",
    remove="Drop",
    removed="Dropped",
    total="You pay",
    search="Go",
    search_box="Search deals",
    results="Deals for",
    nothing_found="No deals for that.",
    collections="Departments",
    all_collections="All departments",
    featured="Today's deals",
    related="More deals like this",
    sort="Sort deals",
    sorts=("Top deals", "Lowest price", "Highest price", "Name"),
    previous_page="Previous deals",
    next_page="Next deals",
    checkout="Checkout now",
    email_step="1. Your email",
    address_step="2. Ship to",
    review_step="3. Check and submit",
    whole_checkout="Express checkout",
    email="Email address",
    full_name="First and last name",
    address="Street and number",
    go_on="Next",
    place_order="Submit order",
    thanks="Order confirmed",
    go_home="More deals",
    free_shipping="FREE SHIPPING on everything",
    asides=Asides(
        has_badge=True,
        items="",
        newsletter="Get 10% off: sign up for our newsletter",
        subscribe="Sign up",
        subscribed="Thanks for signing up",
        coupon="Promo code",
        apply_coupon="Redeem",
        no_coupon="We do not know this code",
        note="Order note",
        save_note="Keep note",
        saved_note="Note kept",
        login="My account",
        login_email="Account email",
        login_code="Your password",
        no_login="Wrong email or password",
        cookies="Cookies help us to bring you the best deals.",
        accept_cookies="Accept cookies",
        reject_cookies="Reject cookies",
        saved_cookies="Saved",
    ),
)
_ALL = (_CLASSIC, _SIDEBAR, _BOUTIQUE, _OUTLET)
THEMES = tuple(theme.name for theme in _ALL)


def get_theme(name: str) -> Theme:
    """The theme with this name, one of THEMES. Raises StopIteration for another name."""
    return next(theme for theme in _ALL if theme.name == name)
