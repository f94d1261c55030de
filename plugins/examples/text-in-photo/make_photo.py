"""Makes `photo.jpg`, a picture of two tilted signs on a brick wall, as a camera with a small lens would take it.

    .venv/bin/python plugins/examples/text-in-photo/make_photo.py plugins/examples/text-in-photo/photo.jpg

Everything in it is drawn here: no third party's picture is involved. The letters are the typeface that ships inside
Pillow. Needs the packages of deploy/models/requirements.txt.
"""

import sys

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SEED = 7
SIZE = (720, 540)
# Drawn larger and reduced at the end, as a lens averages over a pixel.
OVERSAMPLING = 2
CANVAS = (SIZE[0] * OVERSAMPLING, SIZE[1] * OVERSAMPLING)


def main() -> None:
    random = np.random.default_rng(SEED)
    scene = brick_wall(random)
    hang(scene, shop_sign(), [(150, 120), (1210, 210), (1170, 740), (190, 690)])
    hang(scene, price_tag(), [(790, 800), (1290, 735), (1310, 925), (810, 990)])
    photograph(scene, random).save(sys.argv[1], quality=84, subsampling="4:2:0")


def brick_wall(random: np.random.Generator) -> Image.Image:
    wall = Image.new("RGB", CANVAS, (176, 168, 158))
    draw = ImageDraw.Draw(wall)
    width, height, joint = 190, 66, 9
    for row in range(CANVAS[1] // height + 1):
        for column in range(-1, CANVAS[0] // width + 1):
            left = column * width + (row % 2) * width // 2
            shade = np.array([152, 92, 72]) + random.integers(-16, 17) + random.integers(-6, 7, 3)
            corners = (left, row * height, left + width - joint, (row + 1) * height - joint)
            draw.rounded_rectangle(corners, 5, tuple(int(part) for part in shade))
    grain = random.normal(0, 11, (CANVAS[1] // 3, CANVAS[0] // 3))
    return lighten(wall, np.asarray(Image.fromarray(grain.astype(np.float32)).resize(CANVAS, Image.BICUBIC)))


def shop_sign() -> Image.Image:
    sign, draw = board((1000, 520), fill=(238, 231, 212), frame=(58, 74, 66))
    centred(draw, 52, "HARBOUR BAKERY", 84, (44, 60, 54))
    draw.line((150, 172, 850, 172), (150, 118, 70), 5)
    centred(draw, 200, "Fresh bread and coffee", 60, (92, 58, 36))
    centred(draw, 292, "Open daily 7:30-18:00", 56, (52, 52, 56))
    centred(draw, 386, "12 Quay Street", 56, (52, 52, 56))
    return sign


def price_tag() -> Image.Image:
    tag, draw = board((520, 196), fill=(40, 44, 50), frame=(186, 150, 86))
    centred(draw, 26, "Sourdough loaf", 54, (240, 236, 226))
    centred(draw, 100, "Cinnamon rolls", 62, (246, 206, 120))
    return tag


def board(size: tuple[int, int], fill: tuple, frame: tuple) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 22, fill, frame, 12)
    return image, draw


def centred(draw: ImageDraw.ImageDraw, top: int, text: str, size: int, fill: tuple) -> None:
    # Sign writers part words widely, and the recognition model reads spaces only where they do.
    text = text.replace(" ", "   ")
    font = ImageFont.load_default(size)
    left = (draw.im.size[0] - draw.textlength(text, font)) / 2
    draw.text((left, top), text, fill, font, stroke_width=1, stroke_fill=fill)


def hang(scene: Image.Image, sign: Image.Image, corners: list[tuple[int, int]]) -> None:
    """Pastes `sign` so that its corners (clockwise from the top left) fall on `corners`, above a soft shadow."""
    placed = sign.transform(CANVAS, Image.PERSPECTIVE, homography(corners, sign.size), Image.BICUBIC)
    shadow = placed.getchannel("A").filter(ImageFilter.GaussianBlur(14)).point(lambda value: value * 0.55)
    scene.paste((24, 18, 16), (0, 0), ImageChops.offset(shadow, 12, 18))
    scene.paste(placed, (0, 0), placed)


def homography(corners: list[tuple[int, int]], size: tuple[int, int]) -> list[float]:
    """The eight coefficients that take a scene point back to the sign, from four pairs of points."""
    targets = [(0, 0), (size[0], 0), size, (0, size[1])]
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, targets):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float)).tolist()


def photograph(scene: Image.Image, random: np.random.Generator) -> Image.Image:
    """Evening light from the upper left, a lens that is not quite sharp, and sensor noise."""
    y, x = np.mgrid[0 : CANVAS[1], 0 : CANVAS[0]] / CANVAS[0]
    lit = lighten(scene, 30 - 62 * x - 40 * y)
    taken = lit.filter(ImageFilter.GaussianBlur(1.6)).resize(SIZE, Image.LANCZOS)
    return lighten(taken, random.normal(0, 4.5, (SIZE[1], SIZE[0], 3)))


def lighten(image: Image.Image, amount: np.ndarray) -> Image.Image:
    amount = amount if amount.ndim == 3 else amount[:, :, None]
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + amount, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
