"""FHIR R4 bundles as Synthea writes them, taken into a population so that all three sources hold their part of them."""
