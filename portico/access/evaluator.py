"""One revision of the policies in an OPA of its own, in a thread of its own.

OPA in process can't be interrupted: an evaluation that takes too long is left behind, and so is its thread, which ends
by itself when the evaluation does. The thread is a daemon, so that it never keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from opa_bindings import OpaEngine, OpaError

from portico.access.bundle import Bundle, PoliciesRefused
from portico.access.contracts import Contracts
from portico.access.engine import Rule
from portico.access.profile import Tree, check_profile
from portico.access.proof import ENTRY_POINT, QUESTIONS, VIOLATIONS, check_proof
from portico.records.errors import PolicyUnavailable

_Task = tuple["Future[Any]", Callable[[], Any]]


class Evaluator:
    """Evaluates rules of one bundle, one after another. Use `load`, which proves the bundle first."""

    def __init__(self, bundle: Bundle, contracts: Contracts) -> None:
        self.bundle = bundle
        self.contracts = contracts
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._began_at: float | None = None
        self._opa: OpaEngine | None = None
        self._thread = threading.Thread(target=self._work, name=f"policies {bundle.revision}", daemon=True)

    @classmethod
    async def load(cls, bundle: Bundle, *, deadline_seconds: float) -> Evaluator:
        """An evaluator that has compiled the bundle and answered `QUESTIONS` as it must.

        Raises `PoliciesRefused` with the compiler's message, the first breach of the profile or contract, or the
        violations that the policies report themselves.
        """
        contracts = await asyncio.to_thread(Contracts, bundle.schemas)
        evaluator = cls(bundle, contracts)
        evaluator._thread.start()
        try:
            await evaluator._run(evaluator._load, deadline_seconds)
        except TimeoutError:
            evaluator.retire()
            raise PoliciesRefused("the policies take too long to load") from None
        except BaseException:
            evaluator.retire()
            raise
        return evaluator

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def busy_seconds(self) -> float:
        """How long the evaluation that runs now has been running; 0 when none does."""
        began_at = self._began_at
        return 0.0 if began_at is None else time.monotonic() - began_at

    async def evaluate(self, rule: Rule, input_: Mapping[str, Any], *, deadline_seconds: float) -> Any:
        """The rule's value. Raises `TimeoutError` when late, and `PolicyUnavailable` on undefined and on errors."""
        return await self._run(lambda: self._document(ENTRY_POINT[rule], input_), deadline_seconds)

    def retire(self) -> None:
        """Lets the thread end after what it has already been given."""
        self._tasks.put(None)

    async def _run(self, task: Callable[[], Any], deadline_seconds: float) -> Any:
        future: Future[Any] = Future()
        self._tasks.put((future, task))
        return await asyncio.wait_for(asyncio.wrap_future(future), deadline_seconds)

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            self._began_at = time.monotonic()
            try:
                future.set_result(task())
            except Exception as error:  # noqa: BLE001  the asker gets it, whatever it is
                future.set_exception(error)
            finally:
                self._began_at = None
        if self._opa is not None:
            self._opa.close()  # type: ignore[no-untyped-call]  # the binding annotates nothing

    def _load(self) -> None:
        opa = self._opa = OpaEngine()  # type: ignore[no-untyped-call]  # the binding annotates nothing
        try:
            for path, source in self.bundle.modules.items():
                opa.add_policy(path, source)
            opa.add_data(self.bundle.data)
            trees = {path: _tree(opa, path, source) for path, source in self.bundle.modules.items()}
            check_profile(trees, self.bundle.builtins)
            answers = {rule: opa.eval_document(ENTRY_POINT[rule], question) for rule, question in QUESTIONS.items()}
            violations = opa.eval_document(VIOLATIONS, {})
        except OpaError as error:
            raise PoliciesRefused(error.message) from None
        check_proof(self.contracts, answers, violations)

    def _document(self, path: str, input_: Mapping[str, Any]) -> Any:
        if self._opa is None:
            raise PolicyUnavailable
        try:
            return self._opa.eval_document(path, input_)
        except OpaError:
            # Its message may quote the input.
            raise PolicyUnavailable from None


def _tree(opa: OpaEngine, path: str, source: str) -> Tree:
    """A module's syntax tree, by OPA's own parser."""
    question = {"path": path, "source": source}
    tree: Tree = opa.eval_query("tree = rego.parse_module(input.path, input.source)", question)[0]["tree"]
    return tree
