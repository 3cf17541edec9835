"""A root list, page by page, with what holds for every page of one."""

from __future__ import annotations

from tests.house import MemoryHouse


async def pages(house: MemoryHouse, persona: str, field: str, size: int, extra: str = "") -> list[list[str]]:
    """The ids of every page of a root list; every page but the last must be full."""
    query = f"""query ($first: Int!, $after: String) {{ {field}(first: $first, after: $after{extra}) {{
      edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
    read: list[list[str]] = []
    after = None
    while True:
        answer = await house.ask(persona, query, first=size, after=after)
        found = answer["data"][field]
        edges, info = found["edges"], found["pageInfo"]
        read.append([edge["node"]["id"] for edge in edges])
        assert info["hasPreviousPage"] is False
        assert info["startCursor"] == (edges[0]["cursor"] if edges else None)
        assert info["endCursor"] == (edges[-1]["cursor"] if edges else None)
        if not info["hasNextPage"]:
            return read
        assert len(edges) == size, "a page is full or the last one"
        after = info["endCursor"]
