"""A tenant with three patients and three sources, and the words in which the crosswalk's tests speak of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from portico.access.principal import Principal, PrincipalKind
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.people import Relation, RelationKind
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.crosswalk import Assurance, Crosswalk, Link, LinkPlan, PersonFacts, Rule, Standing, Unlinked

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
EHR, SCHEDULING, BILLING = SourceName("ehr"), SourceName("scheduling"), SourceName("billing")
ADA, BEN, CLEO = (PatientId(str(UUID(int=number))) for number in (1, 2, 3))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

NOBODY = Principal(
    subject="usr-nobody",
    kind=PrincipalKind.PERSON,
    tenant=RIVERBEND,
    roles=frozenset(),
    purposes=frozenset(),
    client="portal",
    expires_at=0,
)
PHYSICIAN = replace(NOBODY, subject="usr-physician", npi="1234567893", organization="org-main")
GUARDIAN = replace(NOBODY, subject="usr-guardian")
ADA_HERSELF = replace(NOBODY, subject="usr-ada", patients=frozenset({"e-ada"}))


def identity(source_id: str, patient: PatientId) -> Link:
    return Link(source=EHR, source_id=source_id, patient=patient, assurance=Assurance.EXACT, rule=Rule.IDENTITY)


def exact(source: SourceName, source_id: str, patient: PatientId) -> Link:
    return Link(source=source, source_id=source_id, patient=patient, assurance=Assurance.EXACT, rule=Rule.EXACT)


def weak(source: SourceName, source_id: str, patient: PatientId) -> Link:
    return replace(exact(source, source_id, patient), assurance=Assurance.WEAK)


def planning(*links: Link, unlinked: Sequence[Unlinked] = ()) -> Callable[[Sequence[Link]], LinkPlan]:
    """A plan that was made elsewhere."""
    sources = frozenset(link.source for link in links) | frozenset(left.source for left in unlinked)
    return lambda _: LinkPlan(sources=sources, links=links, unlinked=tuple(unlinked))


def care(source_id: str, npi: str = "1234567893", **period: datetime) -> Relation:
    return Relation(source=EHR, source_id=source_id, kind=RelationKind.CARE_TEAM, party=npi, **period)


def child(source_id: str) -> PersonFacts:
    """A child of ten at `NOON`."""
    return PersonFacts(source_id=source_id, adolescent_at=NOON + 730 * DAY, adult_at=NOON + 2922 * DAY)


EVERYONE = (
    identity("e-ada", ADA),
    identity("e-ben", BEN),
    identity("e-cleo", CLEO),
    exact(SCHEDULING, "s-ada", ADA),
    exact(BILLING, "b-ada", ADA),
    exact(BILLING, "b-ada-again", ADA),
    exact(BILLING, "b-ben", BEN),
)


def provision(kind: ConsentKind = ConsentKind.DENY, **words: Collection[str]) -> Provision:
    return Provision(kind=kind, **{name: frozenset(given) for name, given in words.items()})


def consent(
    source_id: str, given: Provision, *parties: str, start: datetime | None = None, end: datetime | None = None
) -> Consent:
    """The EHR's, with an id of its own."""
    return Consent(
        source=EHR,
        source_id=source_id,
        consent_id=f"c-{source_id}",
        provision=given,
        parties=frozenset(parties),
        start=start,
        end=end,
    )


async def standing(crosswalk: Crosswalk, principal: Principal, patient: PatientId, at: datetime = NOON) -> Standing:
    return (await crosswalk.standings_of(principal, [patient], at=at))[patient]


async def relationships(
    crosswalk: Crosswalk, principal: Principal, patient: PatientId, at: datetime = NOON
) -> set[str]:
    return set((await standing(crosswalk, principal, patient, at)).facts.relationships)


async def wishes(crosswalk: Crosswalk, principal: Principal, patient: PatientId, at: datetime = NOON) -> set[Provision]:
    return set((await standing(crosswalk, principal, patient, at)).facts.consent)


async def relate(crosswalk: Crosswalk, relations: Collection[Relation], source: SourceName = EHR) -> None:
    await crosswalk.synchronize(RIVERBEND, plan=planning(), relations={source: relations})


async def learn(crosswalk: Crosswalk, *people: PersonFacts, source: SourceName = EHR) -> None:
    await crosswalk.synchronize(RIVERBEND, plan=planning(), relations={}, people={source: people})
