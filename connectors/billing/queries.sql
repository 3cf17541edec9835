-- Statements and parts of statements by name. Every column is text, so that answers are weighed and read in one way;
-- values are bound, never written in. What stands in braces is filled in from this file and from the tables of columns
-- in queries.py alone.

-- find_claims --
select {columns}
from clm_hdr h
{joins}
where h.del_flg = 'N' and {key} = any($1::text[])
limit $2

-- search_claims --
select {columns}
from (
  select clm_no
  from clm_hdr h
  where {conditions}
  order by {order}
  limit $1
) page
join clm_hdr h on h.clm_no = page.clm_no
{joins}
order by {order}

-- list_subscribers --
select sbscr_no::text, mbr_id::text, chart_no::text, lst_nm::text, fst_nm::text, dob::text
from sbscr
where del_flg = 'N' and sbscr_no > $1
order by sbscr_no
limit $2

-- ping --
select '1' as alive

-- session_is_read_only --
show default_transaction_read_only

-- join_lines --
left join lateral (
  select json_agg(json_build_object(
    'number', l.ln_no, 'service_date', l.svc_dt, 'kind', l.proc_typ, 'code', l.proc_cd, 'display', l.proc_ds,
    'units', l.qty, 'billed', l.chg_amt::text, 'allowed_cents', r.allowed, 'paid_cents', r.paid
  ) order by l.ln_no)::text as listed
  from clm_ln l
  left join lateral (
    select sum(alw_cts)::text as allowed, sum(paid_cts)::text as paid
    from remit
    where clm_no = l.clm_no and ln_no = l.ln_no and void_flg = 'N'
  ) r on true
  where l.clm_no = h.clm_no and l.del_flg = 'N'
) lines on true

-- join_services --
left join lateral (
  select json_agg(json_build_array(proc_typ, proc_cd))::text as coded
  from clm_ln
  where clm_no = h.clm_no and del_flg = 'N'
) services on true

-- join_charges --
left join lateral (
  select sum(chg_amt)::text as billed
  from clm_ln
  where clm_no = h.clm_no and del_flg = 'N'
) charges on true

-- join_remittances --
left join lateral (
  select sum(alw_cts)::text as allowed, sum(paid_cts)::text as paid, sum(ptr_cts)::text as patient
  from remit
  where clm_no = h.clm_no and void_flg = 'N'
) remittances on true
