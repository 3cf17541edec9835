"""The vocabulary that every room shares: records, references, searches, call contexts, errors.

Standard library only. Names are FHIR R4's where FHIR has one.
"""
