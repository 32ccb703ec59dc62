// Values of JavaScript as parameters, and cells as values of JavaScript.
import koffi from "koffi";
import { call, functions } from "./ffi.js";

const NULL = 0, BOOL = 1, INT64 = 2, DOUBLE = 3, DECIMAL = 4, TEXT = 5, BYTES = 6, DATE = 7,
    TIME = 8, TIMESTAMP = 9, TIMESTAMPTZ = 10, INTERVAL = 11, UUID = 12, JSON_TEXT = 13, ARRAY = 14;
const VALUE_SIZE = koffi.sizeof("pond_value");
const VALUE_TEXT = 96;

// A value that JavaScript has no type for, as text: typed("date", "2026-01-02").
export class Typed {
    constructor(kind, text) {
        this.kind = kind;
        this.text = text;
    }

    toString() {
        return this.text;
    }
}

export const typed = (kind, text) => new Typed(kind, text);

const PARSED = { date: DATE, time: TIME, timestamp: TIMESTAMP, timestamptz: TIMESTAMPTZ, uuid: UUID };
const NAMES = Object.fromEntries(Object.entries(PARSED).map(([kind, type]) => [type, kind]));

const number = (type, integer) => ({ type, aux: 0, as: { integer } });

function text(type, bytes) {
    return { type, aux: 0, as: { text: { data: bytes, size: bytes.length } } };
}

function fromTyped({ kind, text: written }) {
    if (kind === "decimal")
        return text(DECIMAL, Buffer.from(written));
    if (!(kind in PARSED))
        throw new TypeError(`"${kind}" is none of: decimal, ${Object.keys(PARSED).join(", ")}`);
    const out = {};
    call("pond_value_parse", PARSED[kind], written, Buffer.byteLength(written), out);
    const { type, aux } = out;
    return { type, aux, as: type === UUID ? { uuid: [...out.as.uuid] } : { integer: out.as.integer } };
}

function fromArray(items) {
    const values = items.map(toValue);
    const as = { array: { items: koffi.as(values, "pond_value *"), count: values.length } };
    return { type: ARRAY, aux: 0, as };
}

// A parameter. Numbers without a fraction are integers, dates are timestamps with a zone, and other
// objects are JSON.
export function toValue(value) {
    if (value === null || value === undefined)
        return number(NULL, 0);
    if (typeof value === "boolean")
        return number(BOOL, value ? 1 : 0);
    if (typeof value === "bigint" || Number.isSafeInteger(value))
        return number(INT64, BigInt(value));
    if (typeof value === "number")
        return { type: DOUBLE, aux: 0, as: { real: value } };
    if (typeof value === "string")
        return text(TEXT, Buffer.from(value));
    if (value instanceof Uint8Array)
        return text(BYTES, value);
    if (value instanceof Date)
        return number(TIMESTAMPTZ, BigInt(value.getTime()) * 1000n);
    if (value instanceof Typed)
        return fromTyped(value);
    return Array.isArray(value) ? fromArray(value) : text(JSON_TEXT, Buffer.from(JSON.stringify(value)));
}

function bytesAt(cells, at) {
    const size = Number(cells.readBigUInt64LE(at + 16));
    if (!size)
        return Buffer.alloc(0);
    return Buffer.from(koffi.decode(koffi.decode(cells, at + 8, "void *"), "uint8_t", size));
}

function arrayAt(cells, at) {
    const count = Number(cells.readBigUInt64LE(at + 16));
    if (!count)
        return [];
    const items = koffi.decode(koffi.decode(cells, at + 8, "void *"), "uint8_t", count * VALUE_SIZE);
    return Array.from({ length: count }, (_, i) => fromValue(Buffer.from(items), i * VALUE_SIZE));
}

// Dates, times, intervals and UUIDs, as ISO 8601 has them.
function formatted(type, cells, at) {
    const out = Buffer.alloc(VALUE_TEXT);
    call("pond_value_format", cells.subarray(at, at + VALUE_SIZE), out);
    return new Typed(NAMES[type] ?? "interval", out.toString("latin1", 0, out.indexOf(0)));
}

// A cell in a buffer of pond_value: what is in the union follows from the type.
function fromValue(cells, at) {
    const type = cells.readUInt32LE(at);
    switch (type) {
    case NULL:
        return null;
    case BOOL:
        return cells.readBigInt64LE(at + 8) !== 0n;
    case INT64: {
        const integer = cells.readBigInt64LE(at + 8);
        return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
    }
    case DOUBLE:
        return cells.readDoubleLE(at + 8);
    case DECIMAL:
        return new Typed("decimal", bytesAt(cells, at).toString());
    case TEXT:
        return bytesAt(cells, at).toString();
    case BYTES:
        return bytesAt(cells, at);
    case JSON_TEXT:
        return JSON.parse(bytesAt(cells, at).toString());
    case ARRAY:
        return arrayAt(cells, at);
    default:
        return formatted(type, cells, at);
    }
}

// The rows of a result, as arrays.
export function readRows(result) {
    const columns = Number(functions.pond_result_column_count(result));
    const cells = Buffer.alloc(VALUE_SIZE * Math.max(columns, 1));
    return Array.from({ length: Number(functions.pond_result_row_count(result)) }, (_, row) => {
        call("pond_result_row", result, row, cells);
        return Array.from({ length: columns }, (_, i) => fromValue(cells, i * VALUE_SIZE));
    });
}

// The same as objects, by the names of the columns.
export function readObjects(result) {
    const columns = Number(functions.pond_result_column_count(result));
    const names = Array.from({ length: columns },
        (_, i) => functions.pond_result_column_name(result, i));
    return readRows(result).map((row) => Object.fromEntries(row.map((cell, i) => [names[i], cell])));
}
