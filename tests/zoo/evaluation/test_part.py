"""An evaluation under way is one command's at a time. How it goes on after a kill: test_predict.py."""

import pytest

from zoo.errors import BadInput
from zoo.evaluation.part import JOB_NAME, opened


def test_a_command_that_is_refused_beside_another_does_not_name_the_folders_job(tmp_path):
    """Or the first one's answers would be gone on with as the second one's."""
    with opened(tmp_path, {"max tokens": 64}, [], []):
        (tmp_path / JOB_NAME).unlink()  # as when both begin at once, and neither has named it yet
        with pytest.raises(BadInput, match="another process is evaluating"), opened(tmp_path, {}, [], []):
            pass
        assert not (tmp_path / JOB_NAME).exists()
