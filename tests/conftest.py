"""What several files of tests start from.

Models are imported late: this file is read before pytest's checks of shapes are on.
"""

import pytest


@pytest.fixture(scope="module")
def lab():
    """A lab around nano, with weights drawn from seed 0; each file has its own."""
    import torch

    import workbench as wb
    from model.omni import Omni, OmniConfig

    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))
