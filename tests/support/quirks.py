"""What backends other than the library's own do differently, test by test."""

import fnmatch

import engines

COROUTINE = "its calls are coroutines: begun when first awaited, and awaited once"
SAVEPOINT = "DuckDB has no savepoints"
CONFLICT = "DuckDB fails one of two writers instead of letting it wait"
PARAMETER = "DuckDB's own package takes or refuses parameters, in its own words"

QUIRKS: dict[str, dict[str, str]] = {
    "duckdb": {
        "test_every_way_to_wait_works_on_*": COROUTINE,
        "test_an_error_that_nobody_awaits_is_reported[*": COROUTINE,
        "test_arguments_are_checked_by_name[*": "Python names the argument in its own words",
        "test_a_pool_survives_its_event_loop[*": "each event loop has a pool of its own",
        "test_a_forgotten_connection_comes_back_*": "nobody knows its state, so it is closed",
        "test_a_connection_left_open_is_warned_of[*": "the warning names the place instead",
        "test_a_syntax_error_has_a_sqlstate_and_a_position[*": "DuckDB names no position",
        "test_an_unsupported_type_names_the_parameter[*": PARAMETER,
        "test_an_integer_out_of_range_names_the_parameter[*": PARAMETER,
        "test_a_lone_surrogate_names_the_parameter[*": PARAMETER,
        "test_a_nul_in_text_is_refused_never_cut[*": PARAMETER,
        "test_executemany_is_all_or_nothing_and_names_the_row[*": PARAMETER,
        "test_a_value_comes_back_as_it_was[duckdb-json-*": "DuckDB's JSON comes as text",
        "test_the_bytes_of_values_are_counted[*": "bytes are counted by the core alone",
        "test_a_call_is_part_of_an_open_transaction[*": SAVEPOINT,
        "test_a_call_that_fails_leaves_the_open_transaction_usable[*": SAVEPOINT,
        "test_another_task_does_not_see_columns_before_they_are_committed[*": SAVEPOINT,
        "test_a_new_field_of_an_entity_that_the_transaction_used[*": SAVEPOINT,
        "test_new_fields_in_a_transaction_do_not_commit_it[*": SAVEPOINT,
        "test_a_field_whose_save_was_rolled_back_can_be_saved[*": SAVEPOINT,
        "test_progress_of_a_save_*": SAVEPOINT,
        "test_entities_are_checked_before_progress_begins[*": SAVEPOINT,
        "test_20_tasks_that_save_new_fields_at_once_lose_none[*": CONFLICT,
        "test_20_processes_that_save_new_fields_at_once_lose_none[*": CONFLICT,
        "test_50_writers_of_one_id_make_versions_without_a_gap[*": CONFLICT,
        "test_bulk_saves_that_overlap_do_not_fail[*": CONFLICT,
        "test_an_expected_version_must_be_the_entitys[*": CONFLICT,
        "test_a_column_that_was_dropped_is_made_again[*": "its errors do not say so",
        "test_a_table_of_others_is_adopted[*": "the test has no table for it",
        "test_ids_of_other_types_can_be_used_by_all_calls[*": "the example compares ids as text",
        "test_an_id_that_is_no_int_is_not_made_one[*": "the example compares ids as text",
        "test_a_plain_read_can_be_saved_again[*": "decimals have 9 digits after the point",
        "test_a_value_comes_back_as_it_was_saved[exact-*": "decimals have 9 digits after the point",
        "test_an_inner_block_is_undone_alone[*": SAVEPOINT,
        "test_a_block_inside_begin_transaction_is_a_savepoint[*": SAVEPOINT,
        "test_force_rollback_keeps_nothing[*": SAVEPOINT,
        "test_transactions::test_the_same_works_without_asyncio[*": SAVEPOINT,
        "test_serializable_holds_for_one_transaction[*": "its transactions have no settings",
        "test_read_only_refuses_writes_and_ends_with_the_block[*": "they have no settings",
    },
}


def quirk_of(kind: str | None, test: str) -> str | None:
    """Why a test, ``module::name``, cannot pass on a kind of database; None if it must. Brackets
    are taken literally, ``*`` stands for anything."""
    for pattern, reason in {**QUIRKS, **engines.QUIRKS}.get(kind or "", {}).items():
        whole = pattern if "::" in pattern else f"*::{pattern}"
        if fnmatch.fnmatchcase(test, whole.replace("[", "[[]")):
            return reason
    return None
