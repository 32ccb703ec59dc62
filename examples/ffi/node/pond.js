// The public header through koffi. What waits runs on Node's threads, so Node's own loop goes on;
// a loop with a thread of the library's own lets any of those threads wait.
import { promisify } from "node:util";
import koffi from "koffi";

for (const name of ["error", "config", "pool", "loop", "connection", "result", "schema", "plan"])
    koffi.opaque(`pond_${name}`);
koffi.struct("pond_value", {
    type: "uint32_t",
    aux: "int32_t",
    as: koffi.union({
        integer: "int64_t",
        text: koffi.struct({ data: "const char *", size: "size_t" }),
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

const lib = koffi.load("libmillpond.so.0");
const functions = Object.fromEntries(
    [
        "const char *pond_error_message(pond_error *error)",
        "const char *pond_error_text(int code)",
        "void pond_error_free(pond_error *error)",
        "int pond_config_new(const char *driver, _Out_ pond_config **out, _Out_ pond_error **err)",
        "int pond_config_set(pond_config *config, const char *key, const char *value, " +
            "_Out_ pond_error **err)",
        "void pond_config_release(pond_config *config)",
        "int pond_loop_new(_Out_ pond_loop **out, _Out_ pond_error **err)",
        "int pond_loop_start_thread(pond_loop *loop, void *completed, void *data, " +
            "_Out_ pond_error **err)",
        "void pond_loop_release(pond_loop *loop)",
        "int pond_pool_open(pond_config *config, _Out_ pond_pool **out, _Out_ pond_error **err)",
        "int pond_pool_acquire_wait(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, " +
            "_Out_ pond_connection **out, _Out_ pond_error **err)",
        "int pond_pool_close_wait(pond_pool *pool, int64_t timeout_ms, _Out_ pond_error **err)",
        "void pond_pool_release(pond_pool *pool)",
        "int pond_connection_execute_wait(pond_connection *connection, const char *sql, " +
            "size_t sql_size, pond_value *params, size_t param_count, " +
            "pond_execute_options *options, _Out_ pond_result **out, _Out_ pond_error **err)",
        "int pond_connection_transaction_wait(pond_connection *connection, int verb, " +
            "int64_t timeout_ms, _Out_ pond_error **err)",
        "const char *pond_connection_server_version(pond_connection *connection)",
        "int pond_connection_give_back(pond_connection *connection, _Out_ pond_error **err)",
        "void pond_connection_release(pond_connection *connection)",
        "size_t pond_result_row_count(pond_result *result)",
        "size_t pond_result_column_count(pond_result *result)",
        "const char *pond_result_column_name(pond_result *result, size_t column)",
        "int pond_result_row(pond_result *result, size_t row, uint8_t *values, " +
            "_Out_ pond_error **err)",
        "void pond_result_release(pond_result *result)",
        "int pond_pool_schema(pond_pool *pool, _Out_ pond_schema **out, _Out_ pond_error **err)",
        "void pond_schema_release(pond_schema *schema)",
        "int pond_plan_save(pond_schema *schema, const char *entity, pond_record *record, " +
            "void *options, _Out_ pond_plan **out, _Out_ pond_error **err)",
        "int pond_plan_history(pond_schema *schema, const char *entity, const char *id, " +
            "void *options, _Out_ pond_plan **out, _Out_ pond_error **err)",
        "int pond_connection_run_wait(pond_connection *connection, pond_plan *plan, " +
            "int64_t timeout_ms, _Out_ pond_error **err)",
        "pond_result *pond_plan_take_result(pond_plan *plan)",
        "void pond_plan_release(pond_plan *plan)",
    ].map((declaration) => [declaration.match(/pond_\w+(?=\()/)[0], lib.func(declaration)]),
);

const NULL = 0, INT64 = 2, TEXT = 5;
const VALUE_SIZE = koffi.sizeof("pond_value");
const BEGIN = 1, COMMIT = 2, ROLLBACK = 3;
const DEFAULT_TIMEOUT = -1;
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

// Call a function whose last parameter is the error and that does not wait.
function callNow(name, ...args) {
    const details = [null];
    const code = functions[name](...args, details);
    if (code < 0)
        throw new PondError(code, details[0]);
}

async function call(name, ...args) {
    const details = [null];
    const code = await promisify(functions[name].async)(...args, details);
    if (code < 0)
        throw new PondError(code, details[0]);
}

function toValue(param) {
    if (typeof param === "string")
        return { type: TEXT, aux: 0, as: { text: { data: param, size: Buffer.byteLength(param) } } };
    return { type: INT64, aux: 0, as: { integer: BigInt(param) } };
}

// A cell in a buffer of pond_value: what is in the union follows from the type.
function fromValue(cells, at) {
    switch (cells.readUInt32LE(at)) {
    case NULL:
        return null;
    case INT64:
        return Number(cells.readBigInt64LE(at + 8));
    case TEXT: {
        const size = Number(cells.readBigUInt64LE(at + 16));
        const bytes = koffi.decode(koffi.decode(cells, at + 8, "void *"), "uint8_t", size);
        return Buffer.from(bytes).toString();
    }
    }
    return undefined; // a type that this program has no use for
}

function readRows(result) {
    const columns = Number(functions.pond_result_column_count(result));
    const cells = Buffer.alloc(VALUE_SIZE * Math.max(columns, 1));
    return Array.from({ length: Number(functions.pond_result_row_count(result)) }, (_, row) => {
        callNow("pond_result_row", result, row, cells);
        return Array.from({ length: columns }, (_, i) => fromValue(cells, i * VALUE_SIZE));
    });
}

// The same as objects, by the names of the columns.
function readObjects(result) {
    const columns = Number(functions.pond_result_column_count(result));
    const names = Array.from({ length: columns },
        (_, i) => functions.pond_result_column_name(result, i));
    return readRows(result).map((row) => Object.fromEntries(row.map((cell, i) => [names[i], cell])));
}

export class Connection {
    constructor(handle, database) {
        this.handle = handle;
        this.database = database;
    }

    get serverVersion() {
        return functions.pond_connection_server_version(this.handle);
    }

    // The rows of a statement, as arrays; it ends within so many milliseconds.
    async execute(sql, params = [], timeout = DEFAULT_TIMEOUT) {
        const out = [null];
        const options = {
            struct_size: koffi.sizeof("pond_execute_options"),
            flags: 0,
            timeout_ms: timeout,
            tags: null,
            tag_count: 0,
        };
        await call("pond_connection_execute_wait", this.handle, sql, Buffer.byteLength(sql),
            params.map(toValue), params.length, options, out);
        try {
            return readRows(out[0]);
        } finally {
            functions.pond_result_release(out[0]);
        }
    }

    // Create or update an entity; the answer is the whole of it.
    async save(entity, fields) {
        const given = Object.entries(fields).map(
            ([name, value]) => ({ name, type: null, value: toValue(value) }));
        const plan = [null];
        callNow("pond_plan_save", this.database.schema, entity,
            { fields: given, field_count: given.length }, null, plan);
        return (await this.#run(plan[0]))[0];
    }

    // All versions of an entity.
    async history(entity, id) {
        const plan = [null];
        callNow("pond_plan_history", this.database.schema, entity, id, null, plan);
        return this.#run(plan[0]);
    }

    async #run(plan) {
        try {
            await call("pond_connection_run_wait", this.handle, plan, DEFAULT_TIMEOUT);
            const result = functions.pond_plan_take_result(plan);
            const rows = readObjects(result);
            functions.pond_result_release(result);
            return rows;
        } finally {
            functions.pond_plan_release(plan);
        }
    }

    // Commit if the function's promise is fulfilled, else roll back.
    async transaction(body) {
        const end = (verb) =>
            call("pond_connection_transaction_wait", this.handle, verb, DEFAULT_TIMEOUT);
        await end(BEGIN);
        try {
            await body();
        } catch (error) {
            await end(ROLLBACK);
            throw error;
        }
        await end(COMMIT);
    }
}

export class Database {
    constructor(driver, settings) {
        const config = [null], pool = [null], loop = [null], schema = [null];
        callNow("pond_config_new", driver, config);
        try {
            for (const [key, value] of Object.entries(settings))
                callNow("pond_config_set", config[0], key, value);
            callNow("pond_pool_open", config[0], pool);
        } finally {
            functions.pond_config_release(config[0]);
        }
        this.pool = pool[0];
        callNow("pond_pool_schema", this.pool, schema);
        this.schema = schema[0];
        callNow("pond_loop_new", loop);
        this.loop = loop[0];
        callNow("pond_loop_start_thread", this.loop, null, null);
    }

    // Run an async function with a leased connection.
    async with(body) {
        const out = [null];
        await call("pond_pool_acquire_wait", this.pool, this.loop, DEFAULT_TIMEOUT, out);
        try {
            return await body(new Connection(out[0], this));
        } finally {
            callNow("pond_connection_give_back", out[0]);
            functions.pond_connection_release(out[0]);
        }
    }

    // Wait for connections to come back, at most so many milliseconds, then take them.
    async close(timeout) {
        await call("pond_pool_close_wait", this.pool, timeout);
        functions.pond_schema_release(this.schema);
        functions.pond_loop_release(this.loop);
        functions.pond_pool_release(this.pool);
    }
}
