"""A store of its own for each test of files."""

from pathlib import Path

import pytest

from volunteer_api.files import stores


@pytest.fixture(autouse=True)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test's application, empty."""
    for name in ("app", "postgresql_app", "sqlite_app"):
        if name in request.fixturenames:
            extensions = request.getfixturevalue(name).extensions
            monkeypatch.setitem(extensions, stores.EXTENSION, stores.FolderStore(tmp_path / "files"))
    return tmp_path / "files"
