-- name: lock
select pg_advisory_xact_lock(hashtextextended('portico.consents:' || $1, 0))

-- name: replace
-- $1 tenant, $2 source, $3 a JSON array. What didn't change stays as it is, and since when it has been known.
with wanted as (
    select distinct source_id, consent_id, provision, parties, tstzrange(starts, ends, '[]') as valid
      from jsonb_to_recordset($3::jsonb)
           as given (source_id text, consent_id text, provision jsonb, parties text[], starts timestamptz, ends timestamptz)
), dropped as (
    delete from portico.source_consent as old
     where tenant = $1 and source = $2
       and not exists (select from wanted
                        where (wanted.source_id, wanted.consent_id, wanted.provision, wanted.parties, wanted.valid)
                            = (old.source_id, old.consent_id, old.provision, old.parties, old.valid))
)
insert into portico.source_consent (tenant, source, source_id, consent_id, provision, parties, valid)
select $1, $2, wanted.*
  from wanted
 where not exists (select from portico.source_consent as old
                    where old.tenant = $1 and old.source = $2
                      and (wanted.source_id, wanted.consent_id, wanted.provision, wanted.parties, wanted.valid)
                        = (old.source_id, old.consent_id, old.provision, old.parties, old.valid))

-- name: record
-- Gives a row where there is such a patient, also when it is run again because its answer was lost.
with made as (
    insert into portico.consent (tenant, patient, id, provision, parties, valid, recorded_by)
    select $1, id, $3::uuid, $4::jsonb, $5::text[], tstzrange($6, $7, '[]'), $8
      from portico.patient where tenant = $1 and id = $2::uuid
        on conflict do nothing
)
select from portico.patient where tenant = $1 and id = $2::uuid

-- name: revoke
-- Gives a row where there is such a consent, also when it was revoked before.
with revoked as (
    update portico.consent set revoked_at = clock_timestamp(), revoked_by = $4
     where tenant = $1 and patient = $2::uuid and id = $3::uuid and revoked_at is null
)
select from portico.consent where tenant = $1 and patient = $2::uuid and id = $3::uuid

-- name: of_patient
-- $1 tenant, $2 patient, $3 least assurance
select $4 as source, patient::text as source_id, id::text as consent_id, provision::text, parties,
       lower(valid) as starts, upper(valid) as ends, recorded_at, recorded_by, revoked_at, revoked_by
  from portico.consent
 where tenant = $1 and patient = $2::uuid
 union all
select source, source_id, c.consent_id, c.provision::text, c.parties,
       lower(c.valid), upper(c.valid), c.noticed_at, null, null, null
  from portico.source_consent c
  join portico.link l using (tenant, source, source_id)
 where tenant = $1 and l.patient = $2::uuid and l.assurance >= $3
 order by recorded_at, source, consent_id
