"""Fronts: walls with their windows, doors, signs and ornaments, painted from a recipe."""

from __future__ import annotations

import numpy as np

from photos.sample.paint import (
    Colour,
    Painter,
    Texture,
    paint_door,
    paint_plants,
    paint_poster,
    paint_window,
    random_colour,
    toned,
)
from photos.sample.town import Recipe

WHITE: Colour = (238, 234, 224)
DARK: Colour = (52, 48, 46)


def lay_material(p: Painter, recipe: Recipe) -> None:
    """Cover the wall with the recipe's material."""
    palette = recipe.palette
    match recipe.material:
        case "brick":
            p.courses((0.5, 0.17), palette, joint=(188, 176, 160), gap=0.035, spread=15)
        case "ashlar":
            p.courses((1.1, 0.5), palette, joint=(140, 132, 118), gap=0.03, spread=11)
        case "tile":
            p.courses((0.32, 0.32), palette, joint=(226, 222, 206), gap=0.03, spread=18)
        case "concrete":
            p.courses((3.1, 2.9), palette, joint=(104, 104, 104), gap=0.05, spread=7)
        case "iron":
            p.courses(
                (1.0, 4.6), ((126, 150, 158), (150, 170, 176), (104, 128, 138)), joint=palette[0], gap=0.12, spread=20
            )
        case _:
            p.pixels[:] = palette[0]
    if recipe.material == "timber":
        lay_timber(p, recipe)
    p.stain()


def lay_timber(p: Painter, recipe: Recipe) -> None:
    """Plaster panels between beams that lean as old beams do."""
    step = p.width_m / recipe.bays
    for column in range(recipe.bays):
        p.box(column * step, 0, step, p.height_m, p.jitter(recipe.palette[column % len(recipe.palette)], 8))
    beam = (78, 54, 40)
    for column in range(recipe.bays * 2 + 1):
        x = column * step / 2
        p.line((x, 0), (x + p.rng.normal(0, 0.05), p.height_m), 0.17, p.jitter(beam, 10))
    for floor in range(recipe.floors + 1):
        y = floor * recipe.floor_m
        p.line((0, y), (p.width_m, y + p.rng.normal(0, 0.06)), 0.24, p.jitter(beam, 10))
        for column in range(recipe.bays):
            if p.rng.random() < 0.6:
                x, flip = column * step, p.rng.random() < 0.5
                ends = ((x, y + 0.2), (x + step / 2, y + 0.9)) if flip else ((x + step / 2, y + 0.2), (x, y + 0.9))
                p.line(*ends, 0.13, p.jitter(beam, 10))


def paint_front(recipe: Recipe, rng: np.random.Generator, *, doors: bool = True) -> Texture:
    """Paint the whole front; the ground lies at its lower edge."""
    p = Painter(recipe.width_m, recipe.floors * recipe.floor_m, rng)
    lay_material(p, recipe)
    _windows(p, recipe)
    if recipe.material in {"ashlar", "plaster"}:
        for floor in range(1, recipe.floors):
            p.box(0, floor * recipe.floor_m - 0.14, p.width_m, 0.22, p.jitter(recipe.palette[0], 12))
            p.shade(0, floor * recipe.floor_m - 0.5, p.width_m, 0.36, 0.85)
    if "gateway" not in recipe.features and doors:
        paint_door(p, p.width_m * rng.uniform(0.42, 0.58), 1.9, 2.9, arched=recipe.window in {"arch", "gothic"})
    for feature in recipe.features:
        if feature in FEATURES:
            FEATURES[feature](p, recipe)
    for _ in range(3 if recipe.material != "iron" else 1):
        paint_poster(p, rng.uniform(0.3, p.width_m - 1.6), rng.uniform(0.5, 1.2))
    if recipe.sign:
        _sign(p, recipe)
    p.shade(0, p.height_m - 0.7, p.width_m, 0.7, 0.72)
    p.shade(0, 0, p.width_m, 0.5, 0.8)
    return p.finish()


def _windows(p: Painter, recipe: Recipe) -> None:
    step = recipe.width_m / recipe.bays
    frame = p.jitter((244, 240, 232) if recipe.material != "iron" else (60, 84, 80), 10)
    for floor in range(recipe.floors):
        for bay in range(recipe.bays):
            if p.rng.random() < 0.06:
                continue  # walled up
            w = min(step * 0.56, 1.9) * p.rng.uniform(0.88, 1.08)
            h = recipe.floor_m * (0.72 if recipe.window in {"gothic", "glass"} else 0.56) * p.rng.uniform(0.93, 1.05)
            x = (bay + 0.5) * step - w / 2 + p.rng.normal(0, 0.05)
            style = {"round": "arch", "segment": "arch", "glass": "arch"}.get(recipe.window, recipe.window)
            paint_window(p, x, floor * recipe.floor_m + recipe.floor_m * 0.22, w, h, style=style, frame=frame)
            if recipe.window == "balcony":
                _balcony(p, x - 0.3, floor * recipe.floor_m + 0.3, w + 0.6)


def _balcony(p: Painter, x: float, y: float, w: float) -> None:
    colour = p.jitter(((196, 88, 60), (70, 110, 140), (208, 178, 88), (120, 140, 96))[int(p.rng.integers(4))], 14)
    p.box(x, y, w, 0.85, colour)
    for bar in range(int(w / 0.25)):
        p.box(x + bar * 0.25, y, 0.04, 0.85, toned(colour, 0.8))
    if p.rng.random() < 0.5:
        for _ in range(4):
            p.box(x + p.rng.uniform(0, w - 0.4), y + 0.5, 0.35, p.rng.uniform(0.3, 0.7), p.jitter((210, 200, 190), 40))
    if p.rng.random() < 0.4:
        paint_plants(p, x, y + 0.7, w, 0.3)


def _sign(p: Painter, recipe: Recipe) -> None:
    y = recipe.floor_m * (1.02 if recipe.floors > 2 else 1.0)
    width = min(recipe.width_m * 0.8, 1.0 + 0.75 * len(recipe.sign))
    p.box(p.width_m / 2 - width / 2, y - 0.45, width, 0.95, p.jitter((44, 52, 66), 12))
    p.letters(recipe.sign, p.width_m / 2, y + 0.02, 0.72, (240, 220, 160), width=width * 0.9)


def _arcade(p: Painter, recipe: Recipe) -> None:
    step = recipe.width_m / recipe.bays
    for bay in range(recipe.bays):
        p.arch(bay * step + 0.35, 0, step - 0.7, recipe.floor_m * 0.9, p.jitter((66, 60, 56), 8))
        p.arch(bay * step + 0.75, 0, step - 1.5, recipe.floor_m * 0.7, p.jitter((96, 84, 72), 12))
        p.letters(str(11 + bay), bay * step + step / 2, recipe.floor_m * 0.78, 0.35, WHITE)


def _cornice(p: Painter, recipe: Recipe) -> None:
    p.box(0, p.height_m - 0.55, p.width_m, 0.55, p.jitter(recipe.palette[0], 8))
    for x in np.arange(0.1, p.width_m, 0.42):
        p.box(float(x), p.height_m - 0.75, 0.2 * p.rng.uniform(0.8, 1.3), 0.24, p.jitter(recipe.palette[-1], 20))


def _rose(p: Painter, recipe: Recipe) -> None:
    x, y, radius = p.width_m / 2, p.height_m * 0.72, 2.4
    p.disc(x, y, radius + 0.35, p.jitter(WHITE, 8))
    p.disc(x, y, radius, (44, 42, 56))
    for ring, count in ((0.35, 6), (0.62, 12), (0.87, 18)):
        for number in range(count):
            angle = 2 * np.pi * number / count
            colour = random_colour(p.rng)
            p.disc(x + ring * radius * np.cos(angle), y + ring * radius * np.sin(angle), 0.24, colour)
    p.disc(x, y, 0.3, (220, 190, 90))


def _portal(p: Painter, recipe: Recipe) -> None:
    pointed = recipe.window == "gothic"
    for inset in range(4):
        colour = p.jitter(recipe.palette[inset % len(recipe.palette)], 18)
        p.arch(p.width_m / 2 - 2.2 + inset * 0.3, 0, 4.4 - inset * 0.6, 5.4 - inset * 0.4, colour, pointed=pointed)
    p.arch(p.width_m / 2 - 1.0, 0, 2.0, 3.8, (70, 48, 38), pointed=pointed)
    for _ in range(26):
        p.disc(p.width_m / 2 + p.rng.uniform(-2, 2), p.rng.uniform(3.4, 5.2), 0.1, p.jitter((190, 170, 130), 40))


def _shops(p: Painter, recipe: Recipe) -> None:
    names = ("BAKER", "BOOKS & MAPS", "TEA", "CHANDLER")
    step = p.width_m / len(names)
    for number, name in enumerate(names):
        colour = p.jitter(((60, 96, 74), (128, 52, 48), (52, 72, 112), (186, 140, 60))[number], 8)
        p.box(number * step + 0.2, 0, step - 0.4, 2.5, colour)
        p.box(number * step + 0.5, 0.6, step - 2.2, 1.4, (70, 82, 90))
        p.box(number * step + step - 1.4, 0, 0.9, 2.1, toned(colour, 0.7))
        for _ in range(12):
            p.box(
                number * step + p.rng.uniform(0.6, step - 2.1),
                0.65,
                p.rng.uniform(0.1, 0.4),
                p.rng.uniform(0.15, 0.8),
                p.jitter((200, 170, 120), 60),
            )
        p.letters(name, number * step + step / 2, 2.25, 0.42, (246, 232, 190), width=step * 0.8)


def _fin(p: Painter, recipe: Recipe) -> None:
    middle = p.width_m / 2
    for stripe in range(7):
        p.box(middle - 2.1 + stripe * 0.6, p.height_m * 0.36, 0.32, p.height_m * 0.6, p.jitter(recipe.palette[1], 16))
    for row in range(5):
        p.box(0.6, p.height_m * 0.4 + row * 0.5, middle - 3.2, 0.14, p.jitter((180, 90, 70), 10))
        p.box(middle + 2.6, p.height_m * 0.4 + row * 0.5, middle - 3.2, 0.14, p.jitter((180, 90, 70), 10))


def _marquee(p: Painter, recipe: Recipe) -> None:
    p.box(2, 3.3, p.width_m - 4, 1.3, (246, 240, 220))
    p.letters("THE LONG TIDE · 7.30 & 9", p.width_m / 2, 3.95, 0.6, (160, 40, 40), width=p.width_m - 5)
    for x in np.arange(2.1, p.width_m - 2, 0.45):
        p.disc(float(x), 3.25, 0.11, p.jitter((250, 224, 130), 12))
    for number in range(4):
        paint_poster(p, 2.6 + number * 3.6, 1.0)


def _gateway(p: Painter, recipe: Recipe) -> None:
    middle = p.width_m / 2
    p.arch(middle - 3.2, 0, 6.4, 7.4, p.jitter((232, 214, 176), 8))
    p.arch(middle - 2.5, 0, 5.0, 6.4, (112, 134, 150))
    p.box(middle - 2.5, 0, 5.0, 1.6, (96, 116, 128))
    for number in range(9):
        angle = np.pi * (number + 0.5) / 9
        p.disc(middle - 2.85 * np.cos(angle), 3.9 + 2.85 * np.sin(angle), 0.25, p.jitter(recipe.palette[0], 30))
    for x in (middle - 4.6, middle + 4.6):
        p.box(x - 0.5, 0, 1.0, p.height_m * 0.8, p.jitter((226, 208, 170), 8))
        for groove in range(4):
            p.box(x - 0.4 + groove * 0.24, 0.4, 0.06, p.height_m * 0.7, (176, 156, 120))


def _statues(p: Painter, recipe: Recipe) -> None:
    for x in (0.18, 0.82):
        cx = p.width_m * x
        p.arch(cx - 0.9, 5.4, 1.8, 3.6, (120, 104, 84))
        p.disc(cx, 8.2, 0.3, (228, 218, 196))
        p.polygon(
            [(cx - 0.6, 5.6), (cx + p.rng.uniform(0.3, 0.7), 5.6), (cx + 0.3, 7.9), (cx - 0.35, 7.9)], (220, 208, 184)
        )
        p.line((cx, 7.4), (cx + p.rng.choice((-0.8, 0.8)), 7.9), 0.16, (214, 202, 178))


def _columns(p: Painter, recipe: Recipe) -> None:
    step = p.width_m / recipe.bays
    for bay in range(recipe.bays + 1):
        x = min(max(bay * step, 0.6), p.width_m - 0.6)
        p.box(x - 0.55, 0.9, 1.1, p.height_m - 2.4, p.jitter((234, 228, 214), 6))
        for groove in range(5):
            p.box(x - 0.45 + groove * 0.2, 1.2, 0.05, p.height_m - 3.0, p.jitter((186, 178, 160), 10))
        p.box(x - 0.75, p.height_m - 1.6, 1.5, 0.5, p.jitter((240, 234, 220), 8))
        p.box(x - 0.75, 0.6, 1.5, 0.4, p.jitter((220, 212, 196), 8))
    p.box(0, p.height_m - 1.1, p.width_m, 1.1, p.jitter((226, 220, 206), 6))


def _steps(p: Painter, recipe: Recipe) -> None:
    for step in range(5):
        p.box(0, step * 0.16, p.width_m, 0.13, p.jitter((204, 196, 180), 14))


def _hoist(p: Painter, recipe: Recipe) -> None:
    x = p.width_m * 0.7
    for floor in range(1, recipe.floors):
        p.box(x - 0.9, floor * recipe.floor_m + 0.2, 1.8, 2.3, p.jitter((84, 60, 44), 12))
        p.letters(f"{floor}{'ABCDE'[floor % 5]}", x, floor * recipe.floor_m + 1.5, 0.6, WHITE)
    p.line((x, 3), (x, p.height_m), 0.06, DARK)


def _mural(p: Painter, recipe: Recipe) -> None:
    """A great fish among waves, over the left third of the block."""
    w = p.width_m * 0.34
    p.box(0.3, 0.6, w, p.height_m - 1.6, (38, 84, 122))
    for _ in range(70):
        colour = ((232, 150, 60), (240, 214, 120), (210, 72, 70), (96, 176, 170), (244, 240, 226))[
            int(p.rng.integers(5))
        ]
        x, y, r = p.rng.uniform(0.7, w), p.rng.uniform(1, p.height_m - 1.4), p.rng.uniform(0.12, 0.6)
        if p.rng.random() < 0.5:
            p.disc(x, y, r, p.jitter(colour, 20), width=0.1)
        else:
            p.polygon([(x - r, y), (x, y + r), (x + r, y), (x, y - r * 0.4)], p.jitter(colour, 20))
    body = [
        (0.3 + w * (0.5 - 0.38 * np.cos(t)), p.height_m * 0.55 + 2.2 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)
    ]
    p.polygon(body, (240, 176, 74))
    p.disc(0.3 + w * 0.3, p.height_m * 0.6, 0.35, DARK)


def _stalls(p: Painter, recipe: Recipe) -> None:
    for number in range(6):
        x = 0.8 + number * (p.width_m - 1.6) / 6
        p.box(x, 0, 3.4, 1.1, p.jitter((150, 110, 76), 20))
        for stripe in range(8):
            p.box(
                x + stripe * 0.43,
                2.0,
                0.43,
                0.7,
                WHITE if stripe % 2 else p.jitter(((190, 60, 54), (60, 110, 84), (50, 84, 140))[number % 3], 10),
            )
        for _ in range(30):
            p.disc(x + p.rng.uniform(0.1, 3.3), 1.15 + p.rng.uniform(0, 0.3), 0.12, p.jitter((214, 120, 60), 60))


def _canopy(p: Painter, recipe: Recipe) -> None:
    for x in np.arange(0, p.width_m, 0.5):
        p.polygon([(x, 3.9), (x + 0.5, 3.9), (x + 0.25, 3.5 - p.rng.uniform(0, 0.1))], p.jitter((72, 92, 84), 10))
    p.box(0, 3.9, p.width_m, 0.5, (88, 108, 98))
    p.letters("PLATFORMS 1–4", p.width_m * 0.25, 3.0, 0.45, WHITE)
    p.letters("TICKETS", p.width_m * 0.75, 3.0, 0.45, WHITE)


FEATURES = {
    "arcade": _arcade,
    "cornice": _cornice,
    "rose": _rose,
    "portal": _portal,
    "shops": _shops,
    "fin": _fin,
    "marquee": _marquee,
    "gateway": _gateway,
    "statues": _statues,
    "columns": _columns,
    "steps": _steps,
    "hoist": _hoist,
    "mural": _mural,
    "stalls": _stalls,
    "canopy": _canopy,
}


def paint_clock(p: Painter, x: float, y: float, radius: float, hands: tuple[float, float]) -> None:
    p.disc(x, y, radius + 0.18, (90, 74, 50))
    p.disc(x, y, radius, (246, 240, 222))
    for hour in range(12):
        angle = np.pi / 6 * hour
        p.line(
            (x + 0.75 * radius * np.sin(angle), y + 0.75 * radius * np.cos(angle)),
            (x + 0.92 * radius * np.sin(angle), y + 0.92 * radius * np.cos(angle)),
            0.08,
            DARK,
        )
    for angle, length in zip(hands, (0.5, 0.78), strict=True):
        p.line((x, y), (x + length * radius * np.sin(angle), y + length * radius * np.cos(angle)), 0.09, DARK)
