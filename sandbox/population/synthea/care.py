"""Encounters, Claims and ExplanationOfBenefits of bundles as visits and their claims."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sandbox.population.catalog import AMBULATORY, SERVICES
from sandbox.population.model import Claim, ClaimLine, Code, Person, Visit
from sandbox.population.synthea.bundles import Resource
from sandbox.population.synthea.fields import Unusable, at, cents, code, id_of, instant, required, rows, target, text
from sandbox.population.synthea.registry import Registry

_APPOINTMENTS: Final = {
    "planned": "booked",
    "arrived": "arrived",
    "triaged": "arrived",
    "in-progress": "arrived",
    "onleave": "arrived",
    "finished": "fulfilled",
    "cancelled": "cancelled",
    "entered-in-error": "entered-in-error",
}
"""What an encounter's status says of the appointment that it was booked by."""
_OUTCOMES: Final = {"queued": "pended", "partial": "pended", "error": "denied"}
_TYPES: Final = frozenset({"institutional", "professional", "pharmacy", "oral", "vision"})
_SHORTEST: Final = timedelta(minutes=15)
_ADJUDICATION: Final = "https://bluebutton.cms.gov/resources/variables/line_"
_ALLOWED, _PAID, _COINSURANCE, _DEDUCTIBLE = (
    _ADJUDICATION + name for name in ("alowd_chrg_amt", "prvdr_pmt_amt", "coinsrnc_amt", "bene_ptb_ddctbl_amt")
)


def visit(resource: Resource, person: Person, registry: Registry, number: int) -> Visit:
    """An Encounter of a person, and the appointment that it was. May raise `Unusable`."""
    practitioner = registry.practitioner(target(resource, "participant", 0, "individual"))
    location = registry.location(target(resource, "serviceProvider"))
    start, status = instant(resource, "period", "start"), required(resource, "status")
    if practitioner is None or location is None:
        raise Unusable("an unknown practitioner or organization")
    if start is None or status not in _APPOINTMENTS:
        raise Unusable("no start or no known status")
    service = code(at(resource, "type", 0)) or SERVICES[0]
    reasons = tuple(found for each in rows(resource, "reasonCode") if (found := code(each)))
    kind = text(resource, "class", "code")
    return Visit(
        key=f"visit-{number}",
        number=f"V-{number:06}",
        person=person.key,
        practitioner=practitioner.key,
        location=location.key,
        start=start,
        end=max(instant(resource, "period", "end") or start, start + _SHORTEST),
        service=service,
        reason=reasons[0].display if reasons else service.display,
        reasons=reasons,
        appointment_id=f"A{100000 + number}",
        appointment_status=_APPOINTMENTS[status],
        encounter_id=id_of(resource),
        encounter_status=status,
        encounter_class=Code(system=AMBULATORY.system, code=kind, display=kind) if kind else AMBULATORY,
        claim=None,
    )


def claim(
    resource: Resource, answer: Resource | None, problems: Mapping[str, Code], *, number: int, coverage: str | None
) -> Claim:
    """A Claim with what its ExplanationOfBenefit answered; `problems` are Conditions by id. May raise `Unusable`."""
    kind, created = text(resource, "type", "coding", 0, "code"), instant(resource, "created")
    if kind not in _TYPES or kind is None or created is None:
        raise Unusable("no known type or no date")
    lines = _lines(resource, answer)
    if not lines:
        raise Unusable("no items")
    named = (problems.get(target(each, "diagnosisReference") or "") for each in rows(resource, "diagnosis"))
    return Claim(
        number=f"CLM{3000000 + number}",
        claim_type=kind,
        status=_status(answer),
        created=created.date().isoformat(),
        diagnoses=tuple(found for found in named if found),
        lines=lines,
        coverage=coverage,
        patient_responsibility_cents=_responsibility(answer),
    )


def problem(resource: Resource) -> Code:
    """What a Condition is called. May raise `Unusable`."""
    named = code(at(resource, "code"))
    if named is None:
        raise Unusable("no code")
    return named


def is_pharmacy(resource: Resource) -> bool:
    """Whether a Claim is for a prescription: it comes beside the claim for its encounter."""
    return text(resource, "type", "coding", 0, "code") == "pharmacy"


def payer(answer: Resource | None) -> str | None:
    """Who answered, by the coverage that an ExplanationOfBenefit contains; None for nobody, or for a self-payer."""
    covers = (each for each in rows(answer, "contained") if at(each, "resourceType") == "Coverage")
    name = next((text(each, "payor", 0, "display") for each in covers), None)
    return None if name is None or name.lower().replace("_", " ") == "no insurance" else name


def _status(answer: Resource | None) -> str:
    if answer is None:
        return "submitted"
    paid = cents(answer, "payment", "amount") or 0
    return _OUTCOMES.get(text(answer, "outcome") or "", "paid" if paid else "accepted")


def _lines(resource: Resource, answer: Resource | None) -> tuple[ClaimLine, ...]:
    """One line an item. The item that stands for the encounter has no price: it costs what the others leave."""
    items = list(rows(resource, "item"))
    answers = {at(each, "sequence"): each for each in rows(answer, "item") if isinstance(at(each, "sequence"), int)}
    prices = [cents(each, "net") for each in items]
    rest = max((cents(resource, "total") or 0) - sum(price or 0 for price in prices), 0)
    first_unpriced = prices.index(None) if None in prices else None
    lines = []
    for nth, (item, price) in enumerate(zip(items, prices, strict=True)):
        service, sequence = code(at(item, "productOrService")), at(item, "sequence")
        if service is None:
            continue
        answered = answers.get(sequence) if isinstance(sequence, int) else None
        lines.append(
            ClaimLine(
                service=service,
                units=1,
                billed_cents=price if price is not None else rest if nth == first_unpriced else 0,
                allowed_cents=_adjudicated(answered, _ALLOWED),
                paid_cents=_adjudicated(answered, _PAID),
            )
        )
    return tuple(lines)


def _responsibility(answer: Resource | None) -> int | None:
    items = list(rows(answer, "item"))
    owed = [_adjudicated(item, part) for item in items for part in (_COINSURANCE, _DEDUCTIBLE)]
    known = [each for each in owed if each is not None]
    return sum(known) if known else None


def _adjudicated(item: Resource | None, part: str) -> int | None:
    amounts = (
        cents(each, "amount")
        for each in rows(item, "adjudication")
        if at(each, "category", "coding", 0, "code") == part
    )
    return next(amounts, None)
