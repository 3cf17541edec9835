from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portico.demo.children import Child, Children, DemoFailed

FOREVER = 'import sys, time; print(\'{"url": "here"}\', flush=True); time.sleep(600)'
PARENT = """
import asyncio, pathlib, sys
from portico.demo.children import Children
async def main():
    async with Children(pathlib.Path(sys.argv[1])) as children:
        child = await children.start("child", sys.executable, "-c", "import time; time.sleep(600)")
        print(child.process.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    async with Children(tmp_path) as children:
        yield children


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def has_ended(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:  # noqa: ASYNC110 - it is another process's doing
        await asyncio.sleep(0.01)
    return not is_alive(pid)


async def start(children: Children, code: str, name: str = "child") -> Child:
    return await children.start(name, sys.executable, "-c", code, announces=True)


async def test_a_child_announces_itself_and_ends_with_the_context(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await start(children, FOREVER)
        assert await child.announcement() == {"url": "here"}
        assert children.pids == {"child": child.process.pid}
    assert child.process.returncode == -signal.SIGTERM


async def test_a_child_that_will_not_go_is_killed_with_what_it_started(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print('{\"pid\": %d}' % grandchild.pid, flush=True); time.sleep(600)"
    )
    async with Children(tmp_path, grace_seconds=0.2) as children:
        child = await start(children, stubborn)
        grandchild = int((await child.announcement())["pid"])
        assert is_alive(grandchild)
    assert await has_ended(grandchild)


async def test_a_child_that_falls_ends_the_work_and_says_why(children: Children) -> None:
    await start(children, FOREVER, "steady")
    await start(children, "import sys; sys.exit('no bread')", "hungry")
    with pytest.raises(DemoFailed, match=r"hungry has ended by itself[\s\S]*no bread"):
        await children.guard(asyncio.Event().wait())


async def test_a_fall_is_told_even_where_the_log_is_gone(children: Children, tmp_path: Path) -> None:
    child = await start(children, "raise SystemExit(1)", "hungry")
    (tmp_path / "hungry.log").unlink()
    assert str(child.failure()) == "hungry has ended by itself"


async def test_work_is_done_while_every_child_lives(children: Children) -> None:
    await start(children, FOREVER)

    async def work() -> str:
        return "done"

    assert await children.guard(work()) == "done"


async def test_of_things_that_fail_at_once_one_is_said(children: Children) -> None:
    async def fail() -> None:
        raise DemoFailed("out of luck")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(fail())

    with pytest.raises(DemoFailed, match="out of luck"):
        await children.guard(work())


async def test_a_run_to_the_end_must_end_well(children: Children) -> None:
    done = await children.run("well", sys.executable, "-c", "print('report')")
    assert done.log.read_text() == "report\n"
    with pytest.raises(DemoFailed, match="badly has ended by itself"):
        await children.run("badly", sys.executable, "-c", "raise SystemExit(3)")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    child = int(await parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    await parent.wait()
    assert await has_ended(child)
