// Promises on completions: the calls submit operations and return at once. A thread of the library's
// own drives the loop, and tells each operation's end with a callback that koffi runs in Node's
// event loop. No thread of Node's is ever blocked, however many statements run.
import { promisify } from "node:util";
import koffi from "koffi";
import { call, functions, PondError } from "./ffi.js";
import { readObjects, readRows, toValue } from "./values.js";

const BEGIN = 1, COMMIT = 2, ROLLBACK = 3;
const DEFAULT_TIMEOUT = -1;

// The operations of one loop that have not completed.
class Operations {
    #waiting = new Map();
    #last = 0;
    #awake = null;

    // Called once for each operation, with a reference to it.
    complete(op) {
        const id = Number(functions.pond_op_user_data(op));
        const settle = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (!this.#waiting.size)
            clearInterval(this.#awake);
        const code = functions.pond_op_status(op);
        if (code < 0)
            settle.reject(new PondError(code, functions.pond_op_take_error(op)));
        else
            settle.resolve(functions.pond_op_take_connection(op) ??
                functions.pond_op_take_result(op));
        functions.pond_op_release(op);
    }

    // Call a function that submits an operation: a promise of what it produces. An AbortSignal
    // cancels it; it is over when the library says so, whose work is stopped on the server.
    submit(name, args, signal) {
        const op = [null], id = ++this.#last;
        signal?.throwIfAborted();
        call(name, ...args, id, op);
        if (!this.#waiting.size) // a callback from another thread does not keep Node running
            this.#awake = setInterval(() => {}, 1 << 30);
        const cancel = () => functions.pond_op_cancel(op[0]);
        signal?.addEventListener("abort", cancel);
        return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
            .finally(() => {
                signal?.removeEventListener("abort", cancel);
                functions.pond_op_release(op[0]);
            });
    }
}

export class Connection {
    constructor(handle, database) {
        this.handle = handle;
        this.database = database;
    }

    get serverVersion() {
        return functions.pond_connection_server_version(this.handle);
    }

    #submit(name, args, signal) {
        return this.database.operations.submit(name, [this.handle, ...args], signal);
    }

    // The rows of a statement, as arrays; it ends within so many milliseconds, and when the signal
    // aborts.
    async execute(sql, params = [], { timeout = DEFAULT_TIMEOUT, signal } = {}) {
        const options = {
            struct_size: koffi.sizeof("pond_execute_options"),
            flags: 0,
            timeout_ms: timeout,
            tags: null,
            tag_count: 0,
        };
        const args = [sql, Buffer.byteLength(sql), params.map(toValue), params.length, options];
        const result = await this.#submit("pond_connection_execute", args, signal);
        try {
            return readRows(result);
        } finally {
            functions.pond_result_release(result);
        }
    }

    // Create or update an entity; the answer is the whole of it.
    async save(entity, fields) {
        const given = Object.entries(fields).map(
            ([name, value]) => ({ name, type: null, value: toValue(value) }));
        const plan = [null];
        call("pond_plan_save", this.database.schema, entity,
            { fields: given, field_count: given.length }, null, plan);
        return (await this.#run(plan[0]))[0];
    }

    // All versions of an entity.
    async history(entity, id) {
        const plan = [null];
        call("pond_plan_history", this.database.schema, entity, id, null, plan);
        return this.#run(plan[0]);
    }

    async #run(plan) {
        try {
            await this.#submit("pond_connection_run", [plan, DEFAULT_TIMEOUT]);
            const result = functions.pond_plan_take_result(plan);
            try {
                return readObjects(result);
            } finally {
                functions.pond_result_release(result);
            }
        } finally {
            functions.pond_plan_release(plan);
        }
    }

    // Commit if the function's promise is fulfilled, else roll back.
    async transaction(body) {
        const end = (verb) => this.#submit("pond_connection_transaction", [verb, DEFAULT_TIMEOUT]);
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
        call("pond_config_new", driver, config);
        try {
            for (const [key, value] of Object.entries(settings))
                call("pond_config_set", config[0], key, value);
            call("pond_pool_open", config[0], pool);
        } finally {
            functions.pond_config_release(config[0]);
        }
        this.pool = pool[0];
        call("pond_pool_schema", this.pool, schema);
        this.schema = schema[0];
        call("pond_loop_new", loop);
        this.loop = loop[0];
        this.operations = new Operations();
        this.completed = koffi.register((_, op) => this.operations.complete(op), "completed *");
        call("pond_loop_start_thread", this.loop, this.completed, null);
    }

    // Run an async function with a leased connection.
    async with(body) {
        const handle = await this.operations.submit("pond_pool_acquire",
            [this.pool, this.loop, DEFAULT_TIMEOUT]);
        try {
            return await body(new Connection(handle, this));
        } finally {
            call("pond_connection_give_back", handle);
            functions.pond_connection_release(handle);
        }
    }

    // Wait for connections to come back, at most so many milliseconds, then take them.
    async close(timeout) {
        await this.operations.submit("pond_pool_close", [this.pool, this.loop, timeout]);
        functions.pond_schema_release(this.schema);
        functions.pond_pool_release(this.pool);
        // It waits for the loop's thread, which may be waiting for Node's to run a callback.
        await promisify(functions.pond_loop_release.async)(this.loop);
        koffi.unregister(this.completed);
    }
}
