"""Engines that speak PostgreSQL's or MySQL's protocol: which one is under test, and what it does
differently, test by test. docs/engines.md says the same in words."""

import json
import os

NO_PROGRAMS = "Vitess has no triggers, functions and procedures"
OWN_WORDS = "vtgate refuses it itself, in its own words"
MYSQL_8_0_15 = (
    "Vitess writes CAST(… AS DOUBLE), which MySQL has had since 8.0.17: older is behind it"
)
NO_CHECKS = "MySQL has had checks since 8.0.16: older is behind Vitess here"
ENDS_TRANSACTION = "a statement that is stopped may end its transaction"
MOST_ROWS = "vtgate takes 300,000 rows of one result, unless workload is 'olap'"
OWN_THREADS = "connection_id() is of the MySQL behind vtgate, and KILL wants vtgate's"
UNDESCRIBED = "its table has no VSchema"
COLUMN_LIST = "an INSERT into a table of a moment ago has to name its columns"
NEWS = "vtgate may not know a new table yet: then a find takes two round trips"
SLOW_CANCEL = "pgpool-II forwards a cancel to one server after the other, a second each"
OTHER_SERVERS_PID = "pg_backend_pid() may be of another server than pg_terminate_backend() runs on"
ENDS_SESSION = "pgpool-II sometimes ends a session after an error inside a savepoint"

# What would take long, or may end well now and then.
NOT_RUN = {
    ENDS_TRANSACTION,
    OWN_THREADS,
    NEWS,
    SLOW_CANCEL,
    OTHER_SERVERS_PID,
    ENDS_SESSION,
}

VITESS = {
    "test_work_stops_on_a_timeout_and_on_a_cancel[mysql-True]": ENDS_TRANSACTION,
    "test_a_syntax_error_has_a_sqlstate_and_a_position[mysql]": OWN_WORDS,
    "test_several_statements_in_one_call_are_refused[mysql-*": OWN_WORDS,
    "test_constraints_have_their_own_errors[mysql-*CheckViolationError*": NO_CHECKS,
    "test_what_is_wrong_is_said[mysql-*": OWN_WORDS,
    "test_streams_and_arrow_execute_one_statement_too[mysql]": OWN_WORDS,
    "test_the_blocking_calls_execute_one_statement_too[mysql]": OWN_WORDS,
    "test_a_statement_may_end_in_semicolons_and_comments[mysql-; -- done]": OWN_WORDS,
    "test_a_statement_may_end_in_semicolons_and_comments[mysql-;--]": OWN_WORDS,
    "test_a_statement_may_end_in_semicolons_and_comments[mysql-;\\n*": OWN_WORDS,
    "test_a_body_of_mysql_is_one_statement[*": NO_PROGRAMS,
    "test_what_a_function_of_mysql_does_to_its_session_is_undone": NO_PROGRAMS,
    "test_ended_sessions::*": OWN_THREADS,
    "test_a_synchronous_stream_does_too[mysql-*": MOST_ROWS,
    "test_leaving_the_loop_early_frees_the_connection[mysql]": MOST_ROWS,
    "test_memory_stays_flat_over_five_million_rows[mysql]": MOST_ROWS,
    "test_entities_and_their_history_keep_a_float[mysql]": MYSQL_8_0_15,
    "test_without_its_history_nothing_is_written[mysql]": NO_PROGRAMS,
    "test_without_its_row_no_history_is_written[mysql]": NO_PROGRAMS,
    "test_a_row_that_cannot_be_deleted_has_no_history_of_it[mysql]": NO_PROGRAMS,
    "test_zero_has_no_sign[mysql]": MYSQL_8_0_15,
    "test_whole_numbers_among_floats_of_one_batch_are_floats[mysql]": MYSQL_8_0_15,
    "test_a_value_comes_back_as_it_was_saved[real-mysql]": MYSQL_8_0_15,
    "test_a_value_comes_back_as_it_was_saved[tiny-mysql]": MYSQL_8_0_15,
    "test_a_value_comes_back_as_it_was_saved[third-mysql]": MYSQL_8_0_15,
    "test_a_plain_read_can_be_saved_again[mysql]": MYSQL_8_0_15,
    "test_numbers_compare_as_numbers[mysql]": MYSQL_8_0_15,
    "test_a_value_that_does_not_fit_is_refused_before_anything_is_written[1.5-*": MYSQL_8_0_15,
}

# The tests' tables have a VSchema if entity_name() or vitess_server.schema() has named them.
VITESS_SHARDED = {
    **VITESS,
    "test_calls_cost_a_known_number_of_round_trips[mysql]": NEWS,
    "test_entities_are_listed_by_name[mysql]": UNDESCRIBED,
    "test_reserved_words_and_the_longest_names_can_be_names[mysql]": UNDESCRIBED,
    "test_another_task_does_not_see_columns_before_they_are_committed[mysql]": UNDESCRIBED,
    "test_new_fields_in_a_transaction_do_not_commit_it[mysql]": UNDESCRIBED,
    "test_a_column_of_others_that_only_has_the_name_is_left_alone[*": COLUMN_LIST,
}

PGPOOL = {
    "test_a_swallowed_error_does_not_make_the_block_half[postgres]": ENDS_SESSION,
    "test_ended_sessions::*postgres]": OTHER_SERVERS_PID,
    "test_a_connection_with_an_open_stream_is_cleaned_on_release[postgres]": SLOW_CANCEL,
    "test_work_stops_on_a_timeout_and_on_a_cancel[postgres-*": SLOW_CANCEL,
    "test_progress_shares_one_timeout[postgres]": SLOW_CANCEL,
    "test_a_timeout_stops_the_work_and_leaves_the_connection_usable[postgres]": SLOW_CANCEL,
    "test_a_timeout_stops_synchronous_work_too[postgres]": SLOW_CANCEL,
    "test_a_transaction_can_be_rolled_back_after_a_timeout[postgres]": SLOW_CANCEL,
    "test_a_statement_that_waits_for_another_times_out_unsent[postgres]": SLOW_CANCEL,
    "test_wait_for_and_task_cancel_stop_the_work[postgres]": SLOW_CANCEL,
    "test_a_cancelled_task_leaves_the_connection_usable[postgres]": SLOW_CANCEL,
    "test_a_save_that_is_cancelled_while_it_waits_leaves_nothing[postgres]": SLOW_CANCEL,
}

QUIRKS: dict[str, dict[str, str]] = {
    "patroni": {},  # through HAProxy it is PostgreSQL; tests/engines/test_patroni.py has the rest
    "pgpool": PGPOOL,
    "vitess": VITESS,
    "vitess_sharded": VITESS_SHARDED,
}


def engine_of(kind: str | None) -> str | None:
    """The engine behind a kind of database, or behind any, for tests that have no kind; None for
    the database itself."""
    for name in (kind,) if kind else ("postgres", "mysql"):
        address = json.loads(os.environ.get(f"MILLPOND_TEST_{name.upper()}") or "{}")
        if "engine" in address:
            return str(address["engine"])
    return None
