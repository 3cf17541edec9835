-- Practice billing, release 4.2. Flags are Y or N, dates CCYYMMDD unless a column says date, charges are dollars,
-- remittance amounts are cents. Rows are never deleted, only flagged.

drop table if exists remit, clm_ln, clm_hdr, sbscr, prov, payer cascade;

create table payer (
  pyr_cd   varchar(40) primary key,
  pyr_nm   varchar(200) not null
);

create table prov (
  rndr_npi char(10) primary key,
  lst_nm   varchar(200) not null,
  fst_nm   varchar(200) not null,
  stat_flg char(1) not null default 'A'
);

create table sbscr (
  sbscr_no varchar(40) primary key,
  mbr_id   varchar(80),
  chart_no varchar(80),
  lst_nm   varchar(200) not null,
  fst_nm   varchar(200) not null,
  dob      char(8) not null default '00000000',
  sex      char(1) not null default 'U',
  ssn      char(11),
  del_flg  char(1) not null default 'N'
);

create table clm_hdr (
  clm_no    varchar(40) primary key,
  sbscr_no  varchar(40) not null references sbscr,
  mbr_id    varchar(80),
  pyr_cd    varchar(40) references payer,
  rndr_npi  char(10) references prov,
  visit_no  varchar(40),
  clm_typ   char(1) not null,
  stat_cd   char(2) not null,
  ent_dt    date not null,
  svc_fr_dt char(8) not null,
  svc_to_dt char(8) not null,
  dx_list   varchar(2000) not null default '',   -- qualifier:code;qualifier:code
  dx_txt    text not null default '',            -- their descriptions, one a line
  sens_cd   varchar(80) not null default '',     -- confidentiality, letters apart by ;
  del_flg   char(1) not null default 'N'
);

create index clm_hdr_sbscr on clm_hdr (sbscr_no);
create index clm_hdr_visit on clm_hdr (visit_no);
create index clm_hdr_number on clm_hdr (clm_no collate "C");
create index clm_hdr_entered on clm_hdr (ent_dt, clm_no collate "C");

create table clm_ln (
  clm_no   varchar(40) not null references clm_hdr,
  ln_no    smallint not null,
  svc_dt   char(8) not null,
  proc_typ char(1) not null,
  proc_cd  varchar(80) not null,
  proc_ds  varchar(400) not null default '',
  qty      integer not null default 1,
  chg_amt  numeric(10,2) not null,
  del_flg  char(1) not null default 'N',
  primary key (clm_no, ln_no)
);

-- What a payer answered, one row a payment. Line 0 speaks of the claim as a whole. Amounts of one line add up.
create table remit (
  clm_no   varchar(40) not null references clm_hdr,
  ln_no    smallint not null,
  seq_no   smallint not null,
  alw_cts  integer,
  paid_cts integer,
  ptr_cts  integer,
  void_flg char(1) not null default 'N',
  primary key (clm_no, ln_no, seq_no)
);
