"""List roots: what could be visible is asked of the policies first and pushed into the source's own query.

The scope is only a pre-filter: every row that comes back is decided again, and rows that fall out are made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from portico.access.decisions import NOBODY, DecisionClass, Facts, Scope
from portico.access.guard import Case
from portico.access.principal import Principal, PrincipalKind
from portico.records.consent import ConsentKind, Provision
from portico.records.errors import BadArgument, ListTooSparse
from portico.records.references import By, RecordType
from portico.records.search import Condition, Hit, Op, Search
from resolvers.criteria import Ordering, revealed
from resolvers.edges import ABOUT_PATIENTS
from resolvers.pages import PAGE_LIMIT, Connection, Cursors, ListArguments, connection
from resolvers.ports import Standing
from resolvers.session import STANDINGS_LIMIT, Session, ids_at
from resolvers.translation import translated

SOURCE_PAGES_LIMIT = 50
"""Pages of a source that one list may look through to fill one of its own."""

SAME_ORGANIZATION = "same_organization"
KNOWN_RELATIONSHIPS = ("self", "guardian", "care_team", "scheduled", SAME_ORGANIZATION)

WILLING = frozenset({Provision(kind=ConsentKind.PERMIT)})
"""The consent of a patient who permits everything."""

Row = tuple[Case, Hit]


def rows_for(first: int) -> int:
    """Rows to ask for: a page, one that tells whether more follow, and some that stand in for rows unseen."""
    return first + min(10, 4 + first // 4)


async def list_records(session: Session, type_: RecordType, arguments: ListArguments) -> Connection:
    """One page of a list root. Cost: one decision, one query for the scope, one source call for a page.

    A page is full or the last one, and every cursor stands on a row of it. Raises `ListTooSparse` where
    `SOURCE_PAGES_LIMIT` pages of the source hold too little that may be seen to tell which of the two it is.
    """
    cursors = Cursors(session.seal, session.caller, lambda: (type_.value,), arguments)
    position = cursors.read()
    scope = await session.scope(type_)
    few = await _few(session, type_, scope)
    near = (standing.facts for standing in few or ())
    await session.foresee([*_possible(type_, scope), *near], also=_classes(type_, scope))
    if scope.empty or not await _may_reveal(session, type_, scope, arguments.conditions):
        return Connection((), (), cursors)
    narrowed = _narrowed(session, type_, scope, few, await translated(session, type_, arguments.conditions))
    if narrowed is None or arguments.first == 0:
        return Connection((), (), cursors)
    ordering = arguments.ordering if await _may_order(session, type_, scope, arguments.ordering) else Ordering("id")
    if position is not None and position[0] != ordering.field:
        raise BadArgument("after belongs to an order that this list no longer has; start again.")
    search = Search(
        type=type_,
        where=narrowed,
        order=ordering.field,
        descending=ordering.descending,
        limit=rows_for(arguments.first),
        after=None if position is None else position[1],
    )
    rows = await _visible_rows(session, search, revealed(type_, arguments.conditions, ordering), arguments)
    page = rows[: arguments.first]
    released = await session.release([case for case, _ in page])
    positions = [(ordering.field, hit.position) for _, hit in page]
    return connection(released, positions, cursors, more=len(rows) > len(page))


async def _visible_rows(
    session: Session, search: Search, attributes: frozenset[str], arguments: ListArguments
) -> list[Row]:
    """Rows that may be seen, in order: more than a page, or all that are left.

    A row of which the caller may not know in full what the criteria reveal (`attributes`) is none of them.
    """
    rows: list[Row] = []
    coordinates = [session.tags[search.type.value][attribute] for attribute in attributes]
    for _ in range(SOURCE_PAGES_LIMIT):
        page = await session.search(search)
        found = [hit.record for hit in page.hits]
        session.learn(search.type, found, By.ID)
        cases = await session.cases(found)
        classes = {case.class_ for case in cases}
        full = await session.guard.in_full(session.caller, classes, coordinates, session.tally)
        seen = set(map(id, await session.admitted(cases)))
        rows += [
            (case, hit) for case, hit in zip(cases, page.hits, strict=True) if case.class_ in full and id(case) in seen
        ]
        if len(rows) > arguments.first or not page.more:
            return rows
        search = replace(search, after=page.hits[-1].position, limit=PAGE_LIMIT)
    raise ListTooSparse


async def _may_reveal(session: Session, type_: RecordType, scope: Scope, conditions: Sequence[Condition]) -> bool:
    """Whether any row at all could be found by these conditions; if not, no source is asked."""
    return await _in_full_for_some(session, type_, scope, revealed(type_, conditions, None))


async def _may_order(session: Session, type_: RecordType, scope: Scope, ordering: Ordering) -> bool:
    """Whether the order reveals only what the caller may know of every row that they could see."""
    attributes = revealed(type_, (), ordering)
    decisions = await session.decisions.classes(session.caller, _classes(type_, scope), session.tally)
    coordinates = [session.tags[type_.value][attribute] for attribute in attributes]
    return all(
        decision.in_full(coordinate)
        for decision in decisions.values()
        if decision.visible
        for coordinate in coordinates
    )


async def _in_full_for_some(session: Session, type_: RecordType, scope: Scope, attributes: frozenset[str]) -> bool:
    decisions = await session.decisions.classes(session.caller, _classes(type_, scope), session.tally)
    coordinates = [session.tags[type_.value][attribute] for attribute in attributes]
    return any(
        decision.visible and all(decision.in_full(coordinate) for coordinate in coordinates)
        for decision in decisions.values()
    )


def _classes(type_: RecordType, scope: Scope) -> list[DecisionClass]:
    """What rows of a scope can be like at best: of patients who have said nothing, and of those who permit everything.

    Only a patient who permits it can be found for a purpose that needs a permit.
    """
    possible = _possible(type_, scope)
    willing = [structs.replace(facts, consent=WILLING) for facts in possible if type_ in ABOUT_PATIENTS]
    return [facts.about(type_.value) for facts in (*possible, *willing)]


def _possible(type_: RecordType, scope: Scope) -> list[Facts]:
    """How the patients of a scope can stand to the caller: in each relationship by itself, in none, and in all at once.

    Nobody is anything else to themselves.
    """
    if type_ not in ABOUT_PATIENTS:
        return [NOBODY]
    names = KNOWN_RELATIONSHIPS if scope.everyone else sorted(scope.relationships)
    together = frozenset(names) - {"self"}
    return [Facts(related) for related in (*(frozenset({name}) for name in names), frozenset[str](), together)]


async def _few(session: Session, type_: RecordType, scope: Scope) -> Sequence[Standing] | None:
    """The patients in a scope, where they are few enough to be named; of an organization there may be any number."""
    named = scope.relationships & _conceivable(session.caller.principal)
    if scope.everyone or type_ not in ABOUT_PATIENTS or SAME_ORGANIZATION in named:
        return None
    standings = await session.related(named) if named else ()
    return standings if len(standings) <= STANDINGS_LIMIT else None


def _narrowed(
    session: Session,
    type_: RecordType,
    scope: Scope,
    few: Sequence[Standing] | None,
    conditions: tuple[Condition, ...] | None,
) -> tuple[Condition, ...] | None:
    """The conditions with the scope pushed in where the source can judge it; None where nothing can be visible.

    Patients of one's own organization are a condition of the EHR's. Patients to whom one stands in any other
    relationship are few, and pushed in by their ids. A scope that is neither is left to the decision on each row.
    """
    if conditions is None:
        return None
    if few is not None:
        return _of_patients(session, type_, few, conditions)
    principal = session.caller.principal
    named = scope.relationships & _conceivable(principal)
    if type_ is RecordType.PATIENT and not scope.everyone and named == {SAME_ORGANIZATION}:
        return (*conditions, Condition("organization", Op.IN, (principal.organization or "",)))
    return conditions


def _conceivable(principal: Principal) -> set[str]:
    """The relationships that a principal with these claims can stand in at all."""
    claimed = {
        "self": bool(principal.patients),
        "guardian": principal.kind is PrincipalKind.PERSON,
        "emergency": principal.kind is PrincipalKind.PERSON,
        "care_team": principal.npi is not None,
        "scheduled": principal.npi is not None,
        SAME_ORGANIZATION: principal.organization is not None,
    }
    return {name for name, possible in claimed.items() if possible}


def _of_patients(
    session: Session, type_: RecordType, standings: Sequence[Standing], conditions: tuple[Condition, ...]
) -> tuple[Condition, ...] | None:
    source = session.channel(type_).source
    in_scope = {id_ for standing in standings for id_ in ids_at(standing, source)}
    kept: list[Condition] = []
    for condition in conditions:
        if condition.field == "patient":
            in_scope.intersection_update(condition.values)
        else:
            kept.append(condition)
    if not in_scope:
        return None
    return (*kept, Condition("patient", Op.IN, tuple(sorted(in_scope))))
