"""A simulated EHR: FHIR R4 over HTTP with OAuth2 client credentials, for all tenants in one process.

It follows the specifications (HL7 FHIR R4 4.0.1, RFC 6749, RFC 6750), not the connector that reads it.
"""
