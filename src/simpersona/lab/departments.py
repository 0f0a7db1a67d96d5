"""The words that catalogues are made of: departments, what they sell, and how things are called there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A product type: "Skirt" in titles, "skirts" as the type; `price` is typical, in dollars."""

    noun: str
    plural: str
    price: float


@dataclass(frozen=True)
class Department:
    """What one department sells. A title is made of one word of each of `makes`, `styles` and `finishes`."""

    name: str
    template: str
    """Of a title, with {make}, {style}, {noun} and {finish}."""
    purpose: str
    """What its products are for, in a description."""
    kinds: tuple[Kind, ...]
    makes: tuple[str, ...]
    styles: tuple[str, ...]
    finishes: tuple[str, ...]
    variants: tuple[str, ...] = ()
    """What a product of several variants comes in; most departments have sizes."""


def _kinds(text: str) -> tuple[Kind, ...]:
    rows = (row.split() for row in text.split(","))
    return tuple(Kind(noun.replace("_", " "), plural.replace("_", " "), float(price)) for noun, plural, price in rows)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


_COLOURS = _words("Sage Ivory Navy Charcoal Rust Olive Sand Plum Teal Amber")

DEPARTMENTS: tuple[Department, ...] = (
    Department(
        "apparel",
        "{make} {style} {noun} in {finish}",
        "easy to wear and made to last",
        _kinds(
            "Skirt skirts 48, Dress dresses 79, Shirt shirts 45, Jacket jackets 110, Sweater sweaters 65,"
            "Coat coats 150, Blouse blouses 52, Cardigan cardigans 72"
        ),
        _words("Linen Cotton Wool Silk Denim Jersey Corduroy Velvet"),
        _words("Pleated Tailored Relaxed Cropped Oversized Vintage Embroidered Quilted"),
        _COLOURS,
        _words("XS S M L XL"),
    ),
    Department(
        "home",
        "{style} {make} {noun} in {finish}",
        "a calm accent for any room",
        _kinds(
            "Vase vases 38, Lamp lamps 89, Tray trays 34, Bowl bowls 29, Mirror mirrors 120,"
            "Clock clocks 55, Stool stools 95, Candleholder candleholders 26"
        ),
        _words("Oak Ceramic Walnut Brass Bamboo Glass Marble Rattan"),
        _words("Round Ribbed Minimal Rustic Tall Curved Handmade Fluted"),
        _COLOURS,
        _words("Small Medium Large"),
    ),
    Department(
        "beauty",
        "{style} {make} {noun} for {finish}",
        "a gentle part of a daily routine",
        _kinds(
            "Cream creams 32, Serum serums 46, Soap soaps 9, Shampoo shampoos 18, Balm balms 14,"
            "Mask masks 24, Lotion lotions 22, Cleanser cleansers 21"
        ),
        _words("Rose Lavender Citrus Aloe Vanilla Cedar Chamomile Mint"),
        _words("Hydrating Soothing Nourishing Brightening Gentle Rich Light Repairing"),
        _words("Mornings Evenings Travel Winter Summer Every_Day Sensitive_Skin Sunny_Days"),
        _words("50_ml 100_ml 200_ml"),
    ),
    Department(
        "outdoor",
        "{make} {style} {noun} in {finish}",
        "ready for long days outside",
        _kinds(
            "Tent tents 220, Backpack backpacks 95, Hammock hammocks 58, Lantern lanterns 36, Bottle bottles 24,"
            "Cooler coolers 84, Stove stoves 72, Poncho ponchos 42"
        ),
        _words("Alpine Summit River Desert Forest Coast Storm Trail"),
        _words("Lightweight Compact Rugged Foldable Packable Durable Ultralight Expedition"),
        _COLOURS,
        _words("Regular Large"),
    ),
    Department(
        "electronics",
        "{style} {make} {noun} in {finish}",
        "simple to set up and reliable every day",
        _kinds(
            "Speaker speakers 79, Charger chargers 29, Headset headsets 99, Keyboard keyboards 68, Webcam webcams 74,"
            "Microphone microphones 88, Projector projectors 240, Radio radios 49"
        ),
        _words("Wireless Portable Smart Studio Solar Bluetooth Stereo Desktop"),
        _words("Compact Slim Mini Rugged Classic Advanced Essential Premium"),
        _words("Graphite Silver White Midnight Copper Sand Navy Black"),
        _words("Standard Plus"),
    ),
    Department(
        "toys",
        "{style} {make} {noun} in {finish}",
        "made for hours of play",
        _kinds(
            "Train trains 34, Puzzle puzzles 18, Bear bears 24, Kite kites 21, Drum drums 29,"
            "Castle castles 59, Robot robots 44, Boat boats 26"
        ),
        _words("Wooden Plush Magnetic Painted Woven Cardboard Felt Bamboo"),
        _words("Little Giant Musical Stacking Rolling Friendly Pocket Dancing"),
        _words("Sunshine Ocean Meadow Berry Rainbow Midnight Coral Lemon"),
    ),
    Department(
        "food",
        "{style} {make} {noun}, {finish}",
        "full of flavour and easy to share",
        _kinds(
            "Coffee coffees 15, Tea teas 11, Jam jams 8, Chocolate chocolates 7, Granola granolas 9,"
            "Sauce sauces 8, Biscuit biscuits 6, Syrup syrups 12"
        ),
        _words("Hazelnut Lemon Maple Ginger Cocoa Honey Apricot Cinnamon"),
        _words("Organic Roasted Spiced Smoked Golden Mellow Bold Festive"),
        _words("Gift_Tin Family_Pack Single_Jar Sampler Pantry_Size Duo Picnic_Box Classic_Bag"),
        _words("250_g 500_g 1_kg"),
    ),
    Department(
        "garden",
        "{style} {make} {noun} in {finish}",
        "at home on a balcony or in a large garden",
        _kinds(
            "Planter planters 46, Bench benches 180, Trowel trowels 16, Birdbath birdbaths 74, Fountain fountains 160,"
            "Pot pots 22, Trough troughs 58, Arch arches 130"
        ),
        _words("Terracotta Cedar Steel Willow Copper Stone Zinc Teak"),
        _words("Rustic Classic Weathered Ornate Simple Hammered Sculpted Heritage"),
        _words("Moss Clay Slate Sand Charcoal Ivory Rust Olive"),
        _words("Small Medium Large"),
    ),
    Department(
        "kitchen",
        "{style} {make} {noun} in {finish}",
        "a tool that earns its place on the counter",
        _kinds(
            "Skillet skillets 64, Kettle kettles 58, Grater graters 19, Teapot teapots 44, Mug mugs 16,"
            "Platter platters 39, Whisk whisks 12, Colander colanders 27"
        ),
        _words("Enamel Steel Copper Stoneware Porcelain Iron Bamboo Glass"),
        _words("Deep Classic Modern Speckled Heavy Everyday Artisan Nordic"),
        _words("Cream Slate Blue Mustard Forest White Black Terracotta"),
    ),
    Department(
        "stationery",
        "{style} {make} {noun} in {finish}",
        "a pleasure to write with, at a desk or on the way",
        _kinds(
            "Notebook notebooks 18, Pen pens 14, Planner planners 26, Envelope envelopes 9, Sketchbook sketchbooks 22,"
            "Folder folders 12, Calendar calendars 20, Journal journals 24"
        ),
        _words("Leather Paper Canvas Cork Linen Recycled Kraft Marbled"),
        _words("Slim Pocket Dotted Lined Bound Classic Minimal Illustrated"),
        _COLOURS,
    ),
)

VENDORS = _words(
    "Northfold Alder_&_Finch Brightwell Casa_Lume Dovetail Eastmoor Fernhill Goldcrest Hawthorn Inkwood Juniper_Row"
    " Kestrel Larkspur Maplewick Nettle_&_Thyme Oakhurst Pinewater Quillon Redfern Saltmarsh Thornbury Umberline"
    " Vallow Westerly"
)

SHOP_WORDS = _words(
    "harbor maple cobalt willow lantern meadow copper juniper summit pebble orchid falcon cedar amber tundra velvet"
    " breeze canyon ember fable grove hazel island kettle"
)
