from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath

import pytest

from portico.access.bundle import PoliciesRefused
from portico.access.folder import READ_AGAIN_SECONDS, UNSETTLED_SECONDS, PolicyFolder

MODULE = PurePosixPath("portico/a.rego")


class Clock:
    """Some time after whatever a test has just written."""

    def __init__(self) -> None:
        self.ahead = 2 * UNSETTLED_SECONDS

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    (tmp_path / "portico").mkdir()
    (tmp_path / MODULE).write_text("package a")
    return tmp_path


def test_what_has_not_changed_is_not_read_again(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())

    assert folder.files() is folder.files()


def test_a_change_is_seen_at_the_next_look(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())
    folder.files()

    (policies / MODULE).write_text("package longer")

    assert folder.files()[MODULE] == b"package longer"


def test_a_change_that_keeps_size_and_time_of_modification_is_seen(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())
    folder.files()
    before = (policies / MODULE).stat()

    (policies / MODULE).write_text("package b")
    os.utime(policies / MODULE, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert folder.files()[MODULE] == b"package b"


def test_a_file_that_replaces_another_is_seen(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())
    folder.files()

    (policies / "new").write_text("package b")
    (policies / "new").replace(policies / MODULE)

    assert folder.files()[MODULE] == b"package b"


def test_files_that_come_and_go_are_seen(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())
    folder.files()

    (policies / "portico" / "b.rego").write_text("package b")
    assert PurePosixPath("portico/b.rego") in folder.files()

    (policies / "portico" / "b.rego").unlink()
    assert PurePosixPath("portico/b.rego") not in folder.files()


def test_what_has_just_changed_is_read_at_every_look(policies: Path) -> None:
    clock = Clock()
    clock.ahead = 0.0
    folder = PolicyFolder(policies, clock=clock)

    assert folder.files() is not folder.files()


def test_everything_is_read_every_so_often(policies: Path) -> None:
    clock = Clock()
    folder = PolicyFolder(policies, clock=clock)
    first = folder.files()

    clock.ahead += READ_AGAIN_SECONDS

    assert folder.files() is not first


def test_a_folder_that_is_gone_is_refused_and_one_that_came_back_is_read(policies: Path) -> None:
    folder = PolicyFolder(policies, clock=Clock())
    folder.files()
    away = policies.with_name("away")

    policies.rename(away)
    with pytest.raises(PoliciesRefused):
        folder.files()

    away.rename(policies)
    assert MODULE in folder.files()
