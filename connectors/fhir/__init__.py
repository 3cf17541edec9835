"""FHIR R4 over HTTP: an EHR's patients, practitioners, organizations, locations, encounters, coverages, care teams."""

from connectors.fhir.config import FhirConfig
from connectors.fhir.connector import FhirConnector
from connectors.fhir.mapping import FhirMapping

__all__ = ["FhirConfig", "FhirConnector", "FhirMapping"]
