"""Changes of what is known about patients: what they consented to, how sensitive they are, who stands how to them,
who looked at them. Whether one of these may be noticed depends on all the others, so each is tried first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from portico.audit.entry import AuditEntry
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.people import Relation, RelationKind, SensitiveVisit
from portico.records.references import PORTICO, PatientId, RecordId, Tenant
from portico.store.consents import KeptConsent
from portico.store.emergency import AccessId, EmergencyAccess
from portico.store.grants import GuardianKind
from tests.worlds.clinic import EPOCH, Key
from tests.worlds.draft import Draft
from tests.worlds.sight import Sight
from tests.worlds.variations import UNHEARD_OF, Difference


def _said(kind: ConsentKind, **words: str) -> Provision:
    return Provision(kind=kind, **{name: frozenset(said.split()) for name, said in words.items()})


_DENY, _PERMIT, _OPT_IN = ConsentKind.DENY, ConsentKind.PERMIT, ConsentKind.OPT_IN
PROVISIONS: Final = (
    _said(_DENY),
    _said(_DENY, purposes="TREAT"),
    _said(_DENY, purposes="HPAYMT HRESCH"),
    _said(_DENY, roles="front-desk"),
    _said(_DENY, tags="CONTACT"),
    _said(_DENY, tags="CLINICAL", roles="biller researcher"),
    _said(_DENY, tags="DEMOGRAPHIC", purposes="HMARKT"),
    _said(_DENY, labels="PSY HIV"),
    _said(_DENY, purposes="a-word-that-nobody-knows"),
    _said(_PERMIT),
    _said(_PERMIT, purposes="HRESCH"),
    _said(_PERMIT, labels="SUD", purposes="TREAT"),
    _said(_PERMIT, tags="CLINICAL"),
    _said(_PERMIT, tags="a-word-that-nobody-knows"),
    _said(_OPT_IN, purposes="HRESCH"),
    _said(_OPT_IN, purposes="HOPERAT", tags="CONTACT"),
    _said(_OPT_IN, labels="RPRO"),
)

PARTIES: Final = (
    frozenset[str](),
    frozenset({"npi 1"}),
    frozenset({"subject usr-biller"}),
    frozenset({"organization org-2"}),
)
LABELS: Final = ("R", "V", "PSY", "HIV", "SUD", "RPRO", "VIP", "EMP")


Circumstance = tuple[Difference, frozenset[PatientId]]
"""A change, and the patients by whom it might be noticed."""


def circumstances(sight: Sight, chance: Random) -> Iterator[Circumstance]:
    """Changes in a person's own tenant."""
    clinic, tenant = sight.clinic, sight.who.tenant
    of_patient: dict[PatientId, list[Key]] = {}
    for key, link in clinic.linked.items():
        of_patient.setdefault(link.patient, []).append(key)
    for patient, keys in sorted(of_patient.items()):
        for difference in (
            *_of_consents(sight, tenant, patient, keys, chance),
            *_of_labels(sight, tenant, patient, keys, chance),
            *_of_relations(sight, tenant, patient, keys, chance),
            *_of_emergencies(sight, tenant, patient, chance),
        ):
            yield difference, frozenset({patient})
    for difference in _of_the_trail(sight, tenant, sorted(of_patient), chance):
        yield difference, frozenset(of_patient)


def _of_consents(
    sight: Sight, tenant: Tenant, patient: PatientId, keys: list[Key], chance: Random
) -> Iterator[Difference]:
    for made in sorted(sight.clinic.consents, key=repr):
        if (made.source, made.source_id) in keys:
            yield Difference(tenant, f"{patient}: no longer {made.provision}", partial(_unsay, made))
    chart = next((key for key in keys if key[0] == "ehr"), None)
    for number, provision in enumerate(chance.sample(PROVISIONS, 5)):
        parties = chance.choice(PARTIES)
        if chart is not None and number % 2:
            told = Consent(
                source=chart[0], source_id=chart[1], consent_id="con-x", provision=provision, parties=parties
            )
            yield Difference(tenant, f"{patient}: says {provision} of {set(parties)}", partial(_say, told))
        else:
            id_ = f"00000000-0000-4000-9000-{patient[-11:]}{number}"
            own = Consent(source=PORTICO, source_id=patient, consent_id=id_, provision=provision, parties=parties)
            kept = KeptConsent(consent=own, recorded_at=EPOCH, revoked_at=EPOCH if number == 0 else None)
            yield Difference(
                tenant, f"{patient}: recorded {provision} of {set(parties)}", partial(_keep, patient, kept)
            )


def _of_labels(
    sight: Sight, tenant: Tenant, patient: PatientId, keys: list[Key], chance: Random
) -> Iterator[Difference]:
    for key in keys:
        for label in chance.sample(LABELS, 2):
            yield Difference(tenant, f"{patient}: labelled {label} at {key[0]}", partial(_label_person, key, label))
    for visit in sorted(sight.clinic.visits, key=repr):
        if (visit.source, visit.source_id) in keys:
            yield Difference(tenant, f"{patient}: {visit.visit} no longer labelled", partial(_unlabel, visit))
    for record in sight.by_patient.get(patient, ()):
        number = getattr(record, "visit", None)
        if record.id.source == PORTICO:
            continue
        label = chance.choice(LABELS)
        said = f"{record.type.value} {record.id.value}: labelled"
        yield Difference(tenant, f"{said} {label}", partial(_label, record.id, frozenset({label})))
        yield Difference(tenant, f"{said} N", partial(_label, record.id, frozenset({"N"})))
        if number is not None:
            key = (record.id.source, record.subject or "")
            made = SensitiveVisit(source=key[0], source_id=key[1], visit=number, labels=frozenset({label}))
            yield Difference(tenant, f"{patient}: {number} labelled {label}", partial(_label_visit, made))
            yield Difference(tenant, f"{said[:-8]} another visit", partial(_renumber, record.id, f"{number}x"))


def _of_relations(
    sight: Sight, tenant: Tenant, patient: PatientId, keys: list[Key], chance: Random
) -> Iterator[Difference]:
    clinic = sight.clinic
    parties = {kind: sorted({one.party for one in clinic.relations if one.kind is kind}) for kind in RelationKind}
    for told in sorted(clinic.relations, key=repr):
        if (told.source, told.source_id) in keys and chance.random() < 0.5:
            yield Difference(tenant, f"{patient}: no longer {told.kind} {told.party}", partial(_unrelate, told))
    for source, id_ in keys:
        kind = chance.choice(list(RelationKind))
        if parties[kind]:
            made = Relation(source=source, source_id=id_, kind=kind, party=chance.choice(parties[kind]))
            yield Difference(tenant, f"{patient}: {kind} {made.party}", partial(_relate, made))
    for held in clinic.guardianships:
        if held[0] == patient:
            yield Difference(tenant, f"{patient}: no longer a ward", partial(_unguard, held))
    yield Difference(tenant, f"{patient}: somebody's ward", partial(_guard, (patient, "usr-someone")))
    party = chance.choice(["subject usr-front-desk", "npi 2", "organization org-2"])
    yield Difference(tenant, f"{patient}: {party} kept away", partial(_exclude, (patient, party)))


def _of_emergencies(sight: Sight, tenant: Tenant, patient: PatientId, chance: Random) -> Iterator[Difference]:
    for id_, access in sight.clinic.emergencies.items():
        if access.patient == patient:
            yield Difference(tenant, f"{patient}: glass whole again", partial(_mend, id_))
            yield Difference(tenant, f"{patient}: other words", partial(_reword, id_, f"Other words {chance.random()}"))
    id_ = f"00000000-0000-4000-b000-{patient[-12:]}"
    subject = chance.choice(["usr-other", "usr-physician"])
    known = next(iter(sight.clinic.emergencies.values()), None)
    if known is not None:
        new = replace(known, id=AccessId(id_), patient=patient, subject=subject)
        yield Difference(tenant, f"{patient}: glass broken by {subject}", partial(_break, new))


def _of_the_trail(sight: Sight, tenant: Tenant, patients: list[PatientId], chance: Random) -> Iterator[Difference]:
    for number, entry in enumerate(sight.clinic.told):
        others = frozenset(chance.sample(patients, 2))
        for said, other in (
            ("labelled", replace(entry, labels=entry.labels | UNHEARD_OF)),
            ("about others", replace(entry, patients=others)),
            ("by somebody else", replace(entry, subject="usr-nobody", client="laptop")),
            ("telling more", replace(entry, released=entry.released | {"Patient.name"}, patients=others)),
        ):
            yield Difference(tenant, f"row {number + 1} {said}", partial(_retell, number, other))


# -- how each is done ------------------------------------------------------------------------------------------------


def _say(consent: Consent, draft: Draft) -> None:
    draft.consents.add(consent)


def _unsay(consent: Consent, draft: Draft) -> None:
    draft.consents.discard(consent)


def _keep(patient: PatientId, kept: KeptConsent, draft: Draft) -> None:
    draft.kept[kept.consent.consent_id] = (patient, kept)


def _label_person(key: Key, label: str, draft: Draft) -> None:
    if key in draft.people:
        draft.people[key] = replace(draft.people[key], labels=draft.people[key].labels | {label})


def _label(id_: RecordId, labels: frozenset[str], draft: Draft) -> None:
    draft.alter(id_, labels=labels)


def _label_visit(visit: SensitiveVisit, draft: Draft) -> None:
    draft.visits.add(visit)


def _unlabel(visit: SensitiveVisit, draft: Draft) -> None:
    draft.visits.discard(visit)


def _renumber(id_: RecordId, visit: str, draft: Draft) -> None:
    draft.alter(id_, visit=visit)


def _relate(relation: Relation, draft: Draft) -> None:
    draft.relations.add(relation)


def _unrelate(relation: Relation, draft: Draft) -> None:
    draft.relations.discard(relation)


def _guard(held: tuple[PatientId, str], draft: Draft) -> None:
    draft.guardianships[held] = (GuardianKind.PROXY, None, None)


def _unguard(held: tuple[PatientId, str], draft: Draft) -> None:
    draft.guardianships.pop(held, None)


def _exclude(held: tuple[PatientId, str], draft: Draft) -> None:
    draft.exclusions[held] = (None, None)


def _break(access: EmergencyAccess, draft: Draft) -> None:
    draft.emergencies[str(access.id)] = access


def _mend(id_: str, draft: Draft) -> None:
    draft.emergencies.pop(id_, None)


def _reword(id_: str, words: str, draft: Draft) -> None:
    if id_ in draft.emergencies:
        draft.emergencies[id_] = replace(draft.emergencies[id_], reason=words)


def _retell(number: int, entry: AuditEntry, draft: Draft) -> None:
    draft.told[number] = entry
