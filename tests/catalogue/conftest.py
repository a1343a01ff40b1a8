"""Lets the catalogue's modules import their kit, and publishes the world that several of them look at."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from catalogue_world import Published, publish_world


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_KEY", base64.b64encode(b"k" * 32).decode())
        return publish_world(tmp_path_factory.mktemp("catalogue") / "chain")
