"""The identifier systems by which canonical identifiers are known, whatever a source calls them."""

from __future__ import annotations

from typing import Final

SSN: Final = "http://hl7.org/fhir/sid/us-ssn"
NPI: Final = "http://hl7.org/fhir/sid/us-npi"
MRN: Final = "urn:portico:mrn"
"""The clinic group's medical record number."""
MEMBER: Final = "urn:portico:member"
"""A payer's member number."""
DRIVERS_LICENSE: Final = "urn:portico:drivers-license"
