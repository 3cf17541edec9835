-- $1 subscribers
select h.clm_no, h.sbscr_no, h.stat_cd, h.clm_typ, to_char(h.ent_dt, 'YYYY-MM-DD') as ent_dt,
  charges.billed, remittances.paid
from clm_hdr h
left join lateral (
  select sum(chg_amt)::text as billed from clm_ln where clm_no = h.clm_no and del_flg = 'N'
) charges on true
left join lateral (
  select (sum(paid_cts) / 100.0)::numeric(12, 2)::text as paid from remit where clm_no = h.clm_no and void_flg = 'N'
) remittances on true
where h.del_flg = 'N' and h.sbscr_no = any($1::text[])
