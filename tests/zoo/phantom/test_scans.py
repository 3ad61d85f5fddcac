"""What is drawn is decided by the seed, and lies where the words say."""

import numpy as np
import pytest

from zoo.phantom import vocabulary as words
from zoo.phantom.drawing import body_of
from zoo.phantom.scans import SIZE, Scan, make_scan


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [make_scan(seed) for seed in range(400)]


def test_the_same_seed_draws_the_same_scan_and_another_seed_another():
    first, again, other = make_scan(7), make_scan(7), make_scan(8)
    assert first == again
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.pixels, other.pixels)


def test_pixels_are_grey_bytes_and_the_mask_is_of_their_shape():
    scan = make_scan(1)
    assert (scan.pixels.dtype, scan.pixels.shape) == (np.uint8, (SIZE, SIZE))
    assert (scan.mask.dtype, scan.mask.shape) == (np.bool_, (SIZE, SIZE))


def test_every_modality_organ_kind_side_zone_and_size_occurs(scans):
    found = [scan.finding for scan in scans if scan.finding]
    assert {scan.modality for scan in scans} == set(words.MODALITIES)
    assert {scan.organ for scan in scans} == set(words.ORGANS)
    assert {finding.kind for finding in found} == set(words.KINDS)
    assert {finding.side for finding in found} == set(words.SIDES)
    assert {finding.zone for finding in found} == set(words.ZONES)
    assert {finding.size for finding in found} == set(words.SIZES)


def test_a_quarter_of_the_scans_has_no_finding():
    healthy = sum(make_scan(seed).finding is None for seed in range(4000))
    assert 0.23 < healthy / 4000 < 0.27


def test_the_mask_is_empty_exactly_where_there_is_no_finding(scans):
    assert all(scan.mask.any() == (scan.finding is not None) for scan in scans)


def test_the_patients_left_is_on_the_images_right(scans):
    for scan in scans:
        if scan.finding:
            x = (np.nonzero(scan.mask)[1].mean() + 0.5) / SIZE
            midline = 0.5 + body_of(scan).dx
            assert ("left" if x > midline else "right") == scan.finding.side, scan


def test_the_mask_lies_in_the_zone_that_is_named(scans):
    for scan in scans:
        if scan.finding:
            region = body_of(scan).region(scan.organ, scan.finding.side)
            y = (np.nonzero(scan.mask)[0].mean() + 0.5) / SIZE
            third = np.clip(int((y - (region.y - region.ry)) / (2 * region.ry) * 3), 0, 2)
            assert words.ZONES[third] == scan.finding.zone, scan


def test_a_larger_size_covers_more_of_the_scan(scans):
    for kind in words.KINDS:
        areas = {
            size: [
                s.mask.sum() for s in scans if s.finding and (s.finding.kind, s.finding.size) == (kind, size)
            ]
            for size in words.SIZES
        }
        assert np.mean(areas["small"]) < np.mean(areas["medium"]) < np.mean(areas["large"]), kind


def test_a_finding_changes_the_pixels_it_covers(scans):
    for scan in scans[:60]:
        if scan.finding:
            bare = Scan(seed=scan.seed, modality=scan.modality, organ=scan.organ, finding=None)
            change = np.abs(scan.pixels.astype(int) - bare.pixels.astype(int))
            assert change[scan.mask].mean() > change[~scan.mask].mean() + 10, scan
