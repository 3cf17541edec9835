"""OPA in process: the policies of a folder, followed as it changes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portico.access.bundle import Bundle, Files, PoliciesRefused, bundle_of, read_files, revision_of
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.evaluator import Evaluator
from portico.access.folder import PolicyFolder
from portico.records.errors import PolicyUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedConfig:
    """Where the policies are and how long they may take.

    With the defaults an edit counts within two seconds: it is seen by the next look at the folder, taken once the one
    after finds it unchanged, and loaded in a fraction of a second.
    """

    folder: Path
    deadline_seconds: float = 0.25
    load_deadline_seconds: float = 10.0
    poll_seconds: float = 0.25
    stale_seconds: float = 2.0
    """How long the folder may go unwatched before answers stop: policies that may have changed no longer count."""
    stuck_limit: int = 3
    """How many evaluations that never ended may be left behind before no further engine is started."""


class EmbeddedEngine:
    """A `PolicyEngine` with OPA in process. Create it with `start`, in the event loop that asks.

    Each revision gets a fresh OPA that replaces the last one once it has proven itself; a broken edit changes nothing
    but `status`. Cost of an answer: one evaluation in a thread, about a millisecond.
    """

    def __init__(self, config: EmbeddedConfig, evaluator: Evaluator, on_refused: Callable[[str], None]) -> None:
        self._config = config
        self._evaluator = evaluator
        self._on_refused = on_refused
        self._refused: str | None = None
        self._refused_revision: str | None = None
        self._left_behind: list[Evaluator] = []
        self._replacement: asyncio.Task[None] | None = None
        self._watched_at = time.monotonic()
        self._watcher = asyncio.create_task(self._watch(), name="policy watcher")

    @classmethod
    async def start(
        cls, config: EmbeddedConfig, *, on_refused: Callable[[str], None] = lambda _: None
    ) -> EmbeddedEngine:
        """An engine that answers from the folder. Raises `PoliciesRefused`.

        `on_refused` is called with the reason once for every later content of the folder that is refused.
        """
        files = await asyncio.to_thread(read_files, config.folder)
        bundle = await asyncio.to_thread(bundle_of, files)
        evaluator = await Evaluator.load(bundle, deadline_seconds=config.load_deadline_seconds)
        return cls(config, evaluator, on_refused)

    @property
    def revision(self) -> str:
        """The revision of the folder's policies. Raises `PolicyUnavailable` where the folder is not being watched."""
        if self._watcher.done() or time.monotonic() - self._watched_at > self._config.stale_seconds:
            raise PolicyUnavailable
        return self._evaluator.bundle.revision

    @property
    def status(self) -> PolicyStatus:
        """What answers now, and what was refused."""
        return PolicyStatus(revision=self._evaluator.bundle.revision, refused=self._refused)

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        """The rule's answer; see `PolicyEngine.ask`. A question that breaks its schema is a `Fault`."""
        evaluator, revision = self._evaluator, self.revision
        if self._replacement is not None:
            raise PolicyUnavailable
        evaluator.contracts.check_question(rule, input_)
        try:
            answer = await evaluator.evaluate(rule, input_, deadline_seconds=self._config.deadline_seconds)
        except TimeoutError:
            self._replace_if_stuck(evaluator)
            raise PolicyUnavailable from None
        result = evaluator.contracts.checked_answer(rule, input_, answer)
        return Verdict(result=result, revision=revision, decision_id=str(uuid.uuid4()))

    async def aclose(self) -> None:
        """Stop watching and let the engine go."""
        tasks = [task for task in (self._watcher, self._replacement) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._evaluator.retire()

    def _replace_if_stuck(self, evaluator: Evaluator) -> None:
        """Late because of a queue is a bad day; late because one evaluation does not end costs that engine."""
        stuck = evaluator.busy_seconds() >= self._config.deadline_seconds
        if not stuck or evaluator is not self._evaluator or self._replacement is not None:
            return
        self._replacement = asyncio.create_task(self._replace(evaluator), name="policy engine replacement")

    async def _replace(self, stuck: Evaluator) -> None:
        stuck.retire()
        self._left_behind.append(stuck)
        try:
            while len(self._left_behind) > self._config.stuck_limit:
                await asyncio.sleep(self._config.poll_seconds)
                self._left_behind = [evaluator for evaluator in self._left_behind if evaluator.alive]
            self._swap(stuck, await self._load(stuck.bundle))
        except PoliciesRefused as refusal:
            self._refuse(str(refusal))
        finally:
            self._replacement = None

    async def _watch(self) -> None:
        """Takes what the folder holds once two looks at it agree."""
        previous: str | None = self._evaluator.bundle.revision
        folder = PolicyFolder(self._config.folder)
        while True:
            await asyncio.sleep(self._config.poll_seconds)
            try:
                files = await asyncio.to_thread(folder.files)
                self._watched_at = time.monotonic()
                revision = revision_of(files)
                if revision == previous:
                    await self._take(revision, files)
                previous = revision
            except PoliciesRefused as refusal:
                previous = None
                self._refuse(str(refusal))

    async def _take(self, revision: str, files: Files) -> None:
        if revision == self._evaluator.bundle.revision:
            self._refused = self._refused_revision = None
        elif revision != self._refused_revision:
            current = self._evaluator
            try:
                bundle = await asyncio.to_thread(bundle_of, files)
                self._swap(current, await self._load(bundle))
                self._refused = None
            except PoliciesRefused:
                self._refused_revision = revision
                raise

    async def _load(self, bundle: Bundle) -> Evaluator:
        return await Evaluator.load(bundle, deadline_seconds=self._config.load_deadline_seconds)

    def _swap(self, old: Evaluator, new: Evaluator) -> None:
        """Puts the new evaluator in the old one's place, unless somebody else was quicker."""
        if self._evaluator is old:
            self._evaluator = new
            old.retire()
        else:
            new.retire()

    def _refuse(self, reason: str) -> None:
        if reason != self._refused:
            self._refused = reason
            self._on_refused(reason)
