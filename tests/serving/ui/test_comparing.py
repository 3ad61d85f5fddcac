"""What a comparison of the page asks the engine."""

import base64
import json
import re
from dataclasses import replace

import numpy as np

from serving.core.origin import Origin, origin
from serving.pictures import Pictures
from serving.ui.comparing import Comparing
from tests.zoo._images import dicom_bytes
from zoo.images import Limits, Window, open_scan

VIEWS = [
    {"frame": 1},
    {"frame": 0, "centre": 300.0, "width": 200.0},
    {"frame": 2, "centre": 500.0, "width": 800.0, "inverted": True},
]


def uri(data):
    return f"data:application/dicom;base64,{base64.b64encode(data).decode()}"


def test_three_pictures_of_a_study_reach_the_engine_in_the_order_shown_each_in_its_own_view(rig, monkeypatch):
    rig.service.base = replace(rig.service.base, max_images=3)
    works, origins = [], []
    submit = rig.engine.submit

    def noting(work, on_piece=None):
        works.append(work)
        origins.append(origin())
        return submit(work, on_piece)

    monkeypatch.setattr(rig.engine, "submit", noting)
    pixels = np.random.default_rng(0).integers(0, 1000, size=(3, 3, 8, 10))
    files = [dicom_bytes(study) for study in pixels]
    comparing = Comparing(rig.service, Pictures(Limits()))
    keys = [comparing.look(uri(data))["key"] for data in files]
    order = (2, 0, 1)  # the last chosen is shown first
    seen = json.dumps([{"key": keys[number], **view} for number, view in zip(order, VIEWS, strict=True)])
    of = Origin(request="the page's")
    *_, html = comparing.compare(seen, "What is new?", "", ["base", "sft"], seed=None, client="me", of=of)
    assert origins == [of]
    said = re.findall(r'class="mz-text">([^<]*)<', re.sub("</?mark[^>]*>", "", html))
    assert said == ["base: What is new? 10x8", "sft: What is new? 10x8"]
    [work] = works
    scans = [open_scan(files[number]) for number in order]
    expected = [
        scans[0].show(frame=1),
        scans[1].show(frame=0, window=Window(centre=300.0, width=200.0)),
        scans[2].show(frame=2, window=Window(centre=500.0, width=800.0), inverted=True),
    ]
    assert [image.tobytes() for image in work.images] == [image.tobytes() for image in expected]
    assert len({image.tobytes() for image in expected}) == 3
    assert [(turn.role, turn.text, turn.images) for turn in work.turns] == [("user", "What is new?", 3)]
