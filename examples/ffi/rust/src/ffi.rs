//! What the public header declares, as far as this program needs it.
use std::os::raw::{c_char, c_int, c_void};

macro_rules! opaque {
    ($($name:ident),*) => {
        $(#[repr(C)]
        pub struct $name {
            _private: [u8; 0],
        })*
    };
}

opaque!(
    PondError,
    PondConfig,
    PondPool,
    PondLoop,
    PondOp,
    PondConnection,
    PondResult,
    PondSchema,
    PondPlan
);

pub const TYPE_NULL: u32 = 0;
pub const TYPE_BOOL: u32 = 1;
pub const TYPE_INT64: u32 = 2;
pub const TYPE_DOUBLE: u32 = 3;
pub const TYPE_DECIMAL: u32 = 4;
pub const TYPE_TEXT: u32 = 5;
pub const TYPE_BYTES: u32 = 6;
pub const TYPE_DATE: u32 = 7;
pub const TYPE_TIME: u32 = 8;
pub const TYPE_TIMESTAMP: u32 = 9;
pub const TYPE_TIMESTAMPTZ: u32 = 10;
pub const TYPE_INTERVAL: u32 = 11;
pub const TYPE_UUID: u32 = 12;
pub const TYPE_JSON: u32 = 13;
pub const TYPE_ARRAY: u32 = 14;
pub const VALUE_TEXT: usize = 96;
pub const BEGIN: c_int = 1;
pub const COMMIT: c_int = 2;
pub const TIMEOUT_DEFAULT: i64 = -1;
pub const ETIMEDOUT: c_int = -14;
pub const ECANCELLED: c_int = -15;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    pub data: *const c_char,
    pub size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Array {
    pub items: *const PondValue,
    pub count: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union Payload {
    pub integer: i64,
    pub real: f64,
    pub text: Text,
    pub array: Array,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PondValue {
    pub kind: u32,
    pub aux: i32,
    pub payload: Payload,
}

#[repr(C)]
pub struct PondField {
    pub name: *const c_char,
    pub kind: *const c_char,
    pub value: PondValue,
}

#[repr(C)]
pub struct PondRecord {
    pub fields: *const PondField,
    pub field_count: u64,
}

#[repr(C)]
pub struct ExecuteOptions {
    pub struct_size: u32,
    pub flags: u32,
    pub timeout_ms: i64,
    pub tags: *const c_void,
    pub tag_count: u64,
}

type Err = *mut *mut PondError;
type Op = *mut *mut PondOp;
type Completed = extern "C" fn(*mut c_void, *mut PondOp);

#[rustfmt::skip]
#[link(name = "millpond")]
extern "C" {
    pub fn pond_error_message(error: *const PondError) -> *const c_char;
    pub fn pond_error_free(error: *mut PondError);

    pub fn pond_config_new(driver: *const c_char, out: *mut *mut PondConfig, err: Err) -> c_int;
    pub fn pond_config_set(
        config: *mut PondConfig, key: *const c_char, value: *const c_char, err: Err) -> c_int;
    pub fn pond_config_release(config: *mut PondConfig);

    pub fn pond_loop_new(out: *mut *mut PondLoop, err: Err) -> c_int;
    pub fn pond_loop_start_thread(
        pond_loop: *mut PondLoop, completed: Option<Completed>, data: *mut c_void,
        err: Err) -> c_int;
    pub fn pond_loop_release(pond_loop: *mut PondLoop);

    pub fn pond_op_user_data(op: *const PondOp) -> *mut c_void;
    pub fn pond_op_status(op: *const PondOp) -> c_int;
    pub fn pond_op_take_result(op: *mut PondOp) -> *mut PondResult;
    pub fn pond_op_take_connection(op: *mut PondOp) -> *mut PondConnection;
    pub fn pond_op_take_error(op: *mut PondOp) -> *mut PondError;
    pub fn pond_op_cancel(op: *mut PondOp);
    pub fn pond_op_release(op: *mut PondOp);

    pub fn pond_pool_open(
        config: *mut PondConfig, out: *mut *mut PondPool, err: Err) -> c_int;
    pub fn pond_pool_acquire(
        pool: *mut PondPool, pond_loop: *mut PondLoop, timeout_ms: i64, user_data: *mut c_void,
        op: Op, err: Err) -> c_int;
    pub fn pond_pool_close(
        pool: *mut PondPool, pond_loop: *mut PondLoop, timeout_ms: i64, user_data: *mut c_void,
        op: Op, err: Err) -> c_int;
    pub fn pond_pool_release(pool: *mut PondPool);

    pub fn pond_connection_execute(
        connection: *mut PondConnection, sql: *const c_char, sql_size: usize,
        params: *const PondValue, param_count: usize, options: *const ExecuteOptions,
        user_data: *mut c_void, op: Op, err: Err) -> c_int;
    pub fn pond_connection_transaction(
        connection: *mut PondConnection, verb: c_int, timeout_ms: i64, user_data: *mut c_void,
        op: Op, err: Err) -> c_int;
    pub fn pond_connection_run(
        connection: *mut PondConnection, plan: *mut PondPlan, timeout_ms: i64,
        user_data: *mut c_void, op: Op, err: Err) -> c_int;
    pub fn pond_connection_server_version(connection: *mut PondConnection) -> *const c_char;
    pub fn pond_connection_give_back(connection: *mut PondConnection, err: Err) -> c_int;
    pub fn pond_connection_release(connection: *mut PondConnection);

    pub fn pond_value_null() -> PondValue;
    pub fn pond_value_bool(value: c_int) -> PondValue;
    pub fn pond_value_int64(value: i64) -> PondValue;
    pub fn pond_value_double(value: f64) -> PondValue;
    pub fn pond_value_sized(kind: u32, data: *const c_char, size: usize) -> PondValue;
    pub fn pond_value_parse(
        kind: u32, text: *const c_char, size: usize, out: *mut PondValue, err: Err) -> c_int;
    pub fn pond_value_format(value: *const PondValue, out: *mut c_char, err: Err) -> c_int;

    pub fn pond_result_row_count(result: *const PondResult) -> usize;
    pub fn pond_result_column_count(result: *const PondResult) -> usize;
    pub fn pond_result_column_name(result: *const PondResult, column: usize) -> *const c_char;
    pub fn pond_result_row(
        result: *mut PondResult, row: usize, values: *mut PondValue, err: Err) -> c_int;
    pub fn pond_result_release(result: *mut PondResult);

    pub fn pond_pool_schema(
        pool: *mut PondPool, out: *mut *mut PondSchema, err: Err) -> c_int;
    pub fn pond_schema_release(schema: *mut PondSchema);
    pub fn pond_plan_save(
        schema: *mut PondSchema, entity: *const c_char, record: *const PondRecord,
        options: *const c_void, out: *mut *mut PondPlan, err: Err) -> c_int;
    pub fn pond_plan_history(
        schema: *mut PondSchema, entity: *const c_char, id: *const c_char,
        options: *const c_void, out: *mut *mut PondPlan, err: Err) -> c_int;
    pub fn pond_plan_take_result(plan: *mut PondPlan) -> *mut PondResult;
    pub fn pond_plan_release(plan: *mut PondPlan);
}
