//! What every store does, in one list that runs against both databases.
//!
//! SQLite always; PostgreSQL with the feature `external`, at the server that
//! `ROLEKEEPER_TEST_POSTGRES_URL` names. Each case has a store of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics on purpose"
)]

mod control;
mod fleet;
mod given;
mod journal;
mod lease;
mod memory;
mod outbox;
mod registrations;
mod reports;
mod retention;
mod sweeps;

/// Makes a test of each case for each database.
macro_rules! contract {
    ($($room:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$room::$case(&crate::given::Place::sqlite()).await;
                }
            )+)+
        }

        #[cfg(feature = "external")]
        mod postgres {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$room::$case(&crate::given::Place::postgres()).await;
                }
            )+)+
        }
    };
}

contract! {
    sweeps:
        a_new_store_holds_nothing,
        a_sweep_is_read_back_as_it_was_told,
        beginning_a_sweep_again_changes_nothing,
        sweeps_are_listed_newest_first_page_by_page,
        a_sweep_that_never_ended_is_listed_as_such,
        the_last_completed_sweep_is_not_a_halted_one,
        a_sweep_over_a_few_accounts_is_not_taken_for_one_over_all,
        what_is_done_beside_the_roles_is_no_success_of_theirs,
        reports_of_a_sweep_that_never_began_are_refused;
    reports:
        recording_no_reports_changes_nothing,
        a_report_is_read_back_to_the_letter,
        a_second_report_of_an_account_replaces_the_first,
        within_one_call_the_last_report_of_an_account_counts,
        ten_thousand_accounts_are_recorded_and_paged,
        a_page_holds_while_the_data_change,
        a_filter_finds_by_outcome_unit_and_text,
        a_search_gives_no_letter_a_meaning;
    fleet:
        the_fleet_shows_the_newest_report_whatever_sweep_it_is_from,
        an_account_that_was_not_reached_keeps_its_report,
        the_fleet_comes_in_every_order_page_by_page,
        an_account_that_left_the_organization_leaves_the_fleet,
        the_fleet_is_counted_by_outcome_reason_and_finding,
        units_are_counted_without_the_units_below,
        a_drift_becomes_a_finding_that_is_resolved_when_it_is_gone,
        an_account_that_could_not_be_read_resolves_nothing;
    journal:
        an_intent_without_the_lease_is_refused,
        an_intent_survives_the_process,
        a_step_on_a_user_is_kept_like_any_other,
        an_end_closes_an_entry,
        each_kind_of_end_is_read_back,
        an_entry_ends_once,
        a_call_found_undone_that_was_done_after_all_is_recorded_as_done,
        an_unknown_entry_cannot_end,
        history_is_newest_first_and_a_sweep_oldest_first,
        what_was_created_or_adopted_is_owned_until_it_is_deleted,
        a_failed_creation_owns_nothing,
        hostile_documents_are_kept_to_the_letter,
        writers_at_once_get_numbers_without_gaps,
        the_chain_holds_and_its_export_verifies,
        an_export_that_was_changed_or_cut_is_found_out,
        an_export_continues_where_the_last_one_ended;
    control:
        a_halt_holds_until_it_is_lifted,
        requests_are_answered_in_order_and_stay_until_they_are,
        a_sweep_can_be_cancelled,
        an_approval_needs_a_sweep_that_waits,
        what_people_tell_is_in_the_journal,
        the_last_agreement_of_a_role_is_the_one_that_counts,
        what_a_sweep_widens_is_read_back;
    lease:
        one_holder_at_a_time,
        the_token_grows_with_each_change_of_holder,
        a_lease_that_ran_out_goes_to_the_next,
        a_lease_from_a_clock_that_was_ahead_is_cut_to_its_length,
        a_replica_that_lost_the_lease_cannot_write,
        a_lease_given_back_fences_its_old_holder,
        many_replicas_at_once_get_one_holder;
    memory:
        documents_are_known_by_policy_and_version,
        a_document_that_cannot_be_kept_to_the_letter_is_not_kept,
        rates_are_remembered_and_replaced,
        the_census_is_remembered,
        an_account_is_seen_when_it_was_looked_at;
    outbox:
        the_same_thing_is_told_once,
        a_notice_waits_until_it_is_delivered,
        a_notice_that_was_given_up_is_not_due;
    registrations:
        a_registration_is_read_back_as_it_was_written,
        a_registration_is_written_by_the_first_of_two,
        calls_are_due_in_their_order_and_for_their_role,
        registrations_are_counted_by_where_they_stand,
        what_a_sweep_went_by_is_remembered_as_long_as_the_sweep,
        refused_settings_are_remembered_and_replaced;
    retention:
        a_young_store_keeps_everything,
        old_sweeps_go_and_the_fleet_stays,
        the_journal_is_cut_at_its_old_end_and_still_verifies,
        an_open_entry_is_never_forgotten,
        ownership_outlives_the_journal;
}
