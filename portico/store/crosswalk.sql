-- name: standing
-- $1 tenant, $2 least assurance, $3 instant, $4 what the principal can claim: `relationship party`.
with reached as materialized ({reached})
select reached.patient::text, known.sources, known.source_ids,
       array(select bond.relationship
               from portico.bond
              where bond.tenant = $1
                and bond.patient = reached.patient
                and bond.assurance >= $2
                and bond.valid @> $3::timestamptz
                and bond.relationship || ' ' || bond.party = any($4::text[])) as relationships
  from reached
 cross join lateral (
       select array_agg(link.source order by link.source, link.source_id) as sources,
              array_agg(link.source_id order by link.source, link.source_id) as source_ids
         from portico.link
        where link.tenant = $1 and link.patient = reached.patient and link.assurance >= $2) as known
 where known.sources is not null
 order by reached.patient

-- name: reached_by_source_ids
-- $5 source, $6 its ids
select distinct patient from portico.link
 where tenant = $1 and source = $5 and source_id = any($6::text[]) and assurance >= $2

-- name: reached_by_patients
-- $5 canonical ids
select id as patient from portico.patient where tenant = $1 and id = any($5::uuid[])

-- name: reached_by_relationships
-- ($5, $6) the claims by the relationships asked for, $7 the patient after whom to go on, $8 how many. `offset 0` keeps
-- the planner from reading every bond of the tenant instead of those of each claim.
select distinct bond.patient
  from unnest($5::text[], $6::text[]) as claim (relationship, party)
 cross join lateral (
       select patient from portico.bond
        where bond.tenant = $1 and bond.relationship = claim.relationship and bond.party = claim.party
          and bond.assurance >= $2 and bond.valid @> $3::timestamptz
       offset 0) as bond
 where $7::uuid is null or bond.patient > $7
 order by bond.patient
 limit $8

-- name: identify
select source_id, patient::text from portico.link
 where tenant = $1 and assurance >= $2 and source = $3 and source_id = any($4::text[])

-- name: lock
select pg_advisory_xact_lock(hashtextextended('portico.crosswalk:' || $1, 0))

-- name: links
select source, source_id, patient::text, assurance, rule from portico.link where tenant = $1
 order by source, source_id

-- name: add_patients
insert into portico.patient (tenant, id) select distinct $1, unnest($2::uuid[]) on conflict do nothing

-- name: drop_links
-- A canonical id is kept for good: links by the rule `identity` are only ever added.
delete from portico.link
 where tenant = $1 and source = any($2::text[]) and rule <> 'identity'
   and (source, source_id) not in (select * from unnest($3::text[], $4::text[]))

-- name: put_links
insert into portico.link as old (tenant, source, source_id, patient, assurance, rule)
select $1, * from unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::text[])
    on conflict (tenant, source, source_id) do update
   set patient = excluded.patient, assurance = excluded.assurance, rule = excluded.rule, made_at = now()
 where (old.patient, old.assurance, old.rule) <> (excluded.patient, excluded.assurance, excluded.rule)
   and old.rule <> 'identity'

-- name: drop_unlinked
delete from portico.unlinked
 where tenant = $1 and source = any($2::text[])
   and (source, source_id) not in (select * from unnest($3::text[], $4::text[]))

-- name: put_unlinked
insert into portico.unlinked as old (tenant, source, source_id, reason, candidates)
select $1, source, source_id, reason, coalesce(string_to_array(nullif(candidates, ''), ','), '{}')::uuid[]
  from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as new (source, source_id, reason, candidates)
    on conflict (tenant, source, source_id) do update
   set reason = excluded.reason, candidates = excluded.candidates, noticed_at = now()
 where (old.reason, old.candidates) <> (excluded.reason, excluded.candidates)

-- name: unlinked
select source, source_id, reason, candidates::text[], noticed_at from portico.unlinked where tenant = $1
 order by source, source_id

-- name: replace_relations
-- $1 tenant, $2 source, then columns. Both ends of a period are inclusive; one that ends before it begins never holds.
with wanted as (
    select distinct source_id, relationship, party, tstzrange(starts, ends, '[]') as valid
      from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[])
           as given (source_id, relationship, party, starts, ends)
     where starts is null or ends is null or starts <= ends
), dropped as (
    delete from portico.relation as old
     where tenant = $1 and source = $2
       and not exists (select from wanted
                        where (wanted.source_id, wanted.relationship, wanted.party, wanted.valid)
                            = (old.source_id, old.relationship, old.party, old.valid))
)
insert into portico.relation (tenant, source, source_id, relationship, party, valid)
select $1, $2, * from wanted
    on conflict do nothing

-- name: grant_guardianship
insert into portico.guardianship (tenant, patient, guardian, valid)
select $1, id, $3, case when $4::timestamptz > $5::timestamptz then 'empty' else tstzrange($4, $5, '[]') end
  from portico.patient where tenant = $1 and id = $2::uuid
    on conflict (tenant, patient, guardian) do update
   set valid = excluded.valid
returning 1

-- name: revoke_guardianship
delete from portico.guardianship where tenant = $1 and patient = $2::uuid and guardian = $3
returning 1
