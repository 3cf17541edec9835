"""The suites that connectors subclass explain their failures as test files do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.contract.connector_suite",
    "tests.contract.fault_suite",
    "tests.contract.oracle",
    "tests.contract.paging_suite",
)
