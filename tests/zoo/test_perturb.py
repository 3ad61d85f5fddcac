"""Pictures made worse: what the formula says, from the seed alone, and nothing outside the mask."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from zoo.errors import BadInput
from zoo.perturb import blank, diffusion_noise, gaussian_noise, kept_signal, random_crop, wrapped_noise

Perturb = Callable[[Image.Image, int, Image.Image | None], Image.Image]

EVERY: dict[str, Perturb] = {
    "gaussian": lambda image, seed, mask: gaussian_noise(image, sigma=64, seed=seed, mask=mask),
    "diffusion": lambda image, seed, mask: diffusion_noise(image, step=500, seed=seed, mask=mask),
    "wrapped": lambda image, seed, mask: wrapped_noise(image, seed=seed, mask=mask),
    "blank": lambda image, seed, mask: blank(image, mask=mask),
}
every = pytest.mark.parametrize("perturb", EVERY.values(), ids=EVERY)


def picture(mode: str = "RGB", width: int = 37, height: int = 23) -> Image.Image:
    values = np.random.default_rng(9).integers(1, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def mask_of(image: Image.Image) -> Image.Image:
    mask = Image.new("L", image.size)
    mask.paste(1, (5, 4, 20, 15))  # any nonzero value is inside
    return mask


@every
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_outside_the_mask_stay_as_they_are_and_inside_change_as_the_whole_picture_would(
    perturb: Perturb, mode: str
) -> None:
    image = picture(mode)
    mask = mask_of(image)
    inside = np.asarray(mask) > 0
    made = perturb(image, 3, mask)
    assert (made.mode, made.size) == (image.mode, image.size)
    assert (np.asarray(made)[~inside] == np.asarray(image)[~inside]).all()
    assert (np.asarray(made)[inside] == np.asarray(perturb(image, 3, None))[inside]).all()
    assert (np.asarray(made)[inside] != np.asarray(image)[inside]).mean() > 0.9


@every
def test_a_perturbed_picture_is_the_same_for_the_same_seed(perturb: Perturb) -> None:
    image = picture()
    assert perturb(image, 3, None).tobytes() == perturb(image, 3, None).tobytes()


@pytest.mark.parametrize("name", ["gaussian", "diffusion", "wrapped"])
def test_another_seed_draws_other_noise(name: str) -> None:
    image = picture()
    assert EVERY[name](image, 3, None).tobytes() != EVERY[name](image, 4, None).tobytes()


@every
def test_a_mask_of_another_size_and_a_picture_of_another_mode_are_refused(perturb: Perturb) -> None:
    image = picture()
    with pytest.raises(BadInput, match="the mask is 23 x 37 of mode 'L', the picture 37 x 23"):
        perturb(image, 3, Image.new("L", (23, 37), 255))
    with pytest.raises(BadInput, match="of mode 'RGBA'"):
        perturb(image.convert("RGBA"), 3, None)


def test_gaussian_noise_has_the_stated_sigma_in_units_of_255() -> None:
    grey = Image.new("L", (400, 400), 128)
    for sigma in (4.0, 12.0, 30.0):  # clipping is beyond four sigma
        made = np.asarray(gaussian_noise(grey, sigma=sigma, seed=1), dtype=float)
        assert made.mean() == pytest.approx(128, abs=0.3)
        assert made.std() == pytest.approx(sigma, rel=0.02)
    assert gaussian_noise(grey, sigma=0, seed=1).tobytes() == grey.tobytes()


def test_the_diffusion_schedule_keeps_0_7448_of_the_variance_at_step_500() -> None:
    assert len(kept_signal()) == 1000
    assert round(kept_signal()[500], 4) == 0.7448
    assert [round(kept_signal()[step], 4) for step in (499, 501)] == [0.7467, 0.7429]


def test_diffusion_noise_mixes_picture_and_noise_by_the_square_roots_of_the_schedule() -> None:
    """At step 500 a grey of 128/255 = 0.50196 comes to a mean of sqrt(0.7448) 0.50196 255 = 110.47; noise of
    sqrt(0.2552) = 0.5052 is then clipped on both sides, so the median shows the mean and the quantile at
    one sigma above it, 0.8413, would be beyond white at 239.3: still below 255."""
    grey = Image.new("L", (400, 400), 128)
    made = np.asarray(diffusion_noise(grey, step=500, seed=1), dtype=float)
    assert np.median(made) == pytest.approx(110.47, abs=1.5)
    assert np.quantile(made, 0.8413) == pytest.approx(239.3, abs=2.5)
    assert np.asarray(diffusion_noise(grey, step=0, seed=1), dtype=float).std() < 2


@pytest.mark.parametrize("step", [-1, 1000])
def test_a_step_beyond_the_schedule_is_refused(step: int) -> None:
    with pytest.raises(BadInput, match=f"no diffusion step {step}"):
        diffusion_noise(picture(), step=step, seed=0)


def test_wrapped_noise_is_near_black_with_its_negative_half_near_white() -> None:
    """N(0, 10) cut towards zero: |x| < 1 gives 0 (8 %), the rest is half positive, half 256 - |x|."""
    made = np.asarray(wrapped_noise(Image.new("L", (400, 400), 128), seed=1))
    assert (made > 200).mean() == pytest.approx(0.46, abs=0.01)
    assert (made == 0).mean() == pytest.approx(0.08, abs=0.005)
    assert ((made < 60) | (made > 196)).all()


def test_blank_is_black() -> None:
    assert np.asarray(blank(picture())).max() == 0


def test_a_crop_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    image = Image.fromarray(np.arange(120 * 80 * 3, dtype=np.uint8).reshape(80, 120, 3))
    first, box = random_crop(image, seed=3)
    again, same_box = random_crop(image, seed=3)
    assert (first.tobytes(), box) == (again.tobytes(), same_box)
    assert random_crop(image, seed=4)[1] != box


def test_a_crop_keeps_the_size_and_stays_within_scale_and_aspect() -> None:
    image = Image.new("RGB", (200, 160))
    for seed in range(200):
        crop, (left, top, width, height) = random_crop(image, seed=seed)
        assert crop.size == (200, 160)
        assert 0 <= left <= left + width <= 200
        assert 0 <= top <= top + height <= 160
        assert 0.005 < width * height / (200 * 160) < 0.22
        assert 0.65 < width / height < 1.55


def test_a_crop_shows_what_is_in_its_box() -> None:
    image = Image.new("RGB", (100, 100))
    image.paste((255, 255, 255), (50, 0, 100, 100))
    for seed in range(50):
        crop, (left, _, width, _) = random_crop(image, seed=seed)
        if left >= 50:
            assert crop.getpixel((0, 0)) == (255, 255, 255)
        if left + width <= 50:
            assert crop.getpixel((99, 99)) == (0, 0, 0)
