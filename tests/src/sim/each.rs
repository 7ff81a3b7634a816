//! The methods of a store, written down once for whoever hands them on.

/// Hands every method of the store on as `$way!` says, but for the journal's: those know entries by number, and
/// each store numbers for itself.
macro_rules! each_method {
    ($way:ident) => {
        $way! {
            Sweeps:
            begin(sweep: &SweepRecord) -> ();
            record(sweep: &SweepId, reports: &[AccountReport]) -> ();
            note_widens(sweep: &SweepId, widens: &[String]) -> ();
            finish(sweep: &SweepId, outcome: SweepOutcome, reason: Option<&str>, at: Timestamp) -> ();
            sweep(sweep: &SweepId) -> Option<SweepRecord>;
            last_completed() -> Option<SweepRecord>;
            sweeps(before: Option<&SweepId>, limit: u32) -> Vec<SweepRecord>;
            reports(sweep: &SweepId, filter: &ReportFilter, after: Option<AccountId>, limit: u32) -> Vec<AccountReport>;
            fleet(filter: &ReportFilter, order: FleetOrder, after: Option<&FleetPosition>, limit: u32) -> Vec<AccountReport>;
            fleet_account(account: AccountId) -> Option<AccountReport>;
            fleet_totals() -> FleetTotals;
            fleet_units() -> Vec<UnitTotals>;
            findings(account: Option<AccountId>) -> Vec<Finding>;
            findings_of(accounts: &[AccountId]) -> Vec<Finding>;
            critical_findings(since: Timestamp) -> Vec<Finding>;
            unfinished() -> Vec<SweepRecord>;
        }
        $way! {
            Memory:
            known_documents(policy_ids: &[String]) -> BTreeMap<(String, String), String>;
            remember_documents(documents: &[(String, String, String)]) -> ();
            rates() -> BTreeMap<String, f64>;
            remember_rates(rates: &BTreeMap<String, f64>) -> ();
            census_size() -> Option<u64>;
            remember_census(present: &[AccountId], at: Timestamp) -> ();
            last_seen() -> BTreeMap<AccountId, Timestamp>;
        }
        $way! {
            Control:
            halted() -> Option<Halt>;
            halt(halt: &Halt) -> ();
            resume(by: &str, at: Timestamp) -> ();
            request(request: &SweepRequest) -> i64;
            next_request(trigger: Option<Trigger>) -> Option<SweepRequest>;
            forget_request(id: i64) -> ();
            cancel(sweep: &SweepId, by: &str, at: Timestamp) -> ();
            cancelled(sweep: &SweepId) -> bool;
            await_approval(sweep: &SweepId, changes: u64, widens: &[String], at: Timestamp) -> ();
            approve(sweep: &SweepId, by: &str, at: Timestamp) -> bool;
            approval_asked_at(sweep: &SweepId) -> Option<Timestamp>;
            approved_by(sweep: &SweepId) -> Option<String>;
            approved(sweep: &SweepId) -> bool;
            agreed_specs() -> Vec<AgreedSpec>;
            agree(spec: &AgreedSpec, fence: Fence) -> ();
            awaiting_approval() -> Vec<(SweepId, u64)>;
        }
        $way! {
            Lease:
            acquire(holder: &str, ttl: Duration, now: Timestamp) -> Option<Fence>;
            release(holder: &str) -> ();
            holder() -> Option<(String, Timestamp)>;
        }
    };
}

/// The same for notices.
macro_rules! each_method_of_the_outbox {
    ($way:ident) => {
        $way! {
            Outbox:
            post(notice: &Notice) -> bool;
            due(now: Timestamp, limit: u32) -> Vec<Notice>;
            delivered(id: i64, at: Timestamp) -> ();
            postponed(id: i64, why: &str, again_at: Option<Timestamp>) -> ();
        }
    };
}

pub(super) use {each_method, each_method_of_the_outbox};
