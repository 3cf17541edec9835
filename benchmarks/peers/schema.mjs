// The part of Portico's schema that the load reads, with its names and shapes. Scalars pass through as they are: the
// rows hold what JSON will show.
import { buildSchema } from "graphql";

export const typeDefs = `
scalar DateTime
scalar PartialDate
scalar Decimal
enum Gender { MALE FEMALE OTHER UNKNOWN }
enum EncounterStatus { PLANNED ARRIVED TRIAGED IN_PROGRESS ONLEAVE FINISHED CANCELLED ENTERED_IN_ERROR UNKNOWN }
enum AppointmentStatus {
  PROPOSED PENDING BOOKED ARRIVED FULFILLED CANCELLED NOSHOW ENTERED_IN_ERROR CHECKED_IN WAITLIST
}
enum ClaimStatus { DRAFT SUBMITTED ACCEPTED PENDED PAID DENIED CANCELLED }
enum ClaimType { INSTITUTIONAL PROFESSIONAL PHARMACY ORAL VISION }
type HumanName { family: String given: [String!]! prefix: String }
type Address { line: [String!]! city: String state: String postalCode: String country: String }
type Identifier { system: String! value: String! type: String }
type Coding { system: String code: String display: String }
type Period { start: DateTime end: DateTime }
type Money { amount: Decimal! currency: String! }
type Provenance { source: String! sourceId: String! }
type Encounter { status: EncounterStatus class: Coding period: Period }
type EncounterEdge { node: Encounter! }
type EncounterConnection { edges: [EncounterEdge!]! }
type Appointment { start: DateTime end: DateTime status: AppointmentStatus serviceType: Coding }
type AppointmentEdge { node: Appointment! }
type AppointmentConnection { edges: [AppointmentEdge!]! }
type Claim {
  status: ClaimStatus type: ClaimType created: PartialDate billed: Money allowed: Money paid: Money
}
type ClaimEdge { node: Claim! }
type ClaimConnection { edges: [ClaimEdge!]! }
type Patient {
  name: HumanName birthDate: PartialDate gender: Gender language: String deceased: Boolean mrn: String ssn: String
  identifiers: [Identifier!] address: Address provenance: Provenance
  encounters(first: Int! = 20): EncounterConnection
  appointments(first: Int! = 20): AppointmentConnection
  claims(first: Int! = 20): ClaimConnection
}
type PatientEdge { node: Patient! }
type PatientConnection { edges: [PatientEdge!]! }
type Query { patients(first: Int! = 20, after: String): PatientConnection }
`;

export const page = (rows) => ({ edges: rows.map((node) => ({ node })) });

/** A graphql-js schema with these resolvers. */
export function executable(resolvers) {
  const schema = buildSchema(typeDefs);
  for (const [type, fields] of Object.entries(resolvers)) {
    for (const [field, resolve] of Object.entries(fields)) {
      schema.getType(type).getFields()[field].resolve = resolve;
    }
  }
  return schema;
}
