// What the public header declares, as far as this program needs it, through koffi.
import koffi from "koffi";

const opaque = ["error", "config", "pool", "loop", "op", "connection", "result", "schema", "plan"];
for (const name of opaque)
    koffi.opaque(`pond_${name}`);
koffi.struct("pond_value", {
    type: "uint32_t",
    aux: "int32_t",
    as: koffi.union({
        integer: "int64_t",
        real: "double",
        text: koffi.struct({ data: "const uint8_t *", size: "size_t" }),
        interval: koffi.struct({ microseconds: "int64_t", days: "int64_t" }),
        uuid: koffi.array("uint8_t", 16),
        array: koffi.struct({ items: "void *", count: "size_t" }),
    }),
});
koffi.struct("pond_field", { name: "const char *", type: "const char *", value: "pond_value" });
koffi.struct("pond_record", { fields: "pond_field *", field_count: "uint64_t" });
koffi.struct("pond_execute_options", {
    struct_size: "uint32_t",
    flags: "uint32_t",
    timeout_ms: "int64_t",
    tags: "void *",
    tag_count: "uint64_t",
});
koffi.proto("void completed(void *data, pond_op *op)");

// user_data is a number here, not a pointer: it says which promise an operation belongs to.
const SUBMITTED = "uintptr_t user_data, _Out_ pond_op **op, _Out_ pond_error **err)";

const lib = koffi.load("libmillpond.so.0");
export const functions = Object.fromEntries(
    [
        "const char *pond_error_message(pond_error *error)",
        "const char *pond_error_text(int code)",
        "void pond_error_free(pond_error *error)",
        "int pond_config_new(const char *driver, _Out_ pond_config **out, _Out_ pond_error **err)",
        "int pond_config_set(pond_config *config, const char *key, const char *value, " +
            "_Out_ pond_error **err)",
        "void pond_config_release(pond_config *config)",
        "int pond_loop_new(_Out_ pond_loop **out, _Out_ pond_error **err)",
        "int pond_loop_start_thread(pond_loop *loop, completed *completed, void *data, " +
            "_Out_ pond_error **err)",
        "void pond_loop_release(pond_loop *loop)",
        "uintptr_t pond_op_user_data(pond_op *op)",
        "int pond_op_status(pond_op *op)",
        "pond_result *pond_op_take_result(pond_op *op)",
        "pond_connection *pond_op_take_connection(pond_op *op)",
        "pond_error *pond_op_take_error(pond_op *op)",
        "void pond_op_cancel(pond_op *op)",
        "void pond_op_release(pond_op *op)",
        "int pond_pool_open(pond_config *config, _Out_ pond_pool **out, _Out_ pond_error **err)",
        `int pond_pool_acquire(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, ${SUBMITTED}`,
        `int pond_pool_close(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, ${SUBMITTED}`,
        "void pond_pool_release(pond_pool *pool)",
        "int pond_connection_execute(pond_connection *connection, const char *sql, " +
            "size_t sql_size, pond_value *params, size_t param_count, " +
            `pond_execute_options *options, ${SUBMITTED}`,
        "int pond_connection_transaction(pond_connection *connection, int verb, " +
            `int64_t timeout_ms, ${SUBMITTED}`,
        "int pond_connection_run(pond_connection *connection, pond_plan *plan, " +
            `int64_t timeout_ms, ${SUBMITTED}`,
        "const char *pond_connection_server_version(pond_connection *connection)",
        "int pond_connection_give_back(pond_connection *connection, _Out_ pond_error **err)",
        "void pond_connection_release(pond_connection *connection)",
        "size_t pond_result_row_count(pond_result *result)",
        "size_t pond_result_column_count(pond_result *result)",
        "const char *pond_result_column_name(pond_result *result, size_t column)",
        "int pond_result_row(pond_result *result, size_t row, uint8_t *values, " +
            "_Out_ pond_error **err)",
        "void pond_result_release(pond_result *result)",
        "int pond_value_format(void *value, _Out_ uint8_t *out, _Out_ pond_error **err)",
        "int pond_value_parse(int type, const char *text, size_t size, _Out_ pond_value *out, " +
            "_Out_ pond_error **err)",
        "int pond_pool_schema(pond_pool *pool, _Out_ pond_schema **out, _Out_ pond_error **err)",
        "void pond_schema_release(pond_schema *schema)",
        "int pond_plan_save(pond_schema *schema, const char *entity, pond_record *record, " +
            "void *options, _Out_ pond_plan **out, _Out_ pond_error **err)",
        "int pond_plan_history(pond_schema *schema, const char *entity, const char *id, " +
            "void *options, _Out_ pond_plan **out, _Out_ pond_error **err)",
        "pond_result *pond_plan_take_result(pond_plan *plan)",
        "void pond_plan_release(pond_plan *plan)",
    ].map((declaration) => [declaration.match(/pond_\w+(?=\()/)[0], lib.func(declaration)]),
);

export const ETIMEDOUT = -14;

export class PondError extends Error {
    constructor(code, details) {
        const text = details ? functions.pond_error_message(details)
            : functions.pond_error_text(code);
        super(text);
        this.code = code;
        functions.pond_error_free(details);
    }
}

// Call a function whose last parameter is the error, and which returns at once.
export function call(name, ...args) {
    const details = [null];
    const code = functions[name](...args, details);
    if (code < 0)
        throw new PondError(code, details[0]);
}
