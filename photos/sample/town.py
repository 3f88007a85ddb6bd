"""The invented town: twelve places of the open Atlantic, each with its architecture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

Colour = tuple[float, float, float]

ORIGIN: Final = (41.0, -40.0)
"""Latitude and longitude in degrees of Port Meridian, which lies where no town is."""


@dataclass(frozen=True)
class Recipe:
    """What one building looks like; metres."""

    material: str
    palette: tuple[Colour, ...]
    width_m: float = 20.0
    depth_m: float = 12.0
    floors: int = 3
    floor_m: float = 3.6
    bays: int = 5
    window: str = "rect"
    roof: str = "gable"
    roof_colour: Colour = (150, 72, 52)
    sign: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A place with its point (metres east and north of the origin), its front's bearing, and its look."""

    slug: str
    name: str
    east_m: float
    north_m: float
    faces_deg: float
    recipe: Recipe
    text: str = ""
    tags: tuple[str, ...] = field(default=())


BRICK: Final = ((164, 84, 62), (178, 98, 70), (142, 70, 56), (188, 116, 84))
STONE: Final = ((206, 196, 172), (190, 180, 158), (216, 206, 186), (176, 168, 150))
GREY: Final = ((150, 152, 154), (168, 168, 166), (134, 138, 142))

PLACES: Final = (
    Place(
        "town-hall",
        "Town Hall",
        0,
        0,
        180,
        Recipe(
            "ashlar",
            STONE,
            26,
            14,
            3,
            4.2,
            7,
            "arch",
            "hip",
            (84, 92, 98),
            "TOWN HALL",
            ("arcade", "clock-tower", "cornice"),
        ),
        "Arcades, a clock and a slate roof.",
        ("tower",),
    ),
    Place(
        "st-brendan",
        "St Brendan's",
        310,
        120,
        265,
        Recipe(
            "ashlar",
            ((186, 176, 160), (170, 160, 146), (198, 190, 172)),
            17,
            26,
            2,
            6.5,
            3,
            "gothic",
            "steep",
            (92, 86, 92),
            "",
            ("rose", "spire", "portal"),
        ),
        "A gothic church with a rose window.",
        ("church", "tower"),
    ),
    Place(
        "old-mill",
        "Old Mill",
        -420,
        260,
        90,
        Recipe(
            "brick",
            BRICK,
            22,
            13,
            5,
            3.2,
            6,
            "segment",
            "gable",
            (104, 66, 58),
            "MERIDIAN FLOUR MILL",
            ("chimney", "hoist"),
        ),
        "Five floors of brick by the water.",
        (),
    ),
    Place(
        "weavers-row",
        "Weavers' Row",
        190,
        -380,
        15,
        Recipe(
            "timber",
            ((232, 220, 190), (226, 204, 160), (214, 190, 168)),
            24,
            10,
            3,
            2.9,
            8,
            "rect",
            "row",
            (140, 70, 52),
            "",
            ("shops",),
        ),
        "Half-timbered houses in a row.",
        ("house",),
    ),
    Place(
        "lyric-cinema",
        "Lyric Cinema",
        -180,
        -210,
        60,
        Recipe(
            "plaster",
            ((226, 206, 176), (90, 150, 150)),
            18,
            16,
            3,
            4.0,
            3,
            "deco",
            "flat",
            (120, 116, 110),
            "LYRIC",
            ("fin", "marquee"),
        ),
        "An art-deco cinema.",
        (),
    ),
    Place(
        "sea-gate",
        "Sea Gate",
        540,
        -140,
        300,
        Recipe(
            "ashlar",
            ((214, 190, 148), (196, 170, 130), (222, 204, 168)),
            18,
            6,
            2,
            5.5,
            4,
            "round",
            "flat",
            (150, 130, 110),
            "ANNO 1694",
            ("gateway", "statues", "cornice"),
        ),
        "A baroque gate towards the harbour.",
        ("arch",),
    ),
    Place(
        "lighthouse",
        "Lighthouse",
        820,
        330,
        210,
        Recipe(
            "plaster",
            ((236, 232, 222), (186, 52, 44)),
            15,
            8,
            2,
            3.3,
            4,
            "rect",
            "gable",
            (122, 58, 46),
            "PILOTS",
            ("lighthouse",),
        ),
        "The lighthouse and the pilots' house.",
        ("tower",),
    ),
    Place(
        "market-hall",
        "Market Hall",
        -90,
        420,
        140,
        Recipe(
            "iron",
            ((96, 128, 122), (68, 100, 98)),
            26,
            18,
            2,
            4.6,
            9,
            "glass",
            "barrel",
            (120, 146, 148),
            "MARKET",
            ("lantern", "stalls"),
        ),
        "Iron and glass.",
        ("market stall",),
    ),
    Place(
        "library",
        "Library",
        -560,
        -120,
        20,
        Recipe(
            "ashlar",
            ((228, 222, 208), (216, 208, 192)),
            24,
            14,
            2,
            5.0,
            6,
            "rect",
            "pediment",
            (128, 124, 116),
            "BIBLIOTHECA",
            ("columns", "steps"),
        ),
        "Columns and a pediment.",
        (),
    ),
    Place(
        "bath-house",
        "Bath House",
        380,
        480,
        240,
        Recipe(
            "tile",
            ((58, 128, 148), (86, 168, 172), (228, 220, 190), (40, 92, 128)),
            19,
            15,
            2,
            4.0,
            4,
            "arch",
            "dome",
            (72, 142, 138),
            "HAMMAM",
            ("portal",),
        ),
        "Glazed tiles and a dome.",
        ("dome",),
    ),
    Place(
        "block-seven",
        "Block Seven",
        -700,
        420,
        330,
        Recipe("concrete", GREY, 25, 10, 6, 2.9, 8, "balcony", "flat", (110, 110, 112), "7", ("mural",)),
        "A block of flats with a mural.",
        ("apartment building",),
    ),
    Place(
        "station",
        "Railway Station",
        90,
        760,
        200,
        Recipe(
            "brick",
            ((188, 140, 92), (172, 124, 82), (200, 156, 108)),
            28,
            13,
            2,
            4.8,
            8,
            "arch",
            "hip",
            (96, 84, 82),
            "PORT MERIDIAN",
            ("clock-gable", "canopy"),
        ),
        "The railway station.",
        ("clock",),
    ),
)
"""At least 150 m from one another."""
