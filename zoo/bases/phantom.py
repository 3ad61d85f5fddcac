"""The tiny base that reads drawn scans; it comes with this package and needs no download."""

from pathlib import Path

import zoo.phantom
from zoo.bases import Base

BASE = Base(
    repo="medvlm-zoo/phantom",
    folder=Path(zoo.phantom.__file__).parent / "base",
    encoder=Path(zoo.phantom.__file__).parent / "encoder",
    family="llava",
    learning_rate_scale=1000,  # a million random-born weights need far longer steps than seven billion
    max_rank=16,
    license="apache-2.0",
    about="About a million parameters, trained on drawn scans alone. It knows nothing of medicine.",
)
