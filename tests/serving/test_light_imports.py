import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        (
            "serving, serving.core.engine, serving.core.registry, serving.core.scheduler",
            "torch gradio fastapi",
        ),
        ("serving.cli.serve", "torch gradio fastapi pydantic numpy PIL huggingface_hub"),
        ("serving.cli.ask", "torch gradio fastapi pydantic numpy PIL huggingface_hub"),
        ("serving.api", "torch gradio fastapi pydantic numpy PIL huggingface_hub httpx2"),
        ("serving.engines.embedded, serving.service, serving.library", "torch gradio fastapi"),
    ],
)
def test_these_modules_load_nothing_heavy(imported, absent):
    code = f"import sys, {imported}; print(*(m for m in {absent.split()!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
